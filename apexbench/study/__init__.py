"""A study: everything that the rules ask, decided from the configuration alone, before any clip is read.

Snakemake is not known here. A rule's function has the name of a method of `Study`, whose arguments are the wildcards
that it needs (see `ask` in rules/common.smk). Paths are relative to the working directory. Each layer stands on the one
below, in a module of its own: the checked configuration (`checked`), `inputs`, pre-trainings (`pretraining`), `runs`,
`scores`, `tables`, `figures`, READMEs (`readme`).
"""

from apexbench.study.readme import Readme


class Study(Readme):
    """What a configuration asks for, of every layer."""
