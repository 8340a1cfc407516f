"""What one sees of a run of the `snakemake` command: a line for each stage that is done, and the time left.

Snakemake's own text, some lines for each job, goes to its log file as ever. The console has errors and warnings, whole
and at once, what Snakemake says before the jobs begin, how many jobs there are and about how long they will take. Then
there is a line when all jobs of a stage have ended, and how far the run is: on a terminal a line that is written over
every second, else one every half minute. A dry run ends with a table of the stages, in place of all jobs.

Whoever asks for more or less than that (`--verbose`, `--printshellcmds`, `--debug-dag`, `--quiet`), or has a logger
plugin that writes to the console, gets Snakemake's own output. So does `python -m snakemake`.
"""

import logging
import os
import shutil
import sys
import threading
import time
from collections import Counter
from contextlib import suppress

import snakemake.api  # noqa: F401  (first: it and the next import each other)
from snakemake.dag import DAG
from snakemake.logging import ColorizingTextHandler, LoggerManager
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from apexbench.time_left import Job, TimeLeft, in_words, shipped

EVERY = 30.0  # seconds between lines where nothing can be written over
SHARE = 200  # reckoning the time left may take one part in so many of the run
# what is worth a line while jobs run, by its beginning; all else of level INFO is in the log file
WORTH = (
    "Trying to restart", "Will exit", "Shutting down", "Terminating", "Exiting", "Removing output files of failed",
    "Complete log(s)",
)  # fmt: skip
# what is not, before they run
IDLE = ("Using shell", "Provided ", "Rules claiming", "Conda environments: ignored", "host: ", "Assuming unrestricted")
WHY = (
    ("forced", "forced"),
    ("params_changed", "changed parameters or code"),
    ("code_changed", "changed parameters or code"),
    ("input_changed", "other inputs"),
    ("updated_input", "newer inputs"),
    ("incomplete_output", "half made"),
    ("missing_output", "not made yet"),
    ("updated_input_run", "inputs made anew"),
    ("no_metadata", "no record of how it was made"),
)


def install() -> None:
    """Let this process's Snakemake write to the console by `Console`, where this Snakemake has the parts for it."""
    if not (hasattr(LoggerManager, "_default_streamhandler") and hasattr(DAG, "stats")):
        return
    handler, stats = LoggerManager._default_streamhandler, DAG.stats
    consoles = []

    def ours(manager: LoggerManager) -> logging.Handler:
        asked = manager.settings
        if asked.verbose or asked.printshellcmds or asked.debug_dag or asked.quiet or asked.log_level_override:
            return handler(manager)
        stream = sys.stdout if asked.stdout else sys.stderr
        consoles[:] = [Console(stream, nocolor=asked.nocolor, dryrun=asked.dryrun)]
        consoles[0].addFilter(manager._default_filter())
        consoles[0].setFormatter(manager._default_formatter())
        return consoles[0]

    def counted(dag: DAG) -> tuple[str, dict[str, int]]:
        for console in consoles:
            console.plan(dag)
            if console.dryrun:  # the table stands in place of this text
                return "", {**console.run.stages, "total": len(console.run.left.jobs)}
        return stats(dag)

    LoggerManager._default_streamhandler = ours
    DAG.stats = counted


class Console(ColorizingTextHandler):
    """Writes what is worth a line, and keeps the last one up to date."""

    def __init__(self, stream, nocolor: bool = False, dryrun: bool = False, every: float = EVERY):
        super().__init__(nocolor=nocolor, stream=stream)
        self.dryrun, self.every = dryrun, every
        self.live = self.is_tty and os.environ.get("TERM") != "dumb"
        self.run: Run | None = None
        self._in_workflow, self._shown, self._written, self._ended = False, False, time.monotonic(), threading.Event()

    def plan(self, dag: DAG) -> None:
        """Take the jobs that will run: before the first one starts."""
        if self.run is None:
            self.run = Run(dag)
            if self.dryrun:  # as --quiet does: nothing is said of each job
                dag.workflow.output_settings.quiet = {Quietness.RULES, Quietness.PROGRESS}
                for job in dag.needrun_jobs():
                    job.resources  # noqa: B018  (reckoned all the same: a rule's function may object)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of Snakemake's, or count by it; called with this handler's lock."""
        try:
            self._take(record)
        except BrokenPipeError:
            raise
        except Exception:  # as in every handler: what is said of a run must not end it
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        event, run = getattr(record, "event", None), self.run
        if event == LogEvent.WORKFLOW_STARTED:
            self._in_workflow = True
        elif event == LogEvent.RUN_INFO and run and self.dryrun:
            self._write(*run.table())
        elif event == LogEvent.RUN_INFO and run:
            run.began = record.created
            self._write(run.title())
            threading.Thread(target=self._tick, daemon=True).start()
        elif event == LogEvent.JOB_INFO and run:
            run.start(record.jobid, record.created)
        elif event == LogEvent.JOB_FINISHED and run:
            if line := run.finish(record.job_id, record.created):
                self._write(line)
            if run.ended():
                self._sum_up(record.created)
        elif self._is_worth(record, event):
            if event == LogEvent.JOB_ERROR and run:
                run.fail(record.jobid)
            if str(record.msg).startswith("Complete log(s)"):
                self._sum_up(record.created)
            self._clear()
            super().emit(record)
            self._paint()

    def _is_worth(self, record: logging.LogRecord, event: LogEvent | None) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        text = str(record.msg or "")
        if self.run and self._in_workflow:
            return event is None and text.startswith(WORTH)
        return not text.startswith(IDLE) and not (event and self._in_workflow)

    def _tick(self) -> None:
        while not self._ended.wait(1.0 if self.live else self.every / 3):
            with self.lock, suppress(OSError):  # the terminal may be gone
                if self.live:
                    self._paint()
                elif time.monotonic() - self._written > self.every:
                    self._write(self.run.line(time.time()))

    def _write(self, *lines: str) -> None:
        self._clear()
        self.stream.write("".join(f"{line}\n" for line in lines))
        self._written = time.monotonic()
        self._paint()

    def _clear(self) -> None:
        if self._shown:
            self.stream.write("\r\x1b[K")
            self._shown = False

    def _paint(self) -> None:
        """Write the last line anew, on a terminal, while jobs run."""
        if self.live and self.run and self.run.began and not self._ended.is_set():
            width = shutil.get_terminal_size().columns - 1
            line = self.run.line(time.time())
            self.stream.write(f"\r{line if len(line) <= width else line[: width - 1] + '…'}\x1b[K")
            self._shown = True
        self.stream.flush()

    def _sum_up(self, now: float) -> None:
        if self.run and self.run.began and not self._ended.is_set():
            self._ended.set()
            self._write(*self.run.summary(now))

    def close(self) -> None:
        """Sum up what was not: a run that was broken off."""
        with self.lock:
            self._sum_up(time.time())
            self._clear()
        super().close()


