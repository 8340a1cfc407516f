"""What is told of a system, as headings, lines and tables, whatever it is written in."""

from collections.abc import Iterator
from dataclasses import dataclass

from apexbench.evaluation.selection import LEAKING
from apexbench.numbers import DASH, fraction, interval
from apexbench.score.numbers import FEW, MAIN, SHOWN, WHOLE

TITLES = {"acc": "ACC", "uf1": "UF1", "uar": "UAR", "weighted_f1": "weighted F1", "hm_f1": "harmonic-mean F1"}
CONVENTIONS = {
    "acc": "accuracy (WAR), pooled",
    "uf1": "UF1: macro F1, pooled",
    "uar": "UAR: macro recall, pooled",
    "weighted_f1": "F1 weighted by clips, pooled",
    "macro_precision": "macro precision, pooled",
    "hm_f1": "harmonic mean of macro precision and macro recall",
    "f1_present": "macro F1 of the classes that occur, pooled",
    "mean_fold_acc": "mean over folds of the accuracy",
    "mean_fold_f1_present": "mean over folds of F1, absent classes left out",
    "mean_fold_f1_absent_zero": "mean over folds of F1, absent classes 0",
    "mean_fold_f1_absent_one": "mean over folds of F1, absent classes 1",
    "mean_fold_uar_present": "mean over folds of the recall of the classes that occur",
    "mean_fold_f1_to_highest": "mean over folds of F1 up to the highest class that occurs",
    "mean_fold_uar_to_highest": "mean over folds of recall up to the highest class that occurs",
    "cumulative_acc": "mean over folds of the accuracy so far",
}
_SHOWN = 8  # ways to a printed number


@dataclass(frozen=True)
class Heading:
    text: str
    level: int


@dataclass(frozen=True)
class Lines:
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Lines | Table


def _four(value: float) -> str:
    return fraction(value, 4)


def _with_interval(part: dict, score: str) -> str:
    return " ".join(filter(None, (_four(part["scores"][score]), interval(*part["intervals"].get(score, (None, None))))))


def _confusion(part: dict) -> Table:
    names = tuple(row["class"] for row in part["classes"])
    rows = tuple((name, *map(str, row)) for name, row in zip(names, part["confusion"], strict=True))
    return Table(("truth \\ predicted", *names), rows)


def _classes(part: dict) -> Table:
    rows = tuple(
        (
            row["class"],
            str(row["n"]),
            str(row["predicted"]),
            *(_four(row[key]) for key in ("precision", "recall", "f1")),
        )
        for row in part["classes"]
    )
    return Table(("class", "n", "predicted", "precision", "recall", "F1"), rows)


def _printed(found: list[dict]) -> Iterator[Block]:
    yield Heading("Printed numbers", 3)
    lines = []
    for entry in found:
        if not entry["gives"]:
            near = entry["nearest"]
            lines.append(
                f"{entry['printed']}: nothing gives it; the nearest is {_four(near['value'])}, "
                f"{CONVENTIONS[near['score']]} ({near['part']}, rule {near['rule']})"
            )
            continue
        ways = [
            f"{CONVENTIONS[hit['score']]} = {_four(hit['value'])} ({hit['part']}, rule {hit['rule']})"
            for hit in entry["gives"]
        ]
        rest = f"; and {len(ways) - _SHOWN} more" if len(ways) > _SHOWN else ""
        note = "" if any(hit["own"] for hit in entry["gives"]) else "not by what the column is called, but by "
        lines.append(f"{entry['printed']}: {note}{'; '.join(ways[:_SHOWN])}{rest}")
    yield Lines(tuple(lines))


def _selection(found: dict) -> Iterator[Block]:
    """What selection by test epoch adds, beside the null model."""
    null = found["null"]
    yield Heading("What selection by test epoch adds", 3)
    rows = []
    for part in found["parts"]:
        for rule, words in SHOWN.items():
            scores = found["rules"].get(rule, {}).get(part)
            ours = [_four(scores[name]) for name in ("acc", "uf1", "uar")] if scores else [DASH] * 3
            rows.append((part, f"{words}{' (leaks)' if rule in LEAKING else ''}", *ours, _four(null[part][rule])))
    yield Table(("part", "epoch", "ACC", "UF1", "UAR", "null model's UF1"), tuple(rows))
    scope = f"chooses from {found['null_epochs']} epochs" if found["null_epochs"] > 1 else "has one epoch"
    lines = [f"The null model draws classes at random, by their frequency, and {scope}: what a rule is worth alone."]
    last = found["rules"]["last"][WHOLE]["uf1"]
    if found["epochs"] > 1:
        best = found["rules"]["fold-oracle"][WHOLE]["uf1"]
        lines.append(f"Best test epoch of each fold instead of the last: {best - last:+.4f} UF1.")
    yield Lines(tuple(lines))


