"""Frames -> the same frames with their motion magnified, clip by clip, by one factor or by several."""

from apexbench.config.recipes import MagnificationRecipe
from apexbench.frames.magnification import magnify_clip
from apexbench.frames.magnifying import create
from apexbench.store import read_tensors, write_tensors


def magnify(*, shard: str, recipe: dict, output: str, device: str = "cpu") -> None:
    """Magnify the clips of a shard, (T, H, W, C) uint8 each, into (T, M, H, W, C): an axis for the factors.

    Every frame is magnified against the clip's onset, or against its first frame where the onset is not among them.
    """
    card = MagnificationRecipe(**recipe)
    file = read_tensors(shard, kind="shard")
    arm = create(card.arm, card.options, device=device)
    tensors = {}
    for name in file:
        record = file.meta["clips"][name]
        onset = record["frames"].index(record["onset"]) if record["onset"] in record["frames"] else 0
        tensors[name] = magnify_clip(file[name], arm, factors=card.factors, fps=record["fps"], onset=onset)
    axes = [*file.meta["axes"][:1], "factor", *file.meta["axes"][1:]]
    write_tensors(output, tensors, {**file.meta, "axes": axes, "recipe": recipe, "factors": list(card.factors)})
