"""Synthetic clips in a data set's own layout, with one file of the truth beside them.

The real loaders read the tree as they read a licensed copy; the truth file says what really happens in each clip.
First all clips are outlined: names, frame numbers, action units, and the faults of the real release. Then `render`
fills the outline with faces that move, `lay_out` with one small picture, for what reads folders and sheets only.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from apexbench.datasets.synthetic.actions import Action, act, action_flow, draw_action, draw_scene
from apexbench.datasets.synthetic.clips import Motion, Script, draw_script, move, peak_px, render_frames, true_flow
from apexbench.datasets.synthetic.expressions import OBJECTIVE_CLASSES, describe, objective_class
from apexbench.datasets.synthetic.layouts import LAYOUTS, Clip, Layout, Size
from apexbench.datasets.synthetic.portraits import Face, stream, subject_face
from apexbench.store.tensors import write_tensors
from apexbench.store.writing import new_folder

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 97]
_FACE_DETAIL = 250  # px of face height, below which the base image is twice as fine as the frames
_MARGIN = 0.25  # of the face's height, around it in the truth's flow
_MAP = 28  # px of a picture of flow
# how a label is acted: most are recipes themselves, coarse ones stand for several
_ACTED = {
    "negative": {"disgust": 0.4, "anger": 0.2, "repression": 0.2, "sadness": 0.1, "fear": 0.1},
    "positive": {"happiness": 1.0},
    "other": {"others": 1.0},
    "tense": {"others": 0.6, "repression": 0.4},
    "sad": {"sadness": 1.0},
    "happy": {"happiness": 1.0},
}

Plan = Iterable[tuple[int, str, int] | tuple[int, str, int, str]]
Box = tuple[int, int, int, int]  # left, top, width, height in px


@dataclass(frozen=True)
class Take:
    """A clip outlined: what is shown, and the random stream that makes its frames."""

    clip: Clip
    script: Script | Action
    rng: np.random.Generator


def outline(dataset: str, plan: Plan, *, seed: int = 0, scale: str = "mini") -> list[Take]:
    """Draw all clips of a plan, subject by subject: names, frame numbers, units, faults, but no pixel."""
    layout = _layout(dataset, scale)
    rows = _check_plan(dataset, layout, plan)
    takes = []
    for subject in sorted({subject for subject, _, _ in rows}):
        index, serials = 0, Counter()
        for (_, emotion, objective), count in [row for row in rows.items() if row[0][0] == subject]:
            for of_row in range(count):
                keys = (emotion, objective, of_row) if objective else (emotion, of_row)
                rng = stream(seed, layout.release or dataset, subject, *keys)
                name = layout.name(rng, subject, emotion, serials[emotion], index)
                script = _script(rng, layout, emotion, layout.sizes[scale].rise, objective)
                onset, aus = layout.first_frame(rng, index), describe(script.movement)
                last = script.rise if layout.ends_at_peak else script.length - 1
                clip = Clip(
                    subject, name, emotion, aus, onset, onset + script.rise, onset + last,
                    objective or (objective_class(aus) if aus else ""),
                )  # fmt: skip
                takes.append(Take(clip, script, rng))
                serials[emotion] += 1
                index += 1
    clips = layout.amend([take.clip for take in takes], scale)
    twice = [key for key, count in Counter(map(layout.key, clips)).items() if count > 1]
    if twice:
        raise ValueError(f"{dataset}: two clips are called {twice[0]}")
    return [replace(take, clip=clip) for take, clip in zip(takes, clips, strict=True)]


def _script(
    rng: np.random.Generator, layout: Layout, emotion: str, rises: tuple[int, int], objective: str
) -> Script | Action:
    """Draw what a clip shows: an action, or an expression as strong as the layout's are."""
    if not layout.faces:
        return draw_action(rng, emotion, rises)
    acted = _act(rng, emotion)
    pool = tuple(_act(rng, other) for other in layout.emotions if other != emotion)
    script = draw_script(rng, acted, pool, rises, objective)
    return replace(script, peak=script.peak * layout.strength)


