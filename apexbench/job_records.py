"""What Snakemake has on record of a job is true: a job that failed is not done, and the code was what it says.

Snakemake's own record of a job that failed holds its new parameters. The output is then missing; but being between two
files that are there it is not missed, nothing has changed since, and all that stands below would count as up to date.

Snakemake takes a file of which it has no record, as when its folder `.snakemake` was deleted, for what is asked for.
Here it is made anew.

The hash of a job's code is that of the run's beginning, and the job reads the code that is there when it starts. So the
code is looked at once more when a job starts and when it has ended: one whose code was edited fails.
"""

import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from apexbench.code_hash import edited

FAILED = ["failed"]  # parameters that no job has
_HAS_FAILED: ContextVar[bool] = ContextVar("has_failed", default=False)


def note_failures(job: type, persistence: type) -> None:
    """Mend Snakemake's classes of jobs and of their records, where they have the parts for it."""
    parts = ("finished", "_get_key", "_read_record", "_write_record", "_delete_record", "_unmark_incomplete")
    if not (hasattr(job, "postprocess") and all(hasattr(persistence, part) for part in parts)):
        return
    if "error" in inspect.signature(job.postprocess).parameters:
        job.postprocess, persistence.finished = _knowing(job.postprocess), _recording(persistence.finished)


def _knowing(postprocess: Callable) -> Callable:
    """Return a method of `Job` that says to the records whether the job has failed, and that it has where it raises."""
    asked = inspect.signature(postprocess)

    async def processed(self, *arguments, **options) -> None:
        failed = asked.bind(self, *arguments, **options).arguments.get("error", False)
        before = _HAS_FAILED.set(bool(failed))
        try:
            if not failed:
                check_code(self.params, self.rule.name)
            await postprocess(self, *arguments, **options)
        except Exception:
            _note(self.dag.workflow.persistence, self)
            raise
        finally:
            _HAS_FAILED.reset(before)

    return processed


def _recording(finished: Callable) -> Callable:
    """Return a method of Snakemake's records that writes down what a job was made with only if it was made."""

    async def recorded(self, job) -> None:
        if not _HAS_FAILED.get():
            return await finished(self, job)
        _note(self, job)
        for path in job.output:
            self._unmark_incomplete(self._get_key(path))

    return recorded


def count_unknown(reason: type, persistence: type) -> None:
    """Let it be a reason to run a job that nothing is known of how its files were made.

    Not of files in a storage: records stay on the machine that made them, and another would make all anew.
    """
    if "no_metadata" not in getattr(reason, "__slots__", ()) or not hasattr(persistence, "has_metadata"):
        return
    is_reason, has_metadata = reason.__bool__, persistence.has_metadata

    def counts(self) -> bool:
        return is_reason(self) or bool(self.no_metadata and not self.finished)

    def known(self, job) -> bool:
        return has_metadata(self, job) or any(getattr(path, "is_storage", False) for path in job.output)

    reason.__bool__, persistence.has_metadata = counts, known


def checking_code(execute_script: Callable) -> Callable:
    """Return a method of Snakemake's `PythonScript` that starts no script whose code was edited since the run began."""

    def execute(script, fname, edit=False) -> None:
        check_code(script.params, script.rulename)
        execute_script(script, fname, edit=edit)

    return execute


def check_code(params, rule: str) -> None:
    """Raise Snakemake's WorkflowError if the code of a job with these parameters is no longer what they say."""
    from snakemake.exceptions import WorkflowError

    if files := {str(file): None for code in _codes(params) for file in edited(code)}:
        names = ", ".join(list(files)[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        raise WorkflowError(
            f"rule {rule}: the code was edited since this run began ({names}), so what it makes is not what this run "
            f"has planned; give the same command again"
        )


def _codes(params) -> Iterator[str]:
    """The hashes of code in a job's parameters: its own, and those of what it trains."""
    run = params.get("run")
    for place in (params, params.get("job"), run.get("job") if isinstance(run, dict) else None):
        code = place.get("code") if hasattr(place, "get") else None
        yield from code.split() if isinstance(code, str) else ()


def _note(records, job) -> None:
    """Write down that none of a job's outputs is what it is asked for."""
    from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord

    records._clear_cache()
    for path in job.output:
        key = records._get_key(path)
        record = records._read_record(key) or MetadataRecord()
        record.record_format_version, record.rule, record.params = RECORD_FORMAT_VERSION, job.rule.name, FAILED
        try:
            records._write_record(key, record)
        except OSError:  # a full disk: no record says as much
            records._delete_record(key)
    records._clear_cache()
