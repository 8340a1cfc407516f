"""Typed, validated view of every YAML file.

A wrong key, type or name is an InputError that names the file and the field. What stands in one file only is checked
here; `project` checks the files against each other. Nothing heavy is imported: Snakemake parses this at every start.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from apexbench.errors import InputError, nearest

Budget = Literal["paper", "quick"]
Source = Literal["auto", "licensed", "synthetic"]
Instructions = Literal["avx2", "native"]
Apex = Literal["sheet", "midpoint", "spotted", "drop"]
Score = Literal[
    "acc", "uf1", "uar", "weighted_f1", "macro_precision", "hm_f1", "f1_present", "mean_fold_acc",
    "mean_fold_f1_present", "mean_fold_f1_absent_zero", "mean_fold_f1_absent_one", "mean_fold_uar_present",
    "mean_fold_f1_to_highest", "mean_fold_uar_to_highest", "cumulative_acc", "au_f1", "au_macro_f1",
]  # fmt: skip
Rule = Literal[
    "last", "inner", "global-oracle", "fold-oracle", "fold-oracle-late", "fold-oracle-stop", "fold-oracle-uf1",
    "fold-oracle-uf1-late", "fold-oracle-present", "fold-oracle-absent-one", "fold-oracle-to-highest",
]  # fmt: skip


# libyaml's parser, a tenth of the time, where PyYAML was built with it
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _unquoted(value: Any) -> Any:
    """YAML reads the method's name null as nothing unless it is quoted; nothing else can be meant."""
    return "null" if value is None else value


MethodName = Annotated[str, BeforeValidator(_unquoted)]
Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]  # 96 and "96"


class Model(BaseModel):
    """Base of all cards: unknown keys are refused, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(Model):
    """config.yaml: what this study runs."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    study_seed: int = 0
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    budget: Budget = "quick"
    data: str = "data"
    source: Source | dict[str, Source] = "auto"
    scale: Literal["mini", "full"] = "mini"
    strict: bool = False
    inner_folds: int = Field(default=0, ge=0)
    missing_face: Literal["fail", "skip"] = "fail"
    folds_per_job: int | Literal["all"] = "all"
    instructions: Instructions = "avx2"
    leave_out: dict[str, tuple[MethodName, ...]] = {}
    protocols: tuple[str, ...] = Field(min_length=1)
    methods: tuple[MethodName, ...] = Field(min_length=1)
    tables: tuple[str, ...]

    @field_validator("folds_per_job")
    @classmethod
    def _positive(cls, value):
        if value != "all" and value < 1:
            raise ValueError("a whole number from 1 up, or 'all'")
        return value

    @field_validator("inner_folds")
    @classmethod
    def _two_at_least(cls, value):
        if value == 1:
            raise ValueError("0 (off), or 2 and more parts of the training subjects")
        return value

    @field_validator("seeds", "protocols", "methods", "tables")
    @classmethod
    def _once(cls, values):
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return values


class FaceCard(Model):
    """How the faces of a data set are found and cropped: one detection per clip, on the onset frame."""

    detector: Literal["mesh", "haar", "provided"] = "mesh"
    fallback: Literal["haar", "none"] = "haar"
    size: int = Field(default=192, ge=32, le=1024)


class DatasetCard(Model):
    """datasets.yaml: one release, or one reading of it."""

    title: str
    loader: str = ""
    folder: str = ""
    label_set: str
    fps: float = Field(gt=0)
    apex: Apex = "sheet"
    sheet: str = ""
    frames: str = ""
    part: str = ""
    unusable: Literal["fail", "skip"] = "fail"
    subjects: tuple[int, ...] | str
    expected_clips: int | None = None
    expected_subjects: int | None = None
    expected_emotions: dict[str, int] = {}
    note: str = ""
    faces: FaceCard = FaceCard()


class Repair(Model):
    """repairs.yaml: one correction of an annotation, applied only where the old value is found."""

    dataset: str
    subject: int | None = None
    clip: str  # quoted in YAML, which reads 032_3_1 as a number
    field: Literal["onset", "apex", "offset", "aus", "emotion", "objective", "clip"]
    old: Text
    new: Text
    reason: str
    source: str
    enabled: bool = True
    onset_from: int | None = None
    onset_to: int | None = None


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


