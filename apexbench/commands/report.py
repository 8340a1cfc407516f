"""The report of a study, by the configuration that it was run with."""

import argparse
import os
import sys
from pathlib import Path

from apexbench.commands.run import program
from apexbench.config.studies import default_name, study_file

HELP = "make the report of a study that was run, results/STUDY/report.html"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", nargs="?", help="left out: that of config/config.yaml, into results/report.html")


def run(wanted: argparse.Namespace) -> int:
    """Hand over to Snakemake, in this process."""
    name = wanted.study or default_name()
    command = report_command(name, study_file(name, saved_first=True), default=name == default_name())
    print(" ".join(command), file=sys.stderr, flush=True)
    os.execv(program(), command)


def report_command(name: str, file: Path | None, default: bool) -> list[str]:
    """Return the command that makes a study's report.

    >>> report_command("mine", Path("results/mine/study.yaml"), default=False)[-2:]
    ['--report', 'results/mine/report.html']
    """
    page = "results/report.html" if default else f"results/{name}/report.html"
    files = [f"--configfile={file}"] if file else []
    return ["snakemake", *files, "--cores=1", "--quiet=all", "--report", page]
