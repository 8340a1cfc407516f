"""A table as Markdown, CSV, LaTeX and HTML. All but CSV share one grid of cells."""

import os
import re
from pathlib import Path

from apexbench.errors import InputError
from apexbench.numbers import DASH
from apexbench.store import atomic
from apexbench.tables.layout import Cell, Part, grid
from apexbench.tables.table import TableData

_FORMULA = re.compile(r"[=+@\t\r-](?=.)(?![\d.]+$)", re.DOTALL)  # but no number
EVERY = "On every number"


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
        text = f"&emsp;<sub>{escape_markdown(item.text)}</sub>" if item.indent else escape_markdown(item.text)
        return text + marks + small + leaky

    def lines(part: Part) -> list[str]:
        rows = ["| " + " | ".join(cell(item, "<br>") for item in part.header) + " |"]
        rows.append("|" + "|".join([":--"] + ["--:"] * (len(part.header) - 1)) + "|")
        return [*rows, *("| " + " | ".join(cell(item, " ") for item in row) + " |" for row in part.rows), ""]

    text = [f"> **{escape_markdown(table.warning)}**", ""] if table.warning else []
    text += [line for part in laid.parts for line in lines(part)]
    first, *rest = map(escape_markdown, table.caption.split("\n"))
    text.append("\n\n".join([f"**{escape_markdown(table.title)}.** {first}", *rest]))
    if laid.notes or laid.every:
        text += ["", f"<details><summary>Footnotes ({len(laid.notes) + len(laid.every)})</summary>", ""]
        text += [f"{EVERY}: {escape_markdown('; '.join(laid.every))}.", ""] if laid.every else []
        text += [f"{number}. {escape_markdown(note)}" for number, note in enumerate(laid.notes, 1)]
        text += ["", "</details>"]
    return "\n".join(text) + "\n"


def to_csv(table: TableData) -> str:
    """Return the tidy frame as CSV, numbers to six digits; a text that a spreadsheet would compute gets a '."""
    frame = table.frame.copy()
    floats = frame.select_dtypes("float").columns
    frame[floats] = frame[floats].round(6)
    for column in frame.columns.difference(floats):
        frame[column] = frame[column].map(lambda value: f"'{value}" if _FORMULA.match(str(value)) else value)
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
        text = f"\\shortstack{{{text}}}" if "\\\\" in text else text
        return f"\\quad {text}" if item.indent else text

    def line(items: list[Cell], joint: str) -> str:
        return " & ".join(cell(item, joint) for item in items) + r" \\"

    def tabular(part: Part) -> str:
        head = [
            f"\\begin{{tabular}}{{l{'r' * (len(part.header) - 1)}}}",
            r"\toprule",
            line(part.header, r"\\"),
            r"\midrule",
        ]
        return "\n".join([*head, *(line(row, " ") for row in part.rows), r"\bottomrule", r"\end{tabular}"])

    warning = f"\\textbf{{{escape_tex(table.warning)}}} " if table.warning else ""
    notes = [f"{EVERY}: {escape_tex('; '.join(laid.every))}"] if laid.every else []
    notes += [f"$^{{{number}}}${escape_tex(note)}" for number, note in enumerate(laid.notes, 1)]
    bodies = "\n\\par\\medskip\n".join(map(tabular, laid.parts))
    lines = [
        r"\begin{table}", r"\centering", r"\small",
        f"\\caption{{{escape_tex(table.title)}. {warning}{escape_tex(table.caption)}}}", f"\\label{{tab:{table.name}}}",
        bodies, *([f"\\par\\smallskip\\footnotesize {'; '.join(notes)}."] if notes else []), r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


_HTML = r"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ table.title }}</title><style>
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: #1c2733; background: #fff;
  margin: 2rem auto; max-width: 82rem; padding: 0 1.25rem; }
h1 { font-size: 1.3rem; margin: 0 0 .75rem; }
.warning { background: #fff4d6; border-left: 4px solid #e69f00; padding: .5rem .8rem; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .8rem; text-align: right; vertical-align: top; white-space: nowrap; }
th { border-bottom: 2px solid #1c2733; vertical-align: bottom; }
td { border-top: 1px solid #e3e8ee; }
th:first-child, td:first-child { text-align: left; }
tr.below td { border-top: 0; padding-top: 0; font-size: .92em; }
tr.below td:first-child { padding-left: 2rem; }
tbody tr:hover { background: #f5f8fb; }
small { display: block; color: #5b6b7b; font-weight: 400; }
sup { line-height: 0; font-size: .7em; color: #5b6b7b; }
.leaks, small.leaks { color: #a8480a; }
.ours { color: #00527f; }
td.quiet { color: #5b6b7b; font-size: .85em; }
.caption, .notes, details { color: #44525f; font-size: .88rem; max-width: 60rem; }
td.wide { white-space: normal; min-width: 16rem; }
</style></head><body>
<h1>{{ table.title }}</h1>
{% if table.warning %}<p class="warning">{{ table.warning }}</p>{% endif %}
{% macro show(item) %}{{ item.text }}{% if item.notes %}<sup>{{ item.notes | join(",") }}</sup>{% endif %}
{%- if item.small %}<small>{{ item.small }}</small>{% endif %}
{%- if item.leaky %}<small class="leaks">{{ item.leaky }}</small>{% endif %}{% endmacro %}
{% macro tone(item) %}{% if item.tone %} class="{{ item.tone }}"{% elif item.text | length > 50 %} class="wide"
{%- endif %}{% endmacro %}
{% for part in grid.parts %}
<div class="scroll"><table>
<thead><tr>{% for item in part.header %}<th{{ tone(item) }}>{{ show(item) }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in part.rows %}<tr{% if row[0].indent %} class="below"{% endif %}>
{%- for item in row %}<td{{ tone(item) }}>{{ show(item) }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
{% for text in table.caption.split("\n") %}<p class="caption">{{ text }}</p>
{% endfor %}{% if grid.every %}<p class="notes">{{ every }}: {{ grid.every | join("; ") }}.</p>{% endif %}
{% if grid.notes %}<ol class="notes">{% for note in grid.notes %}<li>{{ note }}</li>{% endfor %}</ol>{% endif %}
{% for heading, lines in table.details.items() %}<details><summary>{{ heading }}</summary>
<ul>{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul></details>
{% endfor %}
</body></html>
"""


def to_html(table: TableData) -> str:
    """Return a page that needs no other file."""
    import jinja2

    template = jinja2.Environment(autoescape=True).from_string(_HTML)
    return template.render(table=table, grid=grid(table), every=EVERY) + "\n"


FORMATS = {".md": to_markdown, ".csv": to_csv, ".tex": to_tex, ".html": to_html}


def write_table(table: TableData, path: str | os.PathLike) -> None:
    """Write a table in the format that the suffix of `path` names."""
    form = FORMATS.get(Path(path).suffix)
    if form is None:
        raise InputError(f"{path}: no such table format; use one of {', '.join(FORMATS)}")
    with atomic(path) as part:
        part.write_text(form(table), encoding="utf-8", newline="\n")
