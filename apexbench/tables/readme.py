"""README blocks: the text between `<!-- table:NAME -->` and `<!-- /table:NAME -->`, each alone on its line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from apexbench.errors import InputError
from apexbench.store.writing import atomic

_MARK = re.compile(r"\s*<!--\s*(/?)table:([\w.-]+)\s*-->\s*")


def _rewritten(path: Path, text: str, blocks: Mapping[str, str]) -> str:
    lines, found, current, opened, fenced = [], [], None, 0, False
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        fenced ^= line.lstrip().startswith("```")
        match = None if fenced else _MARK.fullmatch(line)
        if match is None:
            if current not in blocks:
                lines.append(line)
            continue
        closing, name = bool(match[1]), match[2]
        if closing != (current is not None) or (closing and name != current) or (not closing and name in found):
            raise InputError(
                f"{path}, line {number}: unbalanced marker {line.strip()!r}; each table needs <!-- table:NAME --> and "
                f"<!-- /table:NAME --> once, in this order, not one within the other"
            )
        if closing:
            current = None
        else:
            current, opened = name, number
            found.append(name)
        lines.append(line)
        if not closing and name in blocks:
            newline = "\r\n" if line.endswith("\r\n") else "\n"
            lines.append(newline.join([*blocks[name].strip().splitlines(), ""]))
    if current is not None:
        raise InputError(
            f"{path}, line {opened}: <!-- table:{current} --> is never closed; add <!-- /table:{current} -->"
        )
    for name in blocks:
        if name not in found:
            raise InputError(
                f"{path}: no place for table {name!r}; add the lines <!-- table:{name} --> and <!-- /table:{name} -->, "
                f"or set readme: false in config/tables/{name}.yaml"
            )
    return "".join(lines)


def _both(readme_path: str | os.PathLike, blocks: Mapping[str, str]) -> tuple[str, str]:
    path = Path(readme_path)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    return text, _rewritten(path, text, blocks)


def differs(readme_path: str | os.PathLike, blocks: Mapping[str, str]) -> bool:
    """Tell whether `rewrite` would change the file."""
    old, new = _both(readme_path, blocks)
    return old != new


def rewrite(readme_path: str | os.PathLike, blocks: Mapping[str, str]) -> bool:
    """Put each block between its markers; tell whether the file changed. Other blocks and all other text stay."""
    old, new = _both(readme_path, blocks)
    if old != new:
        with atomic(readme_path) as part:
            part.write_bytes(new.encode())
    return old != new
