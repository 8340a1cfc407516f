"""Start scripts in processes that have their libraries already: forks of one process that imported them once.

Importing PyTorch, pandas and matplotlib is a third of what a study of short jobs takes. Python's own fork server keeps
one process with the libraries of `warm_libraries`, and nothing else, and forks it for each script; Linux only, and for
scripts of one thread. Everything else starts as ever.
"""

import fcntl
import multiprocessing
import multiprocessing.process
import os
import runpy
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing import connection, util
from pathlib import Path

_SOCKETS = "apexb-"  # a socket's path has no more than a hundred characters
COLD = 6  # scripts that start before the libraries are imported: few do not repay it, and first ones need not wait


class WarmStart:
    """Starts scripts as forks, once it is worth it and the libraries are there."""

    def __init__(self, cold: int = COLD):
        self._context = multiprocessing.get_context("forkserver") if sys.platform == "linux" else None
        self._lock, self._count, self._left = threading.Lock(), threading.Lock(), cold
        self._ready = threading.Event()

    def ready(self) -> bool:
        """Count one more script, and tell whether it can be a fork; the import begins beside the last cold one."""
        with self._count:
            self._left -= 1
            if self._left == 0 and self._context is not None:
                threading.Thread(target=self._import, daemon=True).start()
        return self._ready.is_set()

    def _import(self) -> None:
        _own_folder()
        self._context.set_forkserver_preload(["apexbench.warm_libraries"])
        first = self._context.Process(target=_nothing)
        with self._lock:
            first.start()
        if self.wait(first) == 0:
            self._ready.set()

    def start(self, script: str, environment: Mapping[str, str]) -> multiprocessing.Process:
        """Start a script as `python script` does, here and now, with more environment; return its process."""
        process = self._context.Process(target=_run, args=(script, str(Path.cwd()), dict(environment)))
        with self._lock:
            process.start()
        return process

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


def _run(script: str, folder: str, environment: Mapping[str, str]) -> None:
    """Be the script: in the forked process."""
    threading.Thread(target=_go_with_parent, daemon=True).start()
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None  # chosen anew by the environment
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
