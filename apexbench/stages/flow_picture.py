"""Crops and flow -> a picture of onset, apex, flow and strain of one clip, for the eye."""

from collections.abc import Sequence

import numpy as np

from apexbench.clips import ClipId
from apexbench.errors import InputError
from apexbench.figures.flow import flow_figure
from apexbench.figures.style import below
from apexbench.stages.shards import onset_and_apex
from apexbench.store.tensors import read_tensors


def flow_picture(*, crops: Sequence[str], flow: Sequence[str], output: str, title: str) -> None:
    """Draw onset, apex, flow and strain of the clip whose motion is largest in the first shard that has clips."""
    for of_crops, of_flow in zip(crops, flow, strict=True):
        frames, maps = read_tensors(of_crops, kind="shard"), read_tensors(of_flow, kind="shard")
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
    about = f"Subject {clip.subject}, clip {clip.clip}, onset to apex: 99th percentile of the flow {peak[name]:.2f} px"
    flow_figure(onset, apex, maps[name].astype(np.float32), output, below(title, about))
