"""What the rows of tables are called."""

from collections.abc import Mapping

from apexbench.config.methods import MethodCard


def row_titles(methods: Mapping[str, MethodCard]) -> dict[str, str]:
    """Return {run: title}; runs that share a title are told apart by their name."""
    titles = [card.title for card in methods.values()]
    return {run: c.title if titles.count(c.title) == 1 else f"{c.title} ({run})" for run, c in methods.items()}
