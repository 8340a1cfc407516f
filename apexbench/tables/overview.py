"""All tables of a study, a line each: what is printed, what was run, and what the table says."""

import re
from collections.abc import Mapping, Sequence

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
_TAIL = re.compile(r",? as printed by .*")
Tables = Mapping[str, tuple[Table, pd.DataFrame, bool]]


def overview(tables: Tables, papers: Mapping[str, Paper], link: str) -> str:
    """Return the overview as Markdown, a line for each table.

    Parameters
    ----------
    tables : {name: (its card, its tidy frame, whether clips are synthetic)}, in the order of the study.
    papers : {file of config/published without .csv: paper}.
    link : a page's address, with {name}.
    """
    lines, last = ["| Paper | Table | Rows printed | Run here | What it says |", "|:--|:--|--:|--:|:--|"], None
    for name in sorted(tables, key=lambda name: _place(tables[name][0], papers)):
        card, *rest = tables[name]
        paper = _paper(card, papers)
        first = "" if paper == last else f"**{escape_markdown(paper)}**"
        counts, last = _counts([(card, *rest)]), paper
        lines.append(f"| {first} | {_link(name, card.title, link)} | {' | '.join(counts)} |")
    return "\n".join(lines) + "\n"


def by_paper(tables: Tables, papers: Mapping[str, Paper], link: str) -> str:
    """Return the same in short, a line for each paper, and for each table of those that have no venue."""
    lines = ["| Paper | Tables | Rows printed | Run here | What they say |", "|:--|:--|--:|--:|:--|"]
    groups: dict[str, list[str]] = {}
    for name, (card, *_) in tables.items():
        if card.kind == "published":
            groups.setdefault(_paper(card, papers) if _of(card, papers).venue else f"\0{name}", []).append(name)
    last = ""
    for names in groups.values():
        cards = [tables[name] for name in names]
        links = ", ".join(_link(name, _TAIL.sub("", tables[name][0].title), link) for name in names)
        paper = _paper(cards[0][0], papers)
        first = "" if paper == last else f"**{escape_markdown(paper)}**"
        lines.append(f"| {first} | {links} | {' | '.join(_counts(cards))} |")
        last = paper
    return "\n".join(lines) + "\n"


def _link(name: str, title: str, link: str) -> str:
    return f"[{escape_markdown(title)}]({link.format(name=name)})"


def _counts(tables: Sequence[tuple[Table, pd.DataFrame, bool]]) -> list[str]:
    """Return rows printed, rows run and a verdict on tables of one paper."""
    if tables[0][0].kind != "published":
        return ["", "", OURS[tables[0][0].kind]]
    frames = [frame for _, frame, _ in tables]
    printed = sum(f.loc[f["published"].notna() & (f["row"] != NULL_ROW), "row"].nunique() for f in frames)
    says = verdict(pd.concat(frames, ignore_index=True), any(synthetic for *_, synthetic in tables))
    return [str(printed), str(sum(map(rows_run, frames))), escape_markdown(says)]


def _of(card: Table, papers: Mapping[str, Paper]) -> Paper:
    stem = card.published.removesuffix(".csv")
    return papers.get(stem, Paper(title=stem))


def _paper(card: Table, papers: Mapping[str, Paper]) -> str:
    if card.kind != "published":
        return "This study"
    paper = _of(card, papers)
    return f"{paper.title} ({paper.venue})" if paper.venue else paper.title


def _place(card: Table, papers: Mapping[str, Paper]) -> int:
    """Our own tables first, then the papers in the order of their file."""
    if card.kind != "published":
        return -1
    stems = [*papers, stem := card.published.removesuffix(".csv")]
    return stems.index(stem)
