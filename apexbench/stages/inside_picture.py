"""A trained model at work: what it mixes and where it looks, what it reconstructs and remembers, or what it weighs."""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apexbench.clips import ClipId
from apexbench.figures.attention import attention_figure
from apexbench.figures.memory import memory_figure
from apexbench.figures.mixing import mixing_figure
from apexbench.figures.style import below
from apexbench.methods import Deep
from apexbench.methods.base import Fold, Inputs
from apexbench.methods.deep import Clips, epochs
from apexbench.methods.mixing.mixable import attend
from apexbench.protocols import splits
from apexbench.store.tensors import Tensors, read_tensors
from apexbench.training.record import Job
from apexbench.training.run import Opened, initial_weights, open_run
from apexbench.training.seeds import stream

DRAWS = 8  # of the mixing; the one that changes most is drawn
SHOWN = 4  # clips of the test subject
PATCHES = 9  # on a side: of fewer a picture of what is mixed shows nothing


class Still(Clips):
    """Clips that are not augmented, whatever the generator: what is mixed stays where it is."""

    def batch(self, rows, rng=None) -> dict:
        return super().batch(rows)


@dataclass
class FirstFold:
    """The first fold of a run: `models` trains, and gives the model after each epoch, always the same object.

    `pictures` are shards of what the features of a run were taken from, where its drawing asks for them; `times` is by
    how much its inputs are enlarged.
    """

    method: Deep
    models: Iterator
    classes: Sequence[str]
    opened: Opened
    train: Sequence[int]
    test: Sequence[int]
    seed: int
    device: str
    pictures: Sequence[Tensors] = ()
    times: int = 1

    def inputs(self, rows: Sequence[int]) -> Inputs:
        return enlarged(self.opened.rows.inputs(rows), self.times)

    def names(self, rows: Sequence[int]) -> list[str]:
        return [ClipId.parse(name).label for name in self.opened.table["id"].iloc[list(rows)]]


