"""A run's way of mixing, to look at: what is mixed in some clips, and where the trained model looks."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from apexbench.clips import ClipId
from apexbench.figures.mixing import mixing_figure
from apexbench.methods.base import Fold
from apexbench.methods.deep import Clips, epochs
from apexbench.methods.mixing.mixable import attend
from apexbench.protocols import splits
from apexbench.training.record import Job
from apexbench.training.run import initial_weights, open_run
from apexbench.training.seeds import stream

DRAWS = 8  # of the mixing; the one that changes most is drawn


class Still(Clips):
    """Clips that are not augmented, whatever the generator: what is mixed stays where it is."""

    def batch(self, rows, rng=None) -> dict:
        return super().batch(rows)


def mixing_picture(
    *,
    job: Job,
    protocol: str,
    packs: Mapping[str, Sequence[str]],
    output: str,
    title: str,
    device: str = "cpu",
    most: int = 4,
    weights: Mapping[str, str] | None = None,
    people_of: Mapping[str, str] | None = None,
) -> None:
    """Train a run's first fold, and draw what is mixed and where the model looks, for `most` clips of its test subject.

    The model learns from the other subjects, as in the run. Flow is drawn as the model reads it: normalised.
    """
    opened = open_run(job, protocol, packs)
    method, table, labels = opened.make(), opened.table, opened.labels
    fold, (train, test) = next(iter(splits(table).items()))
    seed = stream(job.study_seed, job.protocol, job.run, job.seed, fold)
    tested = opened.rows.people(test, people_of)
    states = initial_weights(method, weights or {}, fold, tested, f"run {job.run!r}")
    given = epochs(method, opened.rows.inputs(train), labels[train], Fold(seed, device, states))
    model = deque(given, maxlen=1).pop()
    test = test[:most]
    batch = [*test, *train[:: max(1, len(train) // (3 * most))]]  # shown are the first; partners come from all
    inputs = opened.rows.inputs(batch)
    clips = Still(method, inputs, labels[batch], device)
    rng, shown = np.random.default_rng(seed), np.arange(len(test))
    before = clips.batch(shown)["flow"].cpu().numpy()
    draws = [method.mix(clips, np.arange(len(batch)), rng).inputs["flow"] for _ in range(DRAWS)]
    after = max((x.cpu().numpy()[shown] for x in draws), key=lambda x: np.abs(x - before).mean())
    attention = attend(method, model, clips.batch(shown))
    rows = [
        {
            "name": ClipId.parse(table["id"].iloc[row]).label,
            "onset": inputs["frames"][i, 0].transpose(1, 2, 0) if "frames" in inputs else None,
            "flow": np.hypot(*before[i]),
            "mixed": (before[i] != after[i]).any(0),
            "blend": np.hypot(*after[i]),
            "attention": attention[i].reshape(method.grid, method.grid),
        }
        for i, row in enumerate(test)
    ]
    mixing_figure(rows, output, title)
