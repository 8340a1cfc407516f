"""Run a study by its name: the flags that make it stand in its file."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from apexbench.config.model import read_yaml
from apexbench.config.studies import CONFIG, FOLDER, default_name, study_file
from apexbench.errors import InputError

HELP = "run a study of config/studies, or again one that was run; all further options are Snakemake's"
_CORES = ("--cores", "-c", "--jobs", "-j", "--profile")  # a profile for a cluster says how many jobs it takes
_PAIRS = ("--resources", "--res")
_STUCK = tuple(f"{option}=" for option in _PAIRS)
_FILES = ("--configfile", "--configfiles")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "apexbench run [STUDY] [TARGET ...] [SNAKEMAKE OPTION ...]"
    parser.epilog = (
        f"STUDY is a file {FOLDER}/STUDY.yaml with those keys of {CONFIG} that differ; left out: of that file itself. "
        "All cores and GPUs of this machine are used, unless --cores, --resources gpu= or --profile say otherwise. "
        "Examples: apexbench run hde -n; apexbench run paper tables/memix-samm3 --cores 4"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="STUDY, TARGETS, OPTIONS")
    parser.set_defaults(usage=parser.print_help)


def run(wanted: argparse.Namespace) -> int:
    """Hand over to Snakemake, in this process."""
    if {"-h", "--help"} & set(wanted.words):
        wanted.usage()
        return 0
    name, words = _split(wanted.words)
    command = snakemake_command(study_file(name), words, _gpus())
    print(" ".join(command), file=sys.stderr, flush=True)
    os.execv(program(), command)  # Ctrl-C and the status are then Snakemake's own


def _split(words: Sequence[str]) -> tuple[str, list[str]]:
    """The study, and what goes to Snakemake: targets have a slash, or are `all`."""
    if words and not words[0].startswith("-") and "/" not in words[0] and words[0] != "all":
        return words[0], list(words[1:])
    return default_name(), list(words)


def program() -> str:
    """Return the `snakemake` of this environment."""
    beside = Path(sys.executable).with_name("snakemake")
    found = str(beside) if beside.is_file() else shutil.which("snakemake")
    if not found:
        raise InputError(f"{beside}: no such file, and no snakemake in PATH; run `make setup`")
    return found


def _has(words: Sequence[str], options: Sequence[str]) -> bool:
    """Whether one of some options was given: `--cores 4`, `--cores=4` or, if it has one letter, `-c4`."""
    long = tuple(f"{option}=" for option in options if option.startswith("--"))
    short = tuple(option for option in options if not option.startswith("--"))
    return any(word in options or word.startswith(long) or (short and word.startswith(short)) for word in words)


def snakemake_command(file: Path | None, words: Sequence[str], gpus: int) -> list[str]:
    """Return the command that runs a study; what `words` say stands.

    >>> snakemake_command(Path("config/studies/hde.yaml"), ["-n"], 2)
    ['snakemake', '--configfile=config/studies/hde.yaml', '--cores=all', '--resources=gpu=2', '-n']
    >>> snakemake_command(None, ["tables/data", "--cores", "4", "--resources", "gpu=1"], 2)
    ['snakemake', 'tables/data', '--cores', '4', '--resources', 'gpu=1']

    Parameters
    ----------
    file : the study's; None for that of config/config.yaml.
    gpus : how many GPUs this machine has.
    """
    if file and _has(words, _FILES):
        raise InputError(f"--configfile: {file} is the study's file; put the keys there, or give them by --config")
    command = ["snakemake", *([f"--configfile={file}"] if file else [])]
    if not _has(words, _CORES):
        command.append("--cores=all")
    return [*command, *(words if _has(words, ("--profile",)) else _with_gpus(words, gpus * _jobs_per_gpu(file)))]


def _with_gpus(words: Sequence[str], shares: int) -> list[str]:
    """Words that say how many shares of GPUs there are; Snakemake takes the last --resources alone, so in that."""
    flat = [part for word in words for part in (word.split("=", 1) if word.startswith(_STUCK) else [word])]
    if any(word.startswith("gpu=") for word in flat):
        return list(words)
    place = max((place for place, word in enumerate(flat) if word in _PAIRS), default=None)
    if place is None:
        return [f"--resources=gpu={shares}", *words]
    return [*flat[: place + 1], f"gpu={shares}", *flat[place + 1 :]]


def _jobs_per_gpu(file: Path | None) -> int:
    """By config/config.yaml and the study's file: `gpu` counts shares; what is no number Snakemake's start refuses."""
    value = 1
    for path in filter(None, [Path(CONFIG), file]):
        keys = read_yaml(path) if path.is_file() else None
        value = keys.get("jobs_per_gpu", value) if isinstance(keys, dict) else value
    return value if isinstance(value, int) else 1


def _gpus() -> int:
    """How many GPUs the driver lists; 0 without one."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.splitlines())
