"""How long the jobs of a study will take: by the benchmarks of earlier runs and by the jobs that have ended so far.

What a job is expected to take is known, from best to worst, by its own benchmark file; by jobs of its kind that ended
in this run; by those of its kind in earlier runs; by its run or its stage in this run, in earlier runs, or in
`stage_seconds.json`, measured on the default study. Earlier jobs of another key, or of the stage alone, tell nothing of
a study of another size. A job of none of these is unknown, and nobody pretends otherwise.
The time left is that of a schedule: jobs start by priority as soon as what they need is there and a core is free.
"""

import heapq
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from statistics import fmean

FOLDER = "results/benchmarks"
READ = (
    5000  # benchmark files that are read of a study, and of a stage whose jobs have none of their own: a second's work
)
TRUST = 2.0  # jobs of a stage that it takes in a run to believe them as much as what was expected of them
Kind = tuple[str, ...]
_KEY = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Job:
    """A job to run: its stage, its benchmark file if any, the jobs it waits for by number, cores and share of GPUs."""

    stage: str
    benchmark: str | None = None
    needs: tuple[int, ...] = ()
    cores: int = 1
    gpus: int = 0
    priority: int = 0

    @cached_property
    def kind(self) -> Kind:
        """What jobs of about the same length have in common; of a job without benchmark its stage."""
        return kind_of(self.benchmark) if self.benchmark else (self.stage,)


def kind_of(benchmark: str) -> Kind:
    """Return the kind of a job by its benchmark file: the stage, the recipe, run, table or protocol, and a run's key.

    >>> kind_of("results/benchmarks/train/samm-3/ststnet/0123456789ab/seed0/folds0-2.tsv")
    ('train', 'ststnet', '0123456789ab')
    >>> kind_of("results/benchmarks/table/mine/leaderboard.tsv")
    ('table', 'leaderboard')
    """
    below = benchmark.rpartition(f"{FOLDER}/")[2].removesuffix(".tsv").split("/")
    key = below[3:4] if below[3:] and _KEY.fullmatch(below[3]) else []
    return (below[0], *below[1:3][-1:], *key)


def _wider(kind: Kind) -> list[Kind]:
    """Return a kind, and what it is one of, down to its stage.

    >>> _wider(("train", "ststnet", "0123456789ab"))
    [('train', 'ststnet', '0123456789ab'), ('train', 'ststnet'), ('train',)]
    """
    return [kind[:length] for length in range(len(kind), 0, -1)]


def read_seconds(path: Path | str) -> float | None:
    """Return the seconds (wall time) of a benchmark file, or None where it is missing or was cut off."""
    try:
        name, seconds = (line.split("\t")[0] for line in Path(path).read_text().splitlines()[:2])
        return float(seconds) if name == "s" else None
    except (OSError, ValueError):
        return None


def earlier(stage: str, folder: Path | str = FOLDER) -> dict[Kind, float]:
    """Return the mean seconds of a stage's jobs of earlier runs, by kind, by what kinds share, and by the stage."""
    seconds = defaultdict(list)
    for path in islice(sorted((Path(folder) / stage).rglob("*.tsv")), READ):
        if (took := read_seconds(path)) is not None:
            for kind in _wider(kind_of(path.as_posix())):
                seconds[kind].append(took)
    return {kind: fmean(each) for kind, each in seconds.items()}


def shipped() -> dict[str, float]:
    """Return the seconds of a job of each stage of the default study."""
    return json.loads(Path(__file__).with_name("stage_seconds.json").read_text())["seconds"]


class Mean:
    """A running mean of seconds, and how they compare with what was expected."""

    def __init__(self):
        self.count, self.seconds, self.foretold, self.compared = 0, 0.0, 0.0, 0.0

    def add(self, seconds: float, foretold: float | None) -> None:
        """Count a job that ended."""
        self.count += 1
        self.seconds += seconds
        if foretold:
            self.foretold, self.compared = self.foretold + foretold, self.compared + seconds

    @property
    def mean(self) -> float | None:
        """Mean seconds of a job, None before one has ended."""
        return self.seconds / self.count if self.count else None

    def ratio(self, foretold: float, before: float = 1.0) -> float:
        """How much longer jobs take than was expected, for one of `foretold` seconds; `before`, until they tell."""
        trust = TRUST * foretold
        return (self.compared + before * trust) / (self.foretold + trust) if trust else before


