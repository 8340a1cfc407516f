"""protocols.yaml: which clips, which labels, which folds."""

from typing import Literal

from pydantic import Field, model_validator

from apexbench.config.model import Model, Text
from apexbench.errors import nearest
from apexbench.labels import classes_in, is_multilabel


class Excluded(Model):
    """A clip that a protocol leaves out although its label has a class."""

    dataset: str
    """The data set of the clip."""
    subject: int
    """Number of its subject."""
    clip: str
    """Name of the clip; quoted, for YAML reads 032_3_1 as a number."""
    reason: str
    """Why it is left out."""


class ProtocolCard(Model):
    """protocols.yaml: which clips, which labels, which folds, and how many of each the official list has."""

    title: str
    """What tables and figures call it."""
    datasets: tuple[str, ...] = Field(min_length=1)
    """Entries of datasets.yaml whose clips are taken."""
    label_set: str
    """Name of the labels, e.g. casme2-20140508/5."""
    source: str = ""
    """Where the protocol is from, and who uses it."""
    split: Literal["loso", "k-fold", "leave-one-dataset-out"] = "loso"
    """Which clips are tested together: those of one subject (`loso`), of a part of the subjects, of one data set."""
    folds: int | None = Field(default=None, ge=2)
    """Number of parts of a `k-fold` split."""
    target: Literal["emotion", "objective", "aus"] = "emotion"
    """What the classes are made of: emotions, objective classes (I to VII), or action units (several for each clip)."""
    classes: dict[str, tuple[Text, ...]]
    """{class: its labels}; clips with other labels are left out."""
    classes_of: dict[str, dict[str, tuple[Text, ...]]] = {}
    """{data set: {class: its labels}} where the map of one data set differs."""
    exclude: tuple[Excluded, ...] = ()
    """Clips that are left out although their label has a class."""
    slices: dict[str, tuple[str, ...]] = {}
    """{name: data sets} of parts of the predictions that are scored for themselves."""
    average: Literal["pooled", "datasets"] = "pooled"
    """`pooled`: all predictions are scored once; `datasets`: the mean of the scores of each data set."""
    expected_clips: int | None = None
    """Clips of the official list."""
    expected_classes: tuple[int, ...] | None = None
    """Clips of each class of the official list, in the order of the classes."""
    expected_subjects: dict[str, dict[int, int | tuple[int, ...]]] = {}
    """{data set: {subject: clips, or clips of each class}} of the official list."""
    stands_for: str = ""
    """Another protocol whose clips these are, given in another form. Where a study has real clips for this one alone,
    printed tables take its scores; a slice stands for the one that is called alike, but for the protocol's name."""
    note: str = ""
    """What else is to be known."""

    @property
    def multilabel(self) -> bool:
        """Whether a clip may have several classes, or none; what a rule runs asks `labels` itself."""
        return is_multilabel(self)

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
            values = [value.lower() for several in classes_in(self, dataset).values() for value in several]
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
