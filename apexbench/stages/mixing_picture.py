"""A run's way of mixing, to look at: what is mixed in some clips, and where the trained model looks."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from apexbench.clips import ClipId
from apexbench.figures.mixing import mixing_figure
from apexbench.protocols import splits
from apexbench.training.loop import attend, epochs, mix, presence_of
from apexbench.training.run import Job, read_clips
from apexbench.training.seeds import stream

DRAWS = 8  # of the mixing; the one that changes most is drawn


def mixing_picture(
    *,
    job: Job,
    protocol: str,
    packs: Mapping[str, Sequence[str]],
    output: str,
    title: str,
    device: str = "cpu",
    most: int = 4,
) -> None:
    """Train a run's first fold, and draw what is mixed and where the model looks, for `most` clips of its test subject.

    The model learns from the other subjects, as in the run. Flow is drawn as the model reads it: normalised.
    """
    method, table, inputs, labels = read_clips(job, protocol, packs)
    fold, (train, test) = next(iter(splits(table).items()))
    seed = stream(job.study_seed, job.protocol, job.run, job.seed, fold)
    train_inputs = {role: x[train] for role, x in inputs.items()}
    model = deque(epochs(method, train_inputs, labels[train], seed, device), maxlen=1).pop()
    test = test[:most]
    batch = [*test, *train[:: max(1, len(train) // (3 * most))]]  # shown are the first; partners come from all
    shown = {role: x[batch] for role, x in inputs.items()}
    clips = {name: x.to(device) for name, x in method.tensors(shown, train_inputs).items()}
    presence = presence_of(labels[batch], method.num_classes)
    soft = next(iter(clips.values())).new_tensor(presence)

    def some(rows):
        return {name: x[rows] for name, x in clips.items()}, soft[rows]

    rng, before = np.random.default_rng(seed), clips["flow"].cpu().numpy()[: len(test)]
    draws = [mix(method, np.arange(len(batch)), some, presence, rng).inputs["flow"] for _ in range(DRAWS)]
    after = max((x.cpu().numpy()[: len(test)] for x in draws), key=lambda x: np.abs(x - before).mean())
    attention = attend(method, model, {name: x[: len(test)] for name, x in clips.items()})
    rows = [
        {
            "name": ClipId.parse(table["id"].iloc[row]).label,
            "onset": inputs["frames"][row, 0].transpose(1, 2, 0) if "frames" in inputs else None,
            "flow": np.hypot(*before[i]),
            "mixed": (before[i] != after[i]).any(0),
            "blend": np.hypot(*after[i]),
            "attention": attention[i].reshape(method.grid, method.grid),
        }
        for i, row in enumerate(test)
    ]
    mixing_figure(rows, output, title)
