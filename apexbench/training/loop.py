"""The one training loop of all deep methods."""

import numpy as np
from tqdm import trange

from apexbench.methods import Deep
from apexbench.methods.base import Inputs


def train_deep(
    method: Deep,
    train: Inputs,
    labels: np.ndarray,
    test: Inputs,
    seed: int,
    device: str = "cpu",
) -> np.ndarray:
    """Train from scratch and return the scores of the test clips after every epoch, (epochs, N, C) float32.

    `labels` are classes (N,), or the classes' presence (N, C) where a clip may have several; the loss sees int64 or
    float32. Scores are the model's output.

    The test clips are looked at only to record their scores; nothing in the training depends on them. All data lies on
    the device. Initial weights, batch order, augmentation and dropout derive from `seed` alone.
    """
    import torch

    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    model = method.build().to(device)
    inputs = {name: x.to(device) for name, x in method.tensors(train).items()}
    held_out = {name: x.to(device) for name, x in method.tensors(test).items()}
    labels = np.asarray(labels)
    targets = torch.from_numpy(labels.astype(np.int64 if labels.ndim == 1 else np.float32)).to(device)
    loss_of = method.loss if labels.ndim == 1 else method.presence_loss
    optimizer, scheduler = method.optimizer(model.parameters())
    p = method.params
    scores = []
    for _ in trange(p.epochs, desc="epochs", leave=False, delay=30, mininterval=10):  # seen where folds take long
        model.train()
        rows = torch.randperm(len(targets), generator=order) if p.shuffle else torch.arange(len(targets))
        for some in rows.to(device).split(p.batch_size):
            batch, wanted = method.batch(
                {name: x.index_select(0, some) for name, x in inputs.items()}, targets[some], order
            )
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(**batch), wanted)
            loss.backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
        model.eval()
        with torch.inference_mode():
            parts = [
                model(**{name: x[start : start + p.batch_size] for name, x in held_out.items()})
                for start in range(0, len(test["id"]), p.batch_size)
            ]
            scores.append(torch.cat(parts).float().cpu().numpy())
    return np.stack(scores)
