"""Folds of one subject each, as released programs have them: as folders of pictures, or as lists of paths."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from apexbench.export.clips import Clip, subjects_of
from apexbench.export.pictures import link


def file_name(clip: Clip) -> str:
    """The picture of a clip as it circulates: with a blank before the suffix.

    Every program's reader takes any name but HTNet's, which writes the blank into its paths.
    """
    return f"{clip.stem} .png"


def write_folders(root: Path, clips: Sequence[Clip], pictures: Mapping[str, Path]) -> None:
    """Write `<root>/<subject>/{u_train,u_test}/<label>/<stem> .png`, all clips in each fold; both sides always exist.

    pictures : {stem: file that is there}; folds have links to it.
    """
    for subject in subjects_of(clips):
        for side in ("u_train", "u_test"):
            (root / subject / side).mkdir(parents=True, exist_ok=True)
        for clip in clips:
            side = "u_test" if clip.subject == subject else "u_train"
            path = root / subject / side / str(clip.label) / file_name(clip)
            if path != pictures[clip.stem]:
                link(path, pictures[clip.stem])


def write_lists(
    folder: Path, clips: Sequence[Clip], paths: Mapping[str, str], parts: Sequence[str], subjects: str
) -> None:
    """Write `<subject>_train.txt` and `<subject>_test.txt`, lines `path label part`, and the list of subjects.

    Parameters
    ----------
    paths : {stem: path as the program opens it, from its own folder}.
    parts : whose number, by place, the third word of a line is.
    subjects : name of the file that lists the subjects.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = {clip.stem: f"{paths[clip.stem]} {clip.label} {parts.index(clip.part)}\n" for clip in clips}
    names = subjects_of(clips)
    for subject in names:
        for side, tested in (("train", False), ("test", True)):
            text = "".join(lines[clip.stem] for clip in clips if (clip.subject == subject) == tested)
            (folder / f"{subject}_{side}.txt").write_text(text, encoding="utf-8")
    (folder / subjects).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
