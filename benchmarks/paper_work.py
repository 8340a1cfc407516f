"""What trainings at paper budget compute, counted without computing it: config/measured/paper-work.csv.

One row for each run of config/methods and each set of inputs and hyper-parameters that it has under the protocols, at
the official counts of the first of these that have some. The loop's own step, forward and backward, runs on tensors of
torch's meta device, which have a shape and no values; what a method does with values (an augmentation that looks at
lengths) happens on the CPU, to one batch of nothing. Counted are convolutions, matrix products and attention, as
PyTorch counts them; pointwise arithmetic, the optimizer, and whatever is made once before the training are not.

    python benchmarks/paper_work.py                 # two minutes; all cards
    python benchmarks/paper_work.py mmnet ststnet   # prints these, and writes nothing

A run that cannot be counted so has a note in place of numbers, and pages say `not estimated`. Methods that run on no
GPU have no epochs. apexbench/gpu_hours.py makes hours of it.
"""

import argparse
import contextlib
import csv
import inspect
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from noise import OF_THREE, USUAL, noise, official_clips, unweighted
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.dynamo_shim import spare_dynamo
from apexbench.errors import InputError
from apexbench.gpu_hours import FILE, Work, key_of
from apexbench.methods import Deep, Method, ProtocolFacts, find
from apexbench.methods.base import Inputs
from apexbench.methods.deep import Clips
from apexbench.project import Project, load_project
from apexbench.store.writing import atomic

ROOT = Path(__file__).parents[1]
COLUMNS = (
    "run", "protocol", "key", "parameters", "gflop_per_clip_training", "gflop_per_clip_test", "drawn", "batch",
    "epochs", "launch_bound", "note",
)  # fmt: skip
Row = dict[str, str]


def paper_project() -> Project:
    """Return the configuration at paper budget, with clips by the official counts."""
    ours = {"budget": "paper", "scale": "full", "source": "synthetic", "tables": []}
    return load_project({**read_yaml(ROOT / "config" / "config.yaml"), **ours}, ROOT)


def wanted(project: Project, name: str) -> Iterator[tuple[str, str, MethodCard]]:
    """Yield (run, protocol, its card there): each run of a card with each set of inputs and hyper-parameters, once."""
    card = project.card(name)
    seen = set()
    for protocol in sorted(card.protocols or project.protocols, key=lambda its: (its != USUAL, its != OF_THREE)):
        classes = len(project.protocols[protocol].classes)
        runs = {} if card.log else card.runs(name, "paper", protocol, classes)
        for run, its in runs.items():
            if key_of(its) not in seen and _trained(project, name, its, protocol):
                seen.add(key_of(its))
                yield run, protocol, its


def rows_of(project: Project, name: str) -> Iterator[Row]:
    """Yield the rows of a card."""
    for run, protocol, its in wanted(project, name):
        named = {"run": run, "protocol": protocol, "key": key_of(its)}
        yield dict.fromkeys(COLUMNS, "") | named | _counted(project, its, protocol)


def _trained(project: Project, name: str, card: MethodCard, protocol: str) -> bool:
    """Whether a run is trained under a protocol whose clips of each subject and class are known."""
    facts, kind = project.protocols[protocol], find(card.method)
    params = kind.parse(card.params, f"config/methods/{name}.yaml")
    skipped = kind.skip(params, ProtocolFacts(protocol, tuple(facts.classes), facts.datasets, facts.multilabel))
    return not skipped and not facts.multilabel and _official(project, protocol) is not None


@cache
def _official(project: Project, protocol: str) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        return official_clips(project, protocol)
    except InputError:
        return None


def _counted(project: Project, card: MethodCard, protocol: str) -> Row:
    """Return the numbers of a row, or its note."""
    kind = find(card.method)
    if not kind.uses_gpu:
        return dict.fromkeys(COLUMNS[3:9], "0")
    if not _by_the_loop(kind):
        return {"note": "trains by a loop of its own"}
    params = unweighted(kind.parse(card.params, f"config/methods/{card.method}"))
    method = kind(len(project.protocols[protocol].classes), params)
    try:
        packs = {role: _one_clip(project, card.inputs[role], role) for role in kind.reads}
        counted = count(method, packs, *_official(project, protocol))
    except Exception as error:  # what a network may need values for is as various as networks are
        first = next(iter(str(error).splitlines()), "")
        return {"note": f"not countable: {type(error).__name__}: {first}"[:200]}
    return counted.row()


def _by_the_loop(kind: type[Method]) -> bool:
    """Whether a method's training is that of methods/deep.py: what it does in `scores` itself goes on to there."""
    if not issubclass(kind, Deep):
        return False
    own = (vars(base)["scores"] for base in kind.__mro__[: kind.__mro__.index(Deep)] if "scores" in vars(base))
    return all("super().scores(" in inspect.getsource(scores) for scores in own)


@cache
def _one_clip(project: Project, recipe: str, role: str) -> Inputs:
    return noise(project.recipes, recipe, role, 1, np.random.default_rng(0))


# counting