class TimeLeft:
    """What is expected of each job of a run, learning from those that end."""

    def __init__(
        self,
        jobs: Sequence[Job],
        cores: float = 1,
        gpus: int = 0,
        folder: Path | str | None = None,
        default: Mapping[str, float] | None = None,
        alike: bool = True,
    ):
        """Take the jobs; how many cores (on a cluster: jobs at a time) and shares of GPUs there are (0: not counted).

        `folder` is where the paths of benchmark files start; `default` has the seconds of a stage's jobs for want of
        anything better; `alike` tells whether earlier jobs of another kind are about as long as those of the same stage
        here.
        """
        self.jobs, self.cores, self.gpus = jobs, max(1, cores), gpus
        self._default = default or {}
        self._users = [[] for _ in jobs]
        for number, job in enumerate(jobs):
            for need in job.needs:
                self._users[need].append(number)
        root = Path(folder or ".")
        self._own = [
            read_seconds(root / job.benchmark) if job.benchmark and place < READ else None
            for place, job in enumerate(jobs)
        ]
        lacking = {job.kind[0] for job, own in zip(jobs, self._own, strict=True) if own is None and job.benchmark}
        self._earlier = {kind: mean for stage in lacking for kind, mean in earlier(stage, root / FOLDER).items()}
        if not alike:
            kinds = {job.kind for job in jobs}
            self._earlier = {kind: mean for kind, mean in self._earlier.items() if kind in kinds}
        self._now: dict[Kind, Mean] = defaultdict(Mean)

    @property
    def known(self) -> int:
        """How many jobs have a benchmark of their own."""
        return sum(own is not None for own in self._own)

    def _foretold(self, number: int) -> float | None:
        """Return what was expected of a job before this run."""
        job, own = self.jobs[number], self._own[number]
        if own is not None:
            return own
        for kind in _wider(job.kind):
            if kind in self._earlier:
                return self._earlier[kind]
        return self._default.get(job.kind[0]) if job.benchmark else 0.0  # no benchmark: a target, without work

    def finished(self, number: int, seconds: float) -> None:
        """Learn from a job that ended after some seconds."""
        foretold = self._foretold(number)
        for kind in [*_wider(self.jobs[number].kind), ()]:
            self._now[kind].add(seconds, foretold)

    def expected(self, number: int) -> float | None:
        """Return the seconds that a job is expected to take, None if nothing tells."""
        job, foretold = self.jobs[number], self._foretold(number)
        for kind in _wider(job.kind) if self._own[number] is None else []:
            if (mean := self._now[kind].mean) is not None:
                return mean
            if kind in self._earlier:
                break
        stage = self._now[job.kind[:1]]
        return None if foretold is None else foretold * stage.ratio(foretold, self._now[()].ratio(foretold))

    def unknown(self, done: set[int]) -> list[str]:
        """Return the stages of which some job is left that nothing is known of, in order."""
        left = (number for number in range(len(self.jobs)) if number not in done)
        return list(dict.fromkeys(self.jobs[number].stage for number in left if self.expected(number) is None))

    def blocked(self, failed: Iterable[int]) -> set[int]:
        """Return the failed jobs and all that wait for them in vain."""
        stack, found = list(failed), set()
        while stack:
            if (number := stack.pop()) not in found:
                found.add(number)
                stack += self._users[number]
        return found

    def left(self, done: set[int] = frozenset(), running: Mapping[int, float] | None = None) -> float:
        """Return the seconds until the last job ends; unknown jobs count nothing.

        `done` are the jobs that will not run any more, `running` those that do, with the seconds for which they have.
        """
        running = running or {}
        seconds = [self.expected(number) or 0.0 for number in range(len(self.jobs))]
        waits = [sum(need not in done for need in job.needs) for job in self.jobs]
        ends, ready = [], defaultdict(list)
        free = [self.cores, self.gpus]

        def start(number: int, at: float) -> None:
            job = self.jobs[number]
            free[0] -= min(job.cores, self.cores)
            free[1] -= min(job.gpus, self.gpus)
            heapq.heappush(ends, (at, number))

        def offer(number: int) -> None:
            job = self.jobs[number]
            demand = min(job.cores, self.cores), min(job.gpus, self.gpus)
            heapq.heappush(ready[demand], (-job.priority, number))

        for number, elapsed in running.items():
            # one that takes longer than it should: nobody knows, a fifth more
            start(number, max(seconds[number] - elapsed, elapsed / 5))
        for number in range(len(self.jobs)):
            if number not in done and number not in running and waits[number] == 0:
                offer(number)
        now = 0.0
        while True:
            while fitting := [d for d, each in ready.items() if each and d[0] <= free[0] and d[1] <= free[1]]:
                _, number = heapq.heappop(ready[min(fitting, key=lambda demand: ready[demand][0])])
                start(number, now + seconds[number])
            if not ends:
                return now
            now, number = heapq.heappop(ends)
            free[0] += min(self.jobs[number].cores, self.cores)
            free[1] += min(self.jobs[number].gpus, self.gpus)
            for user in self._users[number]:
                waits[user] -= 1
                if waits[user] == 0 and user not in done and user not in running:
                    offer(user)


def in_words(seconds: float) -> str:
    """Return a duration as people say it, to about a tenth.

    >>> [in_words(seconds) for seconds in (0.4, 42, 200, 2000, 8000, 200_000)]
    ['1 s', '42 s', '3 min 20 s', '33 min', '2 h 10 min', '2 d 8 h']
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 595:
        minutes, rest = divmod(round(seconds / 10) * 10, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if seconds < 3570:
        return f"{round(seconds / 60)} min"
    if seconds < 86_000:
        hours, minutes = divmod(round(seconds / 600) * 10, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def main(folder: str) -> None:
    """Print what `stage_seconds.json` holds, by the benchmarks of a study in `folder`."""
    stages = sorted(path.name for path in Path(folder).iterdir())
    means = {stage: earlier(stage, folder).get((stage,)) for stage in stages}
    seconds = {stage: round(mean, 2) for stage, mean in means.items() if mean is not None}
    print(json.dumps({"measured": "default study, quick, synthetic clips, 2 cores", "seconds": seconds}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1])
