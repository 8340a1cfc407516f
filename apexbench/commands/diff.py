"""Compare two results."""

import argparse
from pathlib import Path

from apexbench.errors import InputError

HELP = "compare the scores of two studies; status 1 if they differ"
_METRICS = ("acc", "uf1", "uar", "weighted_f1", "au_f1", "au_macro_f1")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, help="a folder such as results/default")
    parser.add_argument("second", type=Path)


def run(wanted: argparse.Namespace) -> int:
    """Print what differs, and whether by more than other seeds would make; status 1 if anything does."""
    from apexbench.evaluation.differences import BEYOND, UNKNOWN, WITHIN, differences
    from apexbench.evaluation.score_files import read_scores

    first, second = wanted.first, wanted.second
    tables = []
    for folder in (first, second):
        files = sorted((folder / "scores").glob("*.csv"))
        if not files:
            raise InputError(f"{folder}: no scores; expected a study's results, such as results/default")
        scores = (read_scores(file).set_index(["protocol", "slice", "run", "rule"]) for file in files)
        tables.append({key: row for frame in scores for key, row in frame.iterrows()})
    different, noises = 0, []
    keys = sorted(set(tables[0]) | set(tables[1]))
    for key in keys:
        sides = [table.get(key) for table in tables]
        if any(side is None for side in sides):
            lines = [f"only in {first if sides[1] is None else second}"]
        else:
            lines = list(differences(*sides, _METRICS))
            noises += [line.noise for line in lines]
        different += bool(lines)
        print("".join(f"{' '.join(filter(None, key))}: {line}\n" for line in lines), end="")
    counted = [f"{noises.count(kind)} {kind}" for kind in (BEYOND, WITHIN, UNKNOWN) if kind in noises]
    print(f"{different} of {len(keys)} rows differ" + (f"; scores: {', '.join(counted)}" if counted else ""))
    if UNKNOWN in noises:
        print("train several seeds (config/config.yaml, seeds: [0, 1, 2]) to know what seeds alone make of a score")
    return int(different > 0)
