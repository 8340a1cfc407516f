"""The one training loop of all deep methods."""

from collections.abc import Callable, Iterator

import numpy as np
from tqdm import trange

from apexbench.dynamo_shim import spare_dynamo
from apexbench.methods import Deep
from apexbench.methods.base import Inputs
from apexbench.methods.mixing import Batch, Mixed, find_mixing


def train_deep(
    method: Deep,
    train: Inputs,
    labels: np.ndarray,
    test: Inputs,
    seed: int,
    device: str = "cpu",
) -> np.ndarray:
    """Train from scratch and return the scores of the test clips after every epoch, (epochs, N, C) float32.

    The test clips are looked at only to record their scores; nothing in the training depends on them.
    """
    held_out = {name: x.to(device) for name, x in method.tensors(test, train).items()}
    size = method.params.batch_size
    return np.stack([predict(method, model, held_out, size) for model in epochs(method, train, labels, seed, device)])


def predict(method: Deep, model, inputs: dict, size: int) -> np.ndarray:
    """Return the model's scores (N, C) float32 of tensors that lie on its device, `size` clips at a time."""
    import torch

    model.eval()
    count = len(next(iter(inputs.values())))
    with torch.inference_mode(), _precision(method, inputs):
        parts = [
            model(**{name: x[start : start + size] for name, x in inputs.items()}) for start in range(0, count, size)
        ]
    return torch.cat(parts).float().cpu().numpy()


def attend(method: Deep, model, inputs: dict) -> np.ndarray:
    """Return where a model that attends looks, (N, grid**2): its class token's attention to each patch."""
    import torch

    model.eval()
    with torch.inference_mode():
        return model(**inputs, attention=True)[1].float().cpu().numpy()


def mix(method: Deep, rows, clips: Callable, presence: np.ndarray, rng: np.random.Generator, depth: int = 0) -> Mixed:
    """Mix the clips in `rows` as the method's card says.

    Parameters
    ----------
    clips : gives the tensors and the soft labels of clips by row.
    presence : (N, C) 0 or 1, the classes of all clips.
    depth : hidden states of the model that can be mixed.
    """
    inputs, labels = clips(rows)
    p = method.params
    motion = method.motion or tuple(inputs)
    batch = Batch(inputs, labels, presence.sum(0), presence, clips, motion, method.energy, method.grid, depth)
    return find_mixing(p.mixing)(batch, rng, **p.mixing_options)


def presence_of(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return classes (N,) as presence (N, C) int64; presence as it is."""
    return labels if labels.ndim == 2 else np.eye(classes, dtype=np.int64)[labels]


def epochs(method: Deep, train: Inputs, labels: np.ndarray, seed: int, device: str = "cpu") -> Iterator:
    """Train from scratch and yield the model after every epoch.

    `labels` are classes (N,), or the classes' presence (N, C) where a clip may have several; the loss sees int64 or
    float32, or soft labels where clips are mixed. All data lies on the device. Initial weights, batch order,
    augmentation, mixing and dropout derive from `seed` alone.
    """
    import torch

    if not method.params.compile:
        spare_dynamo()
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = method.build().to(device)
    inputs = {name: x.to(device) for name, x in method.tensors(train, train).items()}
    p = method.params
    labels = np.asarray(labels)
    presence = presence_of(labels, method.num_classes)
    targets = torch.from_numpy(labels.astype(np.int64 if labels.ndim == 1 else np.float32)).to(device)
    soft = torch.from_numpy(presence.astype(np.float32)).to(device)
    loss_of = method.loss if labels.ndim == 1 else method.presence_loss
    optimizer, scheduler = method.optimizer(model.parameters())
    hidden = method.hidden(model)
    forward = torch.compile(model) if p.compile else model

    def clips(rows):
        """Some training clips by row, augmented."""
        rows = torch.as_tensor(rows, device=device)
        return method.augment({name: x.index_select(0, rows) for name, x in inputs.items()}, rng), soft[rows]

    for _ in trange(p.epochs, desc="epochs", leave=False, delay=30, mininterval=10):  # seen where folds take long
        model.train()
        rows = torch.randperm(len(targets), generator=order) if p.shuffle else torch.arange(len(targets))
        for some in rows.to(device).split(p.batch_size):
            if p.mixing == "none":
                mixed = Mixed(clips(some)[0], targets[some])
            else:
                mixed = mix(method, some, clips, presence, rng, len(hidden))
            optimizer.zero_grad(set_to_none=True)
            with _precision(method, inputs):
                # compiled code does not see hooks
                loss = _loss(method, model if mixed.hidden else forward, hidden, mixed, loss_of)
            loss.backward()
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
        yield model


def _precision(method: Deep, inputs: dict):
    import torch

    kind = next(iter(inputs.values())).device.type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=method.params.precision == "bfloat16")


def _loss(method: Deep, model, hidden: list, mixed: Mixed, loss_of: Callable):
    """One forward pass and its loss: labels by this pass's own attention, hidden states mixed, parts weighed."""
    handle = None
    if mixed.hidden is not None:
        inside = mixed.hidden

        def blend(_module, _arguments, output):
            return output.lerp(output[inside.partner], 1 - inside.weight)

        handle = hidden[inside.part].register_forward_hook(blend)
    try:
        labels = mixed.labels
        if mixed.relabel is not None and method.attends:
            output, attention = model(**mixed.inputs, attention=True)
            labels = mixed.relabel(attention.float())
        else:
            output = model(**mixed.inputs)
    finally:
        if handle is not None:
            handle.remove()
    parts = mixed.parts or ((len(labels), 1.0),)
    sizes = [rows for rows, _ in parts]
    pairs = zip(output.split(sizes), labels.split(sizes), parts, strict=True)
    return sum(weight * loss_of(some, wanted) for some, wanted, (_, weight) in pairs)
