"""Start scripts in processes that have their libraries already: forks of one process that imported them once.

Importing PyTorch, pandas and matplotlib is a third of what a study of short jobs takes. Python's own fork server keeps
one process with the libraries of `warm_libraries`, and nothing else, and forks it for each script; Linux only, and for
scripts of one thread. Everything else starts as ever.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

COLD = 6  # scripts that start before the libraries are imported: few do not repay it, and first ones need not wait
_PR_SET_PDEATHSIG = 1


class WarmStart:
    """Starts scripts as forks, once it is worth it and the libraries are there."""

    def __init__(self, cold: int = COLD):
        self._context = multiprocessing.get_context("forkserver") if sys.platform == "linux" else None
        self._lock, self._ready, self._left = threading.Lock(), threading.Event(), cold

    def ready(self) -> bool:
        """Count one more script, and tell whether it can be a fork; the import begins beside the last cold one."""
        with self._lock:
            self._left -= 1
            if self._left == 0 and self._context is not None:
                threading.Thread(target=self._import, daemon=True).start()
        return self._ready.is_set()

    def _import(self) -> None:
        self._context.set_forkserver_preload(["apexbench.warm_libraries"])
        first = self._context.Process(target=_nothing)
        first.start()
        first.join()
        if first.exitcode == 0:
            self._ready.set()

    def start(self, script: str, environment: Mapping[str, str]) -> multiprocessing.Process:
        """Start a script as `python script` does, here and now, with more environment; return its process."""
        process = self._context.Process(target=_run, args=(script, str(Path.cwd()), dict(environment)))
        process.start()
        return process


def _nothing() -> None:
    pass


def _run(script: str, folder: str, environment: Mapping[str, str]) -> None:
    """Be the script: in the forked process."""
    # as the server goes when Snakemake is killed, so do its jobs
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None  # chosen anew by the environment
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
