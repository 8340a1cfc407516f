"""Pictures for the eye: the crops of a data set on one sheet, the flow of one clip."""

from collections.abc import Sequence

import numpy as np

from apexbench.clips import ClipId
from apexbench.errors import InputError
from apexbench.stages.shards import onset_and_apex
from apexbench.store import read_tensors
from apexbench.tables.figures import flow_figure, sheet_figure


def crop_sheet(shards: list[str], output: str, title: str, most: int = 40) -> None:
    """Draw onset crops on a sheet, from every subject in turn, `most` at most."""
    files = [read_tensors(path, kind="clips") for path in shards]
    queues = [[(file, name) for name in file] for file in files]
    picked = [queue[i] for i in range(max(map(len, queues), default=0)) for queue in queues if i < len(queue)]
    if not picked:
        raise InputError(f"{output}: no clip is left to draw; see the logs of the rule 'faces'")
    picked = sorted(picked[:most], key=lambda item: ClipId.parse(item[1]))
    crops = [(ClipId.parse(name).label, onset_and_apex(file, name)[0]) for file, name in picked]
    total = sum(map(len, queues))
    sheet_figure(crops, output, f"{title}: onset crops of {len(crops)} of {total} clips")


def flow_picture(crops: Sequence[str], flow: Sequence[str], output: str, title: str) -> None:
    """Draw onset, apex, flow and strain of the clip whose motion is largest in the first shard that has clips."""
    for of_crops, of_flow in zip(crops, flow, strict=True):
        frames, maps = read_tensors(of_crops, kind="clips"), read_tensors(of_flow, kind="flow")
        if len(maps):
            break
    else:
        raise InputError(f"{output}: no clip is left to draw; see the logs of the rule 'faces'")
    peak = {
        name: float(np.percentile(np.hypot(*np.moveaxis(maps[name][..., :2].astype(np.float32), -1, 0)), 99))
        for name in maps
    }
    name = max(sorted(peak), key=peak.get)
    onset, apex = onset_and_apex(frames, name)
    clip = ClipId.parse(name)
    title = f"{title}, {clip.clip}: onset to apex, 99th percentile {peak[name]:.2f} px"
    flow_figure(onset, apex, maps[name].astype(np.float32), output, title)
