"""A table with a row for each clip (and epoch): CSV, parquet, or a sheet of a workbook.

Needs the truth and either the predicted class or a score for each class. Columns are found by common names (`NAMES`),
and the output says which were taken.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from apexbench.errors import InputError
from apexbench.score.predictions import KEY, LIMIT, OCCURRING, Predictions, gather, one_hot

# compared without case, spaces, - and _
NAMES = {
    "truth": (
        "label", "truth", "true", "gt", "groundtruth", "target", "y", "ytrue", "actual", "truelabel", "gold", "emotion",
    ),
    "prediction": (
        "predicted", "prediction", "pred", "preds", "ypred", "yhat", "guess", "output", "predictedlabel", "predlabel",
        "predictions", "ranked", "candidates",
    ),
    "dataset": ("dataset", "database", "db", "part", "corpus"),
    "subject": ("subject", "subjectid", "sub", "subj", "person", "participant"),
    "clip": ("clip", "clipid", "filename", "file", "video", "sample", "name", "id", "path", "image"),
    "onset": ("onset", "onsetframe"),
    "epoch": ("epoch",),
    "fold": ("fold", "split"),
    "seed": ("seed",),
}  # fmt: skip
_SCORE = re.compile(r"(?:prob|score|logit|softmax|p)[_ -]?(.+)", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,15}(?:\.0+)?")
_NONE = {"nan", "<na>"}  # what programs write where a value is missing


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())


def roles(header: Sequence[str], place: str = "") -> dict[str, str]:
    """Return {role: column} of a header; InputError if two columns fit one role."""
    found = {}
    for role, names in NAMES.items():
        fits = [column for column in header if _plain(column) in names]
        if len(fits) > 1:
            raise InputError(f"{place}: columns {' and '.join(map(repr, fits))} could both be the {role}; leave one")
        if fits:
            found[role] = fits[0]
    return found


def score_names(header: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """Return {class: column} of the columns of scores, in order; numbers if all are numbers, from 0 or as they are."""
    fits = {column: _SCORE.fullmatch(column) for column in header if column not in taken}
    named = {match[1]: column for column, match in fits.items() if match}
    numbers = {name: column for name, column in named.items() if name.isdecimal()}
    if len(numbers) > 1 or numbers == named:  # p0, p1 beside a column that only begins so
        return dict(sorted(numbers.items(), key=lambda pair: int(pair[0])))
    # words: only with a separator, or 'path' and 'person' would be scores
    return {name: column for name, column in named.items() if column.removesuffix(name)[-1] in "_ -"}


def is_columns(header: Sequence[str]) -> bool:
    """Whether a header has the truth and a prediction, or scores."""
    try:
        found = roles(header)
    except InputError:
        return True
    return "truth" in found and ("prediction" in found or len(score_names(header, [*found.values()])) > 1)


def tidy(value: str) -> str:
    """Return a label without spaces around it and, of a whole number, without what follows the point.

    >>> tidy(" 1.0 "), tidy("happiness")
    ('1', 'happiness')
    """
    value = value.strip()
    return str(int(float(value))) if _WHOLE.fullmatch(value) else value


def _ranked(text: str) -> list[str]:
    """Return the classes of a ranked list such as ['disgust', 'others'], 'disgust; others' or one class.

    >>> _ranked("['disgust', 'others']"), _ranked("disgust")
    (['disgust', 'others'], ['disgust'])
    """
    parts = re.split(r"[,;>|]", text.strip().strip("[]()"))
    return [tidy(part.strip().strip("'\"")) for part in parts]


class _Table:
    """A table of texts whose rows know their place in the file."""

    def __init__(self, frame: pd.DataFrame, place: str, lines: np.ndarray, unit: str):
        self.frame, self.place, self.lines, self.unit = frame, place, lines, unit

    def refuse(self, bad: np.ndarray, column: str, wish: str) -> None:
        """Raise InputError for the first row of a mask."""
        if bad.any():
            row = int(bad.argmax())
            value = self.frame[column].iloc[row]
            raise InputError(
                f"{self.place}, {self.unit} {self.lines[row]}, field {column!r}: {value!r}; expected {wish}"
            )

    def texts(self, column: str) -> pd.Series:
        values = self.frame[column]
        self.refuse((values.str.strip() == "").to_numpy(), column, "a value")
        return values.str.strip()

    def whole(self, column: str) -> np.ndarray:
        numbers = pd.to_numeric(self.frame[column], errors="coerce").to_numpy(dtype=float)
        self.refuse(~(np.isfinite(numbers) & (numbers == np.floor(numbers))), column, "a whole number")
        return numbers.astype(np.int64)

    def numbers(self, column: str) -> np.ndarray:
        numbers = pd.to_numeric(self.frame[column], errors="coerce").to_numpy(dtype=float)
        self.refuse(~np.isfinite(numbers), column, "a number")
        return numbers


def _classes(truth: pd.Series, guesses: pd.Series, wanted: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the classes in order, and a remark if they were taken from what occurs."""
    if wanted:
        return tuple(wanted), []
    spelt: dict[str, str] = {}  # `Negative` and `negative` are one class
    for name in [*truth.unique(), *guesses.unique()]:
        spelt.setdefault(name.lower(), name)
    there = set(spelt.values())
    numbers = all(_WHOLE.fullmatch(name) for name in there)
    names = sorted(there, key=int) if numbers else sorted(there, key=str.lower)
    listed = ", ".join(names[:20])
    return tuple(names), [f"{OCCURRING}: {listed}; --classes names those that there are"]


