"""Flow maps that others made of licensed clips: small pictures, one for each clip, in the two layouts in circulation.

Flat (STSTNet, HTNet): pictures `sub01_EP02_01f .png` and one CSV with the columns dataset, sub, filename_o and label.
Folds: `<subject>/{u_train,u_test}/<label>/sub01_EP02_01f .png`, of which only `u_test` is read; that `u_train` is all
the rest is checked. The blank before .png may be there or not. R, G, B are horizontal flow, vertical flow and strain,
each stretched to 0..255 for itself. A clip has no frames here: `frames_dir` is its picture, onset, apex and offset
are 0, and where its apex was is only known to those who made the maps (`apex_source` is `provided`).

Without a `part` all three data sets are read, and the column `dataset` says whose a clip is.
"""

import re
import struct
from collections.abc import Iterable
from pathlib import Path

from apexbench.clips import is_file
from apexbench.datasets.annotations import Annotation, Annotations, Copy, Finding, subfolders
from apexbench.datasets.sheets import read_sheet
from apexbench.errors import InputError, nearest

EMOTIONS = ("negative", "positive", "surprise")  # labels 0, 1, 2
_COLUMNS = {"dataset": ["dataset"], "subject": ["sub"], "clip": ["filename_o"], "label": ["label"]}
_PARTS = {r"sub\d+": "casme2", r"s\d+": "smic", r"\d+": "samm"}  # by the name of the subject
_SIDE = 28  # px of a map in both layouts
_SIDES = ("u_train", "u_test")


def read(copy: Copy) -> Annotations:
    """Return the clips of a folder of flow maps; of `copy.part` only, if it names one."""
    tree = copy.find_tree(["."])
    folds = _folds(tree)
    if folds and (copy.frames or not any(copy.root.glob("**/*.csv"))):
        clips, findings = _read_folds(folds)
    else:
        clips, findings = _read_flat(copy, tree)
    if copy.part:
        parts = {clip.dataset for clip in clips}
        if copy.part not in parts:
            raise InputError(f"{copy.root}: no flow maps of part {copy.part!r}; {nearest(copy.part, parts)}")
        clips = [clip for clip in clips if clip.dataset == copy.part]
        for clip in clips:
            clip.dataset = ""
    for clip in clips:
        for path in clip.folders:
            clip.problem = clip.problem or _unlike_a_map(path)
    return Annotations(clips, EMOTIONS, findings, maps=True)


def _read_flat(copy: Copy, tree: Path) -> tuple[list[Annotation], list[Finding]]:
    rows = read_sheet(copy.find_sheet(["*.csv"]), _COLUMNS)
    pictures: dict[str, list[Path]] = {}
    for path in _pictures(tree):
        pictures.setdefault(_name(path), []).append(path)
    clips = []
    for row in rows.itertuples():
        clip = Annotation(row.place, row.subject, row.clip, _emotion(row.label), dataset=row.dataset, prefix="sub|s")
        clip.folders = pictures.get(f"{row.subject}_{row.clip}".lower(), [])
        clips.append(clip)
    listed = {path for clip in clips for path in clip.folders}
    beside = {path.parent for path in listed}
    findings = [
        Finding("unlisted", str(path), "", "a flow map that the CSV does not list")
        for path in sorted(path for paths in pictures.values() for path in paths)
        if path.parent in beside and path not in listed
    ]
    return clips, findings


def _read_folds(folds: list[Path]) -> tuple[list[Annotation], list[Finding]]:
    clips: dict[str, Annotation] = {}
    sides = {}
    for fold in folds:
        sides[fold] = {side: {(path.parent.name, _name(path)): path for path in _side(fold, side)} for side in _SIDES}
        for (label, name), path in sides[fold]["u_test"].items():
            subject, _, clip = path.stem.strip().partition("_")
            part = next((part for form, part in _PARTS.items() if re.fullmatch(form, subject, re.IGNORECASE)), "")
            found = Annotation(str(path), subject, clip, _emotion(label), dataset=part, folders=[path], prefix="sub|s")
            if subject.lower() != fold.name.lower():
                found.problem = f"tested in the fold of {fold.name!r}, but its name begins with {subject!r}"
            elif not part:
                found.problem = f"cannot tell whose subject {subject!r} is; expected a name such as sub01, s01 or 006"
            first = clips.setdefault(name, found)
            if first is not found:
                first.folders = [*first.folders, path]
    everything = {key for parts in sides.values() for key in parts["u_test"]}
    findings = []
    for fold, parts in sides.items():
        train, rest = set(parts["u_train"]), everything - set(parts["u_test"])
        for what, keys in (("lacks", rest - train), ("should not have", train - rest)):
            if keys:
                some = ", ".join("/".join(key) for key in sorted(keys)[:3])
                text = f"u_train is not all the rest: it {what} {len(keys)} maps, such as {some}; only u_test is read"
                findings.append(Finding("note", str(fold), "", text))
    return list(clips.values()), findings


def _folds(tree: Path) -> list[Path]:
    """The folders of subjects that have u_train and u_test, in `tree` or one or two folders deeper."""
    for pattern in ("*/u_test", "*/*/u_test", "*/*/*/u_test"):
        found = sorted(path.parent for path in tree.glob(pattern) if path.is_dir())
        if len({path.parent for path in found}) > 1:
            listed = ", ".join(sorted({str(path.parent.relative_to(tree)) for path in found}))
            raise InputError(f"{tree}: several trees of folds ({listed}); name one in config/datasets.yaml, 'frames'")
        if found:
            return found
    return []


def _side(fold: Path, side: str) -> Iterable[Path]:
    return _pictures(fold / side) if (fold / side).is_dir() else ()


def _pictures(tree: Path) -> Iterable[Path]:
    """The .png files below a folder, but not those of folds inside it."""
    named = (path for path in tree.iterdir() if re.fullmatch(r"[^.].*\.png", path.name, re.IGNORECASE))
    yield from sorted(path for path in named if is_file(path))
    for folder in subfolders(tree):
        if folder.name not in _SIDES:
            yield from _pictures(folder)


def _name(path: Path) -> str:
    return path.stem.strip().lower()


def _emotion(label: str) -> str:
    return EMOTIONS[int(label)] if label in ("0", "1", "2") else label


def _unlike_a_map(path: Path) -> str:
    """Say what is wrong with a picture by its header; "" for RGB of the usual size with 8 bits a channel."""
    try:
        with path.open("rb") as file:
            head = file.read(26)
    except OSError as error:
        return f"{path}: not readable ({error.strerror}); copy it anew"
    if len(head) < 26 or not head.startswith(b"\x89PNG\r\n\x1a\n"):
        return f"{path}: not a PNG picture; copy it anew"
    width, height, depth, color = struct.unpack(">IIBB", head[16:26])
    if (depth, color) != (8, 2):
        return f"{path}: expected 8 bits for each of R, G, B, found {width}x{height} of PNG type {color}, {depth} bits"
    if (width, height) != (_SIDE, _SIDE):
        return f"{path}: {width}x{height} px; these maps have {_SIDE}x{_SIDE}, another size would be stretched"
    return ""
