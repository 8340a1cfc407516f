"""Everything under config/, checked against each other: which data sets, protocols, runs and tables make a study.

`load_project` reads config/ once. What it answers is known before any clip is read, so that the DAG is static. Each
layer stands on the one below: entries, sources of clips, runs, and here tables and the checks across all of them.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apexbench.config.methods import COUNTED
from apexbench.config.model import Model, check_name, read_yaml, validate
from apexbench.config.published import look_up
from apexbench.config.tables import PUBLISHED_ONLY, PrintedColumn, Table, TableCard
from apexbench.errors import InputError
from apexbench.project.runs import Runs


class Project(Runs):
    """Everything under config/, checked against each other. Paths are relative to the working directory."""

    def __init__(self, settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None):
        """Read and check all; `origin` is {key of the settings: its file} where that is not config.yaml."""
        super().__init__(settings, root, origin)
        self._check_settings()
        for field in ("methods", "table_methods"):
            for name in getattr(self.settings, field):
                self._add_runs(field, name)
        self._add_submissions()
        self._check_links()
        self.tables: dict[str, Table] = {name: self.table(name) for name in self.settings.tables}

    def _card(self, folder: str, name: str, model: type[Model]) -> Any:
        check_name(name, f"config/{folder}/{name}.yaml")
        return validate(
            model, read_yaml(self.folder / folder / f"{name}.yaml"), Path("config") / folder / f"{name}.yaml"
        )

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
        return Table(**card.model_dump(exclude={"convention", "conventions", "columns"}) | looked_up)

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


def load_project(settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None) -> Project:
    """Validate the merged settings (`config.studies.merged`) and every file under `root`/config."""
    return Project(settings, root, origin)
