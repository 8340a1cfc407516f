"""Tables -> the README of a study, and, of the study that is shown, the project's README and pages."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from apexbench.config.tables import Paper, Table
from apexbench.store.checksums import check_seal
from apexbench.store.writing import atomic
from apexbench.tables.overview import by_paper, overview
from apexbench.tables.readme import rewrite

OVERVIEW = "tables"  # the marker's name
PAGES = "docs/results"
PASSING = ("runtime",)  # kinds of tables that are others after each run: no part of the project


def write_readme(
    *,
    about: str,
    cards: Mapping[str, Mapping],
    synthetic: Mapping[str, bool],
    papers: Mapping[str, Mapping],
    pages: Mapping[str, str],
    frames: Mapping[str, str],
    short: Mapping[str, str],
    pictures: Mapping[str, str],
    words: Mapping[str, str],
    readme: str,
    output: str,
) -> None:
    """Write the README of a study; with `readme`, rewrite that of the project, and docs/results beside it.

    Parameters
    ----------
    about : the study in a line.
    cards, synthetic : {table: its card}, {table: whether it is of synthetic clips}, in the order of the study.
    papers : {file of config/published without .csv: paper}.
    pages, frames, short : {table: Markdown page}, {table: CSV}, {table: Markdown of the short form}, paths.
    pictures : {name in docs/results: figure} that the project's README shows.
    words : {name of a marker: Markdown} that stand in the project's README alone.
    readme : the project's README.md; "": the study is not shown there.
    output : results/<study>/README.md.
    """
    tables = {name: (Table(**card), _frame(frames[name]), synthetic[name]) for name, card in cards.items()}
    titles = {key: Paper(**card) for key, card in papers.items()}
    blocks = {name: Path(short[name]).read_text() for name, (card, *_) in tables.items() if card.readme}
    if readme:
        lasting = {name: its for name, its in tables.items() if its[0].kind not in PASSING}
        sentences = {name: Path(path).read_text() for name, path in words.items()}
        rewrite(readme, {**blocks, **sentences, OVERVIEW: by_paper(lasting, titles, f"{PAGES}/{{name}}.md")})
        copies = {f"{name}.md": Path(path).read_bytes() for name, path in pages.items() if name in lasting}
        copies |= {name: Path(path).read_bytes() for name, path in pictures.items()}
        copies["README.md"] = _page("Results", about, {}, overview(lasting, titles, "{name}.md")).encode()
        folder = Path(readme).parent / PAGES
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in copies.items():
            if not (folder / name).exists() or (folder / name).read_bytes() != content:
                with atomic(folder / name) as part:
                    part.write_bytes(content)
    named = {tables[name][0].title: (text, name) for name, text in blocks.items()}
    with atomic(output) as part:
        part.write_text(_page("Results", about, named, overview(tables, titles, "tables/{name}.md")))


def _page(title: str, about: str, blocks: Mapping[str, tuple[str, str]], tables: str) -> str:
    parts = [f"# {title}", about]
    for heading, (text, name) in blocks.items():
        parts += [f"## {heading}", f"{text.strip()}\n\n[The whole table](tables/{name}.md)"]
    return "\n\n".join([*parts, "## All tables", tables.strip()]) + "\n"


def _frame(path: str) -> pd.DataFrame:
    check_seal(path)
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).fillna({"row": "", "column": "", "rule": ""})
