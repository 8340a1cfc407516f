"""Frames or flow -> one row of features for each clip."""

import logging
import shutil
from itertools import groupby
from pathlib import Path

import numpy as np

from apexbench.clips import ClipId
from apexbench.config.model import digest
from apexbench.config.recipes import FeatureRecipe
from apexbench.errors import InputError, StoreError
from apexbench.features import Extractor, create
from apexbench.frames.detection import FaceNotFound, detect_landmarks
from apexbench.stages.shards import first_frame
from apexbench.store.checksums import file_hash
from apexbench.store.tensors import Tensors, read_tensors, write_tensors
from apexbench.taken_over import BeforeInPack, made_of_row, say
from apexbench.weights import seen_by


def features(
    *,
    shard: str,
    recipe: dict,
    output: str,
    device: str = "cpu",
    frames: str | None = None,
    missing_face: str = "fail",
    code: str = "",
    pack: str = "",
    people: str = "",
) -> None:
    """Write {clip id: row} of the extractor that a `FeatureRecipe` names, for every clip of a shard.

    Parameters
    ----------
    frames : the shard of frames that the clips were made of, where the extractor wants landmarks: of the size of the
        clips' maps.
    missing_face : `fail` raises on clips in whose crop the mesh finds no face (after all were tried); `skip` leaves
        them out, names them in the log and in the shard's record `skipped`. Only where landmarks are wanted.
    people : the release whose people the clips show.

    Raises InputError if the weights are pre-trained here and have seen one of them.

    Finished subjects are kept in `<output>.subjects/` until the output is whole, and taken up again by a later try if
    nothing that they depend on has changed. With the `code`'s hash, clips of an earlier `pack` are taken over as well.
    """
    card = FeatureRecipe(**recipe)
    file = read_tensors(shard, kind="shard")
    _check_not_seen(card, file, people)
    extractor = create(card.extractor, card.options, device=device)
    kept = Path(f"{output}.subjects")
    seen = read_tensors(frames, kind="shard") if extractor.landmarks else None
    key = digest([recipe, *(file_hash(path) for path in (shard, frames) if path)])
    axes = list(extractor.axes(tuple(file.meta["axes"])))
    before, taken = BeforeInPack(pack, axes), 0
    made_of = {n: made_of_row(code, recipe, file, n, *([] if seen is None else [seen.checksum(n)])) for n in file}
    tensors = {}
    for subject, names in groupby(sorted(file, key=ClipId.parse), key=lambda name: ClipId.parse(name).subject):
        path = kept / f"{subject}.safetensors"
        try:
            done = read_tensors(path, kind="subject")
            found = dict(done) if done.meta["key"] == key else None
        except StoreError:
            found = None  # not there, or cut short
        if found is None:
            rows = {name: before.row(name, made_of[name]) for name in names}
            taken += sum(row is not None for row in rows.values())
            rows = {name: _row(extractor, file, seen, name) if row is None else row for name, row in rows.items()}
            found = {name: row for name, row in rows.items() if row is not None}
            write_tensors(path, found, {"kind": "subject", "key": key})
        tensors |= found
    say(taken, len(file))
    skipped = sorted(set(file) - set(tensors))
    if skipped and missing_face == "fail":
        raise InputError(
            f"{frames}: the mesh finds no face in the crop of {len(skipped)} clip(s), and {card.extractor!r} needs its "
            f"landmarks: {', '.join(skipped)}; set missing_face: skip in config/config.yaml to run without these clips"
        )
    meta = {"kind": "shard", "axes": axes, "recipe": recipe, "clips": {n: {} for n in tensors}, "made_of": made_of}
    write_tensors(output, tensors, meta | ({"skipped": skipped} if extractor.landmarks else {}))
    shutil.rmtree(kept, ignore_errors=True)


def _check_not_seen(card: FeatureRecipe, file: Tensors, people: str) -> None:
    weights = card.options.get("weights")
    path = weights.get("file") if isinstance(weights, dict) else None
    shown = {f"{people}:{ClipId.parse(name).subject}" for name in file}
    if met := sorted(seen_by(path) & shown if path else ()):
        raise InputError(
            f"{path}: these weights have seen {', '.join(met[:3])}, whose features they are to give; name a "
            f"pre-training of other data sets in config/recipes.yaml"
        )


def _row(extractor: Extractor, file: Tensors, frames: Tensors | None, name: str) -> np.ndarray | None:
    """The row of a clip; None where landmarks are wanted and there is no face."""
    if frames is None:
        return extractor(file[name])
    try:
        landmarks = detect_landmarks(first_frame(frames, name))
    except FaceNotFound as error:
        logging.warning("clip %s is left out: %s", name, error)
        return None
    return extractor(file[name], landmarks)
