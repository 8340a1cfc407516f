"""Frames -> the same frames with their motion magnified, clip by clip, by one factor or by several."""

from apexbench.config.recipes import MagnificationRecipe
from apexbench.frames.magnification import magnify_clip
from apexbench.frames.magnifying import create
from apexbench.store.tensors import read_tensors, write_tensors
from apexbench.taken_over import Before, forget, made_of_row, say


def magnify(*, shard: str, recipe: dict, output: str, device: str = "cpu", code: str = "") -> None:
    """Magnify the clips of a shard, (T, H, W, C) uint8 each, into (T, M, H, W, C): an axis for the factors.

    Every frame is magnified against the clip's onset, or against its first frame where the onset is not among them.
    With the `code`'s hash, clips of an output that was put aside are taken over where nothing has changed.
    """
    card = MagnificationRecipe(**recipe)
    file = read_tensors(shard, kind="shard")
    arm = create(card.arm, card.options, device=device)
    tensors, keys, before, taken = {}, {}, Before(output), 0
    for name in file:
        keys[name] = made_of_row(code, recipe, file, name)
        if kept := before.row(name, keys[name]):
            tensors[name], taken = kept[0], taken + 1
            continue
        record = file.meta["clips"][name]
        onset = record["frames"].index(record["onset"]) if record["onset"] in record["frames"] else 0
        tensors[name] = magnify_clip(file[name], arm, factors=card.factors, fps=record["fps"], onset=onset)
    say(taken, len(keys))
    axes = [*file.meta["axes"][:1], "factor", *file.meta["axes"][1:]]
    meta = {"axes": axes, "recipe": recipe, "factors": list(card.factors), "made_of": keys}
    write_tensors(output, tensors, {**file.meta, **meta})
    forget(output)