def inside_picture(
    *,
    job: Job,
    protocol: str,
    packs: Mapping[str, Sequence[str]],
    output: str,
    title: str,
    device: str = "cpu",
    weights: Mapping[str, str] | None = None,
    people_of: Mapping[str, str] | None = None,
    pictures: Sequence[str] = (),
) -> None:
    """Train a run's first fold, and draw what its method names as its `inside`, for clips of its test subject.

    The model learns from the other subjects, as in the run. `title` is a head.
    """
    opened = open_run(job, protocol, packs)
    method, times = opened.make(), how_much_larger(opened.make())
    if times > 1:
        few, side, long = method.grid, times * method.params.image_size, method.params.epochs
        # half as long: a picture need not take the longest of all
        larger = {**job.params, "image_size": side, "epochs": max(1, long // 2)}
        opened = open_run(replace(job, params=larger), protocol, packs)
        method = opened.make()
        patches = f"{method.grid} x {method.grid} patches, not {few} x {few}"
        made = f"clips enlarged {times} times, {patches}; {larger['epochs']} epochs, not {long}"
        title = below(title, f"For this picture: {made}")
    table = opened.table
    fold, (train, test) = next(iter(splits(table).items()))
    seed = stream(job.study_seed, job.protocol, job.run, job.seed, fold)
    states = initial_weights(method, weights or {}, fold, opened.rows.people(test, people_of), f"run {job.run!r}")
    clips = enlarged(opened.rows.inputs(train), times)
    models = epochs(method, clips, opened.labels[train], Fold(seed, device, states))
    drawing = DRAWINGS[method.inside(method.params)]
    shards = [read_tensors(path, kind="shard") for path in pictures]
    shown = FirstFold(method, models, job.classes, opened, train, test[:SHOWN], seed, device, shards, times)
    drawing(shown, output, title)


def how_much_larger(method: Deep) -> int:
    """Return how many times as large clips are given to a method that mixes; 1 where weights fix their size."""
    fixed = method.params.weights_named() or not hasattr(method.params, "image_size")
    return 1 if fixed or method.inside(method.params) != "mixing" else math.ceil(PATCHES / method.grid)


def enlarged(inputs: Inputs, times: int) -> Inputs:
    """Return inputs whose pictures (..., H, W) have so many times as long sides; what else there is as it is."""
    if times == 1:
        return inputs
    return {name: x.repeat(times, -2).repeat(times, -1) if x.ndim > 2 else x for name, x in inputs.items()}


def draw_mixing(fold: FirstFold, output: str, title: str) -> None:
    """Draw what is mixed and where the model looks. Flow is drawn as the model reads it: normalised."""
    method, shown = fold.method, np.arange(len(fold.test))
    model = deque(fold.models, maxlen=1).pop()
    # shown are the first; partners come from all
    batch = [*fold.test, *fold.train[:: max(1, len(fold.train) // (3 * SHOWN))]]
    inputs, rng = fold.inputs(batch), np.random.default_rng(fold.seed)
    clips = Still(method, inputs, fold.opened.labels[batch], fold.device)
    before = clips.batch(shown)["flow"].cpu().numpy()
    draws = [method.mix(clips, np.arange(len(batch)), rng).inputs["flow"] for _ in range(DRAWS)]
    after = max((x.cpu().numpy()[shown] for x in draws), key=lambda x: np.abs(x - before).mean())
    attention = attend(method, model, clips.batch(shown))
    rows = [
        {
            "name": name,
            "onset": inputs["frames"][i, 0].transpose(1, 2, 0) if "frames" in inputs else None,
            "flow": np.hypot(*before[i]),
            "mixed": (before[i] != after[i]).any(0),
            "blend": np.hypot(*after[i]),
            "attention": attention[i].reshape(method.grid, method.grid),
        }
        for i, name in enumerate(fold.names(fold.test))
    ]
    mixing_figure(rows, output, title)


def draw_memory(fold: FirstFold, output: str, title: str) -> None:
    """Draw what is reconstructed of test clips round by round, and where the memory goes, epoch by epoch."""
    import torch

    method, prototypes = fold.method, []
    for model in fold.models:
        prototypes.append(model.memory.prototypes.cpu().numpy().copy())
    learnt, tested = (Clips(method, fold.inputs(rows), device=fold.device) for rows in (fold.train, fold.test))
    masks = torch.Generator(fold.device).manual_seed(fold.seed % 2**63)
    pictures, removed, made = method.reconstructions(model, tested.batch(np.arange(len(fold.test))), masks)
    rows = [
        {"name": name, "picture": _colours(picture), "removed": gone.cpu().numpy(), "made": _colours(made)}
        for name, picture, gone, made in zip(fold.names(fold.test), pictures, removed, made, strict=True)
    ]
    model.eval()
    with torch.inference_mode():
        features = [torch.cat([model(**batch).features for batch, _ in clips]) for clips in (learnt, tested)]
    labels = [fold.opened.labels[side] for side in (fold.train, fold.test)]
    path, points = np.stack(prototypes), [x.float().cpu().numpy() for x in features]
    memory_figure(rows, path, points, labels, fold.classes, output, title)


def draw_attention(fold: FirstFold, output: str, title: str) -> None:
    """Draw what each factor weighs in the frame next to the apex, and what each frame weighs in its clip."""
    import torch

    method, model = fold.method, deque(fold.models, maxlen=1).pop().eval()
    with torch.inference_mode():
        tested = Clips(method, fold.inputs(fold.test), device=fold.device)
        output_of = model(**tested.batch(np.arange(len(fold.test))))
    found = [x.float().cpu().numpy() for x in (output_of.factors, output_of.frames)]
    rows = []
    for clip_id, name, factors, frames in zip(
        fold.opened.table["id"].iloc[list(fold.test)], fold.names(fold.test), *found, strict=True
    ):
        file = next(file for file in fold.pictures if clip_id in file)
        record, pictures = file.meta["clips"][clip_id], file[clip_id]
        if "factor" not in file.meta["axes"]:
            pictures = pictures[:, None]
        numbers, labels = np.array(record["frames"]), [f"x{x:g}" for x in file.meta.get("factors", [1])]
        chosen = method.params.factor
        if chosen != "all":
            pictures, labels = pictures[:, chosen : chosen + 1], labels[chosen : chosen + 1]
        left_out = len(pictures) - len(frames)  # the first, where the others are read against it
        shown = max(left_out, int(np.abs(numbers - record["apex"]).argmin()))
        rows.append(
            {
                "name": name,
                "factors": pictures[shown],
                "factor_weights": factors[shown - left_out],
                "factor_names": labels,
                "frames": pictures[left_out:, 0],
                "frame_weights": frames,
                "frame_names": [f"{round(number, 1):.10g}" for number in numbers[left_out:]],
            }
        )
    attention_figure(rows, output, title)


def _colours(pictures) -> np.ndarray:
    """Pictures (..., 3, S, S) in 0..1 as (..., S, S, 3)."""
    return pictures.clamp(0, 1).movedim(-3, -1).float().cpu().numpy()


DRAWINGS = {"mixing": draw_mixing, "memory": draw_memory, "attention": draw_attention}
