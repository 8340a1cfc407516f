"""The one training loop of all deep methods."""

from collections.abc import Iterator

import numpy as np
from tqdm import trange

from apexbench.dynamo_shim import spare_dynamo
from apexbench.methods.base import Deep, Fold, Inputs


class Clips:
    """Clips of one side of a fold: their stored tensors on the device, cut into batches and converted there.

    Attributes
    ----------
    targets : what the loss is given: classes (N,) int64, or presence (N, C) float32.
    presence, soft : (N, C) 0 or 1, as an array int64 and as a float32 tensor.
    loss : the method's loss for these labels.
    """

    def __init__(self, method: Deep, inputs: Inputs, labels: np.ndarray | None = None, device: str = "cpu"):
        import torch

        self.method, self.device = method, device
        self.inputs = {name: torch.as_tensor(x).to(device) for name, x in method.tensors(inputs).items()}
        self.labels = np.zeros(len(self), dtype=np.int64) if labels is None else np.asarray(labels)
        several = self.labels.ndim == 2
        self.targets = torch.from_numpy(self.labels.astype(np.float32 if several else np.int64)).to(device)
        self.presence = self.labels if several else np.eye(method.num_classes, dtype=np.int64)[self.labels]
        self.soft = torch.from_numpy(self.presence.astype(np.float32)).to(device)
        self.loss = method.presence_loss if several else method.loss

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def batch(self, rows, rng: np.random.Generator | None = None) -> dict:
        """Return the model's arguments for some rows, augmented if there is a generator."""
        import torch

        rows = torch.as_tensor(rows, device=self.device)
        return self.method.transform({name: x.index_select(0, rows) for name, x in self.inputs.items()}, rng)

    def __iter__(self) -> Iterator[tuple[dict, object]]:
        """Yield (arguments of the model, targets) of all clips in order, as in the test."""
        size = self.method.params.batch_size
        for start in range(0, len(self), size):
            some = {name: x[start : start + size] for name, x in self.inputs.items()}
            yield self.method.transform(some), self.targets[start : start + size]


def scores(method: Deep, train: Inputs, labels: np.ndarray, test: Inputs, fold: Fold) -> np.ndarray:
    """Train from scratch and return the scores of the test clips after every epoch, (epochs, N, C) float32.

    The test clips are looked at only to record their scores; nothing in the training depends on them.
    """
    held_out = Clips(method, test, device=fold.device)
    return np.stack([predict(method, model, held_out) for model in epochs(method, train, labels, fold)])


def predict(method: Deep, model, clips: Clips) -> np.ndarray:
    """Return the model's scores (N, C) float32 of some clips."""
    import torch

    model.eval()
    parts = []
    with torch.inference_mode():
        for batch, _ in clips:
            with method.autocast(clips.device):
                parts.append(method.logits(model(**batch)))
    return torch.cat(parts).float().cpu().numpy()


def epochs(method: Deep, train: Inputs, labels: np.ndarray | None, fold: Fold) -> Iterator:
    """Train from scratch and yield the model after every epoch.

    `labels` are classes (N,), or the classes' presence (N, C) where a clip may have several; None where the method
    learns without. All data lies on the device. Initial weights, batch order, augmentation and dropout derive from the
    fold's seed alone.
    """
    import torch

    if not method.params.compile:
        spare_dynamo()
    method.fit(train)
    torch.manual_seed(fold.torch_seed)
    order, rng = torch.Generator().manual_seed(fold.torch_seed), fold.rng
    model = (method.build(fold.weights) if fold.weights else method.build()).to(fold.device)
    clips = Clips(method, train, labels, fold.device)
    p = method.params
    made = method.optimizer(model)
    optimizer, scheduler = made if isinstance(made, tuple) else (made, None)
    forward = torch.compile(model) if p.compile else model
    for epoch in trange(p.epochs, desc="epochs", leave=False, delay=30, mininterval=10):  # seen where folds take long
        method.begin_epoch(model, clips, epoch)
        model.train()
        for rows in method.batches(clips.labels, order):
            optimizer.zero_grad(set_to_none=True)
            method.step(forward, clips, torch.as_tensor(rows, device=fold.device), rng).backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
        yield model
