"""A study as one file for others."""

import argparse
from pathlib import Path

from apexbench.errors import InputError

HELP = "pack a study into one file for others: scores, predictions, cards, records and tables, no clip"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", nargs="?", help="left out: that of config/config.yaml")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: STUDY.zip")
    parser.add_argument(
        "--licence", default="", metavar="URL", help="of these results, as https://spdx.org/licenses/..."
    )


def run(wanted: argparse.Namespace) -> int:
    """Write the bundle once what it holds was made anew from its predictions."""
    from apexbench.config.model import check_name
    from apexbench.config.studies import default_name
    from apexbench.sharing.archive import opened, write_archive
    from apexbench.sharing.bundle import entries, open_study
    from apexbench.sharing.verify import verify
    from apexbench.store.writing import atomic

    name = wanted.study or default_name()
    check_name(name, f"study {name!r}")
    output = wanted.output or Path(f"{name}.zip")
    if output.suffix != ".zip":
        raise InputError(f"--output {output}: a bundle is a zip file; name it {output.stem}.zip")
    if wanted.licence and not wanted.licence.startswith(("https://", "http://")):
        raise InputError(f"--licence {wanted.licence!r}: expected its address, as https://spdx.org/licenses/CC-BY-4.0")
    files = entries(open_study(name), wanted.licence)
    with atomic(output) as part:
        write_archive(part, files)
        with opened(part) as bundle:
            verdict = verify(bundle)
        lines = list(verdict.lines())
        if verdict.differences:
            raise InputError(
                "\n".join([f"study {name!r}: its scores are not those of its predictions", *lines])
                + f"\nmake them anew: snakemake --cores 2 --configfile results/{name}/study.yaml"
            )
    print(f"{output}: {len(files)} files, {output.stat().st_size / 2**20:.1f} MB; {lines[0]}")
    return 0
