"""Synthetic clips in a data set's own layout, with one file of the truth beside them.

The real loaders read the tree as they read a licensed copy; the truth file says what really happens in each clip.
"""

import shutil
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from apexbench.datasets.synthetic.clips import draw_motion, peak_px, render_frames, true_flow
from apexbench.datasets.synthetic.layouts import LAYOUTS, Clip, Size
from apexbench.datasets.synthetic.portraits import stream, subject_face
from apexbench.store import write_tensors

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 97]
_FACE_DETAIL = 250  # px of face height, below which the base image is twice as fine as the frames
# how a label is acted: most are recipes themselves, coarse ones stand for several
_ACTED = {
    "negative": {"disgust": 0.4, "anger": 0.2, "repression": 0.2, "sadness": 0.1, "fear": 0.1},
    "positive": {"happiness": 1.0},
    "other": {"others": 1.0},
}

Plan = Iterable[tuple[int, str, int]]


def render(dataset: str, plan: Plan, root, truth, *, seed: int = 0, scale: str = "mini") -> None:
    """Render the clips of a plan into `root`, laid out as the release of `dataset` is, and the truth into `truth`.

    `plan` has rows (subject, emotion, number of clips), emotions spelt as in the release. `root` must not exist, or
    be empty. The same arguments give the same bytes; what a clip shows does not depend on the rest of the plan, only
    its name may. The truth holds `<subject>/<clip>/flow` float16 (H, W, 2), px from onset to apex, and
    `<subject>/<clip>/landmarks` float32 (468, 2), px of the onset frame. Its meta lists the clips; there `moved_as`
    is the recipe that moved the face, now and then another class's, and `peak_px` is for a mesh 200 px high.
    """
    root, layout = Path(root), _layout(dataset)
    size = layout.sizes.get(scale)
    if size is None:
        raise ValueError(f"scale {scale!r} is not one of {', '.join(layout.sizes)}")
    rows = _check_plan(dataset, layout, plan)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise FileExistsError(f"{root} exists and is not empty; synthetic clips are never written over anything")
    root.parent.mkdir(parents=True, exist_ok=True)
    part = root.parent / f".{root.name}.{uuid.uuid4().hex}"
    part.mkdir()
    try:
        clips, tensors, records = [], {}, []
        for subject in sorted({subject for subject, _ in rows}):
            emotions = {emotion: count for (who, emotion), count in rows.items() if who == subject}
            for clip, arrays, record in _render_subject(dataset, layout, size, subject, emotions, part, seed):
                clips.append(clip)
                records.append(record)
                tensors |= {f"{subject}/{clip.name}/{name}": array for name, array in arrays.items()}
        layout.write_sheet(part, clips)
        meta = {"kind": "truth", "dataset": dataset, "seed": seed, "scale": scale, "clips": records}
        write_tensors(truth, tensors, meta)
        part.rename(root)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _render_subject(dataset: str, layout, size: Size, subject: int, emotions: dict, part: Path, seed: int):
    rng = stream(seed, dataset, subject, "face")
    height = rng.uniform(*size.face)
    face = subject_face(rng, size.frame, height, 2 if height < _FACE_DETAIL else 1, layout.gray)
    names, index = set(), 0
    for emotion, count in emotions.items():
        for serial in range(count):
            rng = stream(seed, dataset, subject, emotion, serial)
            name = layout.name(rng, subject, emotion, serial, index)
            if name in names:
                raise ValueError(f"{dataset}: subject {subject} has two clips called {name}")
            names.add(name)
            index += 1
            acted = _act(rng, emotion)
            pool = tuple(_act(rng, other) for other in layout.emotions if other != emotion)
            motion = draw_motion(rng, face, acted, pool, size.rise)
            onset = layout.first_frame(rng)
            clip = Clip(subject, name, emotion, motion.aus, onset, onset + motion.rise, onset + motion.length - 1)
            for number, frame in enumerate(render_frames(rng, face, motion), onset):
                _write_frame(part / layout.frame(clip, number), frame)
            flow = true_flow(motion)
            record = {
                "subject": subject, "clip": name, "emotion": emotion, "aus": motion.aus, "moved_as": motion.moved_as,
                "onset": clip.onset, "apex": clip.apex, "offset": clip.offset,
                "peak_px": peak_px(motion, flow), "face_px": float(np.ptp(motion.landmarks[:, 1])),
            }  # fmt: skip
            yield clip, {"flow": flow.astype(np.float16), "landmarks": motion.landmarks}, record


def _act(rng: np.random.Generator, emotion: str) -> str:
    """The recipe that a label is acted by."""
    shares = _ACTED.get(emotion.lower(), {emotion.lower(): 1.0})
    return str(rng.choice(list(shares), p=list(shares.values())))


def _write_frame(path: Path, frame: np.ndarray) -> None:
    image = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(path.suffix, image, _JPEG if path.suffix == ".jpg" else [])
    if not done:
        raise OSError(f"{path}: OpenCV could not encode the frame")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def _layout(dataset: str):
    try:
        return LAYOUTS[dataset]
    except KeyError:
        raise ValueError(f"no synthetic layout for {dataset!r}; there are {', '.join(LAYOUTS)}") from None


def _check_plan(dataset: str, layout, plan: Plan) -> Counter:
    rows = Counter()
    for subject, emotion, count in plan:
        if emotion not in layout.emotions:
            raise ValueError(f"{dataset} has no emotion {emotion!r}; expected one of {', '.join(layout.emotions)}")
        if subject < 1 or count < 0:
            raise ValueError(f"{dataset}: a plan row needs subject >= 1 and clips >= 0, got {subject}, {count}")
        rows[subject, emotion] += count
    return rows
