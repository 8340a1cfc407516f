"""Raw clips -> where their faces are: one detection for each clip, on its onset frame."""

import csv
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apexbench.clips import clip_ids, find_frames, read_index
from apexbench.errors import InputError
from apexbench.frames.detection import FaceNotFound, anchor_points, detect_landmarks, haar_landmarks
from apexbench.frames.pictures import read_frame
from apexbench.manifest import folder_state
from apexbench.store.checksums import check_seal, sealed
from apexbench.taken_over import before, forget, made_of, say

# right eye, left eye and mouth, px of the frame; a clip without a face has none
_ANCHORS = ("eye_right_x", "eye_right_y", "eye_left_x", "eye_left_y", "mouth_x", "mouth_y")
COLUMNS = ("id", "detector", *_ANCHORS, "made_of")


def find_anchors(image: np.ndarray, detector: str) -> tuple[np.ndarray, str]:
    """Return eye and mouth anchors (3, 2) px of the face and what found it.

    `detector` is `mesh` (else Haar), `mesh-only` or `haar`. Raises FaceNotFound if none did.
    """
    if detector != "haar":
        try:
            return anchor_points(detect_landmarks(image)), "mesh"
        except FaceNotFound:
            if detector == "mesh-only":
                raise
    return haar_landmarks(image), "haar"


def find_faces(
    *, index: str, clips: str, subjects: Sequence[int], detector: str, missing_face: str, output: str, code: str = ""
) -> None:
    """Write where the face of each clip of some subjects is, a CSV with the columns of COLUMNS.

    Parameters
    ----------
    index, clips : index CSV and the folder that its `frames_dir` starts from.
    missing_face : `fail` raises on a clip without a face (after all clips were tried); `skip` leaves its place empty
        and names it in the log: it is missing in every n below.
    code : hash of the code; faces of an output that was put aside are taken over where nothing has changed.
    """
    frame = read_index(index)
    frame = frame[frame["subject"].isin(subjects)]
    rows, missing, taken, known = [], [], 0, _rows_before(before(output)) if code else {}
    for (_, row), clip_id in zip(frame.iterrows(), clip_ids(frame), strict=True):
        folder = Path(clips) / row.frames_dir
        path = find_frames(folder).get(row.onset)
        if path is None:
            raise InputError(f"{folder}: frame {row.onset}, the onset of clip {row['clip']}, is missing")
        key = made_of(code, detector, row.frames_dir, int(row.onset), folder_state(folder))
        kept = known.get((str(clip_id), key))
        if kept:
            rows.append(kept)
            taken += 1
            continue
        try:
            anchors, found_by = find_anchors(read_frame(path), detector)
            rows.append([str(clip_id), found_by, *anchors.ravel().tolist(), key])
        except FaceNotFound:
            rows.append([str(clip_id), *[""] * (1 + len(_ANCHORS)), key])
            missing.append(str(clip_id))
            logging.warning("no face found in clip %s, frame %d of %s", clip_id, row.onset, row.frames_dir)
    say(taken, len(rows))
    if missing and missing_face == "fail":
        raise InputError(
            f"{index}: no face found on the onset frame of {len(missing)} clip(s): {', '.join(missing)}; look at the "
            f"frames, or set missing_face: skip in config/config.yaml to run without these clips"
        )
    with sealed(output) as part, part.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    forget(output)


def read_faces(path: str | os.PathLike) -> dict[str, tuple[np.ndarray, str] | None]:
    """Return {clip id: its anchors (3, 2) px and what found them, or None} of a file that `find_faces` wrote."""
    check_seal(path)
    with Path(path).open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {name: (np.array(xy, np.float64).reshape(3, 2), by) if by else None for name, by, *xy, _ in rows}


def _rows_before(path: str | os.PathLike) -> dict[tuple[str, str], list[str]]:
    """{(clip id, what it was made of): row} of faces that were found in an earlier run."""
    try:
        check_seal(path)
        with Path(path).open(newline="") as file:
            rows = list(csv.reader(file))
    except (InputError, OSError):
        return {}
    known = rows[1:] if rows[:1] == [list(COLUMNS)] else []
    return {(row[0], row[-1]): row for row in known if row[1]}  # without a face, it is looked for again
