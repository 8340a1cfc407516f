"""protocols.yaml: which clips, which labels, which folds."""

from typing import Literal

from pydantic import Field, model_validator

from apexbench.config.model import Model, Text
from apexbench.errors import nearest


class Excluded(Model):
    """A clip that a protocol leaves out although its label has a class."""

    dataset: str
    subject: int
    clip: str  # quoted in YAML, which reads 032_3_1 as a number
    reason: str


class ProtocolCard(Model):
    """protocols.yaml: which clips, which labels, which folds, and how many of each the official list has."""

    title: str
    datasets: tuple[str, ...] = Field(min_length=1)
    label_set: str
    source: str = ""
    split: Literal["loso", "k-fold", "leave-one-dataset-out"] = "loso"
    folds: int | None = Field(default=None, ge=2)
    target: Literal["emotion", "objective", "aus"] = "emotion"
    classes: dict[str, tuple[Text, ...]]
    classes_of: dict[str, dict[str, tuple[Text, ...]]] = {}
    exclude: tuple[Excluded, ...] = ()
    slices: dict[str, tuple[str, ...]] = {}
    average: Literal["pooled", "datasets"] = "pooled"
    expected_clips: int | None = None
    expected_classes: tuple[int, ...] | None = None
    expected_subjects: dict[str, dict[int, int | tuple[int, ...]]] = {}
    note: str = ""

    @property
    def multilabel(self) -> bool:
        """Whether a clip may have several classes, or none."""
        return self.target == "aus"

    def classes_in(self, dataset: str) -> dict[str, tuple[str, ...]]:
        """Return {class: values of the index's column} for the clips of one data set."""
        return {**self.classes, **self.classes_of.get(dataset, {})}

    @model_validator(mode="after")
    def _in_step(self):
        if len(self.classes) < 2:
            raise ValueError(f"field 'classes': two classes at least, found {len(self.classes)}")
        if (self.split == "k-fold") != (self.folds is not None):
            raise ValueError("field 'folds': goes with split: k-fold, and only with it")
        if self.split == "leave-one-dataset-out" and len(self.datasets) < 2:
            raise ValueError("field 'datasets': split leave-one-dataset-out needs two data sets at least")
        places = {"classes_of": self.classes_of, "expected_subjects": self.expected_subjects}
        named = [(f"{field}.{dataset}", dataset) for field, part in places.items() for dataset in part]
        named += [(f"slices.{name}", dataset) for name, part in self.slices.items() for dataset in part]
        named += [(f"exclude.{number}", item.dataset) for number, item in enumerate(self.exclude)]
        for field, dataset in named:
            if dataset not in self.datasets:
                raise ValueError(f"field {field!r}: {dataset!r} is not one of the protocol's data sets")
        for dataset in self.datasets:
            for name in self.classes_of.get(dataset, {}):
                if name not in self.classes:
                    raise ValueError(f"field 'classes_of.{dataset}': {nearest(name, self.classes)}")
            values = [value.lower() for several in self.classes_in(dataset).values() for value in several]
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ValueError(f"field 'classes': {self.target} {twice[0]!r} belongs to two classes")
        counts = [("expected_classes", self.expected_classes)] if self.expected_classes is not None else []
        for dataset, subjects in self.expected_subjects.items():
            counts += [(f"expected_subjects.{dataset}.{subject}", count) for subject, count in subjects.items()]
        for field, count in counts:
            if not isinstance(count, int) and len(count) != len(self.classes):
                raise ValueError(f"field {field!r}: {len(count)} counts for {len(self.classes)} classes")
        return self