def _subjects(part: dict) -> Iterator[Block]:
    if part["subjects"]:
        yield Heading("Clips right of each subject", 3)
        words = [" ".join(filter(None, (s["dataset"], s["subject"]))) + f" {s['k']}/{s['n']}" for s in part["subjects"]]
        yield Lines(tuple(", ".join(words[start : start + 10]) for start in range(0, len(words), 10)))


def blocks(system: dict) -> Iterator[Block]:
    """Yield what there is to tell of one system, as `apexbench score` makes it."""
    found, checked = system["numbers"], system["check"]
    whole = found["parts"][WHOLE]
    yield Heading(system["name"], 2)
    lines = [f"taken for: {system['taken_for']}", *(f"note: {remark}" for remark in system["remarks"])]
    if found["epochs"] > 1:
        lines.append(f"{found['epochs']} epochs; scored by the rule '{found['rule']}'")
    yield Lines(tuple(lines))
    yield Heading(f"Protocol {checked['protocol'] or 'unknown'} ({checked['how']})", 3)
    yield Lines(tuple(checked["lines"]))
    yield Heading("Scores", 3)
    rows = tuple(
        (name, f"{part['k']}/{part['n']}", *(_with_interval(part, score) for score in MAIN))
        for name, part in found["parts"].items()
    )
    yield Table(("part", "k/n", *TITLES.values()), rows)
    subjects = len(whole["subjects"])
    if subjects > 1:
        few = "; with so few subjects they are too narrow" if subjects <= FEW else ""
        yield Lines((f"In brackets: 95 % intervals, {subjects} subjects drawn with replacement{few}.",))
    else:
        yield Lines(("No intervals: they need the subject of each clip, and two subjects at least.",))
    if system["printed"]:
        yield from _printed(system["printed"])
    yield Heading("By which convention a number could have come", 3)
    names = [name for name in CONVENTIONS if name in whole["scores"]]
    parts = found["parts"]
    yield Table(
        ("score", *parts),
        tuple((CONVENTIONS[name], *(_four(part["scores"][name]) for part in parts.values())) for name in names),
    )
    if len(names) < len(CONVENTIONS):
        yield Lines(("Means over folds need the subject or the fold of each clip.",))
    if found["null"]:
        yield from _selection(found)
    for name, part in parts.items():
        yield Heading(f"Confusion and classes: {name}", 3)
        yield _confusion(part)
        yield _classes(part)
    yield from _subjects(whole)


def pair_blocks(pair: dict) -> Iterator[Block]:
    """Yield what there is to tell of two systems."""
    yield Heading(f"{pair['first']} against {pair['second']}", 2)
    more = [
        f"{pair[f'only_in_{side}']} only in {pair[side]}" for side in ("first", "second") if pair[f"only_in_{side}"]
    ]
    if pair["labels_differ"]:
        more.append(
            f"{pair['labels_differ']} labels differ, each side is scored by its own (--labels protocol: one truth)"
        )
    yield Lines(("; ".join([f"{pair['clips']} common clips, {pair['subjects']} subjects", *more]),))
    rows = tuple(
        (
            TITLES[name],
            *map(_four, pair["values"][name]),
            f"{pair['difference'][name]:+.4f}",
            interval(*pair["interval"][name]),
        )
        for name in MAIN
    )
    yield Table(("score", pair["first"], pair["second"], "difference", "95 %, by subject"), rows)
    yield Lines(
        (
            f"McNemar by clip: {pair['only_first_right']} right only in {pair['first']}, "
            f"{pair['only_second_right']} only in {pair['second']}, p = {pair['p_mcnemar']:.4f}",
            f"permutation by subject, {pair['score'].upper()}: p = {pair['p_permutation']:.4f}",
            pair["words"],
        )
    )
