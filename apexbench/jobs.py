"""What every script of the workflow does around its one call: log, threads, and errors without a traceback."""

import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from apexbench.errors import InputError, of_disk, unwritable


class Quiet(dict):
    """A rule's parameter of many entries: a dictionary that counts them where it is shown, as in the report."""

    def __str__(self) -> str:
        return f"<{len(self)} entries>"


@contextmanager
def job(log: str, threads: int = 1) -> Iterator[None]:
    """Send messages and progress to the file `log`, hold the libraries to `threads`, and report bad input plainly.

    An InputError, a full disk or what may not be written ends the process with status 1 and its text in the log;
    anything else keeps its traceback there. The process ends with the one that started it.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    sys.stderr.flush()
    try:
        with Path(log).open("w") as file:
            os.dup2(file.fileno(), 2)  # what libraries and child processes print goes there too
    except OSError as error:
        sys.exit(f"ERROR {unwritable(log, error)}")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)
    _hold_threads(threads)
    done = threading.Event()
    threading.Thread(target=_go_with_starter, args=(_starters(), done), daemon=True).start()
    try:
        yield
    except (InputError, OSError) as error:
        text = str(error) if isinstance(error, InputError) else of_disk(error)
        if not text:
            raise
        print(f"ERROR {text}", file=sys.stderr)
        sys.exit(1)
    finally:
        done.set()


def _go_with_starter(starters: dict[int, int], done: threading.Event) -> None:
    """End this process when Snakemake has ended, however: it would write over what the next run makes."""
    while not done.wait(0.5):
        if any(_parent(process) != parent for process, parent in starters.items()):
            os.kill(os.getpid(), signal.SIGKILL)


def _starters() -> dict[int, int]:
    """{process: its parent} from this one up to that of Snakemake: a shell may stand between the two."""
    starters = {os.getpid(): os.getppid()}
    with suppress(OSError):
        shell = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
        if Path(os.fsdecode(shell[0])).name in ("sh", "bash") and os.fsencode(sys.argv[0]) in b" ".join(shell):
            starters[os.getppid()] = _parent(os.getppid())
    return starters


def _parent(process: int) -> int:
    """The parent of a process; 0 if it is gone."""
    if process == os.getpid():
        return os.getppid()
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class _Last(logging.Handler):
    """Remembers what was logged last."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


@contextmanager
def time_limit(script) -> Iterator[None]:
    """End the process after its `resources.runtime`, minutes: what hangs must not hold a GPU for ever, or a core.

    The log then says which rule it was, on what, what it had logged last, the limit, and where in the code it stood.
    """
    minutes, last = script.resources.runtime, _Last()
    logging.info("this job is ended after %g minutes (minutes_per_job)", minutes)
    logging.getLogger().addHandler(last)
    of = ", ".join(f"{name}={value}" for name, value in script.wildcards.items())
    watch = threading.Timer(60 * minutes, _end, [minutes, f"rule {script.rule}" + (f" ({of})" if of else ""), last])
    watch.daemon = True
    watch.start()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # for compiled code that hangs and lets no thread of Python's run
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes + _GRACE)
    try:
        yield
    finally:
        watch.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)
        logging.getLogger().removeHandler(last)


_GRACE = 10  # seconds


def _end(minutes: float, job: str, last: _Last) -> None:
    """Say that a job took too long, and end it: from another thread, as its own may never come back."""
    faulthandler.dump_traceback(sys.stderr)
    doing = f", at work on: {last.text}" if last.text else ""
    print(
        f"ERROR {job}{doing}: not done after its limit of {minutes:g} minutes, and ended. If it needs longer, raise "
        f"minutes_per_job in config/config.yaml; the same command goes on from what is finished. If it hangs: above is "
        f"where it stood",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    os._exit(1)


def _hold_threads(threads: int) -> None:
    # OpenCV ignores OMP_NUM_THREADS; torch is held only where a script has already imported it
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