class Run:
    """The jobs of a run: how many of each stage there are, have started and have ended."""

    def __init__(self, dag: DAG):
        jobs = [job for level in dag.toposorted(set(dag.needrun_jobs())) for job in sorted(level, key=str)]
        numbers = {job: number for number, job in enumerate(jobs)}
        workflow, study = dag.workflow, dag.workflow.globals.get("STUDY")
        # what is shipped was measured on short trainings and small pictures
        small = study is not None and (study.settings.budget, study.settings.scale) == ("quick", "mini")
        small = small and not any(study.licensed.values())
        cores, gpus = _capacity(workflow)
        about = {"default": shipped() if small else {}, "alike": study is None or small}
        self.left = TimeLeft([_as_job(job, dag, numbers, gpus) for job in jobs], cores, gpus, **about)
        self.cores, self.remote = cores, not workflow.local_exec
        why = {job.rule.name: Counter() for job in reversed(jobs)}
        for job in jobs:
            why[job.rule.name][_why(dag.reason(job))] += 1
        self.why = {stage: ", ".join(words for words, _ in each.most_common(2)) for stage, each in why.items()}
        self.numbers = {dag.jobid(job): number for job, number in numbers.items()}
        counts = Counter(job.rule.name for job in jobs)
        self.stages = {stage: counts[stage] for stage in reversed(self.why)}  # by their last jobs
        self.began, self.done, self.failed, self.running = 0.0, set(), set(), {}
        self._first, self._ended = {}, Counter()
        self._told, self._again, self._at = "", 0.0, 0.0

    def start(self, jobid: int, now: float) -> None:
        """Note that a job has started, or once more."""
        if (number := self.numbers.get(jobid)) is not None:
            self.failed.discard(number)
            self.running[number] = now
            self._first.setdefault(self.left.jobs[number].stage, now)

    def fail(self, jobid: int) -> None:
        """Note that a job has failed."""
        if (number := self.numbers.get(jobid)) is not None:
            self.running.pop(number, None)
            self.failed.add(number)

    def finish(self, jobid: int, now: float) -> str | None:
        """Note that a job has ended well; return a line if it was the last of its stage."""
        number = self.numbers.get(jobid)
        if number is None or number in self.done:
            return None
        stage = self.left.jobs[number].stage
        self.left.finished(number, now - self.running.pop(number, now))
        self.done.add(number)
        self._ended[stage] += 1
        if self._ended[stage] < self.stages[stage] or self.left.jobs[number].benchmark is None:
            return None
        return f"{stage:{self._width}}  {_jobs(self.stages[stage]):>9}  {in_words(now - self._first[stage])}"

    @property
    def _width(self) -> int:
        return max(map(len, self.stages))

    def ended(self) -> bool:
        """Tell whether all jobs have ended well."""
        return len(self.done) == len(self.left.jobs)

    def time_left(self, now: float) -> str:
        """Return the time left in words: reckoned anew so seldom that it takes no time itself."""
        if now >= self._again:
            began = time.perf_counter()
            gone = self.done | self.left.blocked(self.failed)
            running = {number: now - since for number, since in self.running.items()}
            self._at, unknown = now + self.left.left(gone, running), self.left.unknown(gone)
            self._told = f" ({_few(unknown)} not counted)" if unknown else ""
            self._again = now + max(1.0, SHARE * (time.perf_counter() - began))
        left = self._at - now
        if left < 1 and self._told:
            return "no telling how long yet"
        return f"about {in_words(left)} left{self._told}"

    def line(self, now: float) -> str:
        """Return how far the run is."""
        at_work = Counter(self.left.jobs[number].stage for number in sorted(self.running))
        stages = ", ".join(f"{stage} {self._ended[stage]}/{self.stages[stage]}" for stage in at_work)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        minutes, seconds = divmod(max(0, round(now - self.began)), 60)
        far = f"{len(self.done)} of {_jobs(len(self.left.jobs))} in {minutes}:{seconds:02}{failed}"
        return f"{far}, {self.time_left(now)}{': ' if stages else ''}{stages}"

    def title(self) -> str:
        """Return what is about to run."""
        return f"{_jobs(len(self.left.jobs))} in {len(self.stages)} stages, {self._about()}"

    def _about(self) -> str:
        at = f"with {_jobs(self.cores)} at a time" if self.remote else f"on {self.cores} core{'s' * (self.cores > 1)}"
        seconds, unknown = self.left.left(), self.left.unknown(set())
        about, lacking = f"about {in_words(seconds)}", f"{_few(unknown)}: no times yet"
        if not seconds:
            return f"{at}; no telling yet how long"
        if sum(self.stages[stage] for stage in unknown) * 2 > len(self.left.jobs):  # a few seconds would mislead
            return f"{at}; no telling yet how long ({lacking}; all else {about})"
        return f"{about} {at}" + (f", without {lacking}" if unknown else "")

    def table(self) -> list[str]:
        """Return the lines that end a dry run: each stage with its jobs, their seconds, and why they would run."""
        work = Counter()
        for number, job in enumerate(self.left.jobs):
            work[job.stage] += self.left.expected(number) or 0.0
        unknown, width = self.left.unknown(set()), max(self._width, len("stage"))
        rows = [f"{'stage':{width}}  {'jobs':>6}  {'core time':>11}  why"]
        for stage, count in self.stages.items():
            about = "unknown" if stage in unknown else _or_blank(work[stage])
            rows.append(f"{stage:{width}}  {count:6}  {about:>11}  {self.why[stage]}")
        rows.append(f"{'total':{width}}  {len(self.left.jobs):6}  {_or_blank(sum(work.values())):>11}  {self._about()}")
        by = f"Times: {self.left.known} jobs by their last run, others by jobs like them or those of the default study."
        return [*rows, "", f"{by} This was a dry run; each job: snakemake -n -p"]

    def summary(self, now: float) -> list[str]:
        """Return the lines that end a run."""
        seconds = now - self.began
        took = f"in {in_words(seconds)}" + (f" ({seconds:.0f} s)" if seconds >= 60 else "")
        if self.ended():
            return [f"{_jobs(len(self.done))} {took}"]
        short = [f"{stage} {self._ended[stage]}/{count}" for stage, count in self.stages.items()]
        short = [
            text for text, count in zip(short, self.stages.values(), strict=True) if f"{count}/{count}" not in text
        ]
        failed = len(self.failed | self.running.keys())  # those that run still are broken off, or lack their output
        lost = len(self.left.jobs) - len(self.done) - failed
        head = f"{len(self.done)} of {_jobs(len(self.left.jobs))} {took}; {failed} failed, {lost} not run"
        return [f"{head}: {', '.join(short)}"]


