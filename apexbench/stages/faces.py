"""Raw clips -> aligned face crops: one detection and one similarity transform for each clip, on its onset frame."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from apexbench.clips import clip_ids, find_frames, read_index
from apexbench.config import FaceCard
from apexbench.errors import InputError
from apexbench.frames.alignment import alignment, crop
from apexbench.frames.detection import FaceNotFound, anchor_points, detect_landmarks, haar_landmarks
from apexbench.frames.pictures import read_frame
from apexbench.store import write_tensors


def anchors(image: np.ndarray, card: FaceCard) -> tuple[np.ndarray, str]:
    """Return eye and mouth anchors (3, 2) px of the face and the detector that found it; FaceNotFound if none did."""
    if card.detector == "mesh":
        try:
            return anchor_points(detect_landmarks(image)), "mesh"
        except FaceNotFound:
            if card.fallback == "none":
                raise
    return haar_landmarks(image), "haar"


def crop_clip(row: pd.Series, folder: Path, card: FaceCard) -> tuple[np.ndarray, dict]:
    """Return the crops of one clip, (T, S, S, C) uint8 onset to offset, and the record that goes with them."""
    paths = {n: path for n, path in find_frames(folder).items() if row.onset <= n <= row.offset}
    for name in ("onset", "apex"):
        if row[name] not in paths:
            raise InputError(f"{folder}: frame {row[name]}, the {name} of clip {row['clip']}, is missing")
    frames = [read_frame(path) for path in paths.values()]
    for path, frame in zip(paths.values(), frames, strict=True):
        if frame.shape != frames[0].shape:
            raise InputError(
                f"{path}: {frame.shape[1]}x{frame.shape[0]}x{frame.shape[2]}, unlike the clip's first frame "
                f"({frames[0].shape[1]}x{frames[0].shape[0]}x{frames[0].shape[2]}); copy the clip anew from the release"
            )
    stack = np.stack(frames)
    record = {"frames": list(paths), "onset": int(row.onset), "apex": int(row.apex), "fps": float(row.fps)}
    if card.detector == "provided":
        crops = np.stack([cv2.resize(f, (card.size, card.size), interpolation=cv2.INTER_AREA) for f in stack])
        return crops.reshape(len(stack), card.size, card.size, -1), {**record, "detector": "provided"}
    points, detector = anchors(stack[0], card)
    matrix = alignment(points, card.size)
    return crop(stack, matrix, card.size), {**record, "detector": detector, "matrix": matrix.tolist()}


def crop_subject(index: str, subject: int, root: str, card: dict, missing_face: str, output: str) -> None:
    """Crop all clips of one subject into one shard, {clip id: (T, S, S, C) uint8}.

    Parameters
    ----------
    index, root : index CSV and the folder that its `frames_dir` starts from.
    card : values of `FaceCard`.
    missing_face : `fail` raises on a clip without a face (after all clips were tried); `skip` leaves the clip out and
        names it in the shard's record, in the log and so in every n below.
    """
    card = FaceCard(**card)
    frame = read_index(index)
    frame = frame[frame["subject"] == subject]
    tensors, records, skipped = {}, {}, []
    for (_, row), clip_id in zip(frame.iterrows(), clip_ids(frame), strict=True):
        try:
            tensors[str(clip_id)], records[str(clip_id)] = crop_clip(row, Path(root) / row.frames_dir, card)
        except FaceNotFound:
            skipped.append(str(clip_id))
            logging.warning("no face found in clip %s, frame %d of %s", clip_id, row.onset, row.frames_dir)
    if skipped and missing_face == "fail":
        raise InputError(
            f"{index}: no face found on the onset frame of {len(skipped)} clip(s): {', '.join(skipped)}; look at the "
            f"frames, or set missing_face: skip in config/config.yaml to run without these clips"
        )
    meta = {"kind": "clips", "stage": "faces", "subject": subject, "size": card.size}
    write_tensors(output, tensors, {**meta, "clips": records, "skipped": skipped})
