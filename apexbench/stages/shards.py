"""Reading the frames that matter out of a shard of clips."""

import numpy as np

from apexbench.config.recipes import Jitter
from apexbench.store import Tensors


def onset_and_apex(shard: Tensors, name: str) -> np.ndarray:
    """Return the onset and the apex frame of a clip, (2, H, W, C) uint8."""
    record = shard.meta["clips"][name]
    places = [record["frames"].index(record[key]) for key in ("onset", "apex")]
    return shard[name][places]


def frames_near_keys(shard: Tensors, name: str, jitter: Jitter) -> np.ndarray:
    """Return four frames near the onset and four near the apex of a clip, (2, 4, H, W, C) uint8.

    The first of four is the key frame itself, the others follow by their distance from it. They are spread evenly over
    the frame numbers that the jitter allows (see `_spread`); a frame that the shard lacks is replaced by the nearest
    that it has, the earlier of two.
    """
    record = shard.meta["clips"][name]
    onset, apex, frames = record["onset"], record["apex"], np.array(record["frames"])
    rise, fall = apex - onset, record["frames"][-1] - apex
    later, earlier = (int(part * rise / 4) for part in (jitter.onset, jitter.apex))
    past = int(jitter.past_apex * fall / 4)
    numbers = np.stack([_spread(onset, onset + later, onset), _spread(apex - earlier, apex + past, apex)])
    return shard[name][np.abs(numbers[..., None] - frames).argmin(-1)]


def _spread(first: int, last: int, key: int, count: int = 4) -> np.ndarray:
    """Return frame numbers spread evenly over first .. last, of which the first is `key`, and so on by distance.

    One, two or four frames are each as often among the four; of three, the middle one is there twice. Of more than
    four, that nearest to `key` gives way to it.

    >>> _spread(10, 10, 10), _spread(10, 11, 10), _spread(8, 10, 10), _spread(7, 10, 10)
    (array([10, 10, 10, 10]), array([10, 10, 11, 11]), array([10,  9,  9,  8]), array([10,  9,  8,  7]))
    >>> _spread(5, 12, 9)
    array([ 9,  7, 12,  5])
    """
    numbers = np.linspace(first, last, count).round().astype(int)
    numbers[np.abs(numbers - key).argmin()] = key
    return numbers[np.abs(numbers - key).argsort(kind="stable")]
