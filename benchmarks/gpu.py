"""Training of every deep method on a GPU: a step against the bare model, an epoch, a fold, as a Markdown page.

One leading card of config/methods for each method, under one protocol, on noise clips of the axes, sizes and types that
its recipes give; time does not depend on what they show. Ours is the loop's whole step: rows drawn, cut in the stored
type, converted and augmented on the device, forward pass, loss, backward pass, optimizer. Bare is the same model on one
batch that lies there transformed. Weights are random. A method that fails is a row that says so.

    python benchmarks/gpu.py                                             # under ten minutes on one H200
    python benchmarks/gpu.py --device cpu --budget quick --seconds 60    # a look, on one thread
    python benchmarks/gpu.py --device cpu --budget quick --seconds 55 --steps 80 --ratios benchmarks/steps.md
"""

import argparse
import copy
import gc
import itertools
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from noise import Case, case_of, leading_cards
from timing import alternate, medians, name_of, peak_of, seconds_of
from torch.utils.flop_counter import FlopCounterMode

from apexbench.config.model import read_yaml
from apexbench.dynamo_shim import spare_dynamo
from apexbench.errors import nearest
from apexbench.methods import Deep, Fold
from apexbench.methods.base import Inputs
from apexbench.methods.deep import Clips, epochs, predict
from apexbench.methods.mixing.mixable import Mixable
from apexbench.project import Project, load_project

ROOT = Path(__file__).parents[1]
LIMIT = 1.2  # of our step against the bare one
FEW = 10  # pairs of steps
PRECISIONS = ("float32", "bfloat16")
HEAD = (
    "method", "on", "clips, folds", "batch", "bare", "ours", "ours / bare", "clips/s", "memory", "GFLOP", "of the peak",
    "epoch", "fold", "all folds", "note",
)  # fmt: skip


@dataclass
class Row:
    """What was measured of a method in one precision, seconds and bytes; 0 is what was not."""

    method: str
    precision: str
    case: Case | None = None
    batch: int = 0
    bare: float = 0
    ours: float = 0
    ratio: float = 0
    steps: int = 0
    memory: int = 0
    flops: int = 0
    set_up: float = 0
    epoch: float = 0
    epoch_measured: bool = False
    fold: float = 0
    note: str = ""

    @property
    def whole(self) -> float:
        """Seconds of one fold: measured, else so many epochs and what comes before the first."""
        return self.fold or (self.epoch and self.set_up + self.case.params.epochs * self.epoch)


class Steps:
    """A step of the loop (`epochs` of methods/deep.py), to which a test holds it, and the bare one, of one model."""

    def __init__(self, method: Deep, train: Inputs, labels: np.ndarray, fold: Fold):
        spare_dynamo()
        method.fit(train)
        torch.manual_seed(fold.torch_seed)
        self.order, self.rng = torch.Generator().manual_seed(fold.torch_seed), fold.rng
        self.method, self.model = method, method.build().to(fold.device)
        self.clips = Clips(method, train, labels, fold.device)
        made = method.optimizer(self.model)
        self.optimizer = made[0] if isinstance(made, tuple) else made
        self.forward = torch.compile(self.model) if method.params.compile else self.model
        method.begin_epoch(self.model, self.clips, 0)
        self.model.train()
        self.batches = self._batches()
        self.size = 0

    def _batches(self) -> Iterator:
        """Batches of one epoch after the other, those of the first one's size: an epoch's last may be small."""
        while True:
            for some in self.method.batches(self.clips.labels, self.order):
                self.size = self.size or len(some)
                if len(some) == self.size:
                    yield torch.as_tensor(some, device=self.clips.device)

    def ours(self) -> None:
        some = next(self.batches)
        self._learn(lambda: self.method.step(self.forward, self.clips, some, self.rng))

    def bare(self) -> Callable[[], None]:
        """Return the step on one batch that is ready.

        A method with a step of its own, which may need more than a batch's output, takes it on batches that are ready.
        """
        some = next(self.batches)
        if type(self.method).step not in (Deep.step, Mixable.step):
            clips = self._ready(some)
            return lambda: self._learn(lambda: self.method.step(self.forward, clips, some, self.rng))
        batch, targets = self.clips.batch(some, self.rng), self.clips.targets[some]

        def loss():
            with self.method.autocast(self.clips.device):
                return self.clips.loss(self.forward(**batch), targets)

        return lambda: self._learn(loss)

    def _learn(self, loss: Callable) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss().backward()
        self.optimizer.step()

    def _ready(self, some) -> Clips:
        """The clips, but `batch` gives what it gave one step, in the same order, over and over; also that of a copy."""
        clips, made, batch = copy.copy(self.clips), [], Clips.batch
        Clips.batch = lambda own, rows, rng=None: made.append(batch(own, rows, rng)) or made[-1]
        try:
            self.method.step(self.forward, clips, some, self.rng)
        finally:
            Clips.batch = batch
        again = itertools.cycle(made)
        clips.batch = lambda rows, rng=None: dict(next(again))
        return clips


