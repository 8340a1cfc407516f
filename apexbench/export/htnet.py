"""HTNet (wangzhifengharrison/HTNet): maps in one folder, the folds as names only, a list, and a face of each clip.

The program rebuilds a map's name as `<sub>_<filename_o> .png`, and takes the face from the column `imagename`: MTCNN
looks for eyes and mouth on it, shrunk to 28 px, and fixed points stand in where it finds none. Faces are pixels of a
licensed clip: they are written only when asked for, from the user's own frames.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from apexbench.export.clips import Clip
from apexbench.export.folds import file_name, write_folders
from apexbench.export.pictures import write_map, write_picture

SIDE = 28
EXTRAS = {
    "faces": "HTNet opens a face picture of each clip, which this export has not: add --faces onset-apex-224, or put "
    "your own into datasets/combined_datasets_whole, named as in the column imagename"
}
_HEADER = ("dataset", "sub", "filename_o", "label", "apex", "imagename", "sub_filename")


def write(clips: Sequence[Clip], folder: Path, order: str) -> None:
    data = folder / "datasets"
    whole = data / "STSNet_whole_norm_u_v_os"  # spelt so in the released code
    pictures = {clip.stem: whole / file_name(clip) for clip in clips}
    for clip in clips:
        write_map(pictures[clip.stem], clip.flow, order)
        if clip.face is not None:
            write_picture(data / "combined_datasets_whole" / clip.face_file, clip.face)
    write_folders(data / "three_norm_u_v_os", clips, pictures)
    with (folder / "combined_3_class2_for_optical_flow.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADER)
        for clip in clips:
            writer.writerow([clip.part, clip.subject, clip.name, clip.label, "", clip.face_file, ""])