class MagnificationRecipe(Model):
    """recipes.yaml, magnification: arm, factor (added amplification) and the arm's options."""

    arm: Literal["none", "evm"]
    factor: float = Field(default=0.0, ge=0)
    options: dict[str, Any] = {}


class FlowRecipe(Model):
    """recipes.yaml, flow: onset -> apex flow and strain of magnified crops, first resized to `size` px if given."""

    magnification: str = "none"
    algorithm: Literal["tvl1", "farneback"] = "tvl1"
    size: int | None = Field(default=None, ge=16, le=1024)
    strain: Literal["sobel", "forward", "central"] = "sobel"
    options: dict[str, Any] = {}


class Jitter(Model):
    """How far training frames may lie from the key frames, as parts of a quarter of the rise (onset to apex).

    The onset moves later and the apex earlier; `past_apex` is a part of a quarter of the fall (apex to offset).
    """

    onset: float = Field(default=0.0, ge=0, le=1)
    apex: float = Field(default=0.0, ge=0, le=1)
    past_apex: float = Field(default=0.0, ge=0, le=1)


class PackRecipe(Model):
    """recipes.yaml, packs: what a method reads; either a flow recipe's maps or a magnification recipe's frames."""

    flow: str | None = None
    frames: str | None = None
    size: int = Field(ge=8, le=1024)
    jitter: Jitter | None = None

    @model_validator(mode="after")
    def _one_source(self):
        if (self.flow is None) == (self.frames is None):
            raise ValueError("give either 'flow' or 'frames', naming one recipe")
        if self.jitter and self.flow:
            raise ValueError("field 'jitter': goes with 'frames', and only with it")
        return self


class FeatureRecipe(Model):
    """recipes.yaml, features: a pack of frames through a network up to a named layer."""

    pack: str
    network: str = "resnet18"
    layer: str = "layer3"
    weights: str = "random"
    seed: int = 0


class Recipes(Model):
    """recipes.yaml."""

    magnification: dict[str, MagnificationRecipe]
    flow: dict[str, FlowRecipe]
    packs: dict[str, PackRecipe]
    features: dict[str, FeatureRecipe] = {}


def _merged(theirs: Any, own: Any, deep: bool) -> Any:
    """Their keys and one's own, of values that are mappings too if `deep`; what is no mapping is left to be refused."""
    theirs, own = (value if value is not None else {} for value in (theirs, own))
    if not isinstance(theirs, Mapping) or not isinstance(own, Mapping):
        return own if not isinstance(own, Mapping) else theirs
    both = {**theirs, **own}
    return {key: _merged(theirs.get(key), own.get(key), deep=False) for key in both} if deep else both


