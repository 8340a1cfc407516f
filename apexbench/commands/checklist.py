"""Reporting checklists of a study."""

import argparse
from pathlib import Path

HELP = "fill the REFORMS and NeurIPS checklists from the records of a study, open points marked"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="a study that was run, such as default")
    parser.add_argument("-o", "--output", type=Path, help="Markdown file to write; left out: printed")


def run(wanted: argparse.Namespace) -> int:
    """Print the page, or write it."""
    from apexbench.checklists.page import page
    from apexbench.checklists.records import Records
    from apexbench.config.studies import as_it_was_run
    from apexbench.store.writing import atomic
    from apexbench.study import Study

    settings, origin = as_it_was_run(wanted.study)
    text = page(Records(Study(settings, Path(), origin)))
    if wanted.output is None:
        print(text, end="")
        return 0
    with atomic(wanted.output) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{wanted.output}: {text.count('**open:**')} points are open")
    return 0
