"""The console command `apexbench`: look at a licensed copy before a run, compare two results after it."""

import argparse
import sys
from pathlib import Path

from apexbench.errors import InputError

_METRICS = ("acc", "uf1", "uar", "weighted_f1")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run one command; bad input is named on stderr, with status 1."""
    parser = argparse.ArgumentParser(prog="apexbench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check-data", help="read one release and print what it holds, or all that is wrong")
    check.add_argument("dataset")
    check.add_argument("root", type=Path, nargs="?", help="folder of the release; default data/<dataset>")
    check.add_argument("--apex", choices=("sheet", "midpoint"), help="default: as in config/datasets.yaml")
    compare = commands.add_parser("diff", help="compare the scores of two studies; status 1 if they differ")
    compare.add_argument("first", type=Path, help="a folder such as results/default")
    compare.add_argument("second", type=Path)
    schemas = commands.add_parser("schemas", help="write config/schemas/*.json from the cards' types, for editors")
    schemas.add_argument("folder", type=Path, nargs="?", default=Path("config/schemas"))
    wanted = parser.parse_args(arguments)
    try:
        if wanted.command == "check-data":
            return _check_data(wanted.dataset, wanted.root or Path("data") / wanted.dataset, wanted.apex)
        if wanted.command == "diff":
            return _diff(wanted.first, wanted.second)
        return _write_schemas(wanted.folder)
    except InputError as error:
        print(f"apexbench: {error}", file=sys.stderr)
        return 1


def _check_data(dataset: str, root: Path, apex: str | None) -> int:
    from apexbench.config import read_cards
    from apexbench.datasets import load_index
    from apexbench.protocols import label, unexpected

    datasets, protocols = read_cards(Path())
    card = datasets.get(dataset)
    frame = load_index(dataset, root, apex=apex or (card.apex if card else "sheet"))
    print(f"{root}: {len(frame)} clips, {frame['subject'].nunique()} subjects, {frame['n_frames'].sum()} frames")
    for emotion, count in frame["emotion"].value_counts().items():
        print(f"  {emotion:12s} {count:5d}")
    for name, protocol in protocols.items():
        if protocol.datasets == (dataset,):
            part = label(protocol, frame)
            lines = unexpected(protocol, part)
            print(f"protocol {name}: {len(part)} clips, {protocol.expected_clips or 'unknown'} expected")
            print("".join(f"  {line}\n" for line in lines), end="")
    return 0


def _diff(first: Path, second: Path) -> int:
    from apexbench.evaluation.scores import read_scores

    tables = []
    for folder in (first, second):
        files = sorted((folder / "scores").glob("*.csv"))
        if not files:
            raise InputError(f"{folder}: no scores; expected a study's results, such as results/default")
        scores = (read_scores(file).set_index(["protocol", "run", "rule"]) for file in files)
        tables.append({key: row for frame in scores for key, row in frame.iterrows()})
    different = 0
    for key in sorted(set(tables[0]) | set(tables[1])):
        sides = [table.get(key) for table in tables]
        if any(side is None for side in sides):
            lines = [f"only in {first if sides[1] is None else second}"]
        else:
            lines = [f"{m} {sides[0][m]:.4f} -> {sides[1][m]:.4f}" for m in _METRICS if sides[0][m] != sides[1][m]]
        different += bool(lines)
        print("".join(f"{' '.join(key)}: {line}\n" for line in lines), end="")
    print(f"{different} of {len(set(tables[0]) | set(tables[1]))} rows differ")
    return int(different > 0)


def _write_schemas(folder: Path) -> int:
    from apexbench.config import schemas
    from apexbench.store import atomic

    for name, text in schemas().items():
        with atomic(folder / f"{name}.json") as part:
            part.write_text(text)
    print(f"{folder}: schemas written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
