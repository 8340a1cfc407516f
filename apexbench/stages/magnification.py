"""Face crops -> motion-magnified face crops, clip by clip, against the clip's own onset."""

from apexbench.config.recipes import MagnificationRecipe
from apexbench.frames.magnification import magnify_clip
from apexbench.store import read_tensors, write_tensors


def magnify_subject(faces: str, recipe: dict, output: str) -> None:
    """Magnify every clip of a shard of crops by a `MagnificationRecipe`; shapes and record stay as they are."""
    card = MagnificationRecipe(**recipe)
    shard = read_tensors(faces, kind="clips")
    tensors = {
        name: magnify_clip(shard[name], card.arm, card.factor, fps=shard.meta["clips"][name]["fps"], **card.options)
        for name in shard
    }
    write_tensors(output, tensors, {**shard.meta, "stage": "magnified", "recipe": recipe})
