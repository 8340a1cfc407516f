"""A study: everything that the rules ask, decided from the configuration alone, before any clip is read.

Snakemake is not known here. A rule's function has the name of a method of `Study`, whose arguments are the wildcards
that it needs (see `ask` in rules/common.smk). Paths are relative to the working directory. Each layer stands on the one
below: the checked configuration, inputs, pre-trainings, runs, results.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from apexbench.alone import tables_of
from apexbench.config.methods import row_titles
from apexbench.config.submissions import RUN_HERE, SUBMITTED
from apexbench.config.tables import Table
from apexbench.gpu_hours import Work, key_of, read_work
from apexbench.methods import Deep
from apexbench.study.checked import SHARED, dumped
from apexbench.study.runs import Runs
from apexbench.tables.places import needed, place, places_of

__all__ = ["CHAPTERS", "SHARED", "Study"]

OFFICIAL = "megc2019"  # its counts of each subject and class are known for all of its data sets
FORMATS = ("md", "csv", "tex", "html")  # of a table
# of the report, which sorts them by name
CHAPTERS = {
    "leaderboard": "1 Leaderboard",
    "comparisons": "1 Leaderboard",
    "published": "2 Papers",
    "protocol": "3 Protocols",
    "inside": "4 Models at work",
    "data": "5 Clips and motion",
    "runtime": "6 Runtime",
}
_ALGORITHMS = {"tvl1": "TV-L1", "farneback": "Farnebäck"}
_PICTURED = {"attention": "features"}  # drawings that show what a role's features are taken from


class Study(Runs):
    """What a configuration asks for; here: of scores, tables and figures."""

    # scores

    def all_predictions(self, protocol: str) -> list[str]:
        return [path for run in self.runs for path in self.predictions(protocol, run)]

    def predictions_by_run(self, protocol: str) -> dict[str, list[str]]:
        return {run: self.predictions(protocol, run) for run in self.runs}

    def all_inner_predictions(self, protocol: str) -> list[str]:
        return [path for run in self.runs for path in self.inner_predictions(protocol, run)]

    def inner_by_run(self, protocol: str) -> dict[str, list[str]]:
        return {run: self.inner_predictions(protocol, run) for run in self.runs}

    def skipped_runs(self, protocol: str) -> dict[str, str]:
        reasons = {run: self.why_not(protocol, run) for run in self.runs}
        return {run: reason for run, reason in reasons.items() if reason}

    def compared(self) -> dict[str, list[str]]:
        """Return {table: its runs, the reference first}; of "", all of the leaderboard, the best is the reference."""
        compared = {"": self.shown}
        for name, card in self.project.tables.items():
            if card.reference in self.runs:
                compared[name] = [card.reference, *(run for run in card.rows if run in self.runs)]
        return compared

    def ranked_protocols(self) -> list[str]:
        """Return protocols without a clip in common: a data set and a composite that holds it would count it twice."""
        ranked, taken = [], set()
        for protocol in self.settings.protocols:
            folders = {self.project.folder_of(dataset) for dataset in self.project.protocols[protocol].datasets}
            if not folders & taken:
                ranked.append(protocol)
                taken |= folders
        return ranked

    def ranked_scores(self) -> dict[str, str]:
        return {protocol: f"results/{self.name}/scores/{protocol}.csv" for protocol in self.ranked_protocols()}

    def ranked_files(self) -> list[str]:
        return list(self.ranked_scores().values())

    def ranks_head(self) -> str:
        ranked = self.ranked_protocols()
        over = "; ".join(map(self.protocol_title, ranked))
        return self.headed(f"Mean ranks over {len(ranked)} protocols\n{over}", self.datasets)

    def shown_titles(self) -> dict[str, str]:
        """Return {run: what figures call it} of the runs on the leaderboard."""
        return row_titles({run: self.runs[run] for run in self.shown})

    def shown_by_epoch(self) -> list[str]:
        """Return the runs on the leaderboard that have epochs, or may: of given logs only their files tell."""
        kinds = {run: self.methods.get(run, Deep) for run in self.shown}
        return [run for run, kind in kinds.items() if issubclass(kind, Deep)]

    def protocol_head(self, protocol: str) -> str:
        return self.headed(self.protocol_title(protocol), self.project.protocols[protocol].datasets)

    def multilabel_protocols(self) -> list[str]:
        return [name for name in self.protocols if self.project.protocols[name].multilabel]

    # tables

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The study's tables that can be filled: with none of its runs in it, a table says nothing of the study."""
        return {name: card for name, card in self.project.tables.items() if name not in self.unfilled}

    @cached_property
    def unfilled(self) -> dict[str, list[tuple[str, str]]]:
        """{table that is not made: (run, protocol) of all that it could show, of which the study trains nothing}."""
        wanted = {name: self._could_show(card) for name, card in self.project.tables.items()}
        return {name: pairs for name, pairs in wanted.items() if pairs and not any(map(self._trains, pairs))}

    def _could_show(self, card: Table) -> list[tuple[str, str]]:
        """(run, protocol) that a table names; none if it takes whatever there is, or is printed only."""
        if card.kind == "published":
            return list(dict.fromkeys(places_of(card, self.project.protocols)))
        protocols = [card.protocol] if card.protocol else self.settings.protocols
        return [(run, protocol) for run in card.rows for protocol in protocols]

    def _trains(self, pair: tuple[str, str]) -> bool:
        run, protocol = pair
        return run in self.runs and protocol in self.protocols and not self.why_not(protocol, run)

    def left_out(self) -> list[str]:
        """Return a line for each table that the study names, but cannot fill."""
        lines = []
        for name, pairs in self.unfilled.items():
            runs, protocols = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
            which = f"{runs[0]}{' or others' if len(runs) > 1 else ''} under {' or '.join(protocols)}"
            lines.append(f"left out: table {name} (needs {which}, which this study does not train)")
        return lines

    def table_files(self, target: str) -> list[str]:
        """Return the files of `tables/<table>` or `papers/<paper>`."""
        names = [name for name in tables_of(target, self.project.names("tables")) if name in self.project.tables]
        return [f"results/{self.name}/tables/{name}.{kind}" for name in names for kind in FORMATS]

    def saved(self) -> dict[str, Any]:
        """Return the settings as they are saved beside the results."""
        return self.settings.model_dump(mode="json", exclude={"only"})

    def table_card(self, table: str) -> dict:
        return dumped(self.project.tables[table])

    def table_protocols(self, table: str) -> list[str]:
        card = self.project.tables[table]
        studied = self.protocols if card.kind in ("published", "data") else self.settings.protocols
        return needed(card, self.project.protocols, studied)

    def _table_files(self, table: str, folder: str) -> dict[str, dict[str, str]]:
        """The files that a table of some kind is made of: {what: {protocol or data set: path}}."""
        kind, protocols = self.project.tables[table].kind, self.table_protocols(table)
        scored = protocols if kind != "data" else []
        counted = protocols if kind == "data" else []
        compared = protocols if kind == "comparisons" else []
        datasets = self.datasets if kind == "data" else []
        return {
            "scores": {protocol: f"{folder}/scores/{protocol}.csv" for protocol in scored},
            "comparisons": {protocol: f"{folder}/comparisons/{protocol}.csv" for protocol in compared},
            "counts": {protocol: f"results/protocols/{protocol}.counts.csv" for protocol in counted},
            "indexes": {dataset: f"results/index/{dataset}.csv" for dataset in datasets},
            "findings": {dataset: f"results/index/{dataset}.findings.csv" for dataset in datasets},
        }

    def table_inputs(self, table: str) -> dict[str, list[str]]:
        card = self.project.tables[table]
        files = self._table_files(table, f"results/{self.name}")
        published = [card.published, "counts.yaml"] if card.published else []
        inputs = {what: list(paths.values()) for what, paths in files.items()}
        return inputs | {"published": [str(self.project.folder / "published" / name) for name in published]}

    def _table_sources(self, table: str, folder: str) -> dict[str, Any]:
        files = self._table_files(table, folder)
        return {
            "scores": files["scores"],
            "published_folder": str(self.project.folder / "published"),
            "protocols": {key: dumped(card) for key, card in self.project.protocols.items()},
            "datasets": {key: dumped(card) for key, card in self.project.datasets.items()},
            "methods": {key: dumped(card) for key, card in self.runs.items()},
            "oracles": self.oracles,
            "circular": self.circular,
            "origins": self.origins,
            "benchmarks": self._table_benchmarks(table),
            "data": {what: files[what] for what in ("counts", "indexes", "findings")},
            "comparisons": files["comparisons"],
            "work": self._paper_work(table),
            "study": {
                "name": self.name,
                "budget": self.settings.budget,
                "seeds": list(self.settings.seeds),
                "real": [dataset for dataset in self.datasets if self.licensed[dataset]],
                "table_methods": sorted(self.project.table_runs),
            },
        }

    @cached_property
    def origins(self) -> dict[str, str]:
        """{run: where its predictions come from}."""
        return {run: SUBMITTED if run in self.project.submitted else RUN_HERE for run in self.runs}

    def _paper_work(self, table: str) -> list[list]:
        """[protocol, run, work at paper budget or None] of all that a printed table shows of the study's runs."""
        card = self.project.tables[table]
        pairs = dict.fromkeys(places_of(card, self.project.protocols)) if card.kind == "published" else ()
        works = []
        for run, protocol in pairs:
            if run not in self.runs or self.runs[run].log or protocol not in self.protocols:
                continue
            if not self.cannot(protocol, run):
                work = self._counted_work.get(key_of(self.project.card_on(run, protocol, "paper")))
                works.append([protocol, run, asdict(work) if work else None])
        return works

    @cached_property
    def _counted_work(self) -> dict[str, Work | None]:
        return read_work(self.project.folder)

    def table_sources(self, table: str) -> dict[str, Any]:
        """Return what the stage `table` needs beside the card."""
        return self._table_sources(table, f"results/{self.name}")

    def table_title(self, table: str) -> str:
        return self.project.tables[table].title

    def table_category(self, table: str) -> str:
        """Return the chapter of the report in which a table stands."""
        card = self.project.tables[table]
        if card.kind == "leaderboard" and (card.rows or card.protocol):
            return CHAPTERS["published"]
        return CHAPTERS[card.kind]

    def _table_datasets(self, table: str) -> set[str]:
        return {d for name in self.table_protocols(table) for d in self.project.protocols[name].datasets}

    def curve_head(self, table: str) -> str:
        return self.headed(self.table_title(table), self._table_datasets(table))

    def curve_beside_printed(self, table: str) -> bool:
        """Tell whether a curve shows printed numbers: they are of real clips, and never stand beside synthetic ones."""
        return self.real(self._table_datasets(table))

    # losses

    def _loss_protocol(self, table: str) -> str:
        card = self.project.tables[table]
        if not card.losses:
            return ""
        found = place(card.columns[0].beside or card.columns[0].protocol, self.project.protocols)
        return found[0] if found and found[0] in self.protocols else ""

    def losses_by_run(self, table: str) -> dict[str, list[str]]:
        """Return {run: predictions} of the runs whose losses a table's figure shows, as far as they are trained."""
        protocol, runs = self._loss_protocol(table), self.project.tables[table].losses
        trained = [run for run in runs if protocol and run in self.methods and not self.why_not(protocol, run)]
        return {run: self.predictions(protocol, run) for run in trained}

    def loss_predictions(self, table: str) -> list[str]:
        return [path for paths in self.losses_by_run(table).values() for path in paths]

    def loss_jobs(self, table: str) -> dict[str, dict]:
        return {run: self.job(self._loss_protocol(table), run) for run in self.losses_by_run(table)}

    def loss_head(self, table: str) -> str:
        protocol = self._loss_protocol(table)
        title = f"{self.table_title(table)}: loss by epoch, {self.protocol_title(protocol)}"
        return self.headed(title, self.project.protocols[protocol].datasets)

    def loss_titles(self, table: str) -> dict[str, str]:
        return {run: self.runs[run].title for run in self.losses_by_run(table)}

    def _table_benchmarks(self, table: str) -> list:
        """Benchmark files of the training jobs: [protocol, run, files] each; only the runtime table reads them."""
        if self.project.tables[table].kind != "runtime":
            return []
        pattern = "results/benchmarks/train/{run}/seed{seed}/folds{folds}.tsv"
        return [[p, run, self._per_job(pattern, p, run)] for p in self.table_protocols(table) for run in self.runs]

    # READMEs

    def readme_inputs(self) -> dict[str, list[str]]:
        """Return what the study's README is made of: its tables as pages, frames and short forms."""
        sources = self.readme_sources()
        return {what: list(sources[what].values()) for what in ("pages", "frames", "short", "pictures", "words")}

    def readme_sources(self) -> dict[str, Any]:
        """Return what the stage `readme` is told."""
        folder, tables = f"results/{self.name}/tables", self.tables
        about = f"Study `{self.name}`, budget {self.settings.budget}"
        seeds = f"{len(self.settings.seeds)} seed{'s' * (len(self.settings.seeds) > 1)}"
        return {
            "about": f"{about}, {seeds}. Written by the pipeline: edit nothing here.",
            "cards": {name: dumped(card) for name, card in tables.items()},
            "synthetic": {name: self._synthetic(name) for name in tables},
            "papers": {name: dumped(paper) for name, paper in self.project.papers.items()},
            "pages": {name: f"{folder}/{name}.md" for name in tables},
            "frames": {name: f"{folder}/{name}.csv" for name in tables},
            "short": {name: f"{folder}/short/{name}.md" for name in tables},
            "pictures": self._official_null("official-null.svg"),
            "words": self._official_null("official-null", ".md"),
        }

    def _official_null(self, name: str, suffix: str = "") -> dict[str, str]:
        """Return {name: file} of the figure that the project's README shows, or of its sentence."""
        shown = self.settings.writes_readme and self.shows_official_null()
        return {name: f"results/{self.name}/figures/{name}{suffix}"} if shown else {}

    def shown_readme(self) -> list[str]:
        """Return the README that the study rewrites beside its own, if it is the one that is shown."""
        return [str(self.project.root / "README.md")] if self.settings.writes_readme else []

    def _synthetic(self, table: str) -> bool:
        """Whether a table has scores of synthetic clips."""
        protocols = [self.project.protocols[protocol] for protocol in self.table_protocols(table)]
        return any(not self.licensed[dataset] for protocol in protocols for dataset in protocol.datasets)

    # what is there of an unfinished study

    def finished_by_run(self, protocol: str) -> dict[str, list[str]]:
        """Return the predictions that exist."""
        return {run: [p for p in paths if Path(p).exists()] for run, paths in self.predictions_by_run(protocol).items()}

    def finished_state(self, protocol: str) -> list[list]:
        """Return when the existing predictions were written: a partial table is made anew when they change."""
        return [[p, Path(p).stat().st_mtime_ns] for paths in self.finished_by_run(protocol).values() for p in paths]

    def partial_scores(self, table: str) -> list[str]:
        """Return the files of a partial table that can be made: clips are known and a run has predictions."""
        files = self._table_files(table, f"results/{self.name}/partial")
        made = [item for what in ("scores", "comparisons") for item in files[what].items()]
        return [path for protocol, path in made if self._scorable(protocol)]

    def _scorable(self, protocol: str) -> bool:
        return Path(self.protocol_path(protocol)).exists() and any(self.finished_by_run(protocol).values())

    def partial_sources(self, table: str) -> dict[str, Any]:
        return self._table_sources(table, f"results/{self.name}/partial")

    # figures

    def onset_frames(self, dataset: str) -> list[str]:
        """Return the files whose onset frames a sheet shows: the largest crops of whole faces that the study makes."""
        whole = {name for name, card in self.recipes.frames.items() if self.recipes.crops[card.crop].region == "face"}
        used = [r for r in self.recipes_in_use() if r in whole]
        return self.shards(dataset, max(used, key=self.recipes.size)) if used else []

    def pictured_shards(self, dataset: str, recipe: str) -> dict[str, list[str]]:
        """Return crops and flow of all subjects, for the flow picture."""
        return {"crops": self.shards(dataset, self.recipes[recipe].of), "flow": self.shards(dataset, recipe)}

    def figures(self) -> list[str]:
        """Return every figure and page of a study; pictures of licensed clips lie apart and outside the report."""
        results = f"results/{self.name}"
        paths = [f"{results}/tables/{name}.html" for name in self.tables]
        for protocol in self.settings.protocols:
            trained = any(self.predictions(protocol, run) for run in self.shown)
            if trained and not self.project.protocols[protocol].multilabel:
                paths += [f"{results}/figures/{kind}-{protocol}.svg" for kind in ("confusion", "curves", "null")]
        if len(self.ranked_protocols()) > 1 and len(self.shown) > 1:
            paths.append(f"{results}/figures/critical-difference.svg")
        paths += [f"{results}/figures/curve-{name}.svg" for name, card in self.tables.items() if card.curve]
        paths += [f"{results}/figures/losses-{name}.svg" for name in self.tables if self.losses_by_run(name)]
        for dataset in self.datasets:
            if not self.holds_maps(dataset):
                folder = self._picture_folder([dataset])
                paths += [f"{folder}/crops-{dataset}.jpg"] if self.onset_frames(dataset) else []
                paths += [f"{folder}/flow-{dataset}-{recipe}.jpg" for recipe in self.pictured_flow()]
        if self.shows_official_null():
            paths += [f"{results}/figures/official-null.{kind}" for kind in ("svg", "csv")]
        paths += self._inside_pictures()
        # PDFs by name: a figure of an earlier version that has none is not taken for whole
        return paths + [f"{path.rpartition('.')[0]}.pdf" for path in paths if path.endswith((".svg", ".jpg"))]

    def dataset_head(self, dataset: str) -> str:
        return self.headed(self.dataset_title(dataset), [dataset])

    def flow_title(self, dataset: str, recipe: str) -> str:
        """Return data set, algorithm, and the recipe's name."""
        algorithm = self.recipes.flow[recipe].algorithm
        return f"{self.dataset_title(dataset)}: {_ALGORITHMS.get(algorithm, algorithm)} flow (recipe {recipe})"

    def flow_head(self, dataset: str, recipe: str) -> str:
        return self.headed(self.flow_title(dataset, recipe), [dataset])

    def shows_official_null(self) -> bool:
        """Tell whether the study is about MEGC2019's clips: then the null model on their official counts is drawn."""
        return bool({OFFICIAL, f"{OFFICIAL}-flow"} & set(self.settings.protocols))

    def official_card(self) -> dict | None:
        """Return the entry of the composite with the official counts, also where synthetic clips have others."""
        card = self.project.protocols.get(OFFICIAL)
        return dumped(card) if card else None

    def printed_files(self) -> list[str]:
        return sorted(map(str, (self.project.folder / "published").glob("*.csv")))

    def config_file(self, name: str) -> str:
        return str(self.project.folder / name)

    def _picture_folder(self, datasets: Sequence[str]) -> str:
        licensed = any(self.licensed[dataset] for dataset in datasets)
        return f"results/{self.name}/figures{'-licensed' if licensed else ''}"

    def _inside_pictures(self) -> list[str]:
        """A picture of each shown run that shows itself at work, on the first protocol that it is trained on."""
        paths = []
        for run in self.shown:
            if run in self.methods and issubclass(self.methods[run], Deep):
                for protocol in self.trained_on(run)[:1]:
                    if self.methods[run].inside(self.params(protocol, run)):
                        folder = self._picture_folder(self.project.protocols[protocol].datasets)
                        paths.append(f"{folder}/inside-{protocol}-{run}.jpg")
        return paths

    def inside_run(self, protocol: str, run: str) -> dict[str, Any]:
        """Return what the drawing of a run is told: as for its training, with the first seed."""
        return self.training_run(protocol, run, self.key(protocol, run)) | {"seed": self.settings.seeds[0]}

    def inside_inputs(self, protocol: str, run: str) -> dict[str, list[str]]:
        """Return what a run's training on the first folds reads, and as `pictures` the shards shown beside it."""
        inputs = self.training_inputs(protocol, run, self.key(protocol, run), self.fold_ranges(protocol, run)[0])
        role = _PICTURED.get(self.methods[run].inside(self.params(protocol, run)))
        if role is None:
            return inputs
        recipe, datasets = self.card(protocol, run).inputs[role], self.project.protocols[protocol].datasets
        return inputs | {"pictures": [x for name in datasets for x in self.shards(name, self.recipes[recipe].of)]}

    def inside_title(self, protocol: str, run: str) -> str:
        return f"{self.runs[run].title}: {self.protocol_title(protocol)}"

    def inside_head(self, protocol: str, run: str) -> str:
        return self.headed(self.inside_title(protocol, run), self.project.protocols[protocol].datasets)
