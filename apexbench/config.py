"""Typed, validated view of every YAML file, and the cross-checks between them.

`load_project` reads config/ once and answers with a `Project`; a wrong key, type or name is an InputError that names
the file and the field. Nothing heavy is imported: Snakemake parses this at every start.
"""

import csv
import hashlib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from apexbench.errors import InputError, nearest

Budget = Literal["paper", "quick"]
Source = Literal["auto", "licensed", "synthetic"]


def _unquoted(value: Any) -> Any:
    """YAML reads the method's name null as nothing unless it is quoted; nothing else can be meant."""
    return "null" if value is None else value


MethodName = Annotated[str, BeforeValidator(_unquoted)]


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
    scale: Literal["mini"] = "mini"
    missing_face: Literal["fail", "skip"] = "fail"
    folds_per_job: int | Literal["all"] = "all"
    protocols: tuple[str, ...] = Field(min_length=1)
    methods: tuple[MethodName, ...] = Field(min_length=1)
    tables: tuple[str, ...]

    @field_validator("folds_per_job")
    @classmethod
    def _positive(cls, value):
        if value != "all" and value < 1:
            raise ValueError("a whole number from 1 up, or 'all'")
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
    """datasets.yaml: one release."""

    title: str
    label_set: str
    fps: float = Field(gt=0)
    apex: Literal["sheet", "midpoint"] = "sheet"
    subjects: tuple[int, ...]
    faces: FaceCard = FaceCard()


class ProtocolCard(Model):
    """protocols.yaml: which clips, which labels, which folds, and how many of each the official list has."""

    title: str
    datasets: tuple[str, ...] = Field(min_length=1)
    label_set: str
    split: Literal["loso"] = "loso"
    classes: dict[str, tuple[str, ...]]
    expected_clips: int | None = None
    expected_classes: tuple[int, ...] | None = None
    expected_subjects: dict[str, dict[int, int | tuple[int, ...]]] = {}
    note: str = ""

    @model_validator(mode="after")
    def _in_step(self):
        if len(self.classes) < 2:
            raise ValueError(f"field 'classes': two classes at least, found {len(self.classes)}")
        emotions = [emotion.lower() for several in self.classes.values() for emotion in several]
        twice = [emotion for emotion in emotions if emotions.count(emotion) > 1]
        if twice:
            raise ValueError(f"field 'classes': emotion {twice[0]!r} belongs to two classes")
        counts = [("expected_classes", self.expected_classes)] if self.expected_classes is not None else []
        for dataset, subjects in self.expected_subjects.items():
            if dataset not in self.datasets:
                raise ValueError(f"field 'expected_subjects.{dataset}': not one of the protocol's data sets")
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
    """recipes.yaml, flow: onset -> apex flow and strain of magnified crops."""

    magnification: str = "none"
    algorithm: Literal["tvl1", "farneback"] = "tvl1"
    strain: Literal["sobel", "forward", "central"] = "sobel"
    options: dict[str, Any] = {}


class PackRecipe(Model):
    """recipes.yaml, packs: what a method reads; either a flow recipe's maps or a magnification recipe's frames."""

    flow: str | None = None
    frames: str | None = None
    size: int = Field(ge=8, le=1024)

    def model_post_init(self, _context) -> None:
        if (self.flow is None) == (self.frames is None):
            raise ValueError("give either 'flow' or 'frames', naming one recipe")


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


class MethodCard(Model):
    """methods/<run>.yaml: a method with its hyper-parameters; budgets override only size and length."""

    method: MethodName
    title: str
    year: int | None = None
    source: str = ""
    note: str = ""
    inputs: dict[str, str] = {}
    params: dict[str, Any] = {}
    certainty: dict[str, str] = {}
    budgets: dict[Budget, dict[str, Any]] = {}

    def values(self, budget: Budget) -> dict[str, Any]:
        """Return the hyper-parameters under a budget."""
        return {**self.params, **self.budgets.get(budget, {})}


