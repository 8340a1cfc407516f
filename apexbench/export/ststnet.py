"""STSTNet's PyTorch code (christy1206/STSTNet): a tree of folds, whose subjects are whatever lies in `norm_u_v_os`.

It reads by OpenCV, so its tensors are strain, v, u; 0..255, unscaled. Only the last batch's predictions of a fold are
kept: a test subject must fit into one batch, of 256 there.
"""

from collections.abc import Sequence
from pathlib import Path

from apexbench.export.clips import Clip
from apexbench.export.folds import file_name, write_folders
from apexbench.export.pictures import write_map

SIDE = 28
EXTRAS: dict[str, str] = {}


def write(clips: Sequence[Clip], folder: Path, order: str) -> None:
    write_tree(clips, folder / "norm_u_v_os", order)


def write_tree(clips: Sequence[Clip], root: Path, order: str) -> None:
    """Write a tree of folds that holds nothing else: each map where it is tested, and links to it."""
    pictures = {}
    for clip in clips:
        pictures[clip.stem] = root / clip.subject / "u_test" / str(clip.label) / file_name(clip)
        write_map(pictures[clip.stem], clip.flow, order)
    write_folders(root, clips, pictures)
