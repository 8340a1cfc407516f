"""Lists by subject: two lines for each, the predictions and then the truth, as STSTNet's Python code prints them.

    [0, 1, 2]
    [0, 0, 2]

Commas may be missing, a list may go on in the next line, and words may stand before it (`Predicted: [0 1]`). A line
`casme2 sub01` or `subject 3` before a pair names the subject; without it subjects are numbered.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from apexbench.errors import InputError
from apexbench.evaluation.megc_log import header
from apexbench.score.predictions import OCCURRING, Predictions, gather, one_hot
from apexbench.score.texts import check_length, whole_number

START = re.compile(r"\s*(?:(?P<word>[A-Za-z][A-Za-z _-]*?)\s*[:=]\s*)?(?:tensor|array)?\(?\[(?P<rest>.*)")
NAMED = re.compile(r"\s*subject(?:\s*[:=]\s*|\s+)([^\s,;]+)\s*", re.IGNORECASE)
_WORDS = {"prediction": ("pred", "guess", "output"), "truth": ("truth", "true", "label", "gt", "target", "actual")}
_ORDER = ("prediction", "truth")
_CLASSES = 100


def _kind(word: str, place: str) -> str | None:
    """Return what the word before a list says that it is."""
    kinds = [kind for kind, parts in _WORDS.items() if any(part in word.lower() for part in parts)]
    if "prediction" in kinds:  # 'predicted label'
        return "prediction"
    if word and not kinds:
        raise InputError(f"{place}: {word!r} before a list; expected 'predicted' or 'truth', or no word")
    return kinds[0] if kinds else None


def _statements(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, str, str | None, list[str]]]:
    """Yield line number, 'subject' or 'list', what the list is if it says so, and the fields."""
    number = 0
    while number < len(lines):
        start, line = number + 1, lines[number]
        number += 1
        if not line.strip():
            continue
        place = f"{path}, line {start}"
        found, named = START.match(line), NAMED.fullmatch(line)
        if found is None:
            fields = line.split()
            if named is None and len(fields) != 2:
                raise InputError(
                    f"{place}: {line.strip()[:60]!r} is no list, but the file began as lists by subject; expected "
                    f"'[0, 1, 2]', or 'casme2 sub01' or 'subject 3' before a pair; one format a file"
                )
            yield start, "subject", None, ["", named[1]] if named else [str(part) for part in header(fields, place)]
            continue
        text = found["rest"]
        while "]" not in text:
            if number == len(lines):
                raise InputError(f"{place}: a list without its end ']'")
            text += f" {lines[number]}"
            number += 1
        inside, _, after = text.partition("]")
        if after.strip(" ),"):
            raise InputError(f"{place}: {after.strip()!r} after a list; expected one list a line")
        yield start, "list", _kind(found["word"] or "", place), inside.replace(",", " ").split()


def read_lists(path: Path, lines: Sequence[str], names: Sequence[str] = ()) -> Predictions:
    """Read lists by subject; `names` are those of the classes 0, 1, ...; InputError names line and field."""
    check_length(path, len(lines), "lists by subject")
    rows, pair, subject, count, worded, named = [], {}, None, 0, 0, 0
    begun = 0
    for number, what, kind, fields in _statements(path, lines):
        place = f"{path}, line {number}"
        if what == "subject":
            if pair:
                raise InputError(f"{place}: a subject, but line {begun} has only one list; two lists for each subject")
            subject, named = fields, named + 1
            continue
        worded += kind is not None
        kind = kind or _ORDER[len(pair)]
        if kind in pair:
            raise InputError(f"{place}: a second list of {kind}s for the subject of line {begun}")
        pair[kind] = [
            whole_number(text, len(names) or _CLASSES, place, f"{n} of the list") for n, text in enumerate(fields, 1)
        ]
        begun = begun if len(pair) == 2 else number
        if len(pair) < 2:
            continue
        count += 1
        if len(pair["prediction"]) != len(pair["truth"]):
            raise InputError(
                f"{place}: {len(pair['truth'])} labels and {len(pair['prediction'])} predictions for the subject of "
                f"line {begun}; a pair has one of each clip"
            )
        who = subject or ["", str(count)]
        rows += [(*who, label, guess, begun) for label, guess in zip(pair["truth"], pair["prediction"], strict=True)]
        pair, subject = {}, None
    if pair:
        raise InputError(f"{path}, line {begun}: a list without its second; two lists for each subject")
    if named not in (0, count):
        raise InputError(f"{path}: {named} of {count} pairs name their subject; name all or none")
    if not rows:
        raise InputError(f"{path}: no clips; expected two lines for each subject, as '[0, 1, 2]'")
    dataset, subjects, labels, guesses, line = zip(*rows, strict=True)
    classes = range(len(names)) if names else sorted({*labels, *guesses})
    code = {value: place for place, value in enumerate(classes)}
    remarks = [] if names else [f"{OCCURRING}: {', '.join(map(str, classes))}"]
    if not worded:
        remarks.append("the first list of each pair was taken for the predictions, the second for the truth")
    if not named:
        remarks.append("subjects have no names: numbered in the order of the file")
    columns = {"subject": subjects, "label": [code[label] for label in labels], "line": line}
    if any(dataset):
        columns["dataset"] = dataset
    scores = one_hot([code[guess] for guess in guesses], len(classes))
    return gather(path.name, f"lists by subject, {count} pairs", columns, scores, names or classes, remarks)
