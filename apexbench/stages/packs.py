"""Shards of many subjects -> one pack for each data set: what a method reads."""

from pathlib import Path

import cv2
import numpy as np

from apexbench.clips import clip_ids, read_index
from apexbench.config import PackRecipe
from apexbench.errors import InputError
from apexbench.frames.pictures import read_frame
from apexbench.stages.shards import frames_near_keys, onset_and_apex
from apexbench.store import read_tensors, write_pack


def _resize(image: np.ndarray, size: int) -> np.ndarray:
    """Return (H, W, C) as (C, size, size); area interpolation, which averages what it merges."""
    if image.shape[0] != size or image.shape[1] != size:
        shape = image.shape[2]
        way = cv2.INTER_AREA if size < image.shape[0] else cv2.INTER_CUBIC
        image = cv2.resize(image, (size, size), interpolation=way).reshape(size, size, shape)
    return image.transpose(2, 0, 1)


def pack(shards: list[str], recipe: dict, output: str) -> None:
    """Write the pack that a `PackRecipe` describes."""
    (pack_flow if recipe["flow"] else pack_frames)(shards, recipe, output)


def pack_flow(shards: list[str], recipe: dict, output: str) -> None:
    """Write a pack of flow maps, x (N, 3, size, size) float16 = u, v (px of the crop) and strain."""
    card = PackRecipe(**recipe)
    ids, rows = [], []
    for path in shards:
        shard = read_tensors(path, kind="flow")
        for name in shard:
            ids.append(name)
            rows.append(_resize(shard[name].astype(np.float32), card.size).astype(np.float16))
    _write(output, ids, rows, {"recipe": recipe, "channels": ["u", "v", "strain"]})


def pack_frames(shards: list[str], recipe: dict, output: str) -> None:
    """Write a pack of onset and apex frames, x (N, 2, 3, size, size) uint8 RGB; gray clips repeat their channel.

    With `jitter` x is (N, 2, 4, 3, size, size): four frames for each key frame, which is the first of them.
    """
    card = PackRecipe(**recipe)
    ids, rows = [], []
    for path in shards:
        shard = read_tensors(path, kind="clips")
        for name in shard:
            ids.append(name)
            keys = frames_near_keys(shard, name, card.jitter) if card.jitter else onset_and_apex(shard, name)
            frames = [_resize(frame, card.size) for frame in keys.reshape(-1, *keys.shape[-3:])]
            colour = np.stack([np.broadcast_to(frame, (3, card.size, card.size)) for frame in frames])
            rows.append(colour.reshape(*keys.shape[:-3], *colour.shape[1:]))
    jitter = {"jitter": card.jitter.model_dump()} if card.jitter else {}
    _write(output, ids, rows, {"recipe": recipe, "frames": ["onset", "apex"], **jitter})


def pack_maps(index: str, root: str, recipe: dict, output: str) -> None:
    """Write a pack of flow maps that are given as pictures, x (N, 3, size, size) float16 in 0..1.

    The pictures hold u, v and strain, each stretched to 0..255 for itself: magnitudes are lost, and a recipe's
    magnification and flow algorithm mean nothing here. Its size is kept.

    Raises InputError if a picture cannot be read or has other than three channels.
    """
    card = PackRecipe(**recipe)
    frame = read_index(index)
    ids, rows = [str(clip_id) for clip_id in clip_ids(frame)], []
    for path in frame["frames_dir"]:
        image = read_frame(Path(root) / path)
        if image.shape[2] != 3:
            raise InputError(f"{Path(root) / path}: a flow map has three channels (u, v, strain), not {image.shape[2]}")
        rows.append(_resize(image.astype(np.float32) / 255, card.size).astype(np.float16))
    _write(output, ids, rows, {"recipe": recipe, "channels": ["u", "v", "strain"], "given": True})


def _write(output: str, ids: list[str], rows: list[np.ndarray], meta: dict) -> None:
    if not rows:
        raise InputError(f"{output}: no clip is left to pack; see the logs of the rule 'faces'")
    order = np.argsort(ids, kind="stable")
    write_pack(output, [ids[i] for i in order], np.stack([rows[i] for i in order]), meta)