def _capacity(workflow) -> tuple[int, int]:
    """Return how many cores (elsewhere than on this machine: jobs at a time) and shares of GPUs a run has."""
    resources = workflow.global_resources
    gpus = resources.get("gpu")
    limit = resources["_cores"] if workflow.local_exec else resources["_nodes"]
    return limit.value or 1, (gpus.value or 0) if gpus is not None and workflow.local_exec else 0


def _as_job(job, dag: DAG, numbers: dict, gpus: int) -> Job:
    """Return one of Snakemake's jobs as `TimeLeft` knows them."""
    threads, rule = job.rule.resources["_cores"], job.rule
    return Job(
        stage=rule.name,
        benchmark=None if job.benchmark is None else str(job.benchmark),
        needs=tuple(numbers[need] for need in dag.dependencies[job] if need in numbers),
        cores=1 if threads.is_evaluable() or not dag.workflow.local_exec else threads.value or 1,
        gpus=int(job.resources.get("gpu", 0)) if gpus and "gpu" in rule.resources else 0,
        priority=rule.priority if isinstance(rule.priority, int) else 0,
    )


def _why(reason) -> str:
    """Return the first of Snakemake's reasons for a job that says most."""
    return next((words for name, words in WHY if getattr(reason, name, None)), "")


def _few(stages: list[str]) -> str:
    return ", ".join(stages[:3]) + (f" and {len(stages) - 3} more" if len(stages) > 3 else "")


def _or_blank(seconds: float) -> str:
    return in_words(seconds) if seconds else ""


def _jobs(count: int) -> str:
    return f"{count} job{'s' * (count != 1)}"
