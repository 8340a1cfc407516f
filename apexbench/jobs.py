"""What every script of the workflow does around its one call: log, threads, and errors without a traceback."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apexbench.errors import InputError


class Quiet(dict):
    """A rule's parameter of many entries: a dictionary that counts them where it is shown, as in the report."""

    def __str__(self) -> str:
        return f"<{len(self)} entries>"


@contextmanager
def job(log: str, threads: int = 1) -> Iterator[None]:
    """Send messages and progress to the file `log`, hold the libraries to `threads`, and report bad input plainly.

    An InputError ends the process with status 1 and its text in the log; anything else keeps its traceback there.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    sys.stderr.flush()
    with Path(log).open("w") as file:
        os.dup2(file.fileno(), 2)  # what libraries and child processes print goes there too
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)
    _hold_threads(threads)
    try:
        yield
    except InputError as error:
        print(f"ERROR {error}", file=sys.stderr)
        sys.exit(1)


@contextmanager
def time_limit(minutes: float) -> Iterator[None]:
    """End the process after so many minutes: what hangs must not hold a GPU for ever, on a cluster or at home."""
    logging.info("this job is ended after %g minutes (minutes_per_job)", minutes)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # no handler of Python's: compiled code that hangs would not call it
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hold_threads(threads: int) -> None:
    # OpenCV ignores OMP_NUM_THREADS; torch is held only where a script has already imported it
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