@dataclass(frozen=True)
class Counted:
    """What was counted: see `apexbench.gpu_hours.Work`."""

    parameters: int
    work: Work

    def row(self) -> Row:
        work = self.work
        return {
            "parameters": f"{self.parameters}",
            "gflop_per_clip_training": f"{work.training:.6g}",
            "gflop_per_clip_test": f"{work.test:.6g}",
            "drawn": f"{work.drawn:.3f}",
            "batch": f"{work.batch}",
            "epochs": f"{work.epochs}",
            "launch_bound": "yes" if work.waits else "no",
        }


class _Transformed(Clips):
    """Clips on the CPU, whose batches become tensors of the meta device once they are transformed."""

    def __init__(self, method: Deep, inputs: Inputs, labels: np.ndarray):
        super().__init__(method, inputs, labels)
        self.device, self.targets, self.soft = "meta", self.targets.to("meta"), self.soft.to("meta")

    def batch(self, rows, rng=None) -> dict:
        on_cpu = {name: x.index_select(0, torch.as_tensor(rows)) for name, x in self.inputs.items()}
        return {name: x.to("meta") for name, x in self.method.transform(on_cpu, rng).items()}

    def __iter__(self):
        for rows in torch.arange(len(self)).split(self.method.params.batch_size):
            yield self.batch(rows), self.targets[rows]


def count(method: Deep, packs: Mapping[str, Inputs], subjects: np.ndarray, labels: np.ndarray) -> Counted:
    """Count a method's training on clips of such subjects and labels, (N,) each, like the one clip of each pack.

    Raises whatever the method raises where it needs values of what the model returns.
    """
    spare_dynamo()
    method.autocast = lambda device: contextlib.nullcontext()  # which the meta device does not have
    few = {key: x for pack in packs.values() for key, x in pack.items()}
    method.fit(_repeated(few, 2) | {"id": subjects[:2], "subject": subjects[:2]})
    model = _built(method)
    inputs = {key: np.zeros((len(labels), *x.shape[1:]), x.dtype) for key, x in few.items() if key in method.reads}
    inputs |= _repeated({key: x for key, x in few.items() if key not in method.reads}, len(labels))
    inputs |= {"id": np.array([f"{s}/c{n}" for n, s in enumerate(subjects)], object), "subject": subjects}
    try:
        work = _work(method, model, Clips(method, inputs, labels, "meta"))
    except Exception:  # transform looks at values, which fails in as many ways
        work = _work(method, model, _Transformed(method, inputs, labels))
    return Counted(sum(weights.numel() for weights in model.parameters()), work)


def _built(method: Deep):
    torch.manual_seed(0)
    try:
        with torch.device("meta"):
            return method.build()
    except (NotImplementedError, RuntimeError):  # some sizes are computed by tensors
        return method.build().to("meta")


def _repeated(inputs: Inputs, count: int) -> Inputs:
    return {key: np.repeat(x, count, axis=0) for key, x in inputs.items()}


def _work(method: Deep, model, clips: Clips) -> Work:
    batches = [torch.as_tensor(rows) for rows in method.batches(clips.labels, torch.Generator().manual_seed(0))]
    largest = max(batches, key=len)  # the first of these
    drawn = sum(map(len, batches))
    with _counter() as before:
        method.begin_epoch(model, clips, 0)
    model.train()
    with _counter() as step:
        method.step(model, clips, largest, np.random.default_rng(0)).backward()
    model.eval()
    with _counter() as test, torch.no_grad():
        arguments, _ = next(iter(clips))
        method.logits(model(**arguments))
    epoch = before.get_total_flops() + step.get_total_flops() / len(largest) * drawn
    tested = min(method.params.batch_size, len(clips))
    return Work(
        training=epoch / len(clips) / 1e9,
        test=test.get_total_flops() / tested / 1e9,
        drawn=drawn / len(clips),
        # where all clips are fewer than a batch, it is filled elsewhere
        batch=method.params.batch_size if type(method).batches is Deep.batches else len(largest),
        epochs=method.params.epochs,
    )


def _counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _conv_backward})


def _conv_backward(
    grad, x, weight, _bias, _stride, _padding, _dilation, transposed, _output, _groups, wanted, out_shape=None, **_
) -> int:
    """FLOP of a convolution's gradients, each those of the convolution: PyTorch's count forgets the groups."""
    return sum(wanted[:2]) * conv_flop_count(list(x), list(weight), list(grad), transposed=transposed)


# the file


def write(rows: list[Row], file) -> None:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def main(arguments: list[str] | None = None) -> None:
    """Count all cards and write the file, or print those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cards", nargs="*", help="print these and write nothing; left out: all, and write")
    cards = parser.parse_args(arguments).cards
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    project = paper_project()
    rows = [row for name in cards or project.names("methods") for row in rows_of(project, name)]
    if cards:
        write(rows, sys.stdout)
        return
    with atomic(ROOT / "config" / FILE) as part, part.open("w", newline="") as file:
        write(rows, file)
    print(f"config/{FILE}: {len(rows)} rows, {sum(bool(row['note']) for row in rows)} without numbers")


if __name__ == "__main__":
    main()
