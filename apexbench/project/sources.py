"""Where the clips of a data set come from, the user's copy or a plan of synthetic ones, and whom they show."""

import csv
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Literal

from apexbench.errors import InputError
from apexbench.labels import classes_in
from apexbench.persons import NAMELESS, persons
from apexbench.project.entries import Entries


class Sources(Entries):
    """What is known of clips and subjects without reading an annotation: the DAG is static."""

    def loader(self, dataset: str) -> str:
        """Return the release that an entry of datasets.yaml reads."""
        return self.datasets[dataset].loader or dataset

    @property
    def _releases(self) -> set[str]:
        return {self.loader(dataset) for dataset in self.datasets}

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
            clips = [(path.parent.name, path.name) for path in folders]
            found, classes = sorted(set(persons(clips).values())), {name for name, _ in clips}
            if len(classes) == 1:
                raise InputError(
                    f"config/datasets.yaml: entry {dataset!r}, field 'subjects': all folders {listed} in {folder} are "
                    f"of one class, {clips[0][0]!r}; put folders <class>/<clip>/ with frames there, of two classes at "
                    f"least (docs/datasets.md)"
                )
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
                used = {value.lower() for values in classes_in(card, dataset).values() for value in values}
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

    def people(self, dataset: str) -> str:
        """Return the release whose people a data set shows: subjects of one number are then one person."""
        return self.datasets[dataset].people or self.loader(dataset)

    def people_in(self, dataset: str) -> list[tuple[str, int]]:
        """Return (release, subject) of all whom a data set shows.

        Raises InputError where these are people of a release that protocols test, and it is not known which.
        """
        release, subjects = self.people(dataset), self.subjects(dataset)
        tested = {self.people(other) for other in self.datasets if self.loader(other) != "class-folders"}
        nameless = [subject for subject in subjects if subject >= NAMELESS]
        if self.loader(dataset) == "class-folders" and nameless and release in tested:
            raise InputError(
                f"config/datasets.yaml: entry {dataset!r}, field 'people': these are people of {release!r}, but the "
                f"names of {len(nameless)} clip(s) in {self.folder_of(dataset)} do not say who; subject 3 is known in "
                f"S003_001, S003_002 and so on"
            )
        return [(release, subject) for subject in subjects]

    def people_tested(self, protocol: str) -> list[tuple[str, int]]:
        """Return (release, subject) of all whom a protocol may test."""
        return [(self.people(dataset), subject) for dataset, subject in self.tested(protocol)]


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
