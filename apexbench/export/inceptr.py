"""IncepTR (HaoliangZhou/IncepTR): an array of each clip, and lists as Dual-ATME's.

An npz holds `of`, (28, 28, 3) float32, which the network takes as it is. By the paper's figure the channels are u, v
and strain; the range of values is not on record: each is stretched to -1..1 here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apexbench.export.clips import Clip
from apexbench.export.dual_atme import PARTS, make_output_folders
from apexbench.export.folds import write_lists
from apexbench.export.pictures import ORDERS, stretched

SIDE = 28
EXTRAS: dict[str, str] = {}
_LISTS = "data/MEGC2019/v_cde_flow_np"


def write(clips: Sequence[Clip], folder: Path, order: str) -> None:
    clips = sorted(clips, key=lambda clip: (clip.subject, clip.name))
    paths = {clip.stem: f"{_LISTS}/{clip.part}/{clip.stem}.npz" for clip in clips}
    for clip in clips:
        path = folder / paths[clip.stem]
        path.parent.mkdir(parents=True, exist_ok=True)
        maps = 2 * stretched(clip.flow)[list(ORDERS[order])] - 1
        np.savez(path, of=maps.transpose(1, 2, 0).astype(np.float32))
    write_lists(folder / _LISTS, clips, paths, PARTS, "subName.txt")
    make_output_folders(folder)
