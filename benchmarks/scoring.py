"""Intervals, tests and the null model on the official MEGC2019 counts (442 clips, 68 subjects), as a Markdown table."""

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from predictions import card, megc2019, random_predictions, write

from apexbench.evaluation.comparisons import compare_runs
from apexbench.evaluation.intervals import subject_intervals
from apexbench.evaluation.null_model import null_decisions
from apexbench.evaluation.scores import score_runs
from apexbench.evaluation.selection import RULES, select

REPEATS = 3


def main() -> None:
    clips = megc2019()
    first, second = (select(random_predictions(clips, 1, seed), "last") for seed in (0, 1))
    parts = {"full": ["smic-hs", "casme2", "samm"], "smic": ["smic-hs"], "casme2": ["casme2"], "samm": ["samm"]}
    official = card(datasets=tuple(parts["full"]), slices={name: tuple(part) for name, part in parts.items()})
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "p.parquet", random_predictions(clips, 800))
        rows = {
            "10,000 resamples of all pooled scores": lambda: subject_intervals(first, 0),
            "one run against another: interval, permutation, McNemar": lambda: compare_runs(
                {"ststnet": [first], "other": [second]}
            ),
            "null model, 800 epochs, 20 repeats, all rules": lambda: null_decisions(
                clips["fold"], clips["label"], 3, 800, RULES, 20
            ),
            "`score_runs`: one run of 800 epochs and the null model, all rules, four slices": lambda: score_runs(
                {"ststnet": [path]}, official, clips
            ),
        }
        print(f"Median of {REPEATS}, one process.\n\n| 442 clips, 68 subjects | s |\n|:--|--:|")
        for name, work in rows.items():
            seconds = []
            for _ in range(REPEATS):
                start = perf_counter()
                work()
                seconds.append(perf_counter() - start)
            print(f"| {name} | {median(seconds):.2f} |")


if __name__ == "__main__":
    main()