def measure_steps(row: Row, device: str, steps: int, until: float) -> None:
    """Fill in what a row says of steps; of ours memory and FLOP are taken before anything bare is there."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    both = Steps(row.case.make(row.precision), row.case.train, row.case.labels, Fold(0, device))
    both.ours()
    with FlopCounterMode(display=False) as counter:
        both.ours()
    row.batch, row.flops = both.size, counter.get_total_flops()
    if device == "cuda":
        row.memory = torch.cuda.max_memory_allocated()
    seconds = alternate({"bare": both.bare(), "ours": both.ours}, steps, device, until)
    row.bare, row.ours = medians(seconds).values()
    row.ratio = statistics.median(a / b for a, b in zip(seconds["ours"], seconds["bare"], strict=True))
    row.steps = len(seconds["ours"])


def measure_epoch(row: Row, device: str, until: float) -> None:
    """Fill in one epoch of the loop, the test clips' scores included; by steps where two epochs would last too long."""
    case, method = row.case, row.case.make(row.precision)
    method.fit(case.train)
    row.epoch = len(list(method.batches(case.labels, torch.Generator().manual_seed(0)))) * row.ours
    if time.perf_counter() + 2 * row.epoch > until:
        return
    trained = epochs(method, case.train, case.labels, Fold(0, device))
    held_out = Clips(method, case.test, device=device)
    first, *second = (
        seconds_of(lambda: predict(method, next(trained), held_out), device) for _ in range(min(2, case.params.epochs))
    )
    row.epoch, row.epoch_measured = (*second, first)[0], True
    row.set_up = first - row.epoch


def measure_fold(row: Row, device: str) -> None:
    case = row.case
    method = case.make(row.precision)
    row.fold = seconds_of(lambda: method.scores(case.train, case.labels, case.test, Fold(0, device)), device)


def attempt(row: Row, work: Callable, *arguments) -> bool:
    """Do a part of the measuring and return whether it went well; else the row says what did not."""
    try:
        work(row, *arguments)
    except (torch.OutOfMemoryError, MemoryError):
        row.note = "out of memory"
    except Exception as error:
        row.note = f"failed: {type(error).__name__}: {error}".replace("|", "/").replace("\n", " ")[:200]
    gc.collect()  # a model may hold itself, and with it memory of the device
    return not row.note


# the page


def page(found: list[Row], device: str, budget: str, steps: int) -> str:
    """Return the Markdown page: a table for each precision, a row for each method."""
    peak = peak_of(name_of(device))
    where = name_of(device) + (f", driver {_driver()}, CUDA {torch.version.cuda}" if device == "cuda" else "")
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {where}, PyTorch {torch.__version__}, budget `{budget}`, noise clips, random "
        f"weights. Medians of {steps} alternating steps; limit of ours / bare: {LIMIT}.",
    ]
    for precision in dict.fromkeys(row.precision for row in found):
        lines += ["", f"#### {precision}", "", _line(HEAD), "|:--|:--|" + "--:|" * (len(HEAD) - 3) + ":--|"]
        lines += [_line(_cells(row, peak, steps)) for row in found if row.precision == precision]
    return "\n".join(lines) + "\n"


