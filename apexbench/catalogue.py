"""What there is to run: methods, protocols, tables, data sets, studies and recipes, a row of plain values for each.

Only YAML and CSV files are read, and no clip. `parameters` alone builds networks.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apexbench.alone import papers
from apexbench.config.methods import MethodCard
from apexbench.config.published import NULL_ROW
from apexbench.config.studies import CONFIG, FOLDER, default_name, merged, saved_file, saved_names, study_names
from apexbench.config.tables import Table
from apexbench.methods import Deep, find
from apexbench.printed import read_published
from apexbench.project import Project, load_project
from apexbench.tables.places import places_of
from apexbench.weights import RANDOM

Row = dict[str, Any]
COUNTS = Path("docs/methods/parameters.csv")  # written by `apexbench method-pages`
CLASSES = (3, 5)  # for which parameters are counted


class Catalogue:
    """Everything under config/, in the study or not; paths are relative to the working directory."""

    def __init__(self) -> None:
        settings, origin = merged([CONFIG], [], {})
        self.project: Project = load_project(settings, Path(), origin)
        self.tables: dict[str, Table] = {name: self.project.table(name) for name in self.project.names("tables")}

    def methods(self) -> list[Row]:
        """Return a row for each card of config/methods.

        `parameters` are those at paper size, for 3 classes; None where the runs of a sweep differ in them.
        """
        rows, counts = [], read_counts()
        for name in self.project.names("methods"):
            card = self.project.card(name)
            runs = card.runs(name, "paper")
            sizes = {counts.get(run) for run in runs}
            kind = find(card.method) if card.method else None
            epochs = {}
            for budget in ("paper", "quick"):
                its = next(iter(card.runs(name, budget).values()))
                params = kind.parse(its.params, f"config/methods/{name}.yaml") if kind else None
                epochs[budget] = getattr(params, "epochs", None)
            rows.append(
                {
                    "name": name,
                    "title": card.title,
                    "year": card.year,
                    "family": family_of(card),
                    "inputs": card.under("paper").inputs,
                    "epochs": epochs,
                    "runs": list(runs),
                    "certainty": card.certainty,
                    "parameters": sizes.pop() if len(sizes) == 1 else None,
                    "in_study": bool(set(runs) & set(self.project.methods)),
                    "where_printed": set(runs) <= self.project.table_runs,
                    "tables": [table for table, its in self.tables.items() if self._runs_of(its) & set(runs)],
                    "source": card.source,
                    "note": card.note,
                }
            )
        return rows

    def _runs_of(self, table: Table) -> set[str]:
        also = {row.run for row in table.also.values()}
        return {*table.rows, *table.runs.values(), *also, *table.losses, *filter(None, [table.reference])}

    def protocols(self) -> list[Row]:
        """Return a row for each entry of protocols.yaml."""
        studied = self.project.settings
        return [
            {
                "name": name,
                "title": card.title,
                "clips": card.expected_clips,
                "classes": list(card.classes),
                "split": f"{card.split} ({card.folds})" if card.folds else card.split,
                "datasets": list(card.datasets),
                "official": {
                    "clips": card.expected_clips is not None,
                    "classes": card.expected_classes is not None,
                    "subjects": bool(card.expected_subjects),
                },
                "in_study": name in studied.protocols or name in studied.table_protocols,
                "source": card.source,
                "note": card.note,
            }
            for name, card in self.project.protocols.items()
        ]

    def all_tables(self) -> list[Row]:
        """Return a row for each card of config/tables."""
        of_paper = {table: paper for paper, tables in papers(self.tables).items() for table in tables}
        rows = []
        for name, card in self.tables.items():
            printed = self.printed(name, card)
            runs = {run for run, _ in places_of(card, self.project.protocols)} if printed else set(card.rows)
            rows.append(
                {
                    "name": name,
                    "title": card.title,
                    "kind": card.kind,
                    "paper": of_paper.get(name, ""),
                    "rows": len(printed) if printed else len(card.rows) or None,
                    "run_here": sum(card.runs.get(row) in runs for row in printed) if printed else len(runs) or None,
                    "runs": sorted(runs),
                    "in_study": name in self.project.tables,
                    "target": f"tables/{name}",
                }
            )
        return rows

    def printed(self, name: str, card: Table) -> list[str]:
        """The rows that an author has printed, without the null model's."""
        if not card.published:
            return []
        numbers = read_published(self.project.folder / "published" / card.published, card.table or name)
        return [row for row in dict.fromkeys(number.row for number in numbers) if row != NULL_ROW]

    def datasets(self) -> list[Row]:
        """Return a row for each entry of datasets.yaml."""
        used = set(self.project.used_datasets())
        rows = []
        for name, card in self.project.datasets.items():
            folder, rendered = self.project.folder_of(name), self._rendered(name)
            there = folder.is_dir() and any(folder.iterdir())
            rows.append(
                {
                    "name": name,
                    "title": card.title,
                    "loader": self.project.loader(name),
                    "folder": str(folder),
                    "clips_are": "licensed" if there else "synthetic" if rendered else "absent",
                    "clips": card.expected_clips,
                    "subjects": card.expected_subjects,
                    "in_study": name in used,
                    "note": card.note,
                }
            )
        return rows

    def _rendered(self, dataset: str) -> bool:
        planned = {row[0] for row in self.project.plan if row[3] > 0}
        return bool({dataset, self.project.loader(dataset)} & planned)

    def studies(self) -> list[Row]:
        """Return a row for each study: that of config.yaml, those of config/studies, those that were run."""
        default = default_name()
        files = {default: CONFIG} | {name: str(FOLDER / f"{name}.yaml") for name in study_names()}
        files |= {name: str(saved_file(name)) for name in saved_names() if name not in files}
        rows = []
        for name, file in files.items():
            settings, _ = merged([CONFIG], [] if file == CONFIG else [file], {})
            report = Path("results/report.html" if name == default else f"results/{name}/report.html")
            rows.append(
                {
                    "name": name,
                    "file": file,
                    "budget": settings.get("budget"),
                    "protocols": settings.get("protocols"),
                    "methods": settings.get("methods"),
                    "tables": settings.get("tables"),
                    "run": saved_file(name).is_file(),
                    "report": str(report) if report.is_file() else "",
                }
            )
        return rows

    def recipes(self) -> list[Row]:
        """Return a row for each recipe that a card may name."""
        recipes = self.project.recipes
        readers: dict[str, list[str]] = {}
        for method in self.project.names("methods"):
            for recipe in dict.fromkeys(self.project.card(method).recipes().values()):
                readers.setdefault(recipe, []).append(method)
        rows = []
        for name in recipes.names():
            recipe = recipes[name].model_dump(mode="json")
            how = next(recipe[key] for key in ("choose", "arm", "algorithm", "extractor") if key in recipe)
            rows.append(
                {
                    "name": name,
                    "kind": recipes.section(name),
                    "made_of": recipe.get("of") or recipe["crop"],
                    "how": how,
                    "size": self.project.size_of(name),
                    "oracle": recipes.is_oracle(name),
                    "read_by": readers.get(name, []),
                }
            )
        return rows


