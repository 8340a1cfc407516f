"""The `snakemake` command of this environment: Snakemake's own, with targets where its parser accepts them.

`snakemake --cores 8 --resources gpu=2 all` is refused by Snakemake, because --resources takes every word that follows.
Words without '=' after an option that takes name=value pairs can only be targets: they are moved to the front. Nothing
else is touched, and plain `python -m snakemake all ...` works as ever.
"""

import sys
from collections.abc import Sequence

# Snakemake's options that take one or more name=value pairs
_PAIRS = {
    "--resources", "--res", "--config", "-C", "--default-resources", "--default-res", "--set-threads",
    "--set-resources", "--set-scatter", "--set-resource-scopes", "--groups", "--group-components",
}  # fmt: skip


def reorder(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with swallowed targets moved to the front.

    >>> reorder(["--cores", "8", "--resources", "gpu=2", "all"])
    ['all', '--cores', '8', '--resources', 'gpu=2']
    """
    targets, rest, in_pairs, pairs = [], [], False, 0
    for place, word in enumerate(arguments):
        if word == "--":
            rest += arguments[place:]
            break
        if word.startswith("-"):
            in_pairs, pairs = word in _PAIRS, 0
        elif in_pairs and "=" in word:
            pairs += 1
        elif in_pairs and pairs:
            targets.append(word)
            continue
        rest.append(word)
    return targets + rest


def main() -> None:
    """Run Snakemake with the reordered arguments."""
    from snakemake.cli import main as snakemake

    snakemake(reorder(sys.argv[1:]))
