"""RCN (xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec): pictures in one folder, and a list of each side of a fold.

It reads by Pillow, u, v, strain in 0..1, of any size that all share (60 px in related code). The released script's only
`alpha` is 0, without magnification. `VERSION` stands where the code has a name of the user's choice. Paths are as from
the program's folder. The running number of subjects begins with 0 here; where the released table begins is not on
record.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from apexbench.export.clips import PARTS, Clip, subjects_of
from apexbench.export.folds import write_lists
from apexbench.export.pictures import write_map

SIDE = None
EXTRAS: dict[str, str] = {}
VERSION = "data/MEGC2019/v_cde_flow"


def write(clips: Sequence[Clip], folder: Path, order: str) -> None:
    paths = {clip.stem: f"{VERSION}/flow_alpha0/{clip.part}_{clip.stem}.png" for clip in clips}
    for clip in clips:
        write_map(folder / paths[clip.stem], clip.flow, order)
    write_lists(folder / VERSION, clips, paths, PARTS, "video442subName.txt")
    meta = folder / "dataset/megc_meta.csv"
    meta.parent.mkdir()
    numbers = {subject: number for number, subject in enumerate(subjects_of(clips))}
    with meta.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for clip in clips:
            part = PARTS.index(clip.part)
            writer.writerow([clip.part, clip.subject, clip.name, clip.label, numbers[clip.subject], part])