class MethodCard(Model):
    """methods/<run>.yaml: a method with its hyper-parameters; budgets override only size and length.

    With `log` in place of `method` the run is not trained here: its predictions are read from a log in the submission
    format of MEGC2019, wherever they come from. `protocols` names those that the run is for; none: all. With
    `leaderboard: false` it stands only in tables that name it. `sweep` makes one run of each value of one
    hyper-parameter (`mixing_options.patches` is a key inside one); they are named <card>-<value>, and `{value}` in
    the title is the value, which outdoes a budget's. Under a budget, `inputs` names packs of another size. `like` names
    a card whose method, inputs, hyper-parameters and budgets hold where this one says nothing else.
    """

    like: str = ""
    method: MethodName = ""
    log: str = ""
    title: str
    year: int | None = None
    source: str = ""
    note: str = ""
    protocols: tuple[str, ...] = ()
    leaderboard: bool = True
    inputs: dict[str, str] = {}
    params: dict[str, Any] = {}
    sweep: dict[str, tuple[bool | int | float | str, ...]] = Field(default={}, max_length=1)
    certainty: dict[str, str] = {}
    budgets: dict[Budget, dict[str, Any]] = {}

    @staticmethod
    def inherit(card: Mapping, other: Mapping) -> dict:
        """Return the keys of `card`, and of `other`, the card that it is like, what `card` leaves open."""
        both = {"method": other.get("method"), **card}
        for field in ("inputs", "params", "certainty", "budgets"):
            both[field] = _merged(other.get(field), card.get(field), deep=field == "budgets")
        return both

    @model_validator(mode="after")
    def _either(self):
        if bool(self.method) == bool(self.log):
            raise ValueError("give either 'method', a method of apexbench/methods, or 'log', a file of predictions")
        if self.log and self.sweep:
            raise ValueError("field 'sweep': goes with 'method', and only with it: a log has no hyper-parameters")
        for budget, values in self.budgets.items():
            inputs = values.get("inputs", {})
            if not isinstance(inputs, dict) or not all(isinstance(recipe, str) for recipe in inputs.values()):
                raise ValueError(f"field 'budgets.{budget}.inputs': expected {{role: recipe}}, found {inputs!r}")
        for parameter, values in self.sweep.items():
            field, (key, _, inner) = f"field 'sweep.{parameter}'", parameter.partition(".")
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{field}: one value at least, and each once")
            for value in values:
                if not re.fullmatch(r"[\w.+-]+", str(value)):
                    raise ValueError(f"{field}: {value!r} names a run, which has letters, digits and _ . + - only")
            for params in (self.params, *self.budgets.values()):
                if inner and not isinstance(params.get(key, {}), dict):
                    raise ValueError(f"{field}: {key!r} is {params[key]!r}, which has no keys")
        return self

    def values(self, budget: Budget) -> dict[str, Any]:
        """Return the hyper-parameters under a budget."""
        return {**self.params, **{k: v for k, v in self.budgets.get(budget, {}).items() if k != "inputs"}}

    def runs(self, name: str, budget: Budget) -> dict[str, "MethodCard"]:
        """Return {run: its card} of the card named `name`: as under the budget, a sweep's values set."""
        params = self.values(budget)
        inputs = {**self.inputs, **self.budgets.get(budget, {}).get("inputs", {})}
        card = self.model_copy(update={"inputs": inputs, "params": params, "budgets": {}})
        runs = {}
        for parameter, values in self.sweep.items():
            key, _, inner = parameter.partition(".")
            for value in values:
                set_to = {**params.get(key, {}), inner: value} if inner else value
                update = {"params": {**params, key: set_to}, "sweep": {}}
                update["title"] = card.title.replace("{value}", str(value))
                runs[f"{name}-{value}"] = card.model_copy(update=update)
        return runs or {name: card}


class ColumnCard(Model):
    """One column of a published table: what is printed there, and which of our scores stands beside it.

    `beside` names our protocol or slice where the printed name means another one to us.
    """

    protocol: str
    metric: str
    beside: str = ""
    ours: Score | None = None
    rule: Rule = "fold-oracle"
    score: Score | None = None
    title: str = ""


class AlsoCard(Model):
    """A row of ours below the printed ones of a published table, and what a footnote says of it."""

    run: MethodName
    note: str


class TableCard(Model):
    """tables/<table>.yaml: a README table as data.

    `ours` names the run beside a printed row, `also` adds rows of ours below. `curve`, the name of an axis, draws the
    rows, named `<anything>=<number>`, as a figure over that number.
    """

    kind: Literal["leaderboard", "published", "runtime", "data", "comparisons"]
    title: str
    caption: str = ""
    readme: bool = True
    metrics: dict[str, Score] = {}
    protocol: str | None = None
    published: str | None = None
    table: str | None = None
    columns: tuple[ColumnCard, ...] = ()
    ours: dict[str, MethodName] = {}
    also: dict[str, AlsoCard] = {}
    curve: str = ""


def _path(value: Any, location: tuple, missing: bool) -> list:
    """The part of a pydantic location that stands in the file: without the names of the alternatives it tried."""
    path = []
    for place, part in enumerate(location, 1):
        listed = isinstance(value, list | tuple) and isinstance(part, int)
        if listed or (isinstance(value, Mapping) and part in value):
            value = value[part]
        elif not (missing and place == len(location)):
            continue
        path.append(part)
    return path


