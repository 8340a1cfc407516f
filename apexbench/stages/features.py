"""Frames or flow -> one row of features for each clip."""

import shutil
from itertools import groupby
from pathlib import Path

from apexbench.clips import ClipId
from apexbench.config.model import digest
from apexbench.config.recipes import FeatureRecipe
from apexbench.features import create
from apexbench.store import StoreError, file_hash, read_tensors, write_tensors
from apexbench.taken_over import BeforeInPack, made_of_row, say


def features(*, shard: str, recipe: dict, output: str, device: str = "cpu", code: str = "", pack: str = "") -> None:
    """Write {clip id: row} of the extractor that a `FeatureRecipe` names, for every clip of a shard.

    Finished subjects are kept in `<output>.subjects/` until the output is whole, and taken up again by a later try if
    nothing that they depend on has changed. With the `code`'s hash, clips of an earlier `pack` are taken over as well.
    """
    card = FeatureRecipe(**recipe)
    file = read_tensors(shard, kind="shard")
    extractor = create(card.extractor, card.options, device=device)
    kept = Path(f"{output}.subjects")
    key = digest([recipe, file_hash(shard)])
    axes = list(extractor.axes(tuple(file.meta["axes"])))
    before = BeforeInPack(pack, axes)
    keys = {name: made_of_row(code, recipe, file, name) for name in file}
    tensors, taken = {}, 0
    for subject, names in groupby(sorted(file, key=ClipId.parse), key=lambda name: ClipId.parse(name).subject):
        path = kept / f"{subject}.safetensors"
        try:
            done = read_tensors(path, kind="subject")
            found = dict(done) if done.meta["key"] == key else None
        except StoreError:
            found = None  # not there, or cut short
        if found is None:
            earlier = {name: before.row(name, keys[name]) for name in names}
            taken += sum(row is not None for row in earlier.values())
            found = {name: extractor(file[name]) if row is None else row for name, row in earlier.items()}
            write_tensors(path, found, {"kind": "subject", "key": key})
        tensors |= found
    say(taken, len(keys))
    meta = {"kind": "shard", "axes": axes, "recipe": recipe, "clips": {n: {} for n in tensors}, "made_of": keys}
    write_tensors(output, tensors, meta)
    shutil.rmtree(kept, ignore_errors=True)
