"""The `snakemake` command of this environment: Snakemake's own, but for what stands here.

`snakemake --cores 8 --resources gpu=2 all` is refused by Snakemake, because --resources takes every word that follows.
Words without '=' after an option that takes name=value pairs can only be targets: they are moved to the front.

Its scheduler looks for jobs a second after it has looked for jobs, and again after each job: after two hundred jobs it
looks two hundred times a second, a fifth of all that a study of short jobs takes. Here one such second runs at a time.

Python's collector of cycles goes through all jobs of a study again and again: here less often, and not once more at
the end, when all memory goes anyway: a sixth of the time of a dry run.

What it works out for each job, although a rule's jobs have it in common, it works out once (`snakemake_speed`).

It reads the files of configuration before anything of ours sees them: here they are checked first (`checking`).

Scripts of one machine start warm (`warm_start`), unless the environment says APEXBENCH_START=cold.

While jobs run, the console has a line for each stage and the time left (`console`) in place of some lines for each job.

Two runs that would make the same files never run together, and a killed run leaves no lock behind (`run_lock`).

A full disk, or a folder that may not be written, is told without a traceback.

A job whose process was killed from outside is tried once more, one that says what is wrong is not (`tries`).

A job that failed is not on record as done, and none goes on record under code that it has not read (`job_records`).

Nothing else is touched, and plain `python -m snakemake all ...` works as ever.
"""

import atexit
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from apexbench.errors import of_disk
from apexbench.job_records import checking_code, count_unknown, note_failures
from apexbench.run_lock import hold_runs
from apexbench.snakemake_speed import spare
from apexbench.tries import Tries
from apexbench.warm_start import Usage, WarmStart

# Snakemake's options that take one or more name=value pairs
_PAIRS = {
    "--resources", "--res", "--config", "-C", "--default-resources", "--default-res", "--set-threads",
    "--set-resources", "--set-scatter", "--set-resource-scopes", "--groups", "--group-components",
}  # fmt: skip


