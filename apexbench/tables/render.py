"""A table as Markdown, CSV, LaTeX and HTML. All but CSV share one grid of cells."""

import os
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from apexbench.errors import InputError
from apexbench.numbers import DASH
from apexbench.store.writing import atomic
from apexbench.tables.layout import Cell, Part, decimals, grid
from apexbench.tables.table import TableData

_FORMULA = re.compile(r"[=+@\t\r-](?=.)(?![\d.]+$)", re.DOTALL)  # but no number
_NUMBER = re.compile(r"[+-]?\d*\.\d+")
_INTERVAL, _KEPT = re.compile(r"(?<=\d,) (?=[\d.+-]+\]$)"), "&nbsp;"  # an interval is not broken over lines
_FIGURE_SPACE = "\N{FIGURE SPACE}"
_APART = "\N{NARROW NO-BREAK SPACE}"  # or the mark of a footnote reads as one more digit
EVERY = "On every number"


def escape_markdown(text: str) -> str:
    """Escape what GitHub would read as markup.

    >>> escape_markdown("alpha_k | <b>")
    'alpha\\\\_k \\\\| &lt;b>'
    """
    return re.sub(r"([\\`*_|$]|](?=[(\[]))", r"\\\1", " ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")


def markdown_cell(item: Cell, joint: str = " ") -> str:
    """Return a cell as GitHub Markdown; `joint` stands between its text and its small addition."""
    marks = f"{_APART}<sup>{','.join(map(str, item.notes))}</sup>" if item.notes else ""
    small = f"{joint}<sub>{_INTERVAL.sub(_KEPT, escape_markdown(item.small))}</sub>" if item.small else ""
    leaky = f"<br><sub>{escape_markdown(item.leaky)}</sub>" if item.leaky else ""
    text = f"&emsp;<sub>{escape_markdown(item.text)}</sub>" if item.indent else escape_markdown(item.text)
    text = f"**{text}**" if item.strong else text
    return text + marks + small + leaky


def markdown_part(part: Part) -> list[str]:
    """Return the lines of a part's table: words left, numbers right."""
    head = "| " + " | ".join(markdown_cell(item, "<br>") for item in part.header) + " |"
    rule = "|" + "|".join(":--" if text else "--:" for text in part.texts()) + "|"
    return [head, rule, *("| " + " | ".join(map(markdown_cell, row)) + " |" for row in part.rows)]


def to_markdown(table: TableData) -> str:
    """Return a page in GitHub Markdown: what it shows, the table, how to read it, footnotes, what it lacks."""
    laid = grid(table)
    first, *rest = map(escape_markdown, table.caption.split("\n"))
    text = [f"# {escape_markdown(table.title)}", ""]
    text += [f"> **{escape_markdown(table.warning)}**", ""] if table.warning else []
    text += [first, ""] if first else []
    for part in laid.parts:
        text += [f"## {escape_markdown(part.title)}", ""] if part.title else []
        text += [*markdown_part(part), ""]
    text += [line for paragraph in rest for line in (paragraph, "")]
    if laid.notes or laid.every:
        text += ["## Footnotes", ""]
        text += [f"{EVERY}: {escape_markdown('; '.join(laid.every))}.", ""] if laid.every else []
        text += [f"{number}. {escape_markdown(note)}" for number, note in enumerate(laid.notes, 1)]
        text += [""] * bool(laid.notes)
    if table.compare:
        text += ["## To compare with the printed numbers", "", *(f"- {line}" for line in table.compare), ""]
    return "\n".join(text).rstrip("\n") + "\n"


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


def _missing(item: Cell, digits: int) -> int:
    """Return how many decimals a number has fewer than the others of its column: it is moved left by as much."""
    return max(digits - decimals(item.text), 0) if _NUMBER.fullmatch(item.text) else 0


