"""A table as Markdown, CSV, LaTeX and HTML. All but CSV share one grid of cells."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from apexbench.errors import InputError
from apexbench.store import atomic
from apexbench.tables.build import TableData

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """Main text, a small addition, a line that is marked as leaking, and numbers of footnotes."""

    text: str
    small: str = ""
    leaky: str = ""
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Header and rows of cells; `notes` are the footnotes from 1 up."""

    header: list[Cell]
    rows: list[list[Cell]]
    notes: list[str]


def fraction(value: float, digits: int = 3) -> str:
    """Return a score without its leading zero.

    >>> fraction(0.7124), fraction(1.0, 2), fraction(float("nan"))
    ('.712', '1.00', '–')
    """
    return DASH if pd.isna(value) else re.sub(r"^0\.", ".", f"{value:.{digits}f}")


def _number(value) -> str:
    return DASH if pd.isna(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _interval(cell) -> str:
    return "" if pd.isna(cell.ci_low) else f"[{fraction(cell.ci_low, 2)}, {fraction(cell.ci_high, 2)}]"


def _honest(cell) -> tuple[str, str]:
    if pd.isna(cell.honest):
        return DASH, cell.status
    return fraction(cell.honest), " ".join(filter(None, [_interval(cell), cell.status * (cell.status != "ok")]))


def grid(table: TableData) -> Grid:
    """Lay the tidy frame out; each distinct remark of the notes becomes one footnote."""
    notes: list[str] = []

    def marks(note: str) -> tuple[int, ...]:
        remarks = dict.fromkeys(filter(None, note.split("; ")))
        notes.extend(remark for remark in remarks if remark not in notes)
        return tuple(sorted(notes.index(remark) + 1 for remark in remarks))

    header, rows = [Cell("Method")], {}
    if table.kind == "runtime":
        header += [Cell(text) for text in ("Protocol", "Seeds", "Folds", "Epochs")]
        header += [Cell("Training", "s"), Cell("Per fold", "s"), Cell("Device"), Cell("Peak memory", "MB")]
        for cell in table.frame.itertuples():
            counts = [Cell(DASH if pd.isna(value) else str(value)) for value in (cell.seeds, cell.folds, cell.epochs)]
            times = [Cell(_number(cell.train_seconds)), Cell(_number(cell.seconds_per_fold)), Cell(cell.device or DASH)]
            status = "" if cell.status == "ok" else cell.status
            first = [Cell(cell.row, status, notes=marks(cell.note)), Cell(cell.column)]
            rows[cell.Index] = [*first, *counts, *times, Cell(_number(cell.peak_mb))]
        return Grid(header, list(rows.values()), notes)
    for title, subtitle in table.headers.values():
        if table.kind == "leaderboard":
            header.append(Cell(title, subtitle))
        else:
            header += [Cell(title, "published"), Cell(title, leaky="ours, leaky"), Cell(title, "ours, honest")]
    for cell in table.frame.itertuples():
        row = rows.setdefault(cell.row, [Cell(cell.row)])
        text, small = _honest(cell)
        leaky = fraction(cell.as_published)
        if table.kind == "leaderboard":
            row.append(Cell(text, small, "" if leaky == DASH else f"leaky {leaky}", marks(cell.note)))
        else:
            row += [Cell(fraction(cell.published, 4), notes=marks(cell.note)), Cell(leaky), Cell(text, small)]
    return Grid(header, list(rows.values()), notes)


def escape_markdown(text: str) -> str:
    """Escape what GitHub would read as markup.

    >>> escape_markdown("alpha_k | <b>")
    'alpha\\\\_k \\\\| &lt;b>'
    """
    return re.sub(r"([\\`*_|$]|](?=[(\[]))", r"\\\1", " ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")


def to_markdown(table: TableData) -> str:
    """Return GitHub Markdown: warning and caption, the table, the footnotes."""
    laid = grid(table)

    def cell(item: Cell, joint: str) -> str:
        marks = f"<sup>{','.join(map(str, item.notes))}</sup>" if item.notes else ""
        small = f"{joint}<sub>{escape_markdown(item.small)}</sub>" if item.small else ""
        leaky = f"<br><sub>{escape_markdown(item.leaky)}</sub>" if item.leaky else ""
        return escape_markdown(item.text) + marks + small + leaky

    lines = [f"> **{escape_markdown(table.warning)}**", ""] if table.warning else []
    lines.append("| " + " | ".join(cell(item, "<br>") for item in laid.header) + " |")
    lines.append("|" + "|".join([":--"] + ["--:"] * (len(laid.header) - 1)) + "|")
    lines += ["| " + " | ".join(cell(item, " ") for item in row) + " |" for row in laid.rows]
    lines += ["", f"**{escape_markdown(table.title)}.** {escape_markdown(table.caption)}"]
    if laid.notes:
        lines += ["", f"<details><summary>Footnotes ({len(laid.notes)})</summary>", ""]
        lines += [f"{number}. {escape_markdown(note)}" for number, note in enumerate(laid.notes, 1)]
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def to_csv(table: TableData) -> str:
    """Return the tidy frame as CSV, numbers to six digits."""
    frame = table.frame.copy()
    floats = frame.select_dtypes("float").columns
    frame[floats] = frame[floats].round(6)
    return frame.to_csv(index=False, lineterminator="\n")


_TEX = {
    **{char: "\\" + char for char in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", DASH: "--", "≥": r"$\geq$", "±": r"$\pm$",
}  # fmt: skip


def escape_tex(text: str) -> str:
    """Escape what TeX would read as a command.

    >>> escape_tex("95 % of a_b")
    '95 \\\\% of a\\\\_b'
    """
    return "".join(_TEX.get(char, char) for char in " ".join(text.split()))


def to_tex(table: TableData) -> str:
    """Return a `table` environment; it needs the package booktabs."""
    laid = grid(table)

    def cell(item: Cell, joint: str) -> str:
        marks = f"$^{{{','.join(map(str, item.notes))}}}$" if item.notes else ""
        small = f"{joint}{{\\scriptsize {escape_tex(item.small)}}}" if item.small else ""
        leaky = f"\\\\{{\\scriptsize {escape_tex(item.leaky)}}}" if item.leaky else ""
        text = escape_tex(item.text) + marks + small + leaky
        return f"\\shortstack{{{text}}}" if "\\\\" in text else text

    def line(items: list[Cell], joint: str) -> str:
        return " & ".join(cell(item, joint) for item in items) + r" \\"

    warning = f"\\textbf{{{escape_tex(table.warning)}}} " if table.warning else ""
    notes = "; ".join(f"$^{{{number}}}${escape_tex(note)}" for number, note in enumerate(laid.notes, 1))
    lines = [
        r"\begin{table}", r"\centering", r"\small",
        f"\\caption{{{escape_tex(table.title)}. {warning}{escape_tex(table.caption)}}}", f"\\label{{tab:{table.name}}}",
        f"\\begin{{tabular}}{{l{'r' * (len(laid.header) - 1)}}}", r"\toprule",
        line(laid.header, r"\\"), r"\midrule", *(line(row, " ") for row in laid.rows), r"\bottomrule", r"\end{tabular}",
        *([f"\\par\\smallskip\\footnotesize {notes}."] if notes else []), r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ table.title }}</title><style>
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: #1c2733; background: #fff;
  margin: 2rem auto; max-width: 76rem; padding: 0 1.25rem; }