def _check_spelling(table: _Table, taken: dict[str, str], truth: pd.Series, guess: pd.Series) -> None:
    """Raise InputError for what is no class, and for a truth in words with predictions in numbers, or the reverse."""
    for role, values in (("truth", truth), ("prediction", guess)):
        none = values.str.lower().isin(_NONE) | values.str.fullmatch(r"-\d+")
        table.refuse(none.to_numpy(), taken[role], "a class; leave out what has none, or name it with --classes")
    kinds = [{bool(_WHOLE.fullmatch(name)) for name in values.unique()} for values in (truth, guess)]
    if kinds in ([{True}, {False}], [{False}, {True}]):
        shown = [", ".join(sorted(map(str, values.unique()))[:5]) for values in (truth, guess)]
        raise InputError(
            f"{table.place}, field {taken['prediction']!r}: class {guess.iloc[0]!r}; the truth has {shown[0]}, the "
            f"prediction {shown[1]}; name the classes in the order of the numbers (--classes A,B,C; of a submission, "
            f"'classes' of its card)"
        )


def _in_order(scored: dict[str, str], names: Sequence[str], place: str) -> dict[str, str]:
    """Return the columns of scores in the order of the classes: by name, or as they are where they have numbers."""
    if len(names) != len(scored):
        raise InputError(f"{place}: {len(scored)} columns of scores for {len(names)} classes of --classes")
    if all(name.isdecimal() for name in scored):
        return scored
    known = {name.lower(): column for name, column in scored.items()}
    lacking = [name for name in names if name.lower() not in known]
    if lacking:
        raise InputError(f"{place}: no column of scores of class {lacking[0]!r}; found {', '.join(scored.values())}")
    return {name: known[name.lower()] for name in names}


