"""A run's predictions as others read them."""

import argparse
from pathlib import Path

from apexbench.errors import InputError

HELP = "write a run's predictions in the submission format of MEGC2019"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("predictions", type=Path, nargs="+", help="the run's .parquet files, results/runs/...")
    parser.add_argument("log", type=Path, help="text file to write")
    parser.add_argument("--rule", default="last", help="selection rule; default last")
    parser.add_argument("--seed", type=int, help="where the files hold several seeds")


def run(wanted: argparse.Namespace) -> int:
    """Write the log and print how many clips it has."""
    from apexbench.errors import nearest
    from apexbench.evaluation.export_log import export_log
    from apexbench.evaluation.selection import RULES

    known = sorted(set(RULES) - {"inner"})
    if wanted.rule not in known:
        raise InputError(f"--rule: unknown rule {wanted.rule!r}; {nearest(wanted.rule, known)}")
    clips = export_log(wanted.predictions, wanted.rule, wanted.seed, wanted.log)
    print(f"{wanted.log}: {clips} clips")
    return 0