def ratio_page(found: list[Row], budget: str) -> str:
    """Return the Markdown page of quotients alone, which, unlike seconds, mean something on another machine."""
    over = ", ".join(row.method for row in found if row.ratio > LIMIT and row.steps >= FEW) or "none"
    command = (
        f"python benchmarks/gpu.py --device cpu --budget {budget} --seconds 55 --steps 80 --ratios benchmarks/steps.md"
    )
    about = (
        f"{time.strftime('%Y-%m-%d')}, one thread of a CPU on a busy machine, budget `{budget}`: networks are small, "
        f"and a step takes milliseconds, so that what the loop adds weighs more than at paper size. Medians of the "
        f"quotients of alternating steps; [README.md](README.md) says what the columns mean. Above the limit of "
        f"{LIMIT}: {over}; fewer than {FEW} pairs decide nothing, and from run to run quotients move by up to .1."
    )
    rows = [_line(("method", "on", "batch", "ours / bare", "pairs of steps", "note")), "|:--|:--|--:|--:|--:|:--|"]
    for row in found:
        ratio = f"{row.ratio:.2f}" if row.steps else ""
        ratio = f"**{ratio}**" if row.ratio > LIMIT and row.steps >= FEW else ratio
        batch, steps = (str(number or "") for number in (row.batch, row.steps))
        rows.append(_line((row.method, row.case.protocol if row.case else "", batch, ratio, steps, row.note)))
    return "\n\n".join(["# A step of the loop against the bare model", about, f"    {command}", "\n".join(rows)]) + "\n"


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row, peak: float, steps: int) -> list[str]:
    cells = dict.fromkeys(HEAD, "") | {"method": row.method, "note": row.note}
    if row.case:
        clips = len(row.case.labels) + len(row.case.test["id"])
        cells |= {"on": row.case.protocol, "clips, folds": f"{clips}, {row.case.folds}"}
    if row.steps:
        cells |= {"batch": f"{row.batch}", "bare": f"{row.bare * 1e3:,.2f} ms", "ours": f"{row.ours * 1e3:,.2f} ms"}
        cells |= {"clips/s": f"{row.batch / row.ours:,.1f}", "GFLOP": _short(row.flops / 1e9)}
        cells["ours / bare"] = f"**{row.ratio:.2f}**" if row.ratio > LIMIT else f"{row.ratio:.2f}"
        cells["memory"] = f"{row.memory / 2**30:.2f} GB" if row.memory else ""
        # the peak that is known is bfloat16's
        cells["of the peak"] = f"{row.flops / row.ours / peak:.1%}" if peak and row.precision == "bfloat16" else ""
        fewer = f"{row.steps} steps only" if row.steps < steps else ""
        cells["note"] = ", ".join(filter(None, (fewer, row.note)))
    if row.epoch:
        cells["epoch"] = f"{'' if row.epoch_measured else 'estimate '}{row.epoch:,.2f} s"
        cells["fold"] = f"{'' if row.fold else 'estimate '}{row.whole:,.1f} s"
        cells["all folds"] = f"estimate {row.case.folds * row.whole / 3600:,.2f} h"
    return list(cells.values())


def _short(value: float) -> str:
    return f"{value:,.1f}" if value >= 1 else f"{value:.1g}"


def _driver() -> str:
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout.split("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--methods", nargs="+", help="all deep methods that have a card, if not given")
    parser.add_argument("--budget", choices=("quick", "paper"), default="paper")
    parser.add_argument("--seconds", type=float, default=540, help="in all; folds that do not fit are estimated")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each variant")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, help="both on a GPU, float32 on a CPU")
    parser.add_argument("--threads", type=int, default=1, help="on the CPU; a training job has one")
    parser.add_argument("--output", type=Path, help="a file that gets the page as well, from the first row on")
    parser.add_argument("--ratios", type=Path, help="measure steps alone; a file that gets ours / bare of each method")
    wanted = parser.parse_args(arguments)
    if wanted.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no GPU; name cpu")
    return wanted


def project_under(budget: str) -> Project:
    """Return the configuration under a budget, with clips by the official counts."""
    ours = {"budget": budget, "scale": "full", "source": "synthetic", "tables": []}
    return load_project({**read_yaml(ROOT / "config" / "config.yaml"), **ours}, ROOT)


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure, print the page and return its rows."""
    wanted = options(arguments)
    deadline, device = time.perf_counter() + wanted.seconds, wanted.device
    torch.set_num_threads(wanted.threads)
    project = project_under(wanted.budget)
    leading = leading_cards(project)
    for name in wanted.methods or ():
        if name not in leading:
            raise SystemExit(f"--methods: no card of a deep method {name!r}; {nearest(name, leading)}")
    precisions = wanted.precision or PRECISIONS[: 2 if device == "cuda" else 1]
    found = [Row(method, precision) for method in wanted.methods or leading for precision in precisions]

    def show() -> str:
        text = page(found, device, wanted.budget, wanted.steps)
        if wanted.output:
            wanted.output.write_text(text)
        return text

    def prepare(row: Row) -> None:
        same = [other.case for other in found if other.method == row.method and other.case]
        row.case = same[0] if same else case_of(project, leading[row.method])

    for number, row in enumerate(found):
        until = time.perf_counter() + (deadline - time.perf_counter()) / (len(found) - number)
        if attempt(row, prepare) and attempt(row, measure_steps, device, wanted.steps, until) and not wanted.ratios:
            attempt(row, measure_epoch, device, until)
        show()
    if wanted.ratios:
        wanted.ratios.write_text(ratio_page(found, wanted.budget))
    for row in sorted((row for row in found if row.epoch), key=lambda row: row.whole):
        if not row.note and time.perf_counter() + 1.1 * row.whole < deadline:
            attempt(row, measure_fold, device)
            show()
    print(show(), end="")
    return found


if __name__ == "__main__":
    main()
