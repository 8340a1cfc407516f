"""The references of a study."""

import argparse
from pathlib import Path

HELP = "write the BibTeX of every data set, method and tool of a study"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="a study, run or not, such as default")
    parser.add_argument("-o", "--output", type=Path, help=".bib file to write; left out: printed")


def run(wanted: argparse.Namespace) -> int:
    """Print the entries, or write them; what has no reference on record is named."""
    from apexbench.bibliography import bibliography, bibtex
    from apexbench.config.studies import as_it_was_run
    from apexbench.store.writing import atomic
    from apexbench.study import Study

    settings, origin = as_it_was_run(wanted.study)
    study = Study(settings, Path(), origin)
    found = bibliography(study)
    text = bibtex(study, found)
    if wanted.output is None:
        print(text, end="")
        return 0
    with atomic(wanted.output) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{wanted.output}: {len(found.used_for)} references; none known: {', '.join(found.unknown) or 'nothing'}")
    return 0
