"""Face crops -> one sheet of a data set's first crops, for the eye."""

from collections.abc import Sequence
from itertools import groupby

from apexbench.clips import ClipId
from apexbench.errors import InputError
from apexbench.figures.crops import sheet_figure
from apexbench.figures.style import below
from apexbench.stages.shards import first_frame
from apexbench.store.tensors import read_tensors


def crop_sheet(*, shards: Sequence[str], output: str, title: str, most: int = 16) -> None:
    """Draw the first crop of each clip on a sheet, from every subject in turn, `most` at most; `title` is a head."""
    files = [read_tensors(path, kind="shard") for path in shards]
    clips = sorted(((file, name) for file in files for name in file), key=lambda item: ClipId.parse(item[1]))
    queues = [list(some) for _, some in groupby(clips, key=lambda item: ClipId.parse(item[1]).subject)]
    picked = [queue[i] for i in range(max(map(len, queues), default=0)) for queue in queues if i < len(queue)]
    if not picked:
        raise InputError(f"{output}: no clip is left to draw; see the logs of the rule 'faces'")
    picked = sorted(picked[:most], key=lambda item: ClipId.parse(item[1]))
    crops = [(ClipId.parse(name).label, first_frame(file, name)) for file, name in picked]
    shown = "all" if len(crops) == len(clips) else f"{len(crops)} of"
    sheet_figure(crops, output, below(title, f"First crops of {shown} {len(clips)} clips"))
