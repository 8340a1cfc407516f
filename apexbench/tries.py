"""Which failed jobs Snakemake tries again: those that were killed from outside, not those that say what is wrong.

On one machine a killed job is tried once more; the profiles of clusters have `retries` for what is lost there. A job
that ended with an error of ours (its log's last line says ERROR) would only say it again, so it is never tried again.
"""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # of a process; of one that a shell had started


class Tries:
    """Notes which scripts were killed, and answers for their jobs."""

    def __init__(self):
        self._killed: set[int] = set()

    def noting(self, execute_script: Callable) -> Callable:
        """Return a method of Snakemake's `PythonScript` that notes whether its process was killed."""

        def execute(script, fname, edit=False) -> None:
            try:
                execute_script(script, fname, edit=edit)
            except subprocess.CalledProcessError as error:
                if error.returncode in _KILLED:
                    self._killed.add(script.jobid)
                raise

        return execute

    def handling(self, handle_error: Callable) -> Callable:
        """Return a method of Snakemake's `JobScheduler`, which holds its lock, that tries the right jobs again."""

        def handle(scheduler, job, postprocess_job=True) -> None:
            rule = None if job.is_group() else job.rule
            if rule is None:
                return handle_error(scheduler, job, postprocess_job=postprocess_job)
            usual = rule.restart_times
            if job.jobid in self._killed:
                self._killed.discard(job.jobid)
                rule.restart_times = max(usual, 1)
                _say(job, again=rule.restart_times >= job.attempt)
            elif any(_says_why(path) for path in job.log):
                rule.restart_times = 0
            try:
                return handle_error(scheduler, job, postprocess_job=postprocess_job)
            finally:
                rule.restart_times = usual

        return handle


def _says_why(log: str) -> bool:
    """Tell whether the last line of a job's log is an error of ours."""
    try:
        lines = Path(str(log)).read_text(errors="replace").splitlines()
    except OSError:
        return False
    return bool(lines) and lines[-1].startswith("ERROR ")


def _say(job, again: bool) -> None:
    from snakemake.logging import logger

    asked = job.resources.get("mem_mb")
    memory = f"it had asked for {asked} MB" if asked else "it had asked for no amount of memory"
    of = ", ".join(f"{name}={value}" for name, value in job.wildcards.items())
    what = "It is tried once more." if again else (
        "It is not tried again: make room for it (fewer --cores, a smaller batch_size of its card), then give the same "
        "command again."
    )  # fmt: skip
    logger.warning(
        f"Rule {job.rule.name} ({of}): its process was killed from outside (SIGKILL), as the system does when memory "
        f"runs out; {memory}. {what}"
    )
