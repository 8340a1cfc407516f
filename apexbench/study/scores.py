"""What the scores of a study are made of: predictions by run, and which runs are compared."""

from pathlib import Path

from apexbench.methods import Deep
from apexbench.study.runs import Runs


class Scores(Runs):
    """What rules ask of scores."""

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

    def shown_by_epoch(self) -> list[str]:
        """Return the runs on the leaderboard that have epochs, or may: of given logs only their files tell."""
        kinds = {run: self.methods.get(run, Deep) for run in self.shown}
        return [run for run, kind in kinds.items() if issubclass(kind, Deep)]

    def multilabel_protocols(self) -> list[str]:
        return [name for name in self.protocols if self.project.protocols[name].multilabel]

    # what is there of an unfinished study

    def finished_by_run(self, protocol: str) -> dict[str, list[str]]:
        """Return the predictions that exist."""
        return {run: [p for p in paths if Path(p).exists()] for run, paths in self.predictions_by_run(protocol).items()}

    def finished_state(self, protocol: str) -> list[list]:
        """Return when the existing predictions were written: a partial table is made anew when they change."""
        return [[p, Path(p).stat().st_mtime_ns] for paths in self.finished_by_run(protocol).values() for p in paths]

    def _scorable(self, protocol: str) -> bool:
        return Path(self.protocol_path(protocol)).exists() and any(self.finished_by_run(protocol).values())
