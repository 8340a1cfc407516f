# The study, checked before anything runs, and what all rules share.
import inspect
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from apexbench.alone import TARGETS, alone, asked_alone
from apexbench.config.studies import merged
from apexbench.errors import InputError
from apexbench.instructions import environment
from apexbench.jobs import Quiet
from apexbench.manifest import files_state
from apexbench.snakemake_cli import targets
from apexbench.store.unfinished import clear_unfinished
from apexbench.study import Study
from apexbench.study.chapters import CHAPTERS

ROOT = Path(workflow.basedir)
# Scripts import apexbench from here, in whatever environment a job runs (--sdm conda makes one without it).
os.environ.update(PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.getenv("PYTHONPATH")])]))


def settings_of(given):
    """What files and command line set, with where each value came from: Snakemake's own merge does not tell."""
    files = list(map(str, given.configfiles))
    base = [] if given.replace_workflow_config else [f for f in workflow.configfiles if str(f) not in files]
    return merged(base, files, given.config)


try:
    SET, ORIGIN = settings_of(workflow.config_settings)
    # `snakemake tables/<table>`: the study is then that table's. Jobs elsewhere are told by --config.
    if workflow.is_main_process and any(word.startswith(TARGETS) for word in sys.argv[1:]):
        if ALONE := asked_alone(targets(sys.argv[1:])):
            SET["only"] = ALONE
            workflow.config_settings.config_args = [*(workflow.config_settings.config_args or ()), f"only={ALONE}"]
    STUDY = Study(alone(SET, SET["only"], ROOT, ORIGIN) if SET.get("only") else SET, ROOT, ORIGIN)
    if workflow.is_main_process:
        STUDY.check_weight_files()
        print(*STUDY.sources(), *STUDY.unused_maps(), *STUDY.left_out(), sep="\n", file=sys.stderr)
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

    return signed(answer)


def labelled(name, what=""):
    """Ask the study for a title, and say what is shown of it: a row of the report's lists, with one label.

    Of two labels the page makes a switch where half of the rows have one value and half another, and fails where a title
    has only one of them.
    """
    answer = ask(name)

    def labels(wildcards):
        return {"result": ": ".join(filter(None, [answer(wildcards), what]))}

    return signed(labels)


def signed(function):
    """Find a function's signature once: Snakemake asks for it at every call, a tenth of the time of a large DAG."""
    function.__signature__ = inspect.signature(function)
    return function


def own(name):
    """Ask the study for inputs: what the user has put there is read where it lies, also if results go to a storage."""
    answer = ask(name)

    def kept(wildcards):
        return renamed(answer(wildcards), lambda path: path if path.startswith("results/") else theirs(path))

    return signed(kept)


def theirs(path):
    """An input of the user's own. A folder's time tells nothing of what lies deep in it: see `noticed`."""
    return ancient(local(path)) if os.path.isdir(path) else local(path)


def noticed(name):
    """Ask the study what a licensed copy looks like: it is compared and recorded where jobs are chosen, not in jobs."""
    return ask(name) if workflow.is_main_process else signed(lambda wildcards: "")


def noticed_files(*names):
    """Ask the study for inputs, and say what files among them look like that are the user's own, as `noticed` does."""
    answers = [ask(name) for name in names]
    if not workflow.is_main_process:
        return signed(lambda wildcards: "")
    return signed(lambda wildcards: files_state([answer(wildcards) for answer in answers]))


def here(name):
    """Ask the study for a parameter that names inputs: results in a storage are read from the copies of them here."""
    answer = ask(name)

    def located(wildcards, input):
        folder, asked = f"results{os.sep}", answer(wildcards)
        copies = {path[path.rindex(folder) :]: path for path in input if folder in path and not path.startswith(folder)}
        found = renamed(asked, lambda path: copies.get(path, path)) if copies else asked
        return Quiet(found) if isinstance(found, dict) else found

    return signed(located)


def renamed(paths, rename):
    """Return paths, in whatever lists and dictionaries they stand, by their new names."""
    if isinstance(paths, dict):
        return {key: renamed(value, rename) for key, value in paths.items()}
    if isinstance(paths, (list, tuple)):
        return [renamed(value, rename) for value in paths]
    return rename(paths) if isinstance(paths, str) else paths