h1 { font-size: 1.3rem; margin: 0 0 .75rem; }
.warning { background: #fff4d6; border-left: 4px solid #e69f00; padding: .5rem .8rem; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .8rem; text-align: right; vertical-align: top; white-space: nowrap; }
th { border-bottom: 2px solid #1c2733; vertical-align: bottom; }
td { border-bottom: 1px solid #e3e8ee; }
th:first-child, td:first-child { text-align: left; }
tbody tr:hover { background: #f5f8fb; }
small { display: block; color: #5b6b7b; font-weight: 400; }
sup { line-height: 0; font-size: .7em; color: #5b6b7b; }
small.leaky { color: #a8480a; }
.caption, .notes { color: #44525f; font-size: .88rem; max-width: 60rem; }
</style></head><body>
<h1>{{ table.title }}</h1>
{% if table.warning %}<p class="warning">{{ table.warning }}</p>{% endif %}
{% macro show(item) %}{{ item.text }}{% if item.notes %}<sup>{{ item.notes | join(",") }}</sup>{% endif %}
{%- if item.small %}<small>{{ item.small }}</small>{% endif %}
{%- if item.leaky %}<small class="leaky">{{ item.leaky }}</small>{% endif %}{% endmacro %}
<div class="scroll"><table>
<thead><tr>{% for item in grid.header %}<th>{{ show(item) }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in grid.rows %}<tr>{% for item in row %}<td>{{ show(item) }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="caption">{{ table.caption }}</p>
{% if grid.notes %}<ol class="notes">{% for note in grid.notes %}<li>{{ note }}</li>{% endfor %}</ol>{% endif %}
</body></html>
"""


def to_html(table: TableData) -> str:
    """Return a page that needs no other file."""
    import jinja2

    return jinja2.Environment(autoescape=True).from_string(_HTML).render(table=table, grid=grid(table)) + "\n"


FORMATS = {".md": to_markdown, ".csv": to_csv, ".tex": to_tex, ".html": to_html}


def write_table(table: TableData, path: str | os.PathLike) -> None:
    """Write a table in the format that the suffix of `path` names."""
    form = FORMATS.get(Path(path).suffix)
    if form is None:
        raise InputError(f"{path}: no such table format; use one of {', '.join(FORMATS)}")
    with atomic(path) as part:
        part.write_text(form(table), encoding="utf-8", newline="\n")
