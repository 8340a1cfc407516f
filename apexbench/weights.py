"""Where initial weights come from: random, a file, a timm tag or a pre-training; said by type, never guessed.

A tag is fetched once, by its own rule, into results/weights/, and a pre-training is a rule too: a training job gets
files and needs no network.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import model_serializer, model_validator

from apexbench.config.model import Model
from apexbench.errors import InputError, nearest
from apexbench.torchvision_shim import ensure_torchvision

EVERY = "all"  # the one state of a pre-training that is the same for all folds
_SUFFIXES = (".safetensors", ".pth", ".pt", ".pth.tar")
_CLASSIFIERS = ("fc.", "head.")


class Weights(Model):
    """`random`, or one of `{file: path}`, `{timm: tag}` and `{pretraining: name}`.

    >>> Weights.model_validate({"timm": "resnet18.tv_in1k"}).kind, Weights.model_validate("random").random
    ('timm', True)
    """

    file: str = ""
    """A state dict, .safetensors, .pth or .pth.tar."""
    timm: str = ""
    """A tag of timm, with the network's name: resnet18.tv_in1k."""
    pretraining: str = ""
    """A recipe of config/recipes.yaml, section pretraining."""

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, value: Any) -> Any:
        if value == "random":
            return {}
        if isinstance(value, str):
            if value.endswith(_SUFFIXES):
                mend = f"write {{file: {value}}}"
            elif "." in value:
                mend = f"write {{timm: {value}}}"
            else:
                mend = f"write {{pretraining: {value}}}, or a timm tag with its dot, {{timm: resnet18.tv_in1k}}"
            raise ValueError(f"a bare text is only 'random'; {mend}")
        return value

    @model_validator(mode="after")
    def _one(self):
        if len([text for text in (self.file, self.timm, self.pretraining) if text]) > 1:
            raise ValueError("give one of file, timm and pretraining")
        if self.file and not self.file.endswith(_SUFFIXES):
            raise ValueError(f"{self.file}: a file of weights ends with {', '.join(_SUFFIXES)}")
        if self.timm and ("." not in self.timm or "/" in self.timm):
            raise ValueError(f"{self.timm}: a timm tag has the network's name and a dot, as in resnet18.tv_in1k")
        return self

    @model_serializer
    def _dumped(self) -> Any:
        return "random" if self.random else {self.kind: getattr(self, self.kind)}

    @property
    def kind(self) -> str:
        return next((kind for kind in ("file", "timm", "pretraining") if getattr(self, kind)), "random")

    @property
    def random(self) -> bool:
        return self.kind == "random"


RANDOM = Weights()


def tag_path(tag: str) -> str:
    """Return where the rule `weights` puts a timm tag's weights."""
    return f"results/weights/{tag}.safetensors"


def state_of(weights: Weights, where: str) -> dict:
    """Return the tensors by name that a file or a timm tag holds; `where` is the file and field that named them.

    Raises InputError if the file is missing or holds something else, or if the tag is unknown or cannot be fetched.
    """
    if weights.pretraining:
        raise ValueError(f"{where}: the file of the pre-training {weights.pretraining!r} is wanted; see read_states")
    return read_state(weights.file, where) if weights.file else _fetch(weights.timm, where)