def lay_out(dataset: str, plan: Plan, root, *, seed: int = 0, scale: str = "mini") -> None:
    """Write into `root` what `render` writes there, names and sheets alike, but one tiny picture for all frames.

    No face, no motion, no truth: for tests of whatever reads folders and sheets. Takes seconds at `full` scale.
    """
    layout = _layout(dataset, scale)
    clips = [take.clip for take in outline(dataset, plan, seed=seed, scale=scale)]
    picture = np.full((8, 8) if layout.gray else (8, 8, 3), 128, np.uint8)
    blank = {suffix: _encoded(picture, suffix) for suffix in (".jpg", ".bmp")}
    depth = _encoded(_flat_depth((8, 8)), ".png")
    with new_folder(root) as folder:
        for clip in clips:
            if layout.maps:
                rng = stream(seed, layout.release or dataset, layout.key(clip), "map")
                _write(folder, layout.pictures(clip, clips), _map_picture(_smooth_field(rng)))
            else:
                frames = [layout.frame(clip, number) for number in clip.numbers()]
                _write(folder, frames, blank[Path(layout.frame(clip, clip.onset)).suffix])
                _write(folder, _depths(layout, clip), depth)
        _finish(folder, layout, clips)


def render(dataset: str, plan: Plan, root, truth, *, seed: int = 0, scale: str = "mini") -> None:
    """Render the clips of a plan into `root`, laid out as the release of `dataset` is, and the truth into `truth`.

    `plan` has rows (subject, emotion, number of clips) and perhaps an objective class (I..VII) that the moved units
    must be of; emotions are spelt as in the release. `root` must not exist, or be empty. The same arguments give the
    same bytes; what a clip shows does not depend on the rest of the plan, only its name and its place in a long video
    may, and the faults of the real sheets.

    The truth holds `<clip>/flow` float16 (H, W, 2), px from onset to apex, and `<clip>/landmarks` float32 (468, 2), px
    of the onset frame; `<clip>` is `<subject>/<clip>`, with `/<onset>` where clips share a name. Its meta lists the
    clips: `moved_as` is the recipe that moved the face, now and then another class's, `peak_px` is for a mesh 200 px
    high, and `box` (left, top, width, height) is what the flow covers: the frame, or at `full` scale the face and a
    margin. Clips without a face have no landmarks; their `peak_px` is in px of the frame.
    """
    layout = _layout(dataset, scale)
    size = layout.sizes[scale]
    takes = outline(dataset, plan, seed=seed, scale=scale)
    clips = [take.clip for take in takes]
    with new_folder(root) as folder:
        tensors, records = {}, []
        for take in [] if layout.faces else takes:
            ground, pieces = draw_scene(take.rng, size.frame)
            flow = action_flow(take.script, pieces, size.frame)
            _write_frames(folder, layout, take.clip, act(take.rng, take.script, ground, pieces), size.frame)
            tensors[f"{layout.key(take.clip)}/flow"] = flow.astype(np.float16)
            peak = float(np.linalg.norm(flow, axis=-1).max())
            records.append(_record(take, peak, 0.0, (0, 0, *size.frame[::-1])))
        for subject, of_subject in groupby(takes if layout.faces else [], key=lambda take: take.clip.subject):
            face = _face(layout, dataset, subject, size, seed)
            for take in of_subject:
                motion = move(take.script, face)
                flow = true_flow(motion)
                if layout.maps:
                    inner = cv2.resize(_inside(flow, _face_box(motion)), (_MAP, _MAP), interpolation=cv2.INTER_AREA)
                    _write(folder, layout.pictures(take.clip, clips), _map_picture(inner))
                else:
                    _write_frames(folder, layout, take.clip, _played(take, face, motion), size.frame)
                box = _face_box(motion, _MARGIN) if scale == "full" else (0, 0, *size.frame[::-1])
                tensors[f"{layout.key(take.clip)}/flow"] = _inside(flow, box).astype(np.float16)
                tensors[f"{layout.key(take.clip)}/landmarks"] = motion.landmarks
                records.append(_record(take, peak_px(motion, flow), float(np.ptp(motion.landmarks[:, 1])), box))
        _finish(folder, layout, clips)
        meta = {"kind": "truth", "dataset": dataset, "seed": seed, "scale": scale, "clips": records}
        write_tensors(truth, tensors, meta)