def to_tex(table: TableData) -> str:
    """Return a `table` environment; it needs the package booktabs."""
    laid = grid(table)

    def cell(item: Cell, joint: str, digits: int = 0) -> str:
        marks = f"\\rlap{{$^{{{','.join(map(str, item.notes))}}}$}}" if item.notes else ""
        marks = f"\\phantom{{{'0' * missing}}}{marks}" if (missing := _missing(item, digits)) else marks
        small = f"{joint}{{\\scriptsize {escape_tex(item.small)}}}" if item.small else ""
        leaky = f"\\\\{{\\scriptsize {escape_tex(item.leaky)}}}" if item.leaky else ""
        text = escape_tex(item.text) + marks + small + leaky
        text = f"\\shortstack{{{text}}}" if "\\\\" in text else text
        return f"\\quad {text}" if item.indent else text

    def line(items: list[Cell], joint: str, digits: Sequence[int] = ()) -> str:
        cells = [cell(item, joint, most) for item, most in zip_longest(items, digits, fillvalue=0)]
        return " & ".join(cells) + r" \\"

    def tabular(part: Part) -> str:
        head = [
            f"\\begin{{tabular}}{{{''.join('l' if text else 'r' for text in part.texts())}}}",
            r"\toprule",
            line(part.header, r"\\"),
            r"\midrule",
        ]
        rows = [line(row, " ", part.decimals()) for row in part.rows]
        title = [f"\\textbf{{{escape_tex(part.title)}}}\\par"] * bool(part.title)
        return "\n".join([*title, *head, *rows, r"\bottomrule", r"\end{tabular}"])

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
.real { background: #e8f3ec; border-left: 4px solid #009e73; padding: .5rem .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .9rem; text-align: right; position: relative; vertical-align: top; white-space: nowrap; }
th { border-bottom: 2px solid #1c2733; vertical-align: bottom; }
td { border-top: 1px solid #e3e8ee; }
th.words, td.words { text-align: left; }
h2 { font-size: 1.05rem; margin: 1.4rem 0 0; }
tr.below td { border-top: 0; padding-top: 0; font-size: .92em; }
tr.below td:first-child { padding-left: 2rem; }
tbody tr:hover { background: #f5f8fb; }
small { display: block; color: #5b6b7b; font-weight: 400; }
td:not(.words) sup { position: absolute; margin-left: .2em; }
sup { line-height: 0; font-size: .7em; color: #5b6b7b; }
.leaks, small.leaks { color: #a8480a; }
.ours { color: #00527f; }
td.quiet { color: #5b6b7b; font-size: .85em; }
.caption, .notes, details { color: #44525f; font-size: .88rem; max-width: 60rem; }
td.wide { white-space: normal; min-width: 16rem; }
</style></head><body>
<h1>{{ table.title }}</h1>
{% if table.warning %}<p class="{{ "warning" if table.synthetic else "real" }}">{{ table.warning }}</p>{% endif %}
{% macro show(item, most=0) %}{{ item.text }}{{ pad(item, most) }}{% if item.notes %}
{{- "" }}<sup>{{ item.notes | join(",") }}</sup>{% endif %}
{%- if item.small %}<small>{{ item.small }}</small>{% endif %}
{%- if item.leaky %}<small class="leaks">{{ item.leaky }}</small>{% endif %}{% endmacro %}
{% macro tone(item, words) %} class="{{ "words " if words }}{{ item.tone }}
{{- " wide" if item.text | length > 50 }}"{% endmacro %}
{% for part in grid.parts %}{% set words = part.texts() %}{% set most = part.decimals() %}
{% if part.title %}<h2>{{ part.title }}</h2>{% endif %}
<div class="scroll"><table>
<thead><tr>{% for item in part.header %}<th{{ tone(item, words[loop.index0]) }}>{{ show(item) }}</th>
{%- endfor %}</tr></thead>
<tbody>
{% for row in part.rows %}<tr{% if row[0].indent %} class="below"{% endif %}>
{%- for item in row %}<td{{ tone(item, words[loop.index0]) }}>{{ show(item, most[loop.index0]) }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
{% for text in table.caption.split("\n") %}<p class="caption">{{ text }}</p>
{% endfor %}{% if grid.every %}<p class="notes">{{ every }}: {{ grid.every | join("; ") }}.</p>{% endif %}
{% if grid.notes %}<ol class="notes">{% for note in grid.notes %}<li>{{ note }}</li>{% endfor %}</ol>{% endif %}
{% if table.compare %}<h2>To compare with the printed numbers</h2>
<ul class="notes">{% for line in table.compare %}<li>{{ line | replace("`", "") }}</li>{% endfor %}</ul>{% endif %}
{% for heading, lines in table.details.items() %}<details><summary>{{ heading }}</summary>
<ul>{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul></details>
{% endfor %}
</body></html>
"""


def _pad(item: Cell, digits: int) -> str:
    return _FIGURE_SPACE * _missing(item, digits)


def to_html(table: TableData) -> str:
    """Return a page that needs no other file."""
    import jinja2

    template = jinja2.Environment(autoescape=True).from_string(_HTML)
    return template.render(table=table, grid=grid(table), every=EVERY, pad=_pad) + "\n"


FORMATS = {".md": to_markdown, ".csv": to_csv, ".tex": to_tex, ".html": to_html}


def write_table(table: TableData, path: str | os.PathLike) -> None:
    """Write a table in the format that the suffix of `path` names."""
    form = FORMATS.get(Path(path).suffix)
    if form is None:
        raise InputError(f"{path}: no such table format; use one of {', '.join(FORMATS)}")
    with atomic(path) as part:
        part.write_text(form(table), encoding="utf-8", newline="\n")
