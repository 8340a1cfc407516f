"""Folders of classes, <class>/<clip>/ with frames: so Kinetics, UCF101, HMDB51, CK+ and Oulu-CASIA are read.

For pre-training only. A clip's label is its class, its name is `<class>:<clip>`, since releases name clips alike in
several classes, and its person is what its name says (`apexbench.persons`). Videos are not read: docs/datasets.md has
the command that unpacks them.
"""

from pathlib import Path

from apexbench.datasets.annotations import Annotation, Annotations, Copy, Finding, files, subfolders
from apexbench.errors import InputError
from apexbench.persons import persons

_VIDEOS = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg", ".mpeg")


def read(copy: Copy) -> Annotations:
    """Return the clips of a folder of classes; a class without clips, and a file in a class, are errors among them.

    Raises InputError if there are not two classes with clips at least.
    """
    tree = copy.find_tree(["."])
    classes = {folder.name: subfolders(folder) for folder in subfolders(tree)}
    filled = [name for name, folders in classes.items() if folders]
    if len(filled) < 2:
        what = f"only one class, {filled[0]!r}" if filled else "no classes"
        raise InputError(
            f"{tree}: {what}; expected folders <class>/<clip>/ with frames, of two classes at least"
            + _first_video(tree)
            + ". If the tree of classes lies deeper, name it in config/datasets.yaml, fields 'frames' and 'subjects'"
        )
    found = [Finding("unlisted", str(path), "", "a file beside the classes") for path in files(tree)]
    for name, folders in classes.items():
        found += [Finding("error", str(path), "", _stray(path)) for path in files(tree / name)]
        if not folders:
            found.append(Finding("error", str(tree / name), "", "a class without clips; remove it"))
    numbers = persons((name, folder.name) for name, folders in classes.items() for folder in folders)
    clips = [
        Annotation(str(tree / name / clip), str(number), f"{name}:{clip}", name, folders=[tree / name / clip])
        for (name, clip), number in numbers.items()
    ]
    return Annotations(clips, filled, found)


def _stray(path: Path) -> str:
    """What is wrong with a file where a clip's folder belongs."""
    if path.suffix.lower() in _VIDEOS:
        return "videos are not read; unpack it into a folder of frames (docs/datasets.md has the command)"
    return "a file where folders of clips belong; put frames into <class>/<clip>/, move the rest away"


def _first_video(tree: Path) -> str:
    videos = (path for folder in [tree, *subfolders(tree)] for path in files(folder))
    found = next((path for path in videos if path.suffix.lower() in _VIDEOS), None)
    return f"; {found.relative_to(tree)}: videos are not read, unpack them (docs/datasets.md)" if found else ""
