"""Raw clips -> crops of the chosen frames: one similarity transform for each clip, one resampling for each frame.

Or the brows above the mouth, by the landmarks of the onset frame; or, as an oracle, the region of a clip's action
units, by the landmarks of each frame.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from apexbench.clips import action_units, clip_ids, find_frames, read_index
from apexbench.config.recipes import CropRecipe
from apexbench.errors import InputError
from apexbench.frames.alignment import alignment, crop, resize
from apexbench.frames.detection import FaceNotFound, detect_landmarks
from apexbench.frames.pictures import read_frame
from apexbench.frames.puzzle import puzzle, puzzle_boxes
from apexbench.frames.regions import crop_region, region_of
from apexbench.frames.sampling import CHOICES, resample, rows, take
from apexbench.manifest import folder_state
from apexbench.oracles import reads_action_units
from apexbench.stages.faces import read_faces
from apexbench.store.tensors import write_tensors
from apexbench.taken_over import Before, forget, made_of, say

_READ = ("subject", "clip", "onset", "apex", "offset", "fps", "aus", "frames_dir")  # of the index's columns


def crop_frames(
    *,
    index: str,
    clips: str,
    faces: str | None,
    subjects: Sequence[int],
    recipe: Mapping,
    output: str,
    code: str = "",
) -> None:
    """Crop the chosen frames of some subjects' clips into one shard, {clip id: (T, S, S, C) uint8}.

    Near the key frames they are (2, K, S, S, C); C is 1 or 3.

    Parameters
    ----------
    index, clips : index CSV and the folder that its `frames_dir` starts from.
    faces : where the faces are, see stages/faces.py; None: frames are faces already, and taken whole.
    recipe : values of a `FramesRecipe`, with those of its `CropRecipe` under `crop`.
    code : hash of the code; clips of an output that was put aside are taken over where nothing has changed.

    A clip without a face is left out, and named in the shard's record `skipped`. `oracle` says whether the clips'
    action units chose what was cropped. Clips that have fewer frames than are taken of each are named in the log.
    """
    card = CropRecipe(**recipe["crop"])
    where = read_faces(faces) if faces else None
    frame = read_index(index)
    frame = frame[frame["subject"].isin(subjects)]
    tensors, records, keys, skipped, short = {}, {}, {}, [], []
    before, taken = Before(output), 0
    for (_, row), clip_id in zip(frame.iterrows(), clip_ids(frame), strict=True):
        name = str(clip_id)
        face = where[name] if where is not None else None
        if where is not None and face is None:
            skipped.append(name)
            continue
        folder = Path(clips) / row.frames_dir
        facts = [row[list(_READ)].to_dict(), folder_state(folder), face and [face[0].tolist(), face[1]]]
        keys[name] = made_of(code, recipe, *facts)
        kept = before.row(name, keys[name])
        taken += kept is not None
        tensors[name], records[name] = kept or crop_clip(row, folder, card, recipe, face)
        if CHOICES[recipe["choose"]].axes == ("frame",) and row.n_frames < len(tensors[name]):
            short.append(f"{name} ({row.n_frames})")
    say(taken, len(keys))
    if short:
        logging.warning(
            "%d of %d clips have fewer frames than are taken of each, %d: some are repeated or interpolated: %s",
            len(short), len(tensors), max(map(len, tensors.values())), ", ".join(short),
        )  # fmt: skip
    axes = [*CHOICES[recipe["choose"]].axes, "y", "x", "colour"]
    meta = {"kind": "shard", "axes": axes, "recipe": recipe, "subjects": list(subjects)}
    meta |= {"oracle": reads_action_units(card), "clips": records, "skipped": skipped, "made_of": keys}
    write_tensors(output, tensors, meta)
    forget(output)


def crop_clip(
    row: pd.Series, folder: Path, card: CropRecipe, recipe: Mapping, face: tuple[np.ndarray, str] | None
) -> tuple[np.ndarray, dict]:
    """Return the crops of one clip's chosen frames, and the record that goes with them.

    Its `frames` are frame numbers; between two where frames are interpolated. Of a region of action units it has the
    `boxes`, px of each frame, and the numbers of frames without a face. Which of its frames move most is seen on crops
    of the whole face, so that both kinds of crop, of one size, hold the same frames.
    """
    paths = {n: path for n, path in find_frames(folder).items() if row.onset <= n <= row.offset}
    for name in ("onset", "apex"):
        if row[name] not in paths:
            raise InputError(f"{folder}: frame {row[name]}, the {name} of clip {row['clip']}, is missing")
    numbers, kind, options = np.array(list(paths)), recipe["choose"], recipe["options"]
    record = {"onset": int(row.onset), "apex": int(row.apex), "fps": float(row.fps)}
    if card.region == "puzzle":
        cut = partial(_puzzle, onset=paths[int(row.onset)], size=card.size)
    else:
        cut = partial(_whole_face, card=card, face=face)
    if CHOICES[kind].pixels:
        crops, how = cut(list(paths.values()))
        chosen, places = resample(kind, crops, **options)
        if not reads_action_units(card):
            return chosen, {**record, **how, "frames": np.interp(places, np.arange(len(numbers)), numbers).tolist()}
        wanted, lengths = places.astype(int), None
    else:
        wanted, lengths = rows(kind, numbers, int(row.onset), int(row.apex), **options)
    low = np.floor(wanted).astype(int)
    needed, found = np.unique([low, np.ceil(wanted).astype(int)], return_inverse=True)
    files, places = [paths[n] for n in numbers[needed]], found.reshape(2, *wanted.shape)[0] + (wanted - low)
    if reads_action_units(card):
        crops, how = _region(np.stack(list(_read(files))), row, numbers[needed], places, card.size)
    else:
        crops, how = cut(files)
    between = (low != wanted).any()
    shown = np.interp(wanted, np.arange(len(numbers)), numbers) if between else numbers[low]
    record |= {**how, "frames": shown.tolist()}
    if lengths is not None:
        record["lengths"] = lengths.tolist()
    each_once = np.array_equal(places, np.arange(len(crops)))
    return crops if each_once else take(crops, places), record


def _read(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Read frames one by one, (H, W, C) uint8."""
    first = None
    for path in paths:
        frame = read_frame(path)
        first = frame.shape if first is None else first
        if frame.shape != first:
            raise InputError(
                f"{path}: {frame.shape[1]}x{frame.shape[0]}x{frame.shape[2]}, unlike the clip's first frame "
                f"({first[1]}x{first[0]}x{first[2]}); copy the clip anew from the release"
            )
        yield frame


