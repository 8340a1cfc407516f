"""Clips of noise for a card: of the axes, sizes and types of its recipes, as many as a protocol has."""

import csv
from collections import Counter
from dataclasses import dataclass

import numpy as np

from apexbench.config.recipes import FlowRecipe, FramesRecipe, MagnificationRecipe, Recipes
from apexbench.errors import InputError
from apexbench.features import create as create_extractor
from apexbench.frames.sampling import CHOICES, Rows, resample, rows
from apexbench.methods import Deep, ProtocolFacts, find
from apexbench.methods.base import Inputs
from apexbench.methods.deep import DeepParams
from apexbench.project import Project
from apexbench.protocols import planned
from apexbench.recipes import shard_axes
from apexbench.weights import RANDOM, Weights

FRAMES = 70  # of a clip: about the mean of CASME II
USUAL, OF_THREE = "casme2-5", "casme2-3-megc"  # the latter for methods of whom numbers of 3 classes only are printed


@dataclass(frozen=True)
class Case:
    """A method under a protocol, and noise clips: the training and the test side of a fold of mean size."""

    kind: type[Deep]
    params: DeepParams
    protocol: str
    classes: int
    train: Inputs
    labels: np.ndarray
    test: Inputs
    folds: int

    def make(self, precision: str) -> Deep:
        return self.kind(self.classes, self.params.model_copy(update={"precision": precision}))


def leading_cards(project: Project) -> dict[str, str]:
    """Return {deep method: the card of its own name, else the first that trains it}."""
    leading: dict[str, str] = {}
    for name in sorted(path.stem for path in (project.folder / "methods").glob("*.yaml")):
        method = project.card(name).method
        if method and issubclass(find(method), Deep) and (name == method or method not in leading):
            leading[method] = name
    return leading


def case_of(project: Project, name: str) -> Case:
    """Return a card under the project's budget and the first fitting protocol; InputError if there is none."""
    card = project.card(name)
    kind = find(card.method)
    wished = OF_THREE if _classes_printed(project, name) == {"3"} else USUAL
    for protocol in card.protocols or (wished, *project.protocols):
        facts = project.protocols[protocol]
        classes = tuple(facts.classes)
        its = next(iter(card.runs(name, project.settings.budget, protocol, len(classes)).values()))
        params = unweighted(kind.parse(its.params, f"config/methods/{name}.yaml"))
        skipped = kind.skip(params, ProtocolFacts(protocol, classes, facts.datasets, facts.multilabel))
        if facts.split == "loso" and not facts.multilabel and not skipped:
            break
    else:
        raise InputError(f"config/methods/{name}.yaml: no leave-one-subject-out protocol of one label a clip")
    subjects, labels = official_clips(project, protocol)
    rng = np.random.default_rng(0)
    clips = {"id": np.array([f"{s}/c{n}" for n, s in enumerate(subjects)], object), "subject": subjects}
    for role in kind.reads:
        clips |= noise(project.recipes, its.inputs[role], role, len(subjects), rng)
    sizes = Counter(subjects)
    tested = min(sizes, key=lambda subject: abs(sizes[subject] - len(subjects) / len(sizes)))
    test, train = ({key: x[side] for key, x in clips.items()} for side in (subjects == tested, subjects != tested))
    return Case(kind, params, protocol, len(classes), train, labels[subjects != tested], test, len(sizes))


def _classes_printed(project: Project, name: str) -> set[str]:
    """How many classes the printed numbers of a method are of."""
    printed = set()
    for file in (project.folder / "published").glob("*.csv"):
        with file.open(newline="") as handle:
            printed |= {row["classes"] for row in csv.DictReader(handle) if row["method"] == name and row["classes"]}
    return printed


def unweighted(options):
    """Options of a method or an extractor with random weights in the place of all that they name."""
    named = [field for field in type(options).model_fields if isinstance(getattr(options, field), Weights)]
    return options.model_copy(update=dict.fromkeys(named, RANDOM))


def official_clips(project: Project, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """Subject and label of every clip by the official counts, (N,) each."""
    card = project.protocols[protocol]
    card = planned(card, {dataset: project.plan_of(dataset) for dataset in card.datasets})
    counts = [(f"{d}:{s}", *each) for d, people in card.expected_subjects.items() for s, each in people.items()]
    if not counts:
        raise InputError(f"config/synthetic/full.csv: the classes of {protocol!r} are not planned")
    subjects = [subject for subject, *each in counts for _ in range(sum(each))]
    labels = [label for _, *each in counts for label, count in enumerate(each) for _ in range(count)]
    return np.array(subjects, object), np.array(labels)


def noise(recipes: Recipes, name: str, role: str, count: int, rng: np.random.Generator) -> Inputs:
    """Return {role: (count, ...)} as the pack of a recipe holds it, and `<role>_lengths` where frames near keys are."""
    clip, axes = _shard_clip(recipes, name, rng), shard_axes(recipes, name)
    clip = np.moveaxis(clip, -1, -3) if axes[-3:-1] == ("y", "x") else clip
    inputs = {role: _noise((count, *clip.shape), clip.dtype, rng)}
    if "near" in axes:
        lengths = _chosen(recipes.frames_of(name)).lengths
        inputs[f"{role}_lengths"] = np.tile(lengths.astype(np.int32), (count, 1))
    return inputs


def _chosen(recipe: FramesRecipe) -> Rows:
    return rows(recipe.choose, range(FRAMES), 0, FRAMES // 2, **recipe.options)


def _noise(shape: tuple[int, ...], dtype, rng: np.random.Generator) -> np.ndarray:
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, np.uint8)
    return rng.standard_normal(shape, np.float32).astype(dtype)


def _shard_clip(recipes: Recipes, name: str, rng: np.random.Generator) -> np.ndarray:
    """One clip as a recipe's shard has it, channels last."""
    recipe = recipes[name]
    if isinstance(recipe, FramesRecipe):
        if CHOICES[recipe.choose].pixels:
            some = resample(recipe.choose, np.zeros((FRAMES, 8, 8), np.uint8), **recipe.options).frames.shape[:1]
        else:
            some = _chosen(recipe).rows.shape
        side = recipes.size(name)
        return _noise((*some, side, side, 3), np.uint8, rng)
    given = _shard_clip(recipes, recipe.of, rng)
    if isinstance(recipe, MagnificationRecipe):
        return given if recipe.arm == "none" else np.repeat(given[:, None], len(recipe.factors), axis=1)
    if isinstance(recipe, FlowRecipe):
        pairs = () if recipe.pairs == "onset-apex" else (len(given) - 1,)
        side = recipes.size(name)
        return _noise((*pairs, *given.shape[1:-3], side, side, 3), np.float16, rng)
    extractor = create_extractor(recipe.extractor, recipe.options)
    # what an Ellipsis stands for has rows of one shape: one of them is as good as all
    leading = given.ndim - len(extractor.reads[1:]) if extractor.reads[0] is ... else 0
    landmarks = [rng.uniform(0, given.shape[-2], (468, 2))] if extractor.landmarks else []
    row = type(extractor)(unweighted(extractor.options))(given[(slice(1),) * leading], *landmarks)
    return np.broadcast_to(row, given.shape[:leading] + row.shape[leading:])
