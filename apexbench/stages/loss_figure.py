"""Predictions of some runs -> the figure of their loss by epoch, on training and test clips."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from apexbench.evaluation.conventions import score_columns
from apexbench.evaluation.predictions import read_predictions
from apexbench.figures.losses import losses_figure
from apexbench.methods import Deep, find
from apexbench.training.record import Job


def loss_figure(
    *,
    runs: Mapping[str, Sequence[str]],
    jobs: Mapping[str, Mapping],
    titles: Mapping[str, str],
    title: str,
    output: str,
) -> None:
    """Draw the losses of some runs of one protocol.

    Parameters
    ----------
    runs : {run: predictions files}, those of all seeds and folds.
    jobs : {run: what `Job` holds, but the seed}; each run's test clips are scored by its own loss.
    titles : {run: what the figure calls it}.
    """
    curves = [losses_of(Job(**jobs[run], seed=0), paths).assign(run=titles[run]) for run, paths in runs.items()]
    losses_figure(pd.concat(curves, ignore_index=True), output, title)


def losses_of(job: Job, paths: Sequence[str]) -> pd.DataFrame:
    """Return the losses of one run by seed and epoch: columns seed, epoch, training, test.

    Training is the mean over folds of what the steps returned, penalties in the optimizer aside; test the method's loss
    of the class scores of all test clips, each by the model of its own fold.
    """
    import torch

    kind = find(job.method)
    if not issubclass(kind, Deep) or job.multilabel:
        raise ValueError(f"run {job.run!r} has no loss of single classes by epoch")
    method = kind(len(job.classes), kind.parse(dict(job.params), where=f"run {job.run!r}"))
    frame, _ = read_predictions(paths, losses=True)
    rows = []
    for (seed, epoch), part in frame.groupby(["seed", "epoch"]):
        scores = torch.tensor(part[score_columns(part)].to_numpy(np.float32))
        test = float(method.score_loss(scores, torch.tensor(part["label"].to_numpy(np.int64))))
        rows.append((seed, epoch, part.groupby("fold")["training_loss"].first().mean(), test))
    return pd.DataFrame(rows, columns=["seed", "epoch", "training", "test"])
