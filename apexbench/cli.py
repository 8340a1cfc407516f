"""The micro-expression recognition benchmark: run a study, look at what there is, check data, compare results."""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

from apexbench import commands
from apexbench.errors import InputError, nearest, printable

# as `apexbench --help` lists them: first what is done every day
COMMANDS = (
    "run", "report", "list", "new-method", "check-data", "diff", "score", "bundle", "verify", "merge", "audit",
    "export-log", "export", "checklist", "cite", "schemas", "method-pages", "train-magnet", "completion",
)  # fmt: skip


def module(command: str) -> ModuleType:
    """Return the module of a command."""
    return importlib.import_module(f"{commands.__name__}.{command.replace('-', '_')}")


def version() -> str:
    """Return the version of the package, and the commit of its checkout, if it lies in one."""
    words = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(words, capture_output=True, text=True, timeout=10).stdout.strip()
    except OSError:  # no git
        commit = ""
    return metadata.version("apexbench") + (f" (commit {commit})" if commit else "")


class _Version(argparse.Action):
    """Print the version; only then is git asked."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(f"apexbench {version()}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="apexbench", description=__doc__)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and the commit, and end")
    several = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        its = module(command)
        own = several.add_parser(command, help=its.HELP, description=f"{its.HELP[0].upper()}{its.HELP[1:]}.")
        its.arguments(own)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run one command; bad input is named on stderr, with status 1."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
            raise InputError(f"unknown command {arguments[0]!r}; {nearest(arguments[0], COMMANDS)}")
        wanted = make_parser().parse_args(arguments)
        return module(wanted.command).run(wanted)
    except InputError as error:
        print(f"apexbench: {printable(str(error))}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
