"""The console command `apexbench`: look at a licensed copy before a run, compare two results after it."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from apexbench.errors import InputError
from apexbench.score import command as score

if TYPE_CHECKING:
    import pandas as pd

    from apexbench.config.protocols import ProtocolCard

# kinds of findings, in the order in which check-data prints them
_FINDINGS = {
    "note": "notes",
    "unlisted": "folders and pictures that the annotation does not list",
    "apex": "apexes to know of",
    "label": "labels that are not known",
    "missing-frames": "missing frames",
    "unmatched-repair": "repairs that do not fit this copy",
    "repair": "repairs applied",
    "dropped": "clips left out",
    "error": "errors",
}
_METRICS = ("acc", "uf1", "uar", "weighted_f1", "au_f1", "au_macro_f1")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run one command; bad input is named on stderr, with status 1."""
    parser = argparse.ArgumentParser(prog="apexbench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check-data", help="read one release and print what it holds, or all that is wrong")
    check.add_argument("dataset")
    check.add_argument("root", type=Path, nargs="?", help="folder of the release; default data/<folder>")
    apexes = ("sheet", "midpoint", "spotted", "drop")
    check.add_argument("--apex", choices=apexes, help="default: as in config/datasets.yaml; spotted takes minutes")
    check.add_argument("--strict", action="store_true", help="status 1 on warnings too, and if a count differs")
    compare = commands.add_parser("diff", help="compare the scores of two studies; status 1 if they differ")
    compare.add_argument("first", type=Path, help="a folder such as results/default")
    compare.add_argument("second", type=Path)
    export = commands.add_parser("export-log", help="write a run's predictions in the submission format of MEGC2019")
    export.add_argument("predictions", type=Path, nargs="+", help="the run's .parquet files, results/<study>/runs/...")
    export.add_argument("log", type=Path, help="text file to write")
    export.add_argument("--rule", default="last", help="selection rule; default last")
    export.add_argument("--seed", type=int, help="where the files hold several seeds")
    audit = commands.add_parser("audit", help="check printed numbers: whole clips, repeated pairs, mixed-up metrics")
    audit.add_argument("files", type=Path, nargs="*", help="CSVs such as config/published/memix.csv; default: all")
    score.arguments(commands.add_parser("score", help=score.HELP))
    schemas = commands.add_parser("schemas", help="write config/schemas/*.json and config/README.md's table from types")
    schemas.add_argument("folder", type=Path, nargs="?", default=Path("config/schemas"))
    magnet = commands.add_parser("train-magnet", help="train the network of the magnification arm magnet, on no clip")
    magnet.add_argument("weights", type=Path, help=".safetensors file to write")
    magnet.add_argument(
        "--steps", type=int, default=4000, help="of 4 pictures of 64 px; default 4000, about 25 minutes"
    )
    magnet.add_argument("--seed", type=int, default=0)
    magnet.add_argument("--bfloat16", action="store_true", help="faster on processors that have it")
    magnet.add_argument("--device", default="cpu", help="torch's name; default cpu")
    wanted = parser.parse_args(arguments)
    try:
        if wanted.command == "check-data":
            return _check_data(wanted.dataset, wanted.root, wanted.apex, wanted.strict)
        if wanted.command == "diff":
            return _diff(wanted.first, wanted.second)
        if wanted.command == "export-log":
            return _export_log(wanted.predictions, wanted.rule, wanted.seed, wanted.log)
        if wanted.command == "audit":
            return _audit(wanted.files)
        if wanted.command == "score":
            return score.run(wanted)
        if wanted.command == "train-magnet":
            return _train_magnet(wanted.weights, wanted.steps, wanted.seed, wanted.bfloat16, wanted.device)
        return _write_schemas(wanted.folder)
    except InputError as error:
        print(f"apexbench: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _check_data(dataset: str, root: Path | None, apex: str | None, strict: bool) -> int:
    """Print what a copy holds beside what it should hold, and all that was found; status 1 on errors, see --strict."""
    from apexbench.clips import sample_hash
    from apexbench.config.datasets import whole_of
    from apexbench.config.files import read_cards, read_repairs
    from apexbench.datasets import counted, differences, names, persons_in, read_release
    from apexbench.errors import nearest

    cards, protocols = read_cards(Path())
    if dataset not in cards and dataset not in names():
        raise InputError(f"unknown data set {dataset!r}; {nearest(dataset, {*cards, *names()})}")
    card = cards[dataset] if dataset in cards else whole_of(dataset, cards)
    options = {key: getattr(card, key) for key in ("loader", "label_set", "fps", "sheet", "frames", "part", "unusable")}
    root = root or Path("data") / (card.folder or dataset)
    release = read_release(dataset, root, apex=apex or card.apex, repairs=read_repairs(Path()), **options)
    index = release.index
    sources = ", ".join(f"{source} {count}" for source, count in index["apex_source"].value_counts().items())
    print(f"{root}: {len(index)} clips, {persons_in(index)} subjects, {index['n_frames'].sum()} frames")
    print(f"release {card.loader or dataset}, label set {card.label_set or 'unnamed'}, sample ids {sample_hash(index)}")
    print(f"apex: {sources or 'none'}\n")
    _print_counts(counted(index, card.model_dump()))
    print()
    pictures = _bad_pictures(index, root)
    different = len(differences(index, card.model_dump()))
    for name, protocol in protocols.items():
        if dataset in protocol.datasets and len(index):
            different += _print_protocol(name, protocol, dataset, index)
    for kind, title in _FINDINGS.items():
        found = [*release.of_kind(kind), *(pictures if kind == "error" else ())]
        lines = [str(finding).replace(f"{root}/", "") for finding in found]
        print("".join(f"{line}\n" for line in (f"\n{title} ({len(found)})", *lines) if found), end="")
    errors, warnings = len(release.of_kind("error")) + len(pictures), len(release.warnings)
    told = f"; warnings: {warnings}" if warnings else ""
    print(f"\nerrors: {errors}; counts that differ: {different}{told}")
    return int(errors > 0 or (strict and (different > 0 or warnings > 0)))


def _bad_pictures(index: "pd.DataFrame", root: Path) -> list:
    """Return an error for each frame of the clips of an index, found below `root`, that is no readable picture.

    Onset, apex and offset are decoded, of the others the first bytes are read.
    """
    from apexbench.clips import find_frames
    from apexbench.datasets import Finding
    from apexbench.frames.pictures import check_header, read_frame

    seen, findings = set(), []  # several clips may lie in one video
    for row in index.itertuples():
        folder = root / row.frames_dir
        frames = {0: folder} if row.apex_source == "provided" else find_frames(folder)
        for number, path in frames.items():
            key = number in (row.onset, row.apex, row.offset)
            if not row.onset <= number <= row.offset or {(path, key), (path, True)} & seen:
                continue
            seen.add((path, key))
            try:
                read_frame(path) if key else check_header(path)
            except InputError as error:
                text = str(error).removeprefix(f"{path}: ")
                findings.append(Finding("error", str(path), f"{row.subject}/{row.clip}", text))
    return findings


def _print_counts(rows: list[tuple[str, int | None, int]]) -> None:
    print(f"{'':24s} {'found':>8s} {'expected':>8s}")
    for what, expected, found in rows:
        mark = "" if expected in (None, found) else "  <--"
        print(f"{what:24s} {found:8d} {'?' if expected is None else expected:>8}{mark}")


def _print_protocol(name: str, card: "ProtocolCard", dataset: str, index: "pd.DataFrame") -> int:
    """Print how many clips a protocol takes of this data set, and return how many of its counts differ."""
    from apexbench.protocols import label, unexpected

    subjects = {part: counts for part, counts in card.expected_subjects.items() if part == dataset}
    if card.datasets != (dataset,):  # of a composite's counts only those of subjects belong to one data set
        counts = [count if isinstance(count, int) else sum(count) for count in subjects.get(dataset, {}).values()]
        card = card.model_copy(update={"expected_clips": sum(counts) or None, "expected_classes": None})
    part = label(card, index)
    lines = unexpected(card.model_copy(update={"expected_subjects": subjects}), part)
    wish = "" if card.expected_clips is None else f", {card.expected_clips} expected"
    print(f"protocol {name}: {len(part)} clips{wish}")
    print("".join(f"  {line}\n" for line in lines), end="")
    return len(lines)


def _diff(first: Path, second: Path) -> int:
    """Print what differs, and whether by more than other seeds would make; status 1 if anything does."""
    from apexbench.evaluation.differences import BEYOND, UNKNOWN, WITHIN, differences
    from apexbench.evaluation.scores import read_scores

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


def _export_log(predictions: list[Path], rule: str, seed: int | None, log: Path) -> int:
    from apexbench.errors import nearest
    from apexbench.evaluation.export_log import export_log
    from apexbench.evaluation.selection import RULES

    known = sorted(set(RULES) - {"inner"})
    if rule not in known:
        raise InputError(f"--rule: unknown rule {rule!r}; {nearest(rule, known)}")
    print(f"{log}: {export_log(predictions, rule, seed, log)} clips")
    return 0


def _audit(files: list[Path]) -> int:
    from apexbench.evaluation.audit import audit_file

    files = files or sorted(Path("config/published").glob("*.csv"))
    if not files:
        raise InputError("config/published: no CSV files here; name the files to check")
    for path in files:
        findings = audit_file(path)
        print(f"{path}: {len(findings)} findings")
        for row in findings.itertuples():
            print(f"  row {row.row + 2}, {row.kind}: {row.text}")
    return 0


def _train_magnet(weights: Path, steps: int, seed: int, bfloat16: bool, device: str) -> int:
    """Train MagNet on procedural scenes and write it in half precision, with the command in the file's record."""
    import logging

    import torch

    from apexbench.frames.magnet.training import train
    from apexbench.store import write_tensors

    if steps < 1 or weights.suffix != ".safetensors":
        raise InputError("train-magnet: expected a file named .safetensors, and --steps 1 or more")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    model = train(steps, seed, bfloat16=bfloat16, device=device)
    command = f"apexbench train-magnet {weights} --steps {steps} --seed {seed}{' --bfloat16' if bfloat16 else ''}"
    record = {"kind": "magnet", "command": command, "device": device, "torch": torch.__version__}
    write_tensors(weights, {name: x.cpu().half().numpy() for name, x in model.state_dict().items()}, record)
    print(f"{weights}: {weights.stat().st_size / 1e6:.1f} MB")
    return 0


def _write_schemas(folder: Path) -> int:
    from apexbench.config.files import schemas, settings_page
    from apexbench.store import atomic

    page = folder.parent / "README.md"
    if page.exists():
        text = settings_page(page.read_text(encoding="utf-8"), page)
        with atomic(page) as part:
            part.write_text(text, encoding="utf-8")
    for name, text in schemas().items():
        with atomic(folder / f"{name}.json") as part:
            part.write_text(text)
    print(f"{folder}: schemas written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
