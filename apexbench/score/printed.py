"""Which score, part and epoch rule gives a printed number."""

import re
from collections.abc import Sequence

from apexbench.errors import InputError, nearest
from apexbench.evaluation.audit import Printed

# what papers call a column -> our score; another score that gives the number is another convention
CALLED = {
    "acc": "acc", "war": "acc", "accuracy": "acc", "f1": "uf1", "uf1": "uf1", "macro-f1": "uf1", "uar": "uar",
    "wf1": "weighted_f1", "weighted-f1": "weighted_f1", "precision": "macro_precision", "recall": "uar",
}  # fmt: skip
_GIVEN = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(\d*\.?\d+)\s*%?")


def parse(given: str) -> tuple[str, Printed]:
    """Read `UF1=.652`, or `ACC=65.2`, a percentage; InputError says what is wrong."""
    match = _GIVEN.fullmatch(given.strip())
    if match is None:
        raise InputError(f"--printed {given!r}: expected a column and its number, as UF1=.652 or ACC=65.85")
    name, number = match[1].lower().replace("_", "-"), match[2]
    if name not in CALLED:
        raise InputError(f"--printed {given!r}: unknown column {match[1]!r}; {nearest(name, CALLED)}")
    value = float(number) / 100 if float(number) > 1 else float(number)
    printed = Printed.parse(number, value)
    if printed is None or not 0 <= value <= 1:
        raise InputError(f"--printed {given!r}: not a share of 0 to 1, nor a percentage")
    return CALLED[name], printed


def trace_printed(numbers: dict, given: Sequence[str]) -> list[dict]:
    """Return of each printed number all scores that are so printed, the column's own and the asked-for rule first.

    Without any, `nearest` has the score that is nearest.
    """
    found = []
    for text in given:
        own, printed = parse(text)
        everything = [
            {"part": part, "rule": rule, "score": score, "value": value, "own": score == own}
            for rule, parts in numbers["rules"].items()
            for part, scores in parts.items()
            for score, value in scores.items()
        ]
        hits = [entry for entry in everything if printed.shows(entry["value"])]
        hits.sort(key=lambda entry: (not entry["own"], entry["part"] != "all", entry["rule"] != numbers["rule"]))
        closest = min(everything, key=lambda entry: abs(entry["value"] - printed.value))
        found.append({"printed": text, "score": own, "gives": hits, "nearest": None if hits else closest})
    return found
