"""Look at a licensed copy before a run."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from apexbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from apexbench.config.protocols import ProtocolCard

HELP = "read one release and print what it holds, or all that is wrong"
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


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset")
    parser.add_argument("root", type=Path, nargs="?", help="folder of the release; default data/<folder>")
    apexes = ("sheet", "midpoint", "last", "spotted", "drop")
    parser.add_argument("--apex", choices=apexes, help="default: as in config/datasets.yaml; spotted takes minutes")
    parser.add_argument("--strict", action="store_true", help="status 1 on warnings too, and if a count differs")


def run(wanted: argparse.Namespace) -> int:
    """Print what a copy holds beside what it should hold, and all that was found; status 1 on errors, see --strict."""
    from apexbench.clips import sample_hash
    from apexbench.config.datasets import whole_of
    from apexbench.config.files import read_cards, read_repairs
    from apexbench.datasets import counted, differences, names, persons_in, read_release
    from apexbench.errors import nearest

    dataset, root = wanted.dataset, wanted.root
    cards, protocols = read_cards(Path())
    if dataset not in cards and dataset not in names():
        raise InputError(f"unknown data set {dataset!r}; {nearest(dataset, {*cards, *names()})}")
    card = cards[dataset] if dataset in cards else whole_of(dataset, cards)
    options = {key: getattr(card, key) for key in ("loader", "label_set", "fps", "sheet", "frames", "part", "unusable")}
    root = root or Path("data") / (card.folder or dataset)
    release = read_release(dataset, root, apex=wanted.apex or card.apex, repairs=read_repairs(Path()), **options)
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
    return int(errors > 0 or (wanted.strict and (different > 0 or warnings > 0)))


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
