"""Tasks of pre-training: one module for each, found by its file name, `my-task` in `my_task.py`.

A task is a deep method whose trained model gives a state dict: the same loop, with or without labels. Which clips it
sees, a recipe of config/recipes.yaml says (docs/add-a-method.md, Weights).
"""

import pkgutil
from typing import ClassVar

from apexbench.errors import InputError, nearest
from apexbench.methods import class_of
from apexbench.methods.deep import Deep


class Task(Deep):
    """A deep method that is trained for its weights.

    Attributes
    ----------
    labelled : learns from labels: the protocol's with scope fold, the emotions of the index with scope all. Else the
        targets of its loss are zeros, and what it is to reproduce comes from the model's output.
    """

    labelled: ClassVar[bool] = False

    def state(self, model) -> dict:
        """Return the tensors by name that a method begins with; the whole model's by default."""
        return model.state_dict()


def task_names() -> list[str]:
    """Return the names of all tasks, without importing them."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def find_task(name: str) -> type[Task]:
    """Return the class of a task; InputError with the nearest name if there is none."""
    if name not in task_names():
        raise InputError(f"unknown task {name!r}; {nearest(name, task_names())}")
    return class_of(f"{__name__}.{name.replace('-', '_')}", Task)
