"""Frames or flow -> one row of features for each clip."""

import shutil
from itertools import groupby
from pathlib import Path

from apexbench.clips import ClipId
from apexbench.config.model import digest
from apexbench.config.recipes import FeatureRecipe
from apexbench.features import create
from apexbench.store import StoreError, file_hash, read_tensors, write_tensors


def features(*, shard: str, recipe: dict, output: str, device: str = "cpu") -> None:
    """Write {clip id: row} of the extractor that a `FeatureRecipe` names, for every clip of a shard.

    Finished subjects are kept in `<output>.subjects/` until the output is whole, and taken up again by a later try if
    nothing that they depend on has changed.
    """
    card = FeatureRecipe(**recipe)
    file = read_tensors(shard, kind="shard")
    extractor = create(card.extractor, card.options, device=device)
    kept = Path(f"{output}.subjects")
    key = digest([recipe, file_hash(shard)])
    tensors = {}
    for subject, names in groupby(sorted(file, key=ClipId.parse), key=lambda name: ClipId.parse(name).subject):
        path = kept / f"{subject}.safetensors"
        try:
            done = read_tensors(path, kind="subject")
            found = dict(done) if done.meta["key"] == key else None
        except StoreError:
            found = None  # not there, or cut short
        if found is None:
            found = {name: extractor(file[name]) for name in names}
            write_tensors(path, found, {"kind": "subject", "key": key})
        tensors |= found
    axes = list(extractor.axes(tuple(file.meta["axes"])))
    write_tensors(output, tensors, {"kind": "shard", "axes": axes, "recipe": recipe, "clips": {n: {} for n in tensors}})
    shutil.rmtree(kept, ignore_errors=True)