def _keys(model: Any, path: list) -> list[str]:
    """The keys that the card inside `model` at `path` knows; none where anything goes."""
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[part].annotation
        else:
            model = (get_args(model) or (None,))[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _complaint(error: ValidationError, file: Path, model: type[BaseModel], value: Any) -> InputError:
    lines: dict[str, list[str]] = {}  # alternatives of one field make one line
    found = {}
    for item in error.errors():
        path = _path(value, item["loc"], item["type"] == "missing")
        field = f"field {'.'.join(map(str, path))!r}: " if path else ""
        if item["type"] == "extra_forbidden":
            text = f"unknown key; {nearest(str(path[-1]), _keys(model, path[:-1]))}"
        elif item["type"] == "missing":
            text = "missing"
        else:
            text = item["msg"].removeprefix("Value error, ")
            if path:
                found[field] = f"; found {item['input']!r}"
        lines.setdefault(field, []).append(text)
    return InputError(
        "\n".join(f"{file}: {field}{', or: '.join(texts)}{found.get(field, '')}" for field, texts in lines.items())
    )


def validate(model: type[Model], value: Any, file: Path) -> Any:
    """Return `value` as `model`, or raise an InputError with a line for each wrong field of `file`."""
    if not isinstance(value, Mapping):
        raise InputError(f"{file}: expected keys and values, found {type(value).__name__}")
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        raise _complaint(error, file, model, value) from None


def read_yaml(path: Path) -> Any:
    """Read one YAML file; a syntax error names file, line and column."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}{place}: not valid YAML ({getattr(error, 'problem', error)})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 ({error})") from None


def digest(value: Any) -> str:
    """Return a short stable hash of a JSON-able value or a card."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def read_entries(folder: Path, name: str, model: type[Model]) -> dict[str, Any]:
    file = Path("config") / name
    cards = read_yaml(folder / name)
    if not isinstance(cards, Mapping):
        raise InputError(f"{file}: expected one entry for each name")
    checked = {}
    for key, value in cards.items():
        try:
            checked[key] = validate(model, value, file)
        except InputError as error:
            raise InputError(str(error).replace("field '", f"entry {key!r}, field '")) from None
    return checked


def read_cards(root: str | os.PathLike) -> tuple[dict[str, DatasetCard], dict[str, ProtocolCard]]:
    """Return the data sets and the protocols under `root`/config; empty if there is no config there."""
    folder = Path(root) / "config"
    if not folder.is_dir():
        return {}, {}
    return read_entries(folder, "datasets.yaml", DatasetCard), read_entries(folder, "protocols.yaml", ProtocolCard)


def read_repairs(root: str | os.PathLike) -> tuple[Repair, ...]:
    """Return the records of `root`/config/repairs.yaml, in file order; none if there is no such file."""
    file = Path("config/repairs.yaml")
    if not (Path(root) / file).is_file():
        return ()
    records = read_yaml(Path(root) / file) or []
    if not isinstance(records, list):
        raise InputError(f"{file}: expected a list of records, found {type(records).__name__}")
    checked = []
    for number, record in enumerate(records, 1):
        try:
            checked.append(validate(Repair, record, file))
        except InputError as error:
            raise InputError(str(error).replace(f"{file}: ", f"{file}: record {number}, ")) from None
    return tuple(checked)


def schemas() -> dict[str, str]:
    """Return the JSON schema of every kind of YAML file, for editors; config/schemas/ holds them."""
    several = {"datasets": DatasetCard, "protocols": ProtocolCard}
    kinds = {"settings": Settings, "recipes": Recipes, "method": MethodCard, "table": TableCard}
    texts = {name: model.model_json_schema() for name, model in kinds.items()}
    for name, model in several.items():
        schema = model.model_json_schema()
        definitions = schema.pop("$defs", {})
        texts[name] = {"type": "object", "additionalProperties": schema, "$defs": definitions}
    return {name: json.dumps(schema, indent=1, sort_keys=True) + "\n" for name, schema in texts.items()}
