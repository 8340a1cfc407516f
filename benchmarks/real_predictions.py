"""Tables and figures of docs/real-predictions.md, from config/measured/public-*.csv and the official counts.

python benchmarks/real_predictions.py       # rewrites the page's tables and its two figures, seconds
"""

import csv
import json
import re
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from apexbench.config.files import read_cards
from apexbench.evaluation.metrics import from_confusion
from apexbench.evaluation.null_model import null_scores
from apexbench.evaluation.official_null import official_clips
from apexbench.figures.style import INK, OKABE_ITO, QUIET, STYLE, save
from apexbench.numbers import DASH, fraction

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/real-predictions.md"
NUMBERS = ROOT / "config/measured/public-predictions.csv"
PAIRS = ROOT / "config/measured/public-pairs.csv"
NULL_EPOCHS, NULL_RULE, NULL_REPEATS = 30, "fold-oracle-uf1", 40  # as CapsuleNet's training script selects
BLUE, RED = OKABE_ITO[0], OKABE_ITO[1]


def rows(path: Path = NUMBERS) -> list[dict[str, str]]:
    """Return the figures that were computed from public files, as texts."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def null() -> tuple[float, float]:
    """Return UF1 (mean, standard deviation) of drawing lots, the best of 30 test epochs of each subject counting."""
    clips = official_clips(read_cards(ROOT)[1]["megc2019"])
    return null_scores(clips["fold"], clips["label"], 3, NULL_EPOCHS, NULL_RULE, NULL_REPEATS)["uf1"]


def _table(header: list[str], lines: list[list[str]]) -> str:
    rule = "|:--" * 3 + "|--:" * (len(header) - 3) + "|"
    return "\n".join([f"| {' | '.join(header)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])


def tables() -> dict[str, str]:
    """Return the Markdown of every block of the page."""
    found, blocks = rows(), {}
    for name, systems in {"composite": ("CapsuleNet", "STSTNet, Matlab", "STSTNet, Python"), "epochs": ("ICE-GAN",),
                          "zero-shot": ("GPT-4V",)}.items():  # fmt: skip
        lines = []
        for row in (row for row in found if row["system"] in systems):
            interval = f"{row['uf1_low']} to {row['uf1_high']}" if row["uf1_low"] else ""
            last = row["printed"] if name != "composite" else interval
            lines.append([row["system"], row["part"], row["rule"], row["n"],
                          *(row[score] or DASH for score in ("uf1", "uar", "acc")), last])  # fmt: skip
        header = ["system", "part", "epoch", "n", "UF1", "UAR", "ACC"]
        blocks[name] = _table([*header, "UF1, 95 %" if name == "composite" else "paper"], lines)
    lines = []
    for row in (row for row in found if row["system"] == "KFC"):
        counts = np.array(json.loads(row["confusion"]))
        scores = from_confusion(counts)
        right = f"{np.trace(counts)}/{counts.sum()}"
        values = [fraction(float(scores[name]), 4) for name in ("acc", "uf1", "uar", "hm_f1")]
        lines.append([row["part"], right, row["printed"].removeprefix("F1 "), *values])
    blocks["convention"] = _table(["part", "k/n", "printed F1", "ACC", "macro F1", "UAR", "harmonic-mean F1"], lines)
    mean, sd = null()
    blocks["null"] = (
        f"A model that learns nothing, scored in the same way on the official list (best of {NULL_EPOCHS} test epochs "
        f"of each subject by UF1, {NULL_REPEATS} repeats), reaches UF1 {fraction(mean)} \N{PLUS-MINUS SIGN} "
        f"{fraction(sd)}; CapsuleNet's log has .652. Draws of different epochs are independent, epochs of a training "
        f"are not: the first number is an upper-ish bound, and no proof about one system."
    )
    return blocks


def filled(page: str) -> str:
    """Return the page with its blocks as they should be; ValueError if one lacks its markers."""
    for name, text in tables().items():
        start, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if page.count(start) != 1 or page.count(end) != 1:
            raise ValueError(f"{PAGE}: expected the markers of {name!r} once each")
        before, _, rest = page.partition(start)
        page = f"{before}{start}{text}\n{end}{rest.partition(end)[2]}"
    return page


def draw_epochs(path: Path) -> None:
    """Draw what one log gives by the epoch that counts."""
    found = [row for row in rows() if row["system"] == "ICE-GAN"]
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(found):
        value = float(row["uf1"])
        axes.barh(-place, value, height=0.6, color=BLUE if row["rule"] == "last epoch" else RED)
        axes.text(value + 0.012, -place, row["uf1"], va="center", color=INK)
    printed = float(re.search(r"UF1 (\.\d+)", found[0]["printed"])[1])
    axes.axvline(printed, color=INK, linestyle=":", linewidth=1)
    axes.text(printed - 0.004, -2.52, f"paper {fraction(printed)}", ha="right", va="center", color=QUIET)
    axes.set_yticks([0, -1, -2], [row["rule"] for row in found])
    axes.set_ylim(-2.75, 0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("UF1, mean over the 68 splits")
    axes.set_title("ICE-GAN's own log, by the epoch that counts", loc="left")
    save(figure, path)


def draw_pair(path: Path) -> None:
    """Draw two systems by subject, with intervals, and by clip."""
    (pair,) = rows(PAIRS)
    names = pair["first"], pair["second"]
    figure = Figure(figsize=(7.6, 2.6), layout="constrained")
    scores, clips = figure.subplots(1, 2, width_ratios=(3, 2))
    for place, side in enumerate(("first", "second")):
        value, low, high = (float(pair[f"{side}_{what}"]) for what in ("uf1", "low", "high"))
        ends = [[value - low], [high - value]]
        scores.errorbar(value, -place, xerr=ends, fmt="o", color=(BLUE, RED)[place], capsize=3)
        scores.text(value, -place + 0.18, fraction(value), ha="center", color=INK)
        count = int(pair[f"only_{side}"])
        clips.bar(place, count, width=0.6, color=(BLUE, RED)[place])
        clips.text(place, count + 1.5, str(count), ha="center", color=INK)
    scores.set_yticks([0, -1], names)
    scores.set_ylim(-1.6, 0.6)
    scores.set_xlabel("UF1, 95 % interval by subject")
    says = f"difference {pair['difference']}, {pair['low']} to {pair['high']}; p = {pair['p_subject']}"
    scores.set_title(f"by subject\n{says}", loc="left")
    clips.set_xticks([0, 1], [f"only {name}\nright" for name in names])
    clips.set_ylim(0, 100)
    clips.set_ylabel("clips")
    clips.set_title(f"by clip\nMcNemar, p = {pair['p_clip']}", loc="left")
    save(figure, path)


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    with matplotlib.rc_context(STYLE):
        draw_epochs(ROOT / "docs/real-predictions-epochs.png")
        draw_pair(ROOT / "docs/real-predictions-pair.png")


if __name__ == "__main__":
    main()
