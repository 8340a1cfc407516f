"""Reporting checklists of a study, filled from its records; what these do not hold stays open, for the author."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes
    ----------
    number, title : as the checklist counts it, and what it asks for in our words.
    facts : methods of `apexbench.checklists.records.Records`, whose lines answer it as far as records go.
    open : what the author has to say; "" if the facts are all that is asked.
    """

    number: str
    title: str
    facts: tuple[str, ...] = ()
    open: str = ""
