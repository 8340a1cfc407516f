"""Everything under config/, checked against each other: which data sets, protocols, runs and tables make a study.

`load_project` reads config/ once. What it answers is known before any clip is read, so that the DAG is static.
"""

import csv
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from apexbench.config.datasets import DatasetCard
from apexbench.config.files import read_entries, read_repairs
from apexbench.config.methods import COUNTED, Budget, MethodCard
from apexbench.config.model import Model, check_name, read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.published import look_up
from apexbench.config.recipes import Recipes
from apexbench.config.settings import Settings
from apexbench.config.studies import CONFIG
from apexbench.config.submissions import ALL, CARD, read_submission, submission_names
from apexbench.config.submissions import FOLDER as SUBMISSIONS
from apexbench.config.tables import PUBLISHED_ONLY, Convention, Paper, PrintedColumn, Table, TableCard
from apexbench.errors import InputError, nearest
from apexbench.persons import persons


class Project:
    """Everything under config/, checked against each other. Paths are relative to the working directory."""

    def __init__(self, settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None):
        """Read and check all; `origin` is {key of the settings: its file} where that is not config.yaml."""
        self.root = Path(root)
        self.folder = self.root / "config"
        self.origin = dict(origin or {})
        self.settings: Settings = validate(Settings, settings, Path(CONFIG), self.origin)
        self.datasets: dict[str, DatasetCard] = read_entries(self.folder, "datasets.yaml", DatasetCard)
        self.protocols: dict[str, ProtocolCard] = read_entries(self.folder, "protocols.yaml", ProtocolCard)
        self.repairs = read_repairs(self.root)
        self.conventions: dict[str, Convention] = read_entries(self.folder, "conventions.yaml", Convention)
        self.papers: dict[str, Paper] = read_entries(self.folder, "papers.yaml", Paper)
        self.recipes: Recipes = validate(Recipes, read_yaml(self.folder / "recipes.yaml"), Path("config/recipes.yaml"))
        self._stems: dict[str, list[str]] = {}
        self._method_cards: dict[str, MethodCard] = {}
        self._check_settings()
        self.methods: dict[str, MethodCard] = {}  # by run, as under the budget
        self.card_of: dict[str, str] = {}  # {run: name of its card}
        self.table_runs: set[str] = set()  # by table_methods
        for field in ("methods", "table_methods"):
            for name in getattr(self.settings, field):
                self._add_runs(field, name)
        self.submitted: list[str] = []  # those of the runs that others have made
        self._add_submissions()
        self._check_links()
        self.tables: dict[str, Table] = {name: self.table(name) for name in self.settings.tables}

    def set_in(self, key: str) -> str:
        """Return where a key of the settings has its value from, for messages."""
        return self.origin.get(key, CONFIG)

    def names(self, folder: str) -> list[str]:
        """Return the names of all cards of `methods` or of `tables`, in the study or not."""
        if folder not in self._stems:
            self._stems[folder] = sorted(path.stem for path in (self.folder / folder).glob("*.yaml"))
        return self._stems[folder]

    def _card(self, folder: str, name: str, model: type[Model]) -> Any:
        check_name(name, f"config/{folder}/{name}.yaml")
        return validate(
            model, read_yaml(self.folder / folder / f"{name}.yaml"), Path("config") / folder / f"{name}.yaml"
        )

    def _method(self, name: str) -> MethodCard:
        if name not in self._method_cards:
            check_name(name, f"config/methods/{name}.yaml")
            file = Path("config/methods") / f"{name}.yaml"
            card = read_yaml(self.root / file)
            if isinstance(card, Mapping) and card.get("like"):
                self._known(str(file), "like", str(card["like"]), self.names("methods"))
                other = read_yaml(self.folder / "methods" / f"{card['like']}.yaml")
                if not isinstance(other, Mapping) or other.get("like"):
                    raise InputError(f"{file}: field 'like': {card['like']!r} is like another card; name that one")
                card = MethodCard.inherit(card, other)
            self._method_cards[name] = validate(MethodCard, card, file)
        return self._method_cards[name]

    def _made(self, name: str) -> dict[str, tuple[str, MethodCard]]:
        """Return {run: (its card's name, its card)} of each card that `name`, or its start up to a hyphen, names."""
        cards = [card for card in self.names("methods") if f"{name}-".startswith(f"{card}-")]
        budget = self.settings.budget
        return {run: (card, its) for card in cards for run, its in self._method(card).runs(card, budget).items()}

    def runs_of(self, file: str, field: str, name: str) -> tuple[str, dict[str, MethodCard]]:
        """Return a card's name and {run: its card}: all runs of the card of that name, or one run of a sweep."""
        cards = self.names("methods")
        if name in cards:
            return name, self._method(name).runs(name, self.settings.budget)
        made = self._made(name)
        self._known(file, field, name, {*cards, *made})
        card, its = made[name]
        return card, {name: its}

    def _run(self, file: str, field: str, name: str) -> str:
        """Return the name of one run, or raise an InputError: if it is unknown, or a sweep."""
        _, runs = self.runs_of(file, field, name)
        if name not in runs:
            raise InputError(f"{file}: field {field!r}: {name!r} is a sweep; name one of its runs: {', '.join(runs)}")
        return name

    def _run_of(self, method: str) -> str | None:
        """Return the run of that name, whether or not it is in the study; None if no card makes it."""
        return method if method in self._made(method) else None

    def table(self, name: str) -> Table:
        """Return a table with all that its card names looked up; raise an InputError for what is not there."""
        card, file = self._card("tables", name, TableCard), f"config/tables/{name}.yaml"
        self._known(file, "protocol", card.protocol, self.protocols)
        rows: dict[str, None] = {}
        for number, row in enumerate(card.rows):
            for run, its in self.runs_of(file, f"rows.{number}", row)[1].items():
                if card.kind == "comparisons" and not its.leaderboard and not card.reference:
                    raise InputError(
                        f"{file}: field 'rows.{number}': {run!r} has leaderboard: false: it is not compared with the "
                        f"best; name a run in 'reference'"
                    )
                rows[run] = None
        if card.reference:
            self._run(file, "reference", card.reference)
        for row, run in card.runs.items():
            if run != PUBLISHED_ONLY:
                self._run(file, f"runs.{row}", run)
        for row, also in card.also.items():
            self._run(file, f"also.{row}.run", also.run)
        for number, run in enumerate(card.losses):
            self._run(file, f"losses.{number}", run)
        looked_up: dict[str, Any] = {"rows": list(rows)}
        if card.kind == "published":
            places = {place for protocol, its in self.protocols.items() for place in (protocol, *its.slices)}
            looked_up |= look_up(card, name, self.folder / "published", self.conventions, places, self._run_of)
            looked_up |= self._stood_in(looked_up["columns"], looked_up["caption"])
        return Table(**card.model_dump(exclude={"convention", "columns"}) | looked_up)

    def _stood_in(self, columns: Sequence[PrintedColumn], caption: str) -> dict[str, Any]:
        """Return columns and caption with the scores of `stands_for` where the study has real clips for those alone."""
        taken, notes = [], {}
        for column in columns:
            ours = column.beside or column.protocol
            for name in filter(self._stands_in, self.studied if column.honest else ()):
                its = self.protocols[name]
                theirs = {its.stands_for: name}
                theirs |= {its.stands_for + part.removeprefix(name): part for part in its.slices}
                if ours in theirs:
                    column = column.model_copy(update={"beside": theirs[ours]})
                    notes[name] = f"Ours for {self.protocols[its.stands_for].title} is {its.title}: {its.note}."
            taken.append(column)
        return {"columns": taken, "caption": " ".join(filter(None, [caption, *notes.values()]))}

    def _stands_in(self, protocol: str) -> bool:
        """Tell whether printed tables take a protocol's scores for those of the one that it stands for."""
        other = self.protocols[protocol].stands_for
        if not other or other not in self.studied:
            return bool(other)
        real = [
            all(self.source(dataset) == "licensed" for dataset in self.protocols[name].datasets)
            for name in (protocol, other)
        ]
        return real == [True, False]

    def _add_runs(self, field: str, name: str) -> None:
        card, runs = self.runs_of(self.set_in(field), field, name)
        for run, its in runs.items():
            if run in self.methods:
                files = " and ".join(f"config/methods/{one}.yaml" for one in dict.fromkeys([self.card_of[run], card]))
                raise InputError(
                    f"{self.set_in(field)}: field {field!r}: two runs have the name {run!r}, by {files}; "
                    f"leave one out, or rename a card"
                )
            if field == "table_methods":
                its = its.model_copy(update={"leaderboard": False})
                self.table_runs.add(run)
            self.methods[run], self.card_of[run] = its, card

    def _add_submissions(self) -> None:
        """Add a run of each submission that the study names: as a log of its protocol, under its folder's name."""
        there, wanted = submission_names(self.root), self.settings.submissions
        for name in there if wanted == (ALL,) else wanted:
            self._known(self.set_in("submissions"), "submissions", name, {ALL, *there})
            card, predictions = read_submission(self.root / SUBMISSIONS / name)
            file = (SUBMISSIONS / name / CARD).as_posix()
            self._known(file, "protocol", card.protocol, self.protocols)
            if name in self.methods or name in self.names("methods"):
                raise InputError(
                    f"{file.removesuffix(CARD)}: {name!r} is a card of config/methods too; rename the folder"
                )
            note = f"Submitted by {card.contact}. {card.method} Tuned: {card.tuned}"
            self._method_cards[name] = self.methods[name] = MethodCard(
                title=card.title,
                log=(SUBMISSIONS / name / predictions.name).as_posix(),
                year=card.year,
                source=card.code,
                note=note,
                protocols=(card.protocol,),
                params={"classes": list(card.classes)} | ({} if card.seed is None else {"seed": card.seed}),
            )
            self.card_of[name] = name
            self.submitted.append(name)

    def _check_settings(self) -> None:
        known = {"protocols": self.protocols, "table_protocols": self.protocols, "tables": self.names("tables")}
        for field, names in known.items():
            for name in getattr(self.settings, field):
                self._known(self.set_in(field), field, name, names)
        for key, says in (("protocols", "every run is trained there"), ("methods", "it is trained everywhere")):
            beside = f"table_{key}"
            for name in set(getattr(self.settings, key)) & set(getattr(self.settings, beside)):
                raise InputError(
                    f"{self.set_in(beside)}: field {beside!r}: {name!r} is one of {key!r} too: {says}; leave it out of "
                    f"one of the two"
                )
        for protocol, names in self.settings.leave_out.items():
            self._known(self.set_in("leave_out"), "leave_out", protocol, self.protocols)
            for name in names:
                self.runs_of(self.set_in("leave_out"), f"leave_out.{protocol}", name)
        if isinstance(self.settings.source, dict):
            for name in self.settings.source:
                self._known(self.set_in("source"), "source", name, self.datasets)

    @staticmethod
    def _known(file: str, field: str, name: str | None, known) -> None:
        if name is not None and name not in known:
            raise InputError(f"{file}: field {field!r}: unknown name {name!r}; {nearest(name, known)}")

    def _check_links(self) -> None:
        recipes = self.recipes
        self._check_recipe_names()
        for name, frames in recipes.frames.items():
            self._known("config/recipes.yaml", f"frames.{name}.crop", frames.crop, recipes.crops)
        below = {"magnification": [*recipes.frames], "flow": [*recipes.frames, *recipes.magnification]}
        below["features"] = [*below["flow"], *recipes.flow]
        for section, known in below.items():
            for name, recipe in getattr(recipes, section).items():
                self._known("config/recipes.yaml", f"{section}.{name}.of", recipe.of, known)
        for name in self.datasets:
            self._known("config/datasets.yaml", f"{name}.people", self.people(name), self._releases | {name})
        for name, protocol in self.protocols.items():
            for dataset in protocol.datasets:
                self._known("config/protocols.yaml", f"{name}.datasets", dataset, self.datasets)
            self._known("config/protocols.yaml", f"{name}.stands_for", protocol.stands_for or None, self.protocols)
        for number, repair in enumerate(self.repairs, 1):
            self._known("config/repairs.yaml", f"record {number}, dataset", repair.dataset, self._releases)
        for name in dict.fromkeys(self.card_of.values()):
            method, file = self._method(name), f"config/methods/{name}.yaml"
            for field, recipe in method.recipes().items():
                self._known(file, field, recipe, recipes.names())
            for key in method.on:
                if not COUNTED.fullmatch(key):
                    self._known(file, "on", key, {"3 classes", *self.protocols})
            for protocol in method.protocols:
                self._known(file, "protocols", protocol, self.protocols)

    def _check_recipe_names(self) -> None:
        names = self.recipes.names()
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"config/recipes.yaml: two recipes have the name {name!r}; cards name them without their section, "
                    f"so rename one"
                )

    def left_out(self, protocol: str, run: str) -> bool:
        """Tell whether the study leaves a run, or its card, out of a protocol."""
        return bool({run, self.card_of[run]} & set(self.settings.leave_out.get(protocol, ())))

    def card(self, name: str) -> MethodCard:
        """Return a card of config/methods as it stands there, what it is like included."""
        return self._method(name)

    def card_on(self, run: str, protocol: str, budget: Budget | None = None) -> MethodCard:
        """Return a run's card as it is under a budget, the study's if none is named, and a protocol."""
        name, classes = self.card_of[run], len(self.protocols[protocol].classes)
        return self._method(name).runs(name, budget or self.settings.budget, protocol, classes)[run]

    def size_of(self, recipe: str) -> int | None:
        """Return the side in px of the pictures or maps that a recipe gives; None for features."""
        return None if recipe in self.recipes.features else self.recipes.size(recipe)

    def loader(self, dataset: str) -> str:
        """Return the release that an entry of datasets.yaml reads."""
        return self.datasets[dataset].loader or dataset

    @property
    def _releases(self) -> set[str]:
        return {self.loader(dataset) for dataset in self.datasets}

    def people_in(self, dataset: str) -> list[tuple[str, int]]:
        """Return (release, subject) of all whom a data set shows."""
        return [(self.people(dataset), subject) for subject in self.subjects(dataset)]

    def people_tested(self, protocol: str) -> list[tuple[str, int]]:
        """Return (release, subject) of all whom a protocol may test."""
        return [(self.people(dataset), subject) for dataset, subject in self.tested(protocol)]

    def people(self, dataset: str) -> str:
        """Return the release whose people a data set shows: subjects of one number are then one person."""
        return self.datasets[dataset].people or self.loader(dataset)

    def folder_of(self, dataset: str) -> Path:
        """Return where the user's copy of a data set lies."""
        return Path(self.settings.data) / (self.datasets[dataset].folder or dataset)

    def has_copy(self, dataset: str) -> bool:
        """Tell whether the user's copy of a data set is there."""
        return _copy_at(self.folder_of(dataset))[0]

    def source(self, dataset: str) -> Literal["licensed", "synthetic"]:
        """Tell whether a data set is read from the user's copy or rendered.

        `auto` takes the user's copy when its folder exists. `licensed` demands it.
        """
        wish, folder = self._wished_source(dataset), self.folder_of(dataset)
        there, state = _copy_at(folder)
        if wish == "licensed" and not there:
            raise InputError(
                f"{folder}: no such folder, or empty, but {self.set_in('source')} has source: licensed for {dataset!r} "
                f"({state}). Put the release there as distributed (see README, 'Your own data'), or set "
                f"source: synthetic"
            )
        if wish == "auto":
            return "licensed" if there else "synthetic"
        return wish

    def _wished_source(self, dataset: str) -> str:
        wish = self.settings.source
        return wish.get(dataset, "auto") if isinstance(wish, dict) else wish

    def why_source(self, dataset: str) -> str:
        """Return a line that says whether a data set is licensed or synthetic, and why."""
        wish = self._wished_source(dataset)
        asked = "" if wish == "auto" else f"{self.set_in('source')} has source: {wish}; "
        return f"{dataset}: {self.source(dataset)} clips ({asked}{_copy_at(self.folder_of(dataset))[1]})"

    @cached_property
    def plan(self) -> list[tuple[str, int, str, int, str]]:
        """Rows (dataset, subject, emotion, clips, objective class or "") of the synthetic clips at the set scale."""
        file = self._plan_file
        try:
            with (self.root / file).open(newline="") as handle:
                rows = list(csv.DictReader(handle))
        except FileNotFoundError:
            raise InputError(f"{file}: no such file; it lists the synthetic clips of scale {file.stem!r}") from None
        plan = []
        for number, row in enumerate(rows, 2):
            try:
                dataset, emotion = row["dataset"], row["emotion"]
                subject, clips = int(row["subject"]), int(row["clips"])
                if subject < 1 or clips < 0:
                    raise ValueError
            except (KeyError, TypeError, ValueError):
                raise InputError(
                    f"{file}, row {number}: expected dataset, subject (from 1 up), emotion, clips (from 0 up); "
                    f"found {dict(row)}"
                ) from None
            known = {*self.datasets, *map(self.loader, self.datasets)}
            self._known(f"{file}, row {number}", "dataset", dataset, known)
            plan.append((dataset, subject, emotion, clips, row.get("objective") or ""))
        return plan

    @property
    def _plan_file(self) -> Path:
        return Path("config") / "synthetic" / f"{self.settings.scale}.csv"

    def plan_of(self, dataset: str) -> list[tuple[int, str, int, str]]:
        """Return the plan's rows (subject, emotion, clips, objective) of a data set, else those of its release.

        Raises InputError if the plan has no clips of either.
        """
        for name in (dataset, self.loader(dataset)):
            rows = [row[1:] for row in self.plan if row[0] == name and row[3] > 0]
            if rows:
                return rows
        raise InputError(
            f"{self._plan_file}: no clips of {dataset!r}, which {self.set_in('protocols')} asks for; add rows, or set "
            f"scale: full, or put a licensed copy into {self.folder_of(dataset)}"
        )

    def subjects(self, dataset: str) -> list[int]:
        """Return the subjects of a data set, known without reading its annotation: the DAG is static."""
        if self.source(dataset) == "synthetic":
            return sorted({row[0] for row in self.plan_of(dataset)})
        listed = self.datasets[dataset].subjects
        if not isinstance(listed, str):
            return sorted(listed)
        folder = self.folder_of(dataset)
        try:
            folders = [path for path in folder.glob(listed) if path.is_dir() and not path.name.startswith(".")]
        except (ValueError, NotImplementedError, OSError, RecursionError) as error:
            raise InputError(
                f"config/datasets.yaml: entry {dataset!r}, field 'subjects': cannot look for {listed!r} in {folder} "
                f"({error}); expected a glob pattern below it"
            ) from None
        if self.loader(dataset) == "class-folders":
            found = sorted(set(persons((path.parent.name, path.name) for path in folders).values()))
        else:
            digits = (re.findall(r"\d+", path.name) for path in folders)
            found = sorted({int(its[-1]) for its in digits if its})
        if not found:
            raise InputError(
                f"config/datasets.yaml: entry {dataset!r}, field 'subjects': no folder {listed} in {folder}; "
                f"put the release there as docs/datasets.md says, or list the subjects' numbers"
            )
        return found

    def tested(self, protocol: str) -> list[tuple[str, int]]:
        """Return (dataset, subject) of everyone whom a protocol may test, known without reading an annotation."""
        card = self.protocols[protocol]
        tested, files = [], set()
        for dataset in card.datasets:
            if self.source(dataset) == "synthetic":
                files.add(self._plan_file.as_posix())
                used = {value.lower() for values in card.classes_in(dataset).values() for value in values}
                emotions = card.target == "emotion"
                subjects = {s for s, e, _, _ in self.plan_of(dataset) if not emotions or e.lower() in used}
            else:
                files.add("config/protocols.yaml" if card.expected_subjects.get(dataset) else "config/datasets.yaml")
                subjects = set(card.expected_subjects.get(dataset, ())) or set(self.subjects(dataset))
            tested += [(dataset, subject) for subject in sorted(subjects)]
        if len(tested) < 2:
            raise InputError(
                f"{' and '.join(sorted(files))}: {len(tested)} subject(s) for protocol {protocol!r} (data sets "
                f"{', '.join(card.datasets)}); leaving one subject out needs two at least"
            )
        return tested

    def used_datasets(self) -> list[str]:
        """Return the data sets that the configured protocols read."""
        return sorted({d for name in self.studied for d in self.protocols[name].datasets})

    @property
    def studied(self) -> tuple[str, ...]:
        """The protocols under which anything is trained: the study's, then those of its tables."""
        return self.settings.protocols + self.settings.table_protocols


def _copy_at(folder: Path) -> tuple[bool, str]:
    """Tell whether a user's copy lies in a folder, and what there is."""
    try:
        if folder.is_dir():
            there = any(folder.iterdir())
            return there, f"{folder} {'is there' if there else 'is empty'}"
        if os.path.lexists(folder):
            return False, f"{folder} is no folder, or a broken link"
        beside = sorted(folder.parent.iterdir()) if folder.parent.is_dir() else []
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be listed ({error.strerror}); mend its rights") from None
    alike = [path for path in beside if path.name.lower() == folder.name.lower()]
    return False, f"{alike[0]} is not read: rename it to {folder.name}" if alike else f"there is no {folder}"


def load_project(settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None) -> Project:
    """Validate the merged settings (`config.studies.merged`) and every file under `root`/config."""
    return Project(settings, root, origin)
