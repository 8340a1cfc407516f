"""Tasks of pre-training: one module for each, found by its file name, `my-task` in `my_task.py`.

A task is a deep method whose trained model gives a state dict: the same loop, with or without labels. Which clips it
sees, a recipe of config/recipes.yaml says (docs/add-a-method.md, Weights).
"""

from typing import ClassVar

from apexbench.methods.deep import Deep
from apexbench.registry import class_named, module_names


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
    return module_names(__path__)


def find_task(name: str) -> type[Task]:
    """Return the class of a task; InputError with the nearest name if there is none."""
    return class_named(name, task_names(), __name__, Task, "task")
