# The study, checked before anything runs, and what all rules share.
import inspect
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from apexbench.errors import InputError
from apexbench.instructions import environment
from apexbench.study import Study

ROOT = Path(workflow.basedir)
# Scripts import apexbench from here, in whatever environment a job runs (--sdm conda makes one without it).
os.environ.update(PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.getenv("PYTHONPATH")])]))

try:
    STUDY = Study(config, ROOT)
    if workflow.is_main_process:
        STUDY.check_weight_files()
        print(*STUDY.sources(), sep="\n", file=sys.stderr)
except InputError as error:
    raise WorkflowError(str(error)) from None

SETTINGS = STUDY.settings
# What chooses instructions reads its environment once, at import: so it is set here, for every job's process.
os.environ.update(environment(SETTINGS.instructions))
CONDA = "../envs/apexbench.yaml"


def any_of(names):
    """A pattern of some names, longest first, as some begin with others; of none, one that matches nothing."""
    return "|".join(sorted(names, key=len, reverse=True)) or "(?!)"


wildcard_constraints:
    study="[A-Za-z0-9_-]+",
    dataset=any_of(STUDY.project.datasets),
    protocol=any_of(STUDY.project.protocols),
    part=r"\d+-\d+",
    key="[0-9a-f]{12}",
    seed=r"\d+",
    folds=r"\d+-\d+",


def ask(name):
    """Ask the study: a rule's function, which hands the wildcards on that the study's method of this name takes."""
    method = getattr(STUDY, name)
    wanted = list(inspect.signature(method).parameters)

    def answer(wildcards):
        try:
            return method(*[wildcards[wildcard] for wildcard in wanted])
        except InputError as error:
            raise WorkflowError(str(error)) from None

    return answer