class TableCard(Model):
    """tables/<table>.yaml: a README table as data."""

    kind: Literal["leaderboard", "published", "runtime"]
    title: str
    caption: str = ""
    readme: bool = True
    metrics: dict[str, Literal["acc", "uf1", "uar", "weighted_f1"]] = {}
    protocol: str | None = None
    published: str | None = None
    ours: dict[str, MethodName] = {}


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
        return yaml.safe_load(path.read_text(encoding="utf-8"))
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


def _cards(folder: Path, name: str, model: type[Model]) -> dict[str, Any]:
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
    return _cards(folder, "datasets.yaml", DatasetCard), _cards(folder, "protocols.yaml", ProtocolCard)


class Project:
    """Everything under config/, checked against each other. Paths are relative to the working directory."""

    def __init__(self, settings: Mapping, root: str | os.PathLike):
        self.root = Path(root)
        self.folder = self.root / "config"
        self.settings: Settings = validate(Settings, settings, Path("config/config.yaml"))
        self.datasets: dict[str, DatasetCard] = _cards(self.folder, "datasets.yaml", DatasetCard)
        self.protocols: dict[str, ProtocolCard] = _cards(self.folder, "protocols.yaml", ProtocolCard)
        self.recipes: Recipes = validate(Recipes, read_yaml(self.folder / "recipes.yaml"), Path("config/recipes.yaml"))
        self._check_settings()
        self.methods: dict[str, MethodCard] = {
            name: self._card("methods", name, MethodCard) for name in self.settings.methods
        }
        self.tables: dict[str, TableCard] = {
            name: self._card("tables", name, TableCard) for name in self.settings.tables
        }
        self._check_links()

    def _names(self, folder: str) -> list[str]:
        return sorted(path.stem for path in (self.folder / folder).glob("*.yaml"))

    def _card(self, folder: str, name: str, model: type[Model]) -> Any:
        return validate(
            model, read_yaml(self.folder / folder / f"{name}.yaml"), Path("config") / folder / f"{name}.yaml"
        )

    def _check_settings(self) -> None:
        known = {"protocols": self.protocols, "methods": self._names("methods"), "tables": self._names("tables")}
        for field, names in known.items():
            for name in getattr(self.settings, field):
                if name not in names:
                    raise InputError(
                        f"config/config.yaml: field {field!r}: unknown name {name!r}; {nearest(name, names)}"
                    )
        if isinstance(self.settings.source, dict):
            for name in self.settings.source:
                self._known("config/config.yaml", "source", name, self.datasets)

    @staticmethod
    def _known(file: str, field: str, name: str | None, known) -> None:
        if name is not None and name not in known:
            raise InputError(f"{file}: field {field!r}: unknown name {name!r}; {nearest(name, known)}")

    def _check_links(self) -> None:
        recipes = self.recipes
        for name, flow in recipes.flow.items():
            self._known("config/recipes.yaml", f"flow.{name}.magnification", flow.magnification, recipes.magnification)
        for name, pack in recipes.packs.items():
            self._known("config/recipes.yaml", f"packs.{name}.flow", pack.flow, recipes.flow)
            self._known("config/recipes.yaml", f"packs.{name}.frames", pack.frames, recipes.magnification)
        for name, feature in recipes.features.items():
            self._known("config/recipes.yaml", f"features.{name}.pack", feature.pack, recipes.packs)
        for name, protocol in self.protocols.items():
            for dataset in protocol.datasets:
                self._known("config/protocols.yaml", f"{name}.datasets", dataset, self.datasets)
        for name, method in self.methods.items():
            for role, recipe in method.inputs.items():
                self._known(
                    f"config/methods/{name}.yaml", f"inputs.{role}", recipe, {*recipes.packs, *recipes.features}
                )
        for name, table in self.tables.items():
            file = f"config/tables/{name}.yaml"
            self._known(file, "protocol", table.protocol, self.protocols)
            for row, method in table.ours.items():
                self._known(file, f"ours.{row}", method, self._names("methods"))
            if table.kind == "published" and (table.published is None or table.protocol is None):
                raise InputError(f"{file}: a table of kind 'published' needs the fields 'published' and 'protocol'")

    def source(self, dataset: str) -> Literal["licensed", "synthetic"]:
        """Tell whether a data set is read from the user's copy or rendered.

        `auto` takes the user's copy when its folder exists. `licensed` demands it.
        """
        wish = self.settings.source
        if isinstance(wish, dict):
            wish = wish.get(dataset, "auto")
        folder = Path(self.settings.data) / dataset
        there = folder.is_dir() and any(folder.iterdir())
        if wish == "licensed" and not there:
            raise InputError(
                f"{folder}: no such folder, or empty, but config/config.yaml has source: licensed for {dataset!r}. "
                f"Put the release there as distributed (see README, 'Your own data'), or set source: synthetic"
            )
        if wish == "auto":
            return "licensed" if there else "synthetic"
        return wish

    @cached_property
    def plan(self) -> list[tuple[str, int, str, int]]:
        """Rows (dataset, subject, emotion, clips) of the synthetic clips at the configured scale."""
        file = Path("config") / "synthetic" / f"{self.settings.scale}.csv"
        try:
            with (self.root / file).open(newline="") as handle:
                rows = list(csv.DictReader(handle))
        except FileNotFoundError:
            raise InputError(f"{file}: no such file; it lists the synthetic clips of scale {file.stem!r}") from None
        plan = []
        for number, row in enumerate(rows, 2):
            try:
                dataset, emotion = row["dataset"], row["emotion"]
                subject, clips = int(row["subject"]), int(row["clips"])
                if subject < 1 or clips < 0:
                    raise ValueError
            except (KeyError, TypeError, ValueError):
                raise InputError(
                    f"{file}, row {number}: expected dataset, subject (from 1 up), emotion, clips (from 0 up); "
                    f"found {dict(row)}"
                ) from None
            self._known(f"{file}, row {number}", "dataset", dataset, self.datasets)
            plan.append((dataset, subject, emotion, clips))
        return plan

    def subjects(self, dataset: str) -> list[int]:
        """Return the subjects of a data set, known before any file is read: the DAG is static."""
        if self.source(dataset) == "synthetic":
            return sorted({subject for name, subject, _, clips in self.plan if name == dataset and clips > 0})
        return sorted(self.datasets[dataset].subjects)

    def folds(self, protocol: str) -> list[tuple[str, int]]:
        """Return the folds of a protocol, (dataset, subject) each, known before any file is read."""
        card = self.protocols[protocol]
        used = {emotion.lower() for emotions in card.classes.values() for emotion in emotions}
        folds, files = [], set()
        for dataset in card.datasets:
            if self.source(dataset) == "synthetic":
                files.add(f"config/synthetic/{self.settings.scale}.csv")
                subjects = {s for name, s, e, clips in self.plan if name == dataset and e.lower() in used and clips > 0}
            else:
                files.add("config/protocols.yaml" if card.expected_subjects.get(dataset) else "config/datasets.yaml")
                subjects = set(card.expected_subjects.get(dataset, ())) or set(self.datasets[dataset].subjects)
            folds += [(dataset, subject) for subject in sorted(subjects)]
        if len(folds) < 2:
            raise InputError(
                f"{' and '.join(sorted(files))}: {len(folds)} subject(s) for protocol {protocol!r} (data sets "
                f"{', '.join(card.datasets)}); leaving one subject out needs two at least"
            )
        return folds

    def used_datasets(self) -> list[str]:
        """Return the data sets that the configured protocols read."""
        return sorted({d for name in self.settings.protocols for d in self.protocols[name].datasets})


def load_project(settings: Mapping, root: str | os.PathLike) -> Project:
    """Validate the merged Snakemake config and every file under `root`/config."""
    return Project(settings, root)


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