def reorder(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with swallowed targets moved to the front.

    >>> reorder(["--cores", "8", "--resources", "gpu=2", "all"])
    ['all', '--cores', '8', '--resources', 'gpu=2']
    """
    targets, rest, in_pairs, pairs = [], [], False, 0
    for place, word in enumerate(arguments):
        if word == "--":
            rest += arguments[place:]
            break
        if word.startswith("-"):
            in_pairs, pairs = word in _PAIRS, 0
        elif in_pairs and "=" in word:
            pairs += 1
        elif in_pairs and pairs:
            targets.append(word)
            continue
        rest.append(word)
    return targets + rest


def targets(arguments: Sequence[str]) -> list[str]:
    """Return the targets of a command line, which Snakemake tells a Snakefile only after it has read it.

    >>> targets(["--cores", "2", "--resources", "gpu=2", "tables/data", "-n"])
    ['tables/data']
    """
    from snakemake.cli import get_argument_parser

    return list(get_argument_parser().parse_args(reorder(arguments)).targets)


def look_again_once(self, delay: float) -> None:
    """Let a scheduler look for jobs after `delay` seconds, unless it is going to already."""
    if getattr(self, "_will_look", False):
        return
    self._will_look = True

    def look() -> None:
        self._will_look = False
        self._open_jobs.release()

    timer = threading.Timer(delay, look)
    timer.daemon = True
    timer.start()


def starting_warm(execute_script: Callable, warm: WarmStart) -> Callable:
    """Return a method of Snakemake's `PythonScript` that starts what `execute_script` does, warm where that can be."""

    def execute(self, fname, edit=False) -> None:
        elsewhere = self.conda_env or self.container_img or self.env_modules
        if edit or elsewhere or self.threads != 1 or not warm.ready():
            return execute_script(self, fname, edit=edit)
        folder = self.resources.get("tmpdir")
        started = time.time()
        ended = warm.run(fname, {name: folder for name in ("TMPDIR", "TMP", "TEMP") if folder})
        if self.bench_record is not None:
            _note(self.bench_record, time.time() - started, ended.usage)
        if ended.status:
            raise subprocess.CalledProcessError(ended.status, f"{sys.executable} {fname}")

    return execute


def expecting(init: Callable, warm: WarmStart) -> Callable:
    """Return `__init__` of Snakemake's `JobScheduler`, which knows how many jobs there are."""

    def made(self, workflow, *arguments, **options) -> None:
        warm.expect(len(workflow.dag))
        init(self, workflow, *arguments, **options)

    return made


def _note(record, seconds: float, usage: Usage | None) -> None:
    """Fill Snakemake's record of a benchmark: exact, where its own looks twice a second and then each half minute."""
    record.running_time, record.data_collected = seconds, usage is not None
    if usage:
        record.cpu_time, record.cpu_usage, record.max_rss, record.io_in, record.io_out = (
            usage.cpu_seconds, 100 * usage.cpu_seconds, usage.max_rss, usage.read, usage.written
        )  # fmt: skip
    else:
        record.process_gone = True


KEEPING = ("faces", "frames", "magnify", "flow", "train", "train_inner")  # rules that take over what was put aside


def putting_aside(remove_existing_output: Callable) -> Callable:
    """Return a method of Snakemake's `Job` that puts the outputs of some rules aside where it would delete them."""

    from apexbench.taken_over import put_aside

    async def put(self) -> None:
        if self.rule.name in KEEPING:
            for path in self.output:
                put_aside(path)
        await remove_existing_output(self)

    return put


def checking(args_to_api: Callable) -> Callable:
    """Return Snakemake's function of its parsed arguments, which refuses --touch, and configuration that is not sound.

    Aliases or levels without number would fill the memory, and of a key that stands twice the last would count.
    """
    from snakemake.exceptions import WorkflowError

    from apexbench.config.model import read_yaml
    from apexbench.errors import InputError

    def handed(args, parser):
        own = Path(args.directory or "", "config/config.yaml")
        if args.touch:
            raise WorkflowError(
                "--touch is refused: it would let files count as made of what is asked for now that were made of "
                "something else. Without it, only what has changed is made anew"
            )
        try:
            for file in [*filter(os.path.lexists, [own]), *(args.configfile or ())]:
                read_yaml(Path(file))
        except InputError as error:
            raise WorkflowError(str(error)) from None
        return args_to_api(args, parser)

    return handed


def telling_of_disks(format_exception: Callable) -> Callable:
    """Return what Snakemake says of an exception: of a full disk, where itself writes, as our jobs say it."""

    def told(ex, *arguments, **options) -> str:
        return of_disk(ex) or format_exception(ex, *arguments, **options)

    return told


def main() -> None:
    """Run Snakemake with the reordered arguments."""
    gc.set_threshold(200_000, 50, 100)
    atexit.register(gc.freeze)
    from snakemake import cli, exceptions
    from snakemake.jobs import Job, Reason
    from snakemake.persistence.file import FilePersistence
    from snakemake.scheduling.job_scheduler import JobScheduler
    from snakemake.script import PythonScript

    from apexbench import console

    console.install()
    # private parts of Snakemake 9: where another version has none of them it goes its own way
    if hasattr(exceptions, "format_exception_to_string"):
        exceptions.format_exception_to_string = telling_of_disks(exceptions.format_exception_to_string)
    if hasattr(FilePersistence, "_delete_locks") and hasattr(FilePersistence, "_read_locks"):
        hold_runs(FilePersistence)
    if hasattr(JobScheduler, "_schedule_reevalutation"):
        JobScheduler._schedule_reevalutation = look_again_once
    spare()
    if hasattr(Job, "remove_existing_output"):
        Job.remove_existing_output = putting_aside(Job.remove_existing_output)
    note_failures(Job, FilePersistence)
    count_unknown(Reason, FilePersistence)
    if hasattr(PythonScript, "execute_script"):
        if os.environ.get("APEXBENCH_START") != "cold":
            warm = WarmStart()
            JobScheduler.__init__ = expecting(JobScheduler.__init__, warm)
            PythonScript.execute_script = starting_warm(PythonScript.execute_script, warm)
        if hasattr(JobScheduler, "_handle_error"):
            tries = Tries()
            PythonScript.execute_script = tries.noting(PythonScript.execute_script)
            JobScheduler._handle_error = tries.handling(JobScheduler._handle_error)
        PythonScript.execute_script = checking_code(PythonScript.execute_script)
    cli.args_to_api = checking(cli.args_to_api)
    cli.main(reorder(sys.argv[1:]))
