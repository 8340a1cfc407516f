"""What the runs of a study scored, cell by cell, with a status for those that did not."""

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from apexbench.config.methods import MethodCard
from apexbench.config.protocols import ProtocolCard
from apexbench.evaluation.score_files import NULL_REPEATS, NULL_RUN, null_run
from apexbench.tables.table import WARNING, TableInputs
from apexbench.tables.words import split_words

NO_FILES = "no predictions files"  # what the scores say of a run that is there, but has nothing
ORACLE = "oracle: what it reads of a test clip was chosen by the clip's true action units"
CIRCULAR = "circular: its flow measures what the same flow has magnified"
NAMED = 4  # incomplete runs that a caption names


class RunScores:
    """Scores of the study's runs by protocol, slice, run and rule."""

    def __init__(self, inputs: TableInputs):
        self.protocols: Mapping[str, ProtocolCard] = inputs.protocols
        self.methods: Mapping[str, MethodCard] = inputs.methods
        self.marks = {run: ORACLE for run in inputs.oracles} | {run: CIRCULAR for run in inputs.circular}
        self.inputs = inputs
        self.study = list(inputs.scores)
        self.absent = "has no scores yet" if inputs.partial else "left no scores: see its log"
        self.frames = {
            name: frame.assign(slice=frame["slice"].fillna("")) for name, frame in inputs.scores.items() if len(frame)
        }
        self._lines = {
            (name, *key): lines
            for name, frame in self.frames.items()
            for key, lines in frame.groupby(["slice", "run"], sort=False).indices.items()
        }
        self._found: dict[tuple[str, str, str], pd.DataFrame] = {}

    def title(self, protocol: str) -> str:
        """Return the title of a protocol, or its name where we have no card of it."""
        return self.protocols[protocol].title if protocol in self.protocols else protocol

    def by_rule(self, protocol: str, part: str, run: str) -> pd.DataFrame | None:
        """Return the rows of a run on a slice of a protocol by rule; None if the scores have none.

        They are cut out when they are asked for: a table shows few of a study's runs, and cutting is what takes time.
        """
        key = protocol, part, run
        if key in self._lines and key not in self._found:
            self._found[key] = self.frames[protocol].iloc[self._lines[key]].set_index("rule")
        return self._found.get(key)

    def rows(self, place: tuple[str, str] | None, run: str) -> tuple[pd.DataFrame, str, str]:
        """Return the rows of a run at (protocol, slice) by rule, its status and a note."""
        none = pd.DataFrame()
        if place is None:
            return none, "skipped", "not one of our protocols"
        protocol, part = place
        if protocol not in self.study:
            return none, "skipped", f"protocol {protocol!r} is not part of this study"
        if run not in self.methods and run != NULL_RUN:
            return none, "skipped", f"method {run!r} is not part of this study"
        rows = self.by_rule(protocol, part, run)
        if rows is None or "last" not in rows.index or rows.loc["last", "note"] == NO_FILES:
            return none, "failed", f"run {run!r} on {part or protocol!r} {self.absent}"
        honest = rows.loc["last"]
        if honest["status"] == "partial":
            expected = "all" if pd.isna(honest["expected"]) else honest["expected"]
            return rows, "partial", f"only {honest['n']} of {expected} clips in every seed"
        if honest["status"] != "ok":
            return none, honest["status"], f"{honest['status']}: {honest['note']}"
        return rows, "ok", ""

    def cell(self, place: tuple[str, str] | None, run: str, metric: str, rule: str, score: str) -> dict:
        """Return our part of a cell: `score` under `rule`, `metric` under `last` with its interval, counts, status.

        Without a rule, which is "", there is nothing as published.
        """
        rows, status, note = self.rows(place, run)
        if run in self.marks and len(rows):
            note = "; ".join(filter(None, [self.marks[run], note]))
        cell = {"status": status, "ours_note": note, "metric": metric, "rule": rule, "score": score}
        cell["origin"] = self.inputs.origins.get(run, "")
        if place:
            cell["protocol"], cell["slice"] = place
        if not len(rows):
            return cell
        honest = rows.loc["last"]
        return cell | {
            "as_published": rows.loc[rule, score] if rule in rows.index else math.nan,
            "honest": honest[metric],
            "honest_sd": honest.get(f"{metric}_sd", math.nan) if run != NULL_RUN else math.nan,
            "ci_low": honest.get(f"{metric}_low", math.nan),
            "ci_high": honest.get(f"{metric}_high", math.nan),
            **{name: honest[name] for name in ("seeds", "n", "k", "epochs")},
            "null": self._null(place, run, honest["epochs"], rule, score),
        }

    def _null(self, place: tuple[str, str], run: str, epochs: int, rule: str, score: str) -> float:
        """Return what the null model scores with as many epochs as a run has, under the same rule."""
        null = self.by_rule(*place, NULL_RUN)
        if run == NULL_RUN or null is None or pd.isna(epochs) or not rule:
            return math.nan
        longest = null.loc["last", "epochs"]
        if epochs == 1:  # nothing to pick
            return null.loc["last", score]
        rows = self.by_rule(*place, null_run(epochs, longest))
        return rows.loc[rule, score] if rows is not None and rule in rows.index else math.nan

    def _datasets(self, protocol: str) -> tuple[str, ...]:
        return self.protocols[protocol].datasets if protocol in self.protocols else ()

    def nowhere(self, runs: Iterable[str], protocols: Iterable[str]) -> str:
        """Name the runs that are trained under none of some protocols, with the reason; "" if all are under one."""
        reasons = {}
        for run in runs:
            found = [self.by_rule(protocol, "", run) for protocol in protocols]
            if found and all(rows is not None and rows.loc["last", "status"] == "skipped" for rows in found):
                reasons[run] = " or ".join(dict.fromkeys(rows.loc["last", "note"] for rows in found))
        said = (f"Not trained here: {self.methods[run].title} ({reason})." for run, reason in reasons.items())
        return " ".join(said)

    def null_epochs(self, protocols: Iterable[str]) -> list[int]:
        """Return with how many epochs the null model was drawn."""
        places = [(name, "") for name in protocols]
        epochs = [
            rows.loc["last", "epochs"] for rows, *_ in (self.rows(place, NULL_RUN) for place in places) if len(rows)
        ]
        return sorted({int(number) for number in epochs if not pd.isna(number)})

    def null_sentence(self, protocols: Iterable[str]) -> str:
        """Say what the null row is, or that it is absent."""
        epochs = self.null_epochs(protocols)
        if not epochs:
            return ""
        drawn = " to ".join(str(number) for number in dict.fromkeys((epochs[0], epochs[-1])))
        return (
            f"The null model learns nothing: labels drawn at random for {drawn} epochs are put through each column's "
            f"own rule (mean of {NULL_REPEATS} repeats). Read every leaking score against the null beside it, which is "
            f"drawn for as many epochs as that run has."
        )

    def facts(self, protocols: Iterable[str]) -> tuple[str, str]:
        """Return the caption's sentences on clips, folds, budget and seeds, and the warning on synthetic clips."""
        frames = {}
        for name in protocols:
            frame = self.frames.get(name, pd.DataFrame(columns=["slice", "method", "n"]))
            frame = frame[(frame["slice"] == "") & (frame["method"] != NULL_RUN)].dropna(subset=["n"])
            if len(frame):
                frames[name] = frame
        if not frames:
            return "No run has scores yet.", ""
        clips = [
            f"{self.title(name)} (n = {frame['n'].max()}, {frame['folds'].max()} folds)"
            for name, frame in frames.items()
        ]
        every = pd.concat(frames.values())
        seeds, budget = every["seeds"].max(), " and ".join(sorted(set(every["budget"].dropna())))
        plural = (
            "1 seed"
            if seeds == 1
            else f"mean \N{PLUS-MINUS SIGN} standard deviation of {seeds} seeds, intervals of the mean"
        )
        if seeds > 1 and every["seeds"].min() == 1:
            plural += ", methods without randomness once"
        warning = self.inputs.clips_sentence(d for name in frames for d in self._datasets(name))
        if not warning and (every["data_source"] != "licensed").any():
            warning = WARNING
        split = split_words(self.protocols[name] for name in frames if name in self.protocols)
        return f"Clips: {'; '.join(clips)}. Budget: {budget}; {plural}. {split}", warning

    def progress(self, runs: Iterable[tuple[str, str]]) -> str:
        """Say how many of the runs, (protocol, run) each, are complete, and name some that are not; "" if all are.

        A run that cannot be trained (skipped) is no part of the count: its cells say so.
        """
        states = {pair: self.rows((pair[0], ""), pair[1])[1] for pair in runs}
        states = {pair: state for pair, state in states.items() if state != "skipped"}
        lacking = [pair for pair, state in states.items() if state != "ok"]
        if not lacking:
            return ""
        counts = pd.Series([states[pair] for pair in lacking]).value_counts()
        names = [f"{run} on {protocol}" for protocol, run in lacking[:NAMED]]
        names += [f"{len(lacking) - NAMED} more"] * (len(lacking) > NAMED)
        kinds = ", ".join(f"{count} {state}" for state, count in counts.items())
        return (
            f"Partial: {len(states) - len(lacking)} of {len(states)} runs are complete ({kinds}: {'; '.join(names)})."
        )
