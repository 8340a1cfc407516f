"""One run at a time makes a file: two that start together cannot both, and a killed one leaves no lock behind.

Snakemake writes down which files a run reads and makes, and refuses another that touches them; others may run beside
it. But two that look at the same moment both see nothing, a run that ends deletes the lists of all others, and those
of a killed run stay until `--unlock`. Here each list has a holder: a file that the run keeps locked as long as it
lives. Lists without one, of a plain `python -m snakemake`, count as ever.

A run is planned before its list is written. So the list of what a run made stays for a day when it has ended, and a run
that was begun before that, and that reads or makes any of it, is refused: its plan is of files that are gone.
"""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOLDER = ".holder"
_KEPT = 24 * 3600  # seconds: no plan takes longer


def hold_runs(kind: type) -> None:
    """Give Snakemake's class of locks, `FilePersistence`, holders."""
    kind.began = time.time()
    kind.lock, kind._delete_locks, kind.cleanup_locks = lock, _delete_own, _cleanup


@contextmanager
def lock(self) -> Iterator[None]:
    """Hold the files that a run reads and makes, or say who does."""
    from snakemake_interface_common.exceptions import ApiError  # the kind whose text is printed alone

    with _alone(Path(self._lockdir)):
        _forget_dead(Path(self._lockdir))
        if not any(Path(self._lockdir).iterdir()):  # no other run is at work
            clear_scripts(Path(self._lockdir).with_name("scripts"))
        if self.locked:
            raise ApiError(_refusal(self))
        if made := _made_since(self):
            raise ApiError(
                f"another run has ended while this one was planned, and has made {made}: the plan is of before. "
                f"Nothing was started or changed. Give the same command again"
            )
        self._write_locks("input", map(str, self.all_inputfiles()))
        self._write_locks("output", map(str, self.all_outputfiles()))
        holders = [_hold(Path(path + _HOLDER)) for path in self._lockfile.values()]
    try:
        yield
    finally:
        with _alone(Path(self._lockdir)):
            _leave_list(self)
            self.unlock()
        for holder in holders:
            os.close(holder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one run at a time look at the lists and add its own."""
    handle = os.open(folder.with_name("locks.gate"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _try(handle, fcntl.LOCK_EX)
        folder.mkdir(exist_ok=True)
        yield
    finally:
        os.close(handle)


def _try(handle: int, how: int) -> bool:
    """Lock an open file; False if another has it, or where files cannot be locked."""
    try:
        fcntl.flock(handle, how)
    except OSError:
        return False
    return True


def _hold(path: Path) -> int:
    """Write who this run is, and keep it locked; the kernel lets go when the process ends, however that is."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    _try(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    who = {
        "command": " ".join(["snakemake", *sys.argv[1:]]),
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    os.write(handle, json.dumps(who).encode())
    return handle


def _forget_dead(folder: Path) -> None:
    """Delete the lists of runs that have ended without doing so."""
    for holder in folder.glob(f"*{_HOLDER}"):
        handle = os.open(holder, os.O_RDWR | os.O_CLOEXEC)
        if _try(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
            holder.with_name(holder.name.removesuffix(_HOLDER)).unlink(missing_ok=True)
            holder.unlink()
        os.close(handle)


def clear_scripts(folder: Path) -> None:
    """Delete the scripts that Snakemake had written for jobs of runs that were killed."""
    for script in folder.glob("tmp*.py"):
        script.unlink(missing_ok=True)


def _refusal(self) -> str:
    """Say which files another run holds, which run that is, and what to do."""
    mine = {"output": {*map(str, self.all_outputfiles()), *map(str, self.all_inputfiles())}}
    mine["input"] = set(map(str, self.all_outputfiles()))
    shared = sorted({key for kind, key in self._read_locks() if key in mine[kind]})
    lists = [path for path in Path(self._lockdir).glob("*.lock") if set(path.read_text().split("\n")) & set(shared)]
    found = [path.with_name(path.name + _HOLDER) for path in lists]
    names = {_named(path) for path in found if path.exists()}
    files = f"{shared[0]}{f' and {len(shared) - 1} more files' if len(shared) > 1 else ''}"
    if not names or not all(path.exists() for path in found):
        return (
            f"another run is at work on {files}, or was, and was killed: one not started by the `snakemake` command of "
            f"this environment. If none is, run `snakemake --unlock` and then the same command again"
        )
    return (
        f"another run is at work on {files}: {'; '.join(sorted(names))}. Nothing was started or changed. Wait until it "
        f"has ended and give the same command again: what both need is then there. Or stop it first. "
        f"(If that process is gone, as on a disk without locks: `snakemake --unlock`)"
    )


def _named(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text())
    except (OSError, ValueError):
        return "a run that does not say which"
    return f"`{who['command']}`, process {who['process']} on {who['host']} since {who['since']}"


def _leave_list(self) -> None:
    """Leave what this run may have made, for those that are being planned."""
    folder = Path(self._lockdir).with_name("ended")
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > _KEPT:
            old.unlink(missing_ok=True)
    if (made := self._lockfile.get("output")) and Path(made).exists():
        (folder / f"{os.getpid()}-{time.time_ns()}").write_text(Path(made).read_text())


def _made_since(self) -> str:
    """Say which of the files of this run another has made that has ended since this one was begun."""
    wanted = {*map(str, self.all_outputfiles()), *map(str, self.all_inputfiles())}
    folder = Path(self._lockdir).with_name("ended")
    lists = [path for path in folder.glob("*") if path.stat().st_mtime > self.began]
    made = sorted(wanted & {line for path in lists for line in path.read_text().split("\n")})
    return f"{made[0]}{f' and {len(made) - 1} more files' if len(made) > 1 else ''}" if made else ""


def _delete_own(self) -> None:
    """Delete the lists of this run, and nobody else's."""
    for path in self._lockfile.values():
        Path(path).unlink(missing_ok=True)
        Path(path + _HOLDER).unlink(missing_ok=True)
    self._lockfile.clear()


def _cleanup(self) -> None:
    """Do what `--unlock` does: delete the lists of all runs, but those of runs that live."""
    from snakemake.logging import logger

    with _alone(Path(self._lockdir)):
        for path in Path(self._lockdir).glob("*.lock"):
            holder = path.with_name(path.name + _HOLDER)
            if _lives(holder):
                logger.warning(f"the files of {_named(holder)} stay locked: it is at work; stop it first")
            else:
                path.unlink(missing_ok=True)
                holder.unlink(missing_ok=True)


def _lives(holder: Path) -> bool:
    """Tell whether a run holds its list; where files cannot be locked nobody knows, and it counts as gone."""
    try:
        handle = os.open(holder, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        os.close(handle)
    return False
