"""All tables of a study, a line each: what is printed, what was run, and what the table says."""

from collections.abc import Mapping

import pandas as pd

from apexbench.config.published import NULL_ROW
from apexbench.config.tables import Paper, Table
from apexbench.tables.render import escape_markdown
from apexbench.tables.verdict import rows_run, verdict

OURS = {
    "leaderboard": "Our runs, with intervals, parts of composites and leaky scores.",
    "comparisons": "Paired differences with intervals, permutation and McNemar tests.",
    "runtime": "Training time and memory.",
    "data": "Clips expected and found.",
}
Tables = Mapping[str, tuple[Table, pd.DataFrame, bool]]


def overview(tables: Tables, papers: Mapping[str, Paper], link: str) -> str:
    """Return the overview as Markdown.

    Parameters
    ----------
    tables : {name: (its card, its tidy frame, whether clips are synthetic)}, in the order of the study.
    papers : {file of config/published without .csv: paper}.
    link : a page's address, with {name}.
    """
    groups: dict[str, list[str]] = {}
    for name, (card, *_) in tables.items():
        groups.setdefault(_paper(card, papers), []).append(name)
    lines = ["| Paper | Table | Rows printed | Run here | What it says |", "|:--|:--|--:|--:|:--|"]
    rows = []
    for paper, names in groups.items():
        for place, name in enumerate(names):
            card, frame, synthetic = tables[name]
            title = f"[{escape_markdown(card.title)}]({link.format(name=name)})"
            if card.kind == "published":
                printed = frame.loc[frame["published"].notna() & (frame["row"] != NULL_ROW), "row"].nunique()
                counts, says = [str(printed), str(rows_run(frame))], verdict(frame, synthetic)
            else:
                counts, says = ["", ""], OURS[card.kind]
            first = "" if place else f"**{escape_markdown(paper)}**" if paper else "**This study**"
            rows.append(f"| {first} | {title} | {' | '.join(counts)} | {escape_markdown(says)} |")
    return "\n".join([*lines, *rows]) + "\n"


def _paper(card: Table, papers: Mapping[str, Paper]) -> str:
    if card.kind != "published":
        return ""
    stem = card.published.removesuffix(".csv")
    paper = papers.get(stem, Paper(title=stem))
    return f"{paper.title} ({paper.venue})" if paper.venue else paper.title
