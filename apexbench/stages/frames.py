"""Raw clips -> crops of the chosen frames: one similarity transform for each clip, one resampling for each frame."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.clips import clip_ids, find_frames, read_index
from apexbench.config.recipes import CropRecipe
from apexbench.errors import InputError
from apexbench.frames.alignment import alignment, crop, resize
from apexbench.frames.pictures import read_frame
from apexbench.frames.sampling import CHOICES, resample, rows
from apexbench.stages.faces import read_faces
from apexbench.store import write_tensors


def crop_frames(
    *, index: str, clips: str, faces: str | None, subjects: Sequence[int], recipe: Mapping, output: str
) -> None:
    """Crop the chosen frames of some subjects' clips into one shard, {clip id: (T, S, S, C) uint8}.

    Near the key frames they are (2, K, S, S, C); C is 1 or 3.

    Parameters
    ----------
    index, clips : index CSV and the folder that its `frames_dir` starts from.
    faces : where the faces are, see stages/faces.py; None: frames are faces already, and taken whole.
    recipe : values of a `FramesRecipe`, with those of its `CropRecipe` under `crop`.

    A clip without a face is left out, and named in the shard's record `skipped`.
    """
    card = CropRecipe(**recipe["crop"])
    where = read_faces(faces) if faces else None
    frame = read_index(index)
    frame = frame[frame["subject"].isin(subjects)]
    tensors, records, skipped = {}, {}, []
    for (_, row), clip_id in zip(frame.iterrows(), clip_ids(frame), strict=True):
        name = str(clip_id)
        face = where[name] if where is not None else None
        if where is not None and face is None:
            skipped.append(name)
            continue
        tensors[name], records[name] = crop_clip(row, Path(clips) / row.frames_dir, card, recipe, face)
    axes = [*CHOICES[recipe["choose"]].axes, "y", "x", "colour"]
    meta = {"kind": "shard", "axes": axes, "recipe": recipe, "subjects": list(subjects)}
    write_tensors(output, tensors, {**meta, "clips": records, "skipped": skipped})


def crop_clip(
    row: pd.Series, folder: Path, card: CropRecipe, recipe: Mapping, face: tuple[np.ndarray, str] | None
) -> tuple[np.ndarray, dict]:
    """Return the crops of one clip's chosen frames, and the record that goes with them.

    Its `frames` are frame numbers; between two where frames are interpolated.
    """
    paths = {n: path for n, path in find_frames(folder).items() if row.onset <= n <= row.offset}
    for name in ("onset", "apex"):
        if row[name] not in paths:
            raise InputError(f"{folder}: frame {row[name]}, the {name} of clip {row['clip']}, is missing")
    numbers, kind, options = list(paths), recipe["choose"], recipe["options"]
    record = {"onset": int(row.onset), "apex": int(row.apex), "fps": float(row.fps)}
    if CHOICES[kind].pixels:
        crops, how = _cut([paths[n] for n in numbers], card, face)
        chosen, places = resample(kind, crops, **options)
        return chosen, {**record, **how, "frames": np.interp(places, np.arange(len(numbers)), numbers).tolist()}
    wanted, lengths = rows(kind, numbers, int(row.onset), int(row.apex), **options)
    needed, places = np.unique(wanted, return_inverse=True)
    crops, how = _cut([paths[numbers[i]] for i in needed], card, face)
    record |= {**how, "frames": np.array(numbers)[wanted].tolist()}
    if lengths is not None:
        record["lengths"] = lengths.tolist()
    return crops[places.reshape(wanted.shape)], record


def _cut(paths: Sequence[Path], card: CropRecipe, face: tuple[np.ndarray, str] | None) -> tuple[np.ndarray, dict]:
    """Read frames and crop them, (T, S, S, C) uint8, and say how."""
    frames = [read_frame(path) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if frame.shape != frames[0].shape:
            raise InputError(
                f"{path}: {frame.shape[1]}x{frame.shape[0]}x{frame.shape[2]}, unlike the clip's first frame "
                f"({frames[0].shape[1]}x{frames[0].shape[0]}x{frames[0].shape[2]}); copy the clip anew from the release"
            )
    stack = np.stack(frames)
    if face is None:
        return resize(stack, card.size, card.interpolation), {"detector": "release"}
    anchors, detector = face
    matrix = alignment(anchors, card.size, card.margin)
    return crop(stack, matrix, card.size, card.interpolation), {"detector": detector, "matrix": matrix.tolist()}