def family_of(card: MethodCard) -> str:
    """Return a card's family; of controls and logs that they are these; empty where the card does not say."""
    return "control" if card.control else card.family or ("log" if card.log else "")


def read_counts(path: Path = COUNTS) -> dict[str, int]:
    """Return {run: parameters of 3 classes} as counted by `apexbench method-pages`; empty if nobody has."""
    if not path.is_file():
        return {}
    with path.open(newline="") as handle:
        return {row["run"]: int(row[f"{CLASSES[0]} classes"]) for row in csv.DictReader(handle)}


def parameters(method: str, params: dict[str, Any], classes: int = 3) -> int | None:
    """Return how many parameters a method's network has; None where it has none.

    It is built on torch's `meta` device, which holds no numbers; a network that needs some is built in full.
    """
    kind = find(method) if method else None
    if kind is None or not issubclass(kind, Deep):
        return None
    its = kind.parse(params, f"method {method!r}")
    # which weights a network starts from does not change their number
    its = its.model_copy(update=dict.fromkeys(its.weights_named(), RANDOM))
    import torch
    from torch.overrides import TorchFunctionMode

    class Uninitialised(TorchFunctionMode):
        """What sets values in place does nothing: four fifths of the time."""

        def __torch_function__(self, function, types, arguments=(), named=None):
            name = getattr(function, "__name__", "")
            if name.endswith("_") and not name.endswith("__") and name != "requires_grad_":
                return arguments[0] if arguments else named["tensor"]
            return function(*arguments, **(named or {}))

    try:
        with torch.device("meta"), Uninitialised():
            model = kind(classes, its).build()
    except RuntimeError:  # it reads a number while it is built
        model = kind(classes, its).build()
    return sum(weights.numel() for weights in model.parameters())


KINDS: dict[str, Callable[[Catalogue], list[Row]]] = {
    "methods": Catalogue.methods,
    "protocols": Catalogue.protocols,
    "tables": Catalogue.all_tables,
    "datasets": Catalogue.datasets,
    "studies": Catalogue.studies,
    "recipes": Catalogue.recipes,
}
