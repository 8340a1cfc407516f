"""What the records of a study say, in lines of Markdown. Nothing is told that no file of its results holds."""

import json
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from apexbench.clips import read_index
from apexbench.config.methods import MethodCard
from apexbench.errors import InputError
from apexbench.evaluation.intervals import RESAMPLES
from apexbench.evaluation.score_files import read_scores
from apexbench.protocols import read_protocol
from apexbench.study import Study

MANY = 6  # values of a list that a line holds; of more it says how many


class Records:
    """The records of a study that was run: its settings, tables of clips, scores, and what each training wrote.

    Raises InputError if a protocol has no table of clips or no scores: with the command that makes them.
    """

    def __init__(self, study: Study):
        self.study, self.project, self.name = study, study.project, study.name
        for protocol in study.protocols:
            for path in (f"results/protocols/{protocol}.csv", f"results/{self.name}/scores/{protocol}.csv"):
                if not Path(path).is_file():
                    raise InputError(f"{path}: not there: the study is not run to its end; apexbench run {self.name}")
        self.tables = {protocol: read_protocol(f"results/protocols/{protocol}.csv") for protocol in study.protocols}
        scores = {p: read_scores(f"results/{self.name}/scores/{p}.csv") for p in study.protocols}
        drawn = {p: its["run"].str.startswith("null-model") for p, its in scores.items()}  # by the null model
        self.scores = {p: its[~drawn[p]] for p, its in scores.items()}
        self.null_model = any(rows.any() for rows in drawn.values())
        self.indexes = {dataset: read_index(f"results/index/{dataset}.csv") for dataset in study.datasets}
        pairs = [(protocol, run) for protocol in study.protocols for run in study.methods]
        self.files = {(p, run, path): Path(path) for p, run in pairs for path in study.predictions(p, run)}

    @cached_property
    def trainings(self) -> list[dict[str, Any]]:
        """The record of each training job of the study that is there, by protocol, run and seed."""
        found = []
        for (protocol, run, _), path in self.files.items():
            if path.is_file():
                meta = json.loads((pq.read_schema(path).metadata or {})[b"apexbench"])
                seed = int(path.parent.name.removeprefix("seed"))
                found.append({"protocol": protocol, "run": run, "seed": seed, **meta})
        return found

    def _absent(self) -> list[str]:
        """A line on trainings whose records are not there: of other code or settings, or never run."""
        absent = len(self.files) - len(self.trainings)
        return [f"open: {absent} of {len(self.files)} training records are not there; run the study again"] * bool(
            absent
        )

    def _several(self, key: str) -> list[str]:
        return sorted({str(record[key]) for record in self.trainings if record.get(key)})

    # data

    def sources(self) -> list[str]:
        lines = []
        for dataset, index in self.indexes.items():
            synthetic = index["label_set"].str.startswith("synthetic").any()
            sets = shown(index["label_set"])
            kind = "**synthetic clips, which say nothing about any population**" if synthetic else "licensed copy"
            lines.append(f"{self._data(dataset)}: {kind}, label set {sets}")
        return lines

    def labels(self) -> list[str]:
        lines = []
        for dataset, index in self.indexes.items():
            counts = index["apex_source"].value_counts()
            lines.append(f"{self._data(dataset)}: apex frames {', '.join(f'{k} {n}' for k, n in counts.items())}")
        for protocol, card in self._protocols():
            lines.append(f"{protocol}: {card.target} as label; {card.source or 'no source on record'}")
        return lines

    def clips(self) -> list[str]:
        return [
            f"{protocol}: {len(self.tables[name])} clips of {self._subjects(name)} subjects; "
            + ", ".join(f"{d} {n}" for d, n in self.tables[name]["dataset"].value_counts().sort_index().items())
            for name, (protocol, _) in zip(self.study.protocols, self._protocols(), strict=True)
        ]

    def classes(self) -> list[str]:
        lines = []
        for name, (protocol, card) in zip(self.study.protocols, self._protocols(), strict=True):
            counts = Counter(c for several in self.tables[name]["class"] for c in several.split("+"))
            lines.append(f"{protocol}: {', '.join(f'{c} {counts[c]}' for c in card.classes)}")
        return lines

    def missing(self) -> list[str]:
        """Findings of the readers on what a release lacks, and clips that no result has."""
        kinds = {"missing-frames": "clips with missing frames", "dropped": "clips left out", "error": "errors"}
        lines = self._findings(kinds)
        for name, (protocol, _) in zip(self.study.protocols, self._protocols(), strict=True):
            scores = self.scores[name]
            short = scores[(scores["status"] == "partial") & (scores["rule"] == "last") & ~_is_slice(scores)]
            lines += [f"{protocol}: {row.run} has {row.n} of {row.expected} clips" for row in short.itertuples()]
            failed = scores[(scores["rule"] == "last") & ~_is_slice(scores) & (scores["status"] == "failed")]
            lines += [f"{protocol}: {row.run} has no score: {row.note}" for row in failed.itertuples()]
        return lines or ["the readers found no missing frame and left out no clip; every run has all clips"]

    def repaired(self) -> list[str]:
        lines = self._findings({"repair": "repairs of annotations", "apex": "apexes to know of"})
        return [*lines, f"a clip on whose onset no face is found: `missing_face: {self.study.settings.missing_face}`"]

    def _findings(self, kinds: dict[str, str]) -> list[str]:
        lines = []
        for dataset in self.indexes:
            path = Path(f"results/index/{dataset}.findings.csv")
            found = Counter(pd.read_csv(path)["kind"]) if path.is_file() else Counter()
            lines += [f"{self._data(dataset)}: {what} {found[kind]}" for kind, what in kinds.items() if found[kind]]
        return lines

    def excluded(self) -> list[str]:
        lines = []
        for name, (protocol, card) in zip(self.study.protocols, self._protocols(), strict=True):
            total = sum(len(self.indexes[dataset]) for dataset in card.datasets)
            left = total - len(self.tables[name])
            text = f"{protocol}: {left} of {total} clips have a label of no class, or are excluded by name"
            there = pd.concat([self.indexes[dataset] for dataset in card.datasets])
            there = set(zip(there["dataset"], there["subject"], there["clip"], strict=True))
            named = [item for item in card.exclude if (item.dataset, item.subject, item.clip) in there]
            reasons = [f"{item.dataset} {item.subject} {item.clip}: {item.reason}" for item in named]
            lines.append(f"{text}{' (' * bool(reasons)}{'; '.join(reasons)}{')' * bool(reasons)}")
        return lines

    # models

    def models(self) -> list[str]:
        lines = []
        for run in sorted(self.study.methods):
            card: MethodCard = self.study.runs[run]
            lines.append(f"{run}: {card.title}{f'; {card.source}' if card.source else ''}")
        return lines

    def controls(self) -> list[str]:
        controls = [run for run, card in self.study.runs.items() if card.control]
        lines = [f"controls, which learn nothing from the clips: {', '.join(controls)}"] if controls else []
        return lines + ["a null model is scored under the same rules"] * self.null_model

    def inputs(self) -> list[str]:
        lines = []
        for recipe in self.study.recipes_in_use():
            chain = json.dumps(self.study.recipes.chain(recipe), sort_keys=True)
            lines.append(f"`{recipe}` ({self.study.recipes.section(recipe)}): `{chain}`")
        return lines

    def parameters(self) -> list[str]:
        budget = ", ".join(self._several("budget")) or self.study.settings.budget
        lines = [f"budget {budget}; all values of each training stand in its predictions file, `hyper_parameters`"]
        swept = {card: runs for card, runs in self._by_card().items() if len(runs) > 1}
        lines += [
            f"several values were trained on the test protocol: {card}, {len(r)} runs" for card, r in swept.items()
        ]
        inner = self.study.settings.inner_folds
        chosen = (
            f"the epoch, by {inner} parts of the training subjects" if inner else "nothing is chosen on training parts"
        )
        return [*lines, f"inner validation: {chosen}", *self._absent()]

    def _by_card(self) -> dict[str, list[str]]:
        cards: dict[str, list[str]] = {}
        for run in self.study.methods:
            cards.setdefault(self.project.card_of[run], []).append(run)
        return cards

    def uncertain(self) -> list[str]:
        noted = {card: list(self.project.card(card).certainty) for card in self._by_card()}
        marked = [f"{card} ({', '.join(fields)})" for card, fields in sorted(noted.items()) if fields]
        return [f"values that their cards mark as uncertain: {'; '.join(marked)}"] if marked else []

    # evaluation

    def splits(self) -> list[str]:
        return [
            f"{protocol}: {card.split}, {self.tables[name]['fold'].nunique()} folds"
            for name, (protocol, card) in zip(self.study.protocols, self._protocols(), strict=True)
        ]

    def separation(self) -> list[str]:
        """What the tables of clips say of the folds: each subject in one, each clip once."""
        lines = []
        for name, (protocol, _) in zip(self.study.protocols, self._protocols(), strict=True):
            table = self.tables[name]
            shared = int((table.groupby(["dataset", "subject"])["fold"].nunique() > 1).sum())
            twice = int(table["id"].duplicated().sum())
            good = not shared and not twice
            text = "no subject stands in two folds and no clip twice" if good else (
                f"**{shared} subjects stand in several folds, {twice} clips twice**"
            )  # fmt: skip
            lines.append(f"{protocol}: {text} (checked now, in `results/protocols/{name}.csv`)")
        return lines

    def people(self) -> list[str]:
        lines = []
        for name in self.study.pretrained_in_use():
            clips = self.study.recipes.pretraining[name].clips
            whose = (
                "the training clips of each fold" if clips.scope == "fold" else f"all clips of {shown(clips.datasets)}"
            )
            lines.append(f"pre-training `{name}`: on {whose}")
        same = Counter(map(self.project.folder_of, self.study.datasets))
        lines += [f"{folder}: read as {n} data sets, whose people are the same" for folder, n in same.items() if n > 1]
        return lines or ["no pre-training on clips; no two data sets of the study share a folder"]

    def selection(self) -> list[str]:
        """Which rules picked the epoch of the scores, and which of them see test clips."""
        scores = pd.concat(self.scores.values())
        rules = scores[scores["status"].isin(["ok", "partial"])][["rule", "leaking"]].drop_duplicates()
        honest, leaking = (sorted(set(rules[rules["leaking"] == leaks]["rule"])) for leaks in (False, True))
        lines = [f"epoch of the honest scores: rule {', '.join(honest)}"] if honest else []
        return lines + [f"rules that look at test clips, marked in every table: {', '.join(leaking)}"] * bool(leaking)

    def oracle_inputs(self) -> list[str]:
        kinds = {"inputs that know the test clip's coded action units": self.study.oracles}
        kinds["inputs magnified by the same flow that is then measured"] = self.study.circular
        lines = [f"{what}: {', '.join(runs)}" for what, runs in kinds.items() if runs]
        return lines or ["no run reads coded action units of test clips, or flow that the same flow has magnified"]

    def metrics(self) -> list[str]:
        by: dict[str, list[str]] = {}
        for protocol, card in self._cards().items():
            what = "F1 of action units" if card.multilabel else "UF1, UAR, accuracy"
            how = "counts of all folds together" if card.average == "pooled" else "counts of each data set, averaged"
            by.setdefault(f"{what}, of the {how}", []).append(protocol)
        return [f"{what}: {', '.join(names)}" for what, names in by.items()]

    def intervals(self) -> list[str]:
        lines = []
        for name, (protocol, _) in zip(self.study.protocols, self._protocols(), strict=True):
            scores = self.scores[name]
            column = "au_macro_f1_low" if self._cards()[name].multilabel else "uf1_low"
            last = scores[(scores["rule"] == "last") & scores["status"].isin(["ok", "partial"])]
            has = int(last[column].notna().sum())
            lines.append(f"{protocol}: {has} of {len(last)} scores of the last epoch have a 95 % interval")
        return [f"percentile bootstrap over subjects, {RESAMPLES} draws; too narrow with few subjects", *lines]

    def seeds(self) -> list[str]:
        found = sorted({record["seed"] for record in self.trainings})
        text = f"seeds of the trainings: {', '.join(map(str, found)) or 'none on record'}"
        spread = "scores are means over seeds, with their standard deviation" if len(found) > 1 else (
            "one seed: how much scores vary between seeds is not known"
        )  # fmt: skip
        return [f"study seed {self.study.settings.study_seed}; {text}; {spread}", *self._absent()]

    def tests(self) -> list[str]:
        files = [p for p in self.study.protocols if Path(f"results/{self.name}/comparisons/{p}.csv").is_file()]
        if not files:
            return ["no tests between methods on record"]
        return [
            f"permutation of whole subjects, and McNemar by clip, both with Holm's correction: {shown(files)}",
            "McNemar takes clips as independent, which clips of one subject are not",
        ]

    def across(self) -> list[str]:
        left = [p for p, card in self._cards().items() if card.split == "leave-one-dataset-out"]
        if left:
            return [f"tested on data sets that were not trained on: {', '.join(left)}"]
        return [
            f"no data set is left out of training; {len(self.study.datasets)} data sets, folds within each protocol"
        ]

    # how it was run

    def code(self) -> list[str]:
        commits, versions = self._several("commit"), sorted({json.dumps(r["versions"]) for r in self.trainings})
        lines = [f"commits of the trainings: {', '.join(commits) or 'none on record'}"]
        lines += [", ".join(f"{k} {v}" for k, v in json.loads(text).items()) for text in versions[:MANY]]
        return [*lines, *self._absent()]

    def machines(self) -> list[str]:
        if not self.trainings:
            return self._absent()
        hours = sum(record["seconds"] for record in self.trainings) / 3600
        memory = max(record.get("peak_mb") or 0 for record in self.trainings)
        by = {what: self._several(key) for what, key in (("device", "device"), ("processor", "processor"),
              ("driver", "driver"), ("instructions", "instructions"))}  # fmt: skip
        lines = [f"{what}: {', '.join(values)}" for what, values in by.items() if values]
        return [
            f"{len(self.trainings)} training jobs, {hours:.2f} hours in all, at most {memory} MB; no other stage",
            *lines,
            *self._absent(),
        ]

    def command(self) -> list[str]:
        saved = f"results/{self.name}/study.yaml"
        there = Path(saved).is_file()
        return [f"`apexbench run {self.name}`, with the settings of `{saved}`"] if there else []

    # words

    def _cards(self) -> dict[str, Any]:
        return {protocol: self.project.protocols[protocol] for protocol in self.study.protocols}

    def _protocols(self) -> Iterable[tuple[str, Any]]:
        """(what lines call it, card) of each protocol."""
        return [(f"{card.title} (`{name}`)", card) for name, card in self._cards().items()]

    def _data(self, dataset: str) -> str:
        return f"{self.project.datasets[dataset].title} (`{dataset}`)"

    def _subjects(self, protocol: str) -> int:
        return self.tables[protocol].groupby(["dataset", "subject"]).ngroups


def _is_slice(scores: pd.DataFrame) -> pd.Series:
    return scores["slice"].fillna("") != ""


def shown(values: Iterable[str]) -> str:
    """Return values, each once; of many the first and how many there are.

    >>> shown(["a", "b", "a"])
    'a, b'
    """
    names = list(dict.fromkeys(values))
    return ", ".join(names) if len(names) <= MANY else f"{', '.join(names[:MANY])} and {len(names) - MANY} more"