def retake(
    dataset: str, plan: Plan, wanted: tuple[int, str, int], factors: Sequence[float], *, seed: int, scale: str = "mini"
) -> dict[int, np.ndarray] | None:
    """Render one clip of a plan again, its motion so many times as large: what magnification is to make of it.

    `wanted` is its subject, name and the number of its onset frame; None if the plan has no such clip with a face. Else
    {frame number: (M, H, W[, 3]) uint8} of M factors. Light and noise are those of the clip as `render` wrote it, which
    a factor of 1 gives, but for its JPEG.
    """
    layout = _layout(dataset, scale)
    takes = outline(dataset, plan, seed=seed, scale=scale) if layout.faces and not layout.maps else []
    take = next((each for each in takes if (each.clip.subject, each.clip.name, each.clip.onset) == wanted), None)
    if take is None:
        return None
    face = _face(layout, dataset, take.clip.subject, layout.sizes[scale], seed)
    motion = move(take.script, face)
    larger = (replace(motion, skin=motion.skin * factor, drift=motion.drift * factor) for factor in factors)
    played = [_played(replace(take, rng=deepcopy(take.rng)), face, each) for each in larger]
    first = take.clip.onset - take.clip.before
    return {number: np.stack(frames) for number, frames in enumerate(zip(*played, strict=True), first)}


def _face(layout: Layout, dataset: str, subject: int, size: Size, seed: int) -> Face:
    """The face of a subject, always the same."""
    rng = stream(seed, layout.release or dataset, subject, "face")
    height = rng.uniform(*size.face)
    return subject_face(rng, size.frame, height, 2 if height < _FACE_DETAIL else 1, layout.gray)


def _act(rng: np.random.Generator, emotion: str) -> str:
    """The recipe that a label is acted by; of several labels joined by +, one is acted."""
    labels = emotion.lower().split("+")
    label = labels[0] if len(labels) == 1 else str(rng.choice(labels))
    shares = _ACTED.get(label, {label: 1.0})
    return str(rng.choice(list(shares), p=list(shares.values())))


def _played(take: Take, face: Face, motion: Motion) -> Iterator[np.ndarray]:
    clip = take.clip
    around = {"before": clip.before, "after": clip.after}
    return render_frames(take.rng, face, motion, clip.apex - clip.onset, clip.offset - clip.onset + 1, **around)


def _write_frames(
    folder: Path, layout: Layout, clip: Clip, frames: Iterable[np.ndarray], size: tuple[int, int]
) -> None:
    for number, frame in enumerate(frames, clip.onset - clip.before):
        if number not in clip.absent:
            path = layout.frame(clip, number)
            image = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
            _write(folder, [path], _encoded(image, Path(path).suffix))
    _write(folder, _depths(layout, clip), _encoded(_flat_depth(size), ".png"))


def _finish(folder: Path, layout: Layout, clips: list[Clip]) -> None:
    """What lies beside the frames: empty folders, spare pictures, the sheet."""
    for clip in clips:
        if not layout.maps and not clip.numbers():
            (folder / layout.frame(clip, clip.onset)).parent.mkdir(parents=True, exist_ok=True)
    for path, clip, number in layout.spare(clips):
        _write(folder, [path], (folder / layout.frame(clip, number)).read_bytes())
    layout.write_sheet(folder, clips)


def _depths(layout: Layout, clip: Clip) -> list[str]:
    return [path for number in clip.numbers() if (path := layout.depth(clip, number))]