def _codes(table: _Table, column: str, values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Return class numbers of labels, which are names of classes, or their numbers if the names are words."""
    code = {name.lower(): number for number, name in enumerate(classes)}
    if not any(name.isdecimal() for name in code):
        code |= {str(number): number for number in range(len(classes))}
    codes = values.str.lower().map(code)
    table.refuse(codes.isna().to_numpy(), column, f"one of the classes {', '.join(classes)}")
    return codes.to_numpy(dtype=np.int64)


def read_columns(
    frame: pd.DataFrame,
    name: str,
    place: str,
    kind: str,
    lines: np.ndarray,
    unit: str = "line",
    classes: Sequence[str] = (),
    seed: int | None = None,
) -> Predictions:
    """Read a table of texts.

    Parameters
    ----------
    name, place : what the file is called in the output, and in errors.
    kind : CSV, parquet or workbook, for the output.
    lines, unit : the place of each row, and what it is counted in.
    classes : names of the classes, in order; without them those that occur.

    Raises InputError naming line and field.
    """
    if len(frame) > LIMIT:
        raise InputError(f"{place}, {unit} {lines[LIMIT]}: {len(frame)} rows; at most {LIMIT} are read")
    if not len(frame):
        raise InputError(f"{place}: a header and no rows; expected one for each clip")
    taken = roles([*frame.columns], place)
    scored = score_names([*frame.columns], [*taken.values()])
    table = _Table(frame, place, np.asarray(lines), unit)
    remarks = []
    if "seed" in taken:
        seeds = sorted(set(table.whole(taken["seed"]).tolist()))
        if (seed is None and len(seeds) > 1) or (seed is not None and seed not in seeds):
            raise InputError(
                f"{place}, field {taken['seed']!r}: seeds {', '.join(map(str, seeds))}; choose with --seed"
            )
        keep = table.whole(taken["seed"]) == (seeds[0] if seed is None else seed)
        table = _Table(frame[keep].reset_index(drop=True), place, table.lines[keep], unit)
    truth = table.texts(taken["truth"]).map(tidy)
    if "prediction" in taken:
        raw = table.texts(taken["prediction"])
        whole = {name.lower() for name in classes or truth.unique()}  # a class may have a comma in its name
        lists = {text: [tidy(text)] if tidy(text).lower() in whole else _ranked(text) for text in raw.unique()}
        guess = raw.map({text: ranked[0] for text, ranked in lists.items()})
        if not classes:
            _check_spelling(table, taken, truth, guess)
        if any(len(ranked) > 1 for ranked in lists.values()):
            remarks.append("the first of the ranked classes is the prediction")
        names, noted = _classes(truth, guess, classes)
        if scored:
            remarks.append(f"scores are there too ({', '.join(scored.values())}); the predicted class counts")
        scores = one_hot(_codes(table, taken["prediction"], guess, names), len(names))
    else:
        names, noted = tuple(classes) or tuple(scored), []
        scored = _in_order(scored, names, place)
        scores = np.stack([table.numbers(column) for column in scored.values()], axis=1)
        ties = int(((scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
        if ties:
            remarks.append(f"{ties} rows have equal highest scores: the first of these classes is the prediction")
    columns = {"label": _codes(table, taken["truth"], truth, names), "line": table.lines}
    columns |= {
        role: table.texts(taken[role]).to_numpy() for role in ("dataset", "subject", "clip", "fold") if role in taken
    }
    columns |= {role: table.whole(taken[role]) for role in ("onset", "epoch") if role in taken}
    several = "epoch" in taken and len(set(columns["epoch"].tolist())) > 1
    if several and not {"subject", "fold"} & {*taken}:
        remarks.append("no subject and no fold: all clips are taken for one fold, which has one best epoch")
    said = ", ".join(f"{role} = {column}" for role, column in taken.items())
    said += f", scores = {', '.join(scored.values())}" if scored and "prediction" not in taken else ""
    found = gather(name, f"{kind} of truth and prediction ({said})", columns, scores, names, [*noted, *remarks])
    if several:
        _check_epochs(table, found.frame, taken)
    return found


def _check_epochs(table: _Table, frame: pd.DataFrame, taken: dict[str, str]) -> None:
    """Raise InputError if clips have no names, or not every epoch of their fold once, as they are scored."""
    if "clip" not in taken:
        raise InputError(
            f"{table.place}: several epochs and no column of clips; expected one of {', '.join(NAMES['clip'])}"
        )
    clips = frame.groupby([*KEY, "onset"], sort=False).ngroup()
    rows = pd.DataFrame({"clip": clips, "fold": frame["fold"], "epoch": frame["epoch"], "label": frame["label"]})
    table.refuse(rows.duplicated(["clip", "epoch"]).to_numpy(), taken["clip"], "each clip once in each epoch")
    of_clip = rows.groupby("clip")
    other = rows["label"].ne(of_clip["label"].transform("first")).to_numpy()
    table.refuse(other, taken["truth"], "the label that the clip has in its other epochs")
    moved = rows["fold"].ne(of_clip["fold"].transform("first")).to_numpy()
    table.refuse(moved, taken.get("fold", taken["clip"]), "the fold that the clip has in its other epochs")
    # as many epochs are not the same: a clip without the epoch that a rule picks would be left out unseen
    short = (of_clip["epoch"].transform("size") < rows.groupby("fold")["epoch"].transform("nunique")).to_numpy()
    table.refuse(short, taken["clip"], "a row for every epoch that the other clips of its fold have")
