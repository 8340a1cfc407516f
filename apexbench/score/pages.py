"""Blocks as text, Markdown and one HTML page; a LaTeX row for each system; everything as JSON."""

import json
import re
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from apexbench.numbers import fraction
from apexbench.score.blocks import TITLES, Block, Heading, Lines, blocks, pair_blocks
from apexbench.score.numbers import MAIN

_STYLE = """body { font: 15px/1.5 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .2em .7em; border-bottom: 1px solid #ccc; }
td + td, th + th { text-align: right; } p { margin: .2em 0; }"""
_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}  # fmt: skip


def _text(block: Block) -> str:
    if isinstance(block, Heading):
        rule = "=" if block.level == 2 else "-"
        return f"\n{block.text}\n{rule * len(block.text)}\n"
    if isinstance(block, Lines):
        return "".join(f"{line}\n" for line in block.lines)
    rows = [block.header, *block.rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(block.header))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _bars(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"\n{'#' * block.level} {block.text}\n\n"
    if isinstance(block, Lines):
        return "".join(f"- {line}\n" for line in block.lines) + "\n"
    lines = [f"| {' | '.join(map(_bars, row))} |\n" for row in (block.header, *block.rows)]
    lines.insert(1, "|:--" + "|--:" * (len(block.header) - 1) + "|\n")
    return "".join(lines) + "\n"


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>\n"
    if isinstance(block, Lines):
        return "".join(f"<p>{escape(line)}</p>\n" for line in block.lines)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in block.header)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in block.rows)
    return f"<table>\n<tr>{head}</tr>\n{rows}</table>\n"


def _all(systems: Sequence[dict], pairs: Sequence[dict]) -> Iterable[Block]:
    for system in systems:
        yield from blocks(system)
    for pair in pairs:
        yield from pair_blocks(pair)


def as_text(systems: Sequence[dict], pairs: Sequence[dict]) -> str:
    return "".join(map(_text, _all(systems, pairs))).lstrip("\n")


def as_markdown(systems: Sequence[dict], pairs: Sequence[dict]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "".join(map(_markdown, _all(systems, pairs)))).strip() + "\n"


def as_html(systems: Sequence[dict], pairs: Sequence[dict]) -> str:
    title = escape(", ".join(system["name"] for system in systems))
    body = "".join(map(_html, _all(systems, pairs)))
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}</body></html>\n'


def as_tex(systems: Sequence[dict], pairs: Sequence[dict]) -> str:
    """A row for each part: name, k/n, then the scores, under a comment that names the columns."""
    lines = [f"% system & part & k/n & {' & '.join(TITLES.values())} \\\\ (95\\,\\% interval by subject)"]
    for system in systems:
        for part, found in system["numbers"]["parts"].items():
            cells = []
            for score in MAIN:
                low, high = found["intervals"].get(score, (None, None))
                ends = "" if low is None or np.isnan(low) else f" [{fraction(low, 2)}, {fraction(high, 2)}]"
                cells.append(fraction(found["scores"][score], 4) + ends)
            names = [_tex(system["name"]), _tex(part), f"{found['k']}/{found['n']}"]
            lines.append(" & ".join([*names, *cells]) + r" \\")
    lines += [f"% {' '.join(pair['words'].splitlines())}" for pair in pairs]
    return "\n".join(lines) + "\n"


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


def _plain(value):
    """Return a value without what JSON does not have: nan becomes null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


def as_json(systems: Sequence[dict], pairs: Sequence[dict]) -> str:
    return json.dumps(_plain({"systems": list(systems), "pairs": list(pairs)}), indent=1, ensure_ascii=False) + "\n"


PAGES = {"text": as_text, "json": as_json, "md": as_markdown, "tex": as_tex, "html": as_html}