def _whole_face(
    paths: Sequence[Path], card: CropRecipe, face: tuple[np.ndarray, str] | None
) -> tuple[np.ndarray, dict]:
    """Crop frames to the face, (T, S, S, C) uint8, and say how; no more than one frame is held at a time."""
    if face is None:
        cut, how = partial(resize, size=card.size, interpolation=card.interpolation), {"detector": "release"}
    else:
        anchors, detector = face
        matrix = alignment(anchors, card.size, card.margin)
        cut = partial(crop, matrix=matrix, size=card.size, interpolation=card.interpolation)
        how = {"detector": detector, "matrix": matrix.tolist()}
    crops = None
    for place, frame in enumerate(_read(paths)):
        if crops is None:
            crops = np.empty((len(paths), card.size, card.size, frame.shape[2]), np.uint8)
        crops[place] = cut(frame[None])[0]
    return crops, how


def _puzzle(paths: Sequence[Path], onset: Path, size: int) -> tuple[np.ndarray, dict]:
    """Cut brows and mouth out of frames, (T, S, S, C) uint8, by the landmarks of the onset frame, and say how."""
    frame = read_frame(onset)
    try:
        boxes = puzzle_boxes(detect_landmarks(frame), *frame.shape[:2])
    except FaceNotFound as error:
        raise InputError(
            f"{onset}: {error}; region: puzzle needs the mesh, so give the crop recipe detector: mesh-only, and "
            f"config.yaml missing_face: skip"
        ) from None
    crops = np.concatenate([puzzle(image[None], boxes, size) for image in _read(paths)])
    return crops, {"detector": "mesh", "boxes": boxes.tolist()}


def _region(
    stack: np.ndarray, row: pd.Series, numbers: np.ndarray, places: np.ndarray, size: int
) -> tuple[np.ndarray, dict]:
    """Crop frames to the region of the clip's action units, (T, S, S, C) uint8, and say how."""
    units = sorted(action_units(row.aus))
    region = region_of(units)
    crops, boxes, found = crop_region(stack, region, size)
    faceless = numbers[~found].tolist()
    if faceless:
        logging.warning(
            "no face in %d of %d frames of clip %s/%s; they are cropped by the box of the frame before",
            len(faceless), len(numbers), row.subject, row["clip"],
        )  # fmt: skip
    how = {"detector": "mesh", "region": region, "units": units, "boxes": boxes[places].tolist(), "faceless": faceless}
    return crops, how