def _flat_depth(size: tuple[int, int]) -> np.ndarray:
    """A depth picture in mm, of a wall: depth is there to be left alone."""
    return np.full(size, 900, np.uint16)


def _record(take: Take, peak: float, face: float, box: Box) -> dict:
    clip = take.clip
    return {
        "subject": clip.subject, "clip": clip.name, "emotion": clip.emotion, "aus": clip.aus,
        "objective": clip.objective, "moved_as": take.script.moved_as,
        "onset": clip.onset, "apex": clip.apex, "offset": clip.offset, "box": box,
        "peak_px": peak, "face_px": face,
    }  # fmt: skip


def _face_box(motion: Motion, margin: float = 0.0) -> Box:
    """The box around the mesh in whole px, wider on all sides by a share of the mesh's height, within the frame."""
    height, width = motion.skin.shape[:2]
    low, high = motion.landmarks.min(0), motion.landmarks.max(0)
    room = margin * (high[1] - low[1])
    left, top = (max(int(value), 0) for value in np.floor(low - room))
    right, bottom = np.minimum(np.ceil(high + room).astype(int) + 1, (width, height)).tolist()
    return left, top, right - left, bottom - top


def _inside(field: np.ndarray, box: Box) -> np.ndarray:
    left, top, width, height = box
    return field[top : top + height, left : left + width]


def _smooth_field(rng: np.random.Generator) -> np.ndarray:
    """A random flow (28, 28, 2)."""
    return cv2.resize(rng.normal(0, 1, (4, 4, 2)), (_MAP, _MAP), interpolation=cv2.INTER_CUBIC)


def _map_picture(flow: np.ndarray) -> bytes:
    """A flow (H, W, 2) as the PNG that circulates: R, G, B are u, v, strain, each stretched to 0..255."""
    (u_y, u_x), (v_y, v_x) = (np.gradient(flow[..., axis].astype(np.float64)) for axis in (0, 1))
    strain = np.sqrt(u_x**2 + v_y**2 + (u_y + v_x) ** 2 / 2)
    channels = np.dstack([strain, flow[..., 1], flow[..., 0]])  # OpenCV's order
    low, high = channels.min((0, 1)), channels.max((0, 1))
    return _encoded(np.rint(255 * (channels - low) / (high - low)).astype(np.uint8), ".png")


def _encoded(image: np.ndarray, suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, image, _JPEG if suffix == ".jpg" else [])
    if not done:
        raise OSError(f"OpenCV could not encode a picture as {suffix}")
    return data.tobytes()


def _write(folder: Path, paths: Iterable[str], data: bytes) -> None:
    made = None
    for path in paths:
        parent, _, _ = path.rpartition("/")
        if parent != made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made = parent
        (folder / path).write_bytes(data)


def _layout(dataset: str, scale: str) -> Layout:
    try:
        layout = LAYOUTS[dataset]
    except KeyError:
        raise ValueError(f"no synthetic layout for {dataset!r}; there are {', '.join(LAYOUTS)}") from None
    if scale not in layout.sizes:
        raise ValueError(f"scale {scale!r} is not one of {', '.join(layout.sizes)}")
    return layout


def _check_plan(dataset: str, layout: Layout, plan: Plan) -> Counter:
    rows = Counter()
    for subject, emotion, count, *objective in plan:
        if emotion not in layout.emotions:
            raise ValueError(f"{dataset} has no emotion {emotion!r}; expected one of {', '.join(layout.emotions)}")
        if subject < 1 or count < 0:
            raise ValueError(f"{dataset}: a plan row needs subject >= 1 and clips >= 0, got {subject}, {count}")
        if objective not in ([], [""]) and objective[0] not in OBJECTIVE_CLASSES:
            raise ValueError(
                f"{dataset}: objective class {objective[0]!r} is not one of {', '.join(OBJECTIVE_CLASSES)}"
            )
        rows[subject, emotion, *(objective or [""])] += count
    return rows
