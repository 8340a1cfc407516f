"""Start scripts in processes that have their libraries already: forks of one process that imported them once.

Importing PyTorch, pandas and matplotlib is a third of what a study of short jobs takes. Python's own fork server keeps
one process with the libraries of `warm_libraries`, and nothing else, and forks it for each script; Linux only, and for
scripts of one thread. Everything else starts as ever.
"""

import fcntl
import multiprocessing
import multiprocessing.process
import os
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import connection, util
from pathlib import Path
from typing import NamedTuple

_SOCKETS = "apexb-"  # a socket's path has no more than a hundred characters
FEW = 6  # scripts whose own imports cost less than those for all
COLD = 2  # scripts that start while the libraries are imported; the next wait for these, as long as for their own


class Usage(NamedTuple):
    """What a process has used: processor seconds, with its children's; the most MB that it held; MB read, written."""

    cpu_seconds: float
    max_rss: float
    read: float
    written: float


class Ended(NamedTuple):
    """How a script ended: its exit status, and what it has used; None of one that was killed."""

    status: int
    usage: Usage | None


class WarmStart:
    """Runs scripts as forks, where it is worth it; of how many there are somebody tells it (`expect`)."""

    def __init__(self, cold: int = COLD):
        self._context = multiprocessing.get_context("forkserver") if sys.platform == "linux" else None
        self._lock, self._count, self._left = threading.Lock(), threading.Lock(), cold
        self._import, self._worth, self._ready = None, False, False

    def expect(self, scripts: int) -> None:
        """Say about how many scripts there will be."""
        self._worth = self._context is not None and scripts > FEW

    def ready(self) -> bool:
        """Count one more script, and tell whether it can be a fork; the first begins the import, and does not wait."""
        if not self._worth:
            return False
        with self._count:
            if self._import is None:
                self._import = threading.Thread(target=self._prepare, daemon=True)
                self._import.start()
            self._left -= 1
            waits = self._left < 0
        if waits:
            self._import.join()
        return self._ready

    def _prepare(self) -> None:
        _own_folder()
        self._context.set_forkserver_preload(["apexbench.warm_libraries"])
        first = self._context.Process(target=_nothing)
        with self._lock:
            first.start()
        self._ready = self.wait(first) == 0

    def run(self, script: str, environment: Mapping[str, str]) -> Ended:
        """Run a script as `python script` does, here and now, with more environment; from whatever thread."""
        report, told = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_run, args=(script, str(Path.cwd()), dict(environment), told))
        with report:
            with told, self._lock:
                process.start()
            status = self.wait(process)
            with suppress(EOFError):
                return Ended(status, report.recv())
        return Ended(status, None)

    def wait(self, process: multiprocessing.Process) -> int:
        """Wait for a process that was started here and return its exit status; from whatever thread.

        Whoever starts a process asks all others whether they have ended, and one answer cannot be read twice: so
        nobody asks but under the lock.
        """
        connection.wait([process.sentinel])
        with self._lock:
            process.join()
            return process.exitcode


def _own_folder() -> None:
    """Let the server's socket lie in a folder that goes with this process, and clear those of processes that are gone.

    Python would make one in the same place that nobody clears after a kill. Its path must be short, so it cannot lie
    with the results.
    """
    place = Path(tempfile.gettempdir())
    for old in place.glob(f"{_SOCKETS}*"):
        try:
            handle = os.open(old, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # in use, or another user's
        shutil.rmtree(old, ignore_errors=True)
        os.close(handle)
    folder = tempfile.mkdtemp(prefix=_SOCKETS)
    fcntl.flock(os.open(folder, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX | fcntl.LOCK_NB)
    util.Finalize(None, shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, exitpriority=-100)
    multiprocessing.process.current_process()._config["tempdir"] = folder


def _nothing() -> None:
    pass


def _go_with_parent() -> None:
    """End this process when the one that asked for it ends, however that ends: Snakemake's jobs do not outlive it."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _run(script: str, folder: str, environment: Mapping[str, str], report: connection.Connection) -> None:
    """Be the script: in the forked process."""
    threading.Thread(target=_go_with_parent, daemon=True).start()
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None  # chosen anew by the environment
    sys.argv = [script]
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        report.send(_used())


def _used() -> Usage:
    """What this process has used: as it knows best itself, and once; whoever looks from outside walks all its pages."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    # memory is in kB, what is read and written in blocks of 512 bytes
    return Usage(seconds, own.ru_maxrss / 2**10, own.ru_inblock / 2**11, own.ru_oublock / 2**11)
