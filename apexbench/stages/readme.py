"""Tables -> the blocks of the README."""

from collections.abc import Sequence
from pathlib import Path

from apexbench.tables.readme import rewrite


def rewrite_readme(*, readme: str, tables: Sequence[str]) -> None:
    """Put Markdown tables between their markers in the README."""
    rewrite(readme, {Path(path).stem: Path(path).read_text() for path in tables})