def read_state(path: str | os.PathLike, where: str) -> dict:
    """Return the state dict of a .safetensors, .pth or .pth.tar file, as the module itself names its tensors.

    What trainings wrap it in is taken off: a dictionary whose `state_dict` it is, and DataParallel's `module.` before
    all names. Of a pre-training of ours it is the state for all folds.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; {where} names it as weights")
    if _trained_here(path):
        return read_states(path, EVERY)
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
            state = dict(state.get("state_dict", state))
        wrapped = all(name.startswith("module.") for name in state)
        return {name.removeprefix("module."): x for name, x in state.items()} if wrapped else state
    except Exception as error:
        raise InputError(f"{path}: not a state dict ({error})") from None


def _trained_here(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return False
    try:
        with safe_open(path, framework="numpy") as file:
            return '"kind": "pretrained"' in (file.metadata() or {}).get("meta", "")
    except SafetensorError:
        return False


def seen_by(path: str | os.PathLike) -> set[str]:
    """Return whom a file of weights has seen, "release:subject"; of files from elsewhere that is not known: nobody."""
    return read_seen(path, EVERY) if _trained_here(Path(path)) else set()


def load(model, state: Mapping, source: str) -> None:
    """Load tensors into a model, all of them but a classifier; InputError, naming `source`, if they do not fit.

    Batch norms of old files do not count batches: theirs begin at 0, as PyTorch has it.
    """
    import torch

    own = model.state_dict()
    counts = {name: torch.tensor(0) for name in own if name.endswith(".num_batches_tracked")}
    state = {name: x for name, x in (counts | dict(state)).items() if name in own or not name.startswith(_CLASSIFIERS)}
    missing, unexpected = [n for n in own if n not in state], [n for n in state if n not in own]
    shapes = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or unexpected or shapes:
        raise InputError(
            f"{source}: does not fit the network; missing {missing[:3]}, unexpected {unexpected[:3]}, of another shape "
            f"{shapes[:3]}"
        )
    model.load_state_dict(state)


def save(tag: str, output: str | os.PathLike, where: str) -> None:
    """Fetch a tag, network and all, and write its state dict to a .safetensors file."""
    from safetensors.torch import save_file

    from apexbench.store.writing import atomic

    state = _fetch(tag, where)
    with atomic(output) as part:
        save_file({name: x.contiguous() for name, x in state.items()}, part)


def _fetch(tag: str, where: str) -> dict:
    ensure_torchvision()
    import timm

    known = timm.list_pretrained(f"{tag.split('.')[0]}.*") or timm.list_pretrained()
    if tag not in known:
        raise InputError(f"{where}: {tag!r} is not a timm tag; {nearest(tag, known)}")
    try:
        return timm.create_model(tag, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # the hub client raises many kinds
        source = timm.get_pretrained_cfg(tag)
        raise InputError(
            f"{where}: weights {tag!r} could not be fetched ({error}); download {source.hf_hub_id or source.url} "
            f"(model.safetensors) by hand and name it {{file: path}}, or write random"
        ) from None


def write_states(
    output: str | os.PathLike, states: Mapping[str, Mapping], seen: Mapping[str, Iterable[str]], meta: Mapping
) -> None:
    """Write the states of a pre-training, {fold: state dict}, and whom each has seen, {fold: "release:subject"}.

    A state that holds for all folds has the name `EVERY`.
    """
    from apexbench.store.tensors import write_tensors

    record = {**meta, "kind": "pretrained", "seen": {fold: sorted(people) for fold, people in seen.items()}}
    tensors = {
        f"{fold}|{name}": x.detach().cpu().numpy() for fold, state in states.items() for name, x in state.items()
    }
    write_tensors(output, tensors, record)


def read_seen(path: str | os.PathLike, fold: str) -> set[str]:
    """Return who was seen, as "release:subject", by the state that a pre-training has for a fold."""
    seen = _seen(path)
    return set(seen[_held(seen, fold, path)])


def _seen(path: str | os.PathLike) -> dict[str, list[str]]:
    from apexbench.store.tensors import read_tensors

    seen = read_tensors(path, kind="pretrained").meta.get("seen")
    if not isinstance(seen, dict) or not all(isinstance(people, list) for people in seen.values()):
        raise InputError(f"{path}: does not say whom its weights have seen; delete it and rerun")
    return seen


def read_states(path: str | os.PathLike, fold: str) -> dict:
    """Return the state dict that a pre-training has for a fold; InputError if it has none."""
    import torch

    from apexbench.store.tensors import read_tensors

    prefix, file = _held(_seen(path), fold, path) + "|", read_tensors(path, kind="pretrained")
    return {name.removeprefix(prefix): torch.from_numpy(file[name]) for name in file if name.startswith(prefix)}


def _held(seen: Mapping, fold: str, path: str | os.PathLike) -> str:
    for name in (fold, EVERY):
        if name in seen:
            return name
    raise InputError(f"{path}: holds no weights for the fold {fold!r}, but for {', '.join(seen)}; delete it and rerun")
