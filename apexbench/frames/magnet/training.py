"""MagNet trained on procedural scenes, so that the learned arm needs no file from elsewhere, and no clip of anybody.

The loss is L1, as in Oh et al. (ECCV 2018): of the magnified picture and, with weight 0.1, of textures that show one
colouring whatever moves, and of shapes that show one motion whatever the colours (the weight is recalled, as is Adam).
What differs, for a training of minutes on one thread: they train on 100,000 pairs of 384 px at a rate of 1e-4. Here
the rate rises and falls, a scene weighs by how little there is to see in it, reference and target have one colouring,
the two lesser terms are taken in every fourth step, and the decoder's residual blocks join in one after the other.
"""

import logging
import math
import time

import torch
from torch.nn.functional import l1_loss, pad, unfold

from apexbench.frames.magnet.network import MagNet, initialise
from apexbench.frames.magnet.scenes import Batch, Scenes

_SEPARATION = 0.1
_EVERY = 4
_WARM_UP = 0.05  # share of the steps in which the rate rises
_GROWTH = ((0.4, 1), (0.6, 3), (1.0, 9))  # until which share of the steps how many residual blocks decode
_CHANGE = 4 / 127.5  # a scene weighs half if its change is that much


def train(
    steps: int,
    seed: int = 0,
    *,
    batch: int = 4,
    size: int = 64,
    reach: float = 12.0,
    learning_rate: float = 7e-4,
    bfloat16: bool = False,
    device: str = "cpu",
) -> MagNet:
    """Return a network after `steps` batches of scenes, `size` px on a side; the losses are logged.

    `reach` is the largest magnified motion in px; Oh et al. go to 30, on pictures six times as large. With `bfloat16`
    the decoder runs in that type: a third faster on processors that have it.
    """
    torch.manual_seed(seed)
    model = initialise(MagNet()).to(device, memory_format=torch.channels_last)
    scenes = Scenes(size, reach, torch.Generator().manual_seed(seed), device)
    _fit_last(model, scenes.draw(8).target)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / steps))
    blocks, started, total = model.decoder.resblks, time.perf_counter(), 0.0
    for step in range(1, steps + 1):
        model.decoder.resblks = blocks[: next(count for until, count in _GROWTH if step <= until * steps)]
        picture, separation = _losses(model, scenes.draw(batch), bfloat16, step % _EVERY == 0)
        optimizer.zero_grad()
        (picture + _EVERY * _SEPARATION * separation).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += float(picture.detach())
        if step % 100 == 0 or step == steps:
            seconds = (time.perf_counter() - started) / step
            done = (step - 1) % 100 + 1
            logging.info("step %d: L1 %.2f grey levels, %.2f s a step", step, 127.5 * total / done, seconds)
            total = 0.0
    model.decoder.resblks = blocks
    return model


def _rate(done: float) -> float:
    """The share of the learning rate: it rises, and falls along a cosine."""
    return min((done + 1e-3) / _WARM_UP, (1 + math.cos(math.pi * done)) / 2)


def _losses(model: MagNet, scene: Batch, bfloat16: bool, separate: bool):
    """The loss of the magnified picture, and of what texture and shape have of each other, or 0."""
    pictures = [scene.reference, scene.target]
    if separate:
        pictures += [scene.retinted, scene.retinted_truth]
    texture, shape = model.encoder(torch.cat(pictures).contiguous(memory_format=torch.channels_last))
    textures, shapes = texture.split(len(scene.factor)), shape.split(len(scene.factor))
    enlarged = model.manipulator(shapes[0], shapes[1], scene.factor)
    with torch.autocast(scene.target.device.type, torch.bfloat16, enabled=bfloat16):
        made = model.decoder(textures[1], enlarged)
    error, change = ((x - scene.truth).abs().mean((1, 2, 3)) for x in (made.float(), scene.target))
    weight = 1 / (_CHANGE + change)
    picture = (error * weight).sum() / weight.sum()
    if not separate:
        return picture, 0.0
    alike = l1_loss(textures[0], textures[1]) + l1_loss(textures[2], textures[3])
    return picture, alike + l1_loss(shapes[1], shapes[2])


@torch.no_grad()
def _fit_last(model: MagNet, pictures: torch.Tensor) -> None:
    """Set the last convolution so that the network gives pictures back, by least squares with a small ridge."""
    last, model.decoder.conv2 = model.decoder.conv2, torch.nn.Identity()
    channels = model.decoder(*model.encoder(pictures))
    model.decoder.conv2 = last
    side = last.kernel_size[0]
    seen = unfold(pad(channels, (side // 2,) * 4, mode="reflect"), side).transpose(1, 2).flatten(0, 1).double()
    wanted = pictures.permute(0, 2, 3, 1).reshape(-1, 3).double()
    square = seen.T @ seen
    square.diagonal().add_(1e-4 * square.diagonal().mean())
    last.weight.copy_(torch.linalg.solve(square, seen.T @ wanted).T.reshape(last.weight.shape))
