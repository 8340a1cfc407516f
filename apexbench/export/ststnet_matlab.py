"""STSTNet's Matlab code (christy1206/STSTNet): the tree of its PyTorch code below `input`, and a list of subjects.

Matlab's reader gives red first: u, v, strain. The list has no line end after its last subject, as the released one.
"""

from collections.abc import Sequence
from pathlib import Path

from apexbench.export.clips import Clip, subjects_of
from apexbench.export.ststnet import write_tree

SIDE = 28
EXTRAS: dict[str, str] = {}


def write(clips: Sequence[Clip], folder: Path, order: str) -> None:
    write_tree(clips, folder / "input", order)
    (folder / "video442subName.txt").write_text("\n".join(subjects_of(clips)), encoding="utf-8")
