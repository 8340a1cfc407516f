"""Dual-ATME (HaoliangZhou/Dual-ATME): two pictures of each clip, of the whole face and of two strips of it, and lists.

The second picture's path is the first one's with every `flow` in it turned into `flow_puzzle`, so the word may not
stand elsewhere. It reads by Pillow: the shorter side becomes 28 px, 0..255 becomes -1..1. Frame names stand in file
names, the apex first; the lists count casme2 0, samm 1, smic 2, and begin with SAMM's subjects. The puzzle is a flow
recipe of its own, since its flow is that of the two strips put together. What the channels are is not on record: u, v
and strain here.
"""

from collections.abc import Sequence
from pathlib import Path

from apexbench.errors import InputError
from apexbench.export.clips import Clip
from apexbench.export.folds import write_lists
from apexbench.export.pictures import write_map

SIDE = None
EXTRAS = {
    "puzzle": "Dual-ATME opens a second picture of each clip, the flow of brows above mouth, which this export has "
    "not: add --puzzle with a flow recipe of such frames"
}
PARTS = ("casme2", "samm", "smic")
_DATA = "data/MEGC2019"


def write(clips: Sequence[Clip], folder: Path, order: str) -> None:
    clips = sorted(clips, key=lambda clip: (clip.subject, clip.name))
    paths = {}
    for clip in clips:
        name = f"{clip.stem}_{clip.apex}-{clip.onset}"
        if "flow" in name:
            raise InputError(
                f"clip {name!r}: Dual-ATME finds its second picture by the word 'flow', so no name may have it"
            )
        paths[clip.stem] = f"{_DATA}/{clip.part}/flow/{name}_flow.png"
        write_map(folder / paths[clip.stem], clip.flow, order)
        if clip.puzzle is not None:
            write_map(folder / paths[clip.stem].replace("flow", "flow_puzzle"), clip.puzzle, order)
    write_lists(folder / _DATA / "v_cde_flow", clips, paths, PARTS, "subName.txt")
    make_output_folders(folder)


def make_output_folders(folder: Path) -> None:
    """Make the two folders that the program writes into and does not make."""
    for name in ("result", "data/model_path"):
        (folder / name).mkdir(parents=True)
