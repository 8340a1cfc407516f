"""Flow maps that others made of licensed clips: small pictures, one for each clip, in three layouts in circulation.

Flat (STSTNet, HTNet): pictures `sub01_EP02_01f .png` and one CSV with the columns dataset, sub, filename_o and label.
Folds: `<subject>/{u_train,u_test}/<label>/sub01_EP02_01f .png`, of which only `u_test` is read; that `u_train` is all
the rest is checked. Lists (RCN, Dual-ATME): `<subject>_train.txt` and `<subject>_test.txt`, lines of path, label and a
number, paths as from the program's folder; read and checked alike. The blank before .png may be there or not. R, G, B
are horizontal flow, vertical flow and strain, each stretched to 0..255 for itself. A clip has no frames here:
`frames_dir` is its picture, onset, apex and offset are 0, and where its apex was is only known to those who made the
maps (`apex_source` is `provided`).

Without a `part` all three data sets are read, and the column `dataset` says whose a clip is.
"""

import re
import struct
from collections.abc import Iterable, Mapping
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
_LISTS = {"u_train": "_train.txt", "u_test": "_test.txt"}
_PART_FIRST = re.compile(r"(?:casme2|smic|samm)_", re.IGNORECASE)  # RCN's file names begin with it
_FRAMES_LAST = re.compile(
    r"_(?P<before>(?:[^-]*_)?[a-z]*)\d+-(?P=before)\d+_flow$", re.IGNORECASE
)  # Dual-ATME's end so


def read(copy: Copy) -> Annotations:
    """Return the clips of a folder of flow maps; of `copy.part` only, if it names one."""
    tree = copy.find_tree(["."])
    folds, lists = _folds(tree), _lists(tree)
    if folds and (copy.frames or not any(copy.root.glob("**/*.csv"))):
        clips, findings = _read_folds(folds)
    elif lists:
        clips, findings = _read_lists(lists, tree)
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
    found = {}
    for fold in folds:
        sides = {side: [(path, path.parent.name, path.stem.strip()) for path in _side(fold, side)] for side in _SIDES}
        found[fold] = {side: {(label, name.lower()): (path, name) for path, label, name in maps}
                       for side, maps in sides.items()}  # fmt: skip
    return _of_test_sides(found, "u_train", "u_test")


def _read_lists(lists: list[Path], tree: Path) -> tuple[list[Annotation], list[Finding]]:
    found = {}
    for file in lists:
        fold = file.with_name(file.name.removesuffix(_LISTS["u_test"]))
        found[fold] = {side: {} for side in _SIDES}
        for side, ending in _LISTS.items():
            for label, path in _listed(fold.with_name(fold.name + ending), tree):
                name = _FRAMES_LAST.sub("", _PART_FIRST.sub("", path.stem.strip()))
                found[fold][side][label, name.lower()] = path, name
    return _of_test_sides(found, "the list of the training side", "the test side's")


def _listed(file: Path, tree: Path) -> Iterable[tuple[str, Path]]:
    """Label and picture of each line of a list. Raises InputError for a line of another form, or without a picture."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not readable as a list ({error}); each fold has a train and a test list") from None
    roots = [folder for folder in file.parents if folder == tree or tree in folder.parents]
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (2, 3) or words[1] not in ("0", "1", "2"):
            raise InputError(f"{file}, line {number}: {line[:80]!r}; expected a path, a label 0, 1 or 2, and a number")
        there = next((root / words[0] for root in roots if is_file(root / words[0])), None)
        if there is None or ".." in Path(words[0]).parts:
            raise InputError(f"{file}, line {number}: no picture {words[0]!r} in {tree} or below")
        yield words[1], there


def _of_test_sides(
    sides: Mapping[Path, Mapping[str, Mapping[tuple[str, str], tuple[Path, str]]]], train_is: str, test_is: str
) -> tuple[list[Annotation], list[Finding]]:
    """The clips of all folds' test sides, {fold: {side: {(label, name): (picture, name as spelt)}}}."""
    clips: dict[str, Annotation] = {}
    for fold, parts in sides.items():
        for (label, name), (path, spelt) in parts["u_test"].items():
            subject, _, clip = spelt.partition("_")
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
                text = f"{train_is} is not all the rest: it {what} {len(keys)} maps, such as {some}"
                findings.append(Finding("note", str(fold), "", f"{text}; only {test_is} is read"))
    return list(clips.values()), findings


def _lists(tree: Path) -> list[Path]:
    """The test lists of subjects, all in one folder, in `tree` or up to three folders deeper."""
    for pattern in ("*", "*/*", "*/*/*", "*/*/*/*"):
        found = sorted(path for path in tree.glob(f"{pattern}{_LISTS['u_test']}") if is_file(path))
        if len({path.parent for path in found}) > 1:
            listed = ", ".join(sorted({str(path.parent.relative_to(tree)) for path in found}))
            raise InputError(f"{tree}: several folders of lists ({listed}); name one in config/datasets.yaml, 'frames'")
        if found:
            return found
    return []


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
