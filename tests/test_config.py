"""Every YAML file: what is shipped is valid, and what is wrong is named by file and field before anything runs."""

import json
import re
import shutil
from functools import partial
from itertools import product
from pathlib import Path

import pytest
import yaml

from apexbench.config import datasets, protocols, settings, tables
from apexbench.config.files import schemas
from apexbench.config.methods import MethodCard
from apexbench.config.model import Model, descriptions, read_yaml, validate
from apexbench.config.published import NULL_ROW
from apexbench.config.studies import over
from apexbench.config.tables import TableCard
from apexbench.datasets.synthetic.layouts import LAYOUTS
from apexbench.errors import InputError
from apexbench.methods import check_card, create, find
from apexbench.printed import read_published
from apexbench.project import load_project
from apexbench.recipes import axes_of, check_recipes
from apexbench.stages.render import render_dataset
from apexbench.tables.check import check_scoring
from apexbench.tables.places import as_scored

ROOT = Path(__file__).parent.parent
METHOD_CARDS = sorted((ROOT / "config/methods").glob("*.yaml"))
TABLE_CARDS = sorted((ROOT / "config/tables").glob("*.yaml"))


def _stem(path):
    return path.stem


def _settings(**changes):
    settings = read_yaml(ROOT / "config/config.yaml")
    settings |= over(settings, changes)
    return {key: value for key, value in settings.items() if value != "absent"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A copy of config/ in an empty working directory: no licensed data."""
    shutil.copytree(ROOT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("schemas"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _edit(root, file, *path, value):
    """Set one field of a YAML file of the copy."""
    file = root / "config" / file
    whole = inner = read_yaml(file)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(yaml.safe_dump(whole, sort_keys=False))


def _refusal(root, **changes):
    with pytest.raises(InputError) as caught:
        load_project(_settings(**changes), root)
    return str(caught.value)


# what is shipped


def test_the_shipped_config_loads(root):
    project = load_project(_settings(), root)
    check_recipes(project.recipes)
    check_scoring(project.conventions, project.tables)
    assert project.used_datasets() == ["casme2", "mmew", "samm", "smic-hs"]
    for protocol in project.settings.protocols:
        assert len(project.tested(protocol)) > 1
    for dataset in project.datasets:
        assert project.source(dataset) == "synthetic" and project.subjects(dataset)
    for dataset, _, emotion, _, _ in project.plan:
        assert emotion in LAYOUTS[dataset].emotions


def _check(project, name, protocols=("samm-3", "mmew-4", "casme2-5")):
    facts = {protocol: len(project.protocols[protocol].classes) for protocol in protocols}
    axes = partial(axes_of, project.recipes)
    budget, recipes = project.settings.budget, project.recipes.names()
    check_card(name, project.card(name), budget, facts, axes, project.size_of, recipes, project.recipes.factors)


@pytest.mark.parametrize("budget", ["paper", "quick"])
@pytest.mark.parametrize("path", METHOD_CARDS, ids=_stem)
def test_method_cards(path, budget):
    project = load_project(_settings(methods=[path.stem], tables=["data"], budget=budget), ROOT)
    _check(project, path.stem)
    for run in project.methods:
        card = project.card_on(run, "samm-3")
        assert create(card.method, 3, **card.params).num_classes == 3
        known = {*find(card.method).Parameters.model_fields, *MethodCard.model_fields, "schedule"}
        assert {key.partition(".")[0] for key in card.certainty} <= known


@pytest.mark.parametrize("path", METHOD_CARDS, ids=_stem)
def test_a_budget_leaves_alone_what_the_method_is(path):
    """Size and length may differ, and what a smaller network cannot take over; not what is mixed, lost or read."""
    card = load_project(_settings(methods=[path.stem], tables=["data"]), ROOT).card(path.stem)
    assert "paper" not in card.budgets
    if "quick" in card.budgets:
        quick = card.budgets["quick"]
        assert not {name for name in quick.params if name.startswith("mixing")} and set(quick.inputs) <= set(
            card.inputs
        )


@pytest.mark.parametrize("path", TABLE_CARDS, ids=_stem)
def test_table_cards(path):
    table = load_project(_settings(tables=[path.stem]), ROOT).tables[path.stem]
    card = validate(TableCard, read_yaml(path), path)
    assert table.caption.startswith(card.caption)
    if card.published:
        numbers = read_published(ROOT / "config/published" / card.published, card.table or path.stem)
        slugs = {number.row: number.method for number in numbers}
        assert not [row for row, run in card.runs.items() if slugs[row] == run], "config/published says it already"


def test_all_cards_together_are_valid(root):
    project = load_project(
        _settings(methods=[path.stem for path in METHOD_CARDS], tables=[path.stem for path in TABLE_CARDS]), root
    )
    assert set(project.card_of.values()) == {path.stem for path in METHOD_CARDS}
    assert set(project.card_of) == set(project.methods) and len(project.methods) > len(METHOD_CARDS)
    for run in project.methods:
        assert project.card_of[run] == run or run.startswith(f"{project.card_of[run]}-")


def _undescribed(schema, where=()):
    for name, field in schema.get("properties", {}).items():
        if "description" not in field:
            yield ".".join((*where, name))
    for name, inner in schema.get("$defs", {}).items():
        yield from _undescribed(inner, (*where, name))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _undescribed(schema["additionalProperties"], where)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_editors_can_show_what_a_field_is(name):
    assert list(_undescribed(json.loads(schemas()[name]))) == []


@pytest.mark.parametrize("module", [datasets, protocols, settings, tables])
def test_every_field_is_described(module):
    models = [
        its for its in vars(module).values() if isinstance(its, type) and issubclass(its, Model) and its is not Model
    ]
    bare = {f"{its.__name__}.{name}" for its in models for name in its.model_fields if not descriptions(its).get(name)}
    assert models and not bare


def test_schemas_are_those_of_the_types():
    written = {path.stem: path.read_text() for path in (ROOT / "config/schemas").glob("*.json")}
    assert written == schemas()  # if this fails: apexbench schemas
    for text in written.values():
        assert json.loads(text)["type"] == "object"


# config.yaml


@pytest.mark.parametrize(
    ("field", "name", "near"),
    [
        ("methods", "stsnet", "ststnet"),
        ("methods", "flow_svm", "flow-svm"),
        ("protocols", "samm3", "samm-3"),
        ("tables", "leader-board", "leaderboard"),
    ],
)
def test_unknown_names_in_lists(root, field, name, near):
    message = _refusal(root, **{field: [name]})
    assert message.startswith(
        f"config/config.yaml: field {field!r}: unknown name {name!r}; did you mean {near!r}? Known:"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes_per_job": {"flwo": 3}}, "field 'minutes_per_job': no rule 'flwo'; did you mean 'flow'? Known: "),
        ({"minutes_per_job": {"flow": 0}}, "field 'minutes_per_job': 0 minutes of flow; expected a whole number from"),
        ({"minutes_per_job": 0}, "field 'minutes_per_job': 0 minutes of training; expected a whole number from 1 up"),
        ({"budgett": "quick"}, "field 'budgett': unknown key; did you mean 'budget'? Known: budget, data,"),
        ({"study": "absent"}, "field 'study': missing"),
        ({"study": "a/b"}, "field 'study': String should match pattern"),
        ({"seeds": {0: 1}}, "field 'seeds': Input should be a valid tuple; found {0: 1}"),
        ({"seeds": [0, "one"]}, "field 'seeds.1': Input should be a valid integer"),
        ({"seeds": [1, 1]}, "field 'seeds': 1 is listed twice"),
        ({"methods": ["ststnet", "ststnet"]}, "field 'methods': 'ststnet' is listed twice"),
        ({"protocols": []}, "field 'protocols': one at least"),
        ({"protocols": {"samm-3": 1}}, "field 'protocols': Input should be a valid tuple; found {'samm-3': 1}"),
        ({"budget": "fast"}, "field 'budget': Input should be 'paper' or 'quick'; found 'fast'"),
        ({"folds_per_job": 0}, "field 'folds_per_job': a whole number from 1 up, 'all' or 'auto'; found 0"),
        ({"folds_per_job": "some"}, "field 'folds_per_job': Input should be a valid integer"),
        ({"source": "licenced"}, "field 'source': Input should be 'auto', 'licensed' or 'synthetic', or: "),
        ({"source": {"samm": "mine"}}, "field 'source.samm': Input should be 'auto', 'licensed' or 'synthetic'"),
        ({"source": {"sam": "auto"}}, "field 'source': unknown name 'sam'; did you mean 'samm'?"),
    ],
)
def test_wrong_settings(root, changes, message):
    found = _refusal(root, **changes)
    assert any(line.startswith(f"config/config.yaml: {message}") for line in found.splitlines()), found


def test_several_wrong_settings_are_told_together(root):
    assert len(_refusal(root, budget="fast", seeds={}, study="absent").splitlines()) == 3


def test_on_and_off_are_words_not_booleans(tmp_path):
    (tmp_path / "a.yaml").write_text("on: {no: yes}\noff: [true, False, null]\n")
    assert read_yaml(tmp_path / "a.yaml") == {"on": {"no": "yes"}, "off": [True, False, None]}


# the other files


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        ("methods/ststnet.yaml", ["parms"], {}, "field 'parms': unknown key; did you mean 'params'?"),
        ("methods/ststnet.yaml", ["year"], "old", "field 'year': Input should be a valid integer"),
        (
            "methods/ststnet.yaml",
            ["inputs", "flow"],
            "tvl-28",
            "field 'inputs.flow': unknown name 'tvl-28'; did you mean 'tvl1-28'?",
        ),
        ("methods/ststnet.yaml", ["budgets", "fast"], {}, "field 'budgets"),
        ("tables/memix-samm3.yaml", ["metric"], {}, "field 'metric': unknown key; did you mean 'metrics'?"),
        (
            "tables/leaderboard.yaml",
            ["protocol"],
            "sam-3",
            "field 'protocol': unknown name 'sam-3'; did you mean 'samm-3'?",
        ),
        ("tables/memix-samm3.yaml", ["protocol"], "samm-3", "field 'protocol': goes with kind: leaderboard or runtime"),
        ("tables/leaderboard.yaml", ["metrics"], {}, "field 'metrics': name at least one, e.g. {uf1: uf1}"),
        (
            "conventions.yaml",
            ["memix", "metrics"],
            {},
            "entry 'memix', field 'metrics': Dictionary should have at least",
        ),
        (
            "conventions.yaml",
            ["memix", "metrics", "acc"],
            {"honest": "acc"},
            "entry 'memix', field 'metrics.acc.rule': missing",
        ),
        (
            "conventions.yaml",
            ["memix", "metrics", "acc"],
            {"honest": "acc", "rule": "none", "as_published": "acc"},
            "entry 'memix', field 'metrics.acc': as_published is taken under the rule, which is none",
        ),
        ("tables/memix-samm3.yaml", ["columns"], {}, "a table of kind 'published' needs"),
        (
            "tables/memix-samm3.yaml",
            ["runs"],
            {"STSTNet": "ststnt"},
            "field 'runs.STSTNet': unknown name 'ststnt'; did you mean 'ststnet'?",
        ),
        ("datasets.yaml", ["samm", "fsp"], 1, "entry 'samm', field 'fsp': unknown key; did you mean 'fps'?"),
        ("datasets.yaml", ["samm", "fps"], "fast", "entry 'samm', field 'fps': Input should be a valid number"),
        (
            "datasets.yaml",
            ["samm", "croped"],
            True,
            "entry 'samm', field 'croped': unknown key; did you mean 'cropped'?",
        ),
        (
            "protocols.yaml",
            ["samm-3", "datasets"],
            ["sam"],
            "entry 'samm-3', field 'expected_subjects.samm': 'samm' is not one of the protocol's data sets",
        ),
        (
            "protocols.yaml",
            ["mmew-4", "datasets"],
            ["mmew2"],
            "field 'mmew-4.datasets': unknown name 'mmew2'; did you mean 'mmew'?",
        ),
        (
            "protocols.yaml",
            ["samm-3", "expected_classes"],
            [92, 41],
            "entry 'samm-3', field 'expected_classes': 2 counts for 3 classes",
        ),
        (
            "protocols.yaml",
            ["samm-3", "expected_subjects", "samm", 6],
            [9, 2],
            "entry 'samm-3', field 'expected_subjects.samm.6': 2 counts for 3 classes",
        ),
        (
            "protocols.yaml",
            ["samm-3", "classes", "positive"],
            ["Anger"],
            "entry 'samm-3', field 'classes': emotion 'anger' belongs to two classes",
        ),
        (
            "protocols.yaml",
            ["samm-3", "classes"],
            {"all": ["anger"]},
            "entry 'samm-3', field 'classes': two classes at least, found 1",
        ),
        (
            "recipes.yaml",
            ["crops", "face-192", "detector"],
            "dlib",
            "field 'crops.face-192.detector': Input should be 'mesh', 'mesh-only' or 'haar'; found 'dlib'",
        ),
        (
            "recipes.yaml",
            ["frames", "memix-48", "crop"],
            "memix48",
            "field 'frames.memix-48.crop': unknown name 'memix48'; did you mean 'memix-48'?",
        ),
        (
            "recipes.yaml",
            ["magnification", "evm-5", "of"],
            "tvl1-28",
            "field 'magnification.evm-5.of': unknown name 'tvl1-28'",
        ),
        (
            "recipes.yaml",
            ["flow", "tvl1-28", "algoritm"],
            "x",
            "field 'flow.tvl1-28.algoritm': unknown key; did you mean 'algorithm'?",
        ),
        (
            "recipes.yaml",
            ["flow", "tvl1-28", "of"],
            "onset-apex-19",
            "field 'flow.tvl1-28.of': unknown name 'onset-apex-19'; did you mean 'onset-apex-192'?",
        ),
        (
            "recipes.yaml",
            ["features", "resnet18-layer3-evm-5", "of"],
            "evm5",
            "field 'features.resnet18-layer3-evm-5.of': unknown name 'evm5'; did you mean 'evm-5'?",
        ),
        (
            "recipes.yaml",
            ["flow", "evm-5"],
            {"of": "all-192"},
            "two recipes have the name 'evm-5'; cards name them without their section",
        ),
    ],
)
def test_wrong_fields(root, file, path, value, message):
    _edit(root, file, *path, value=value)
    found = _refusal(root)
    assert found.startswith(f"config/{file}: {message}"), found


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ["flow", "tvl1-28", "options"],
            {"warpss": 3},
            "field 'flow.tvl1-28.options.warpss': unknown option; did you mean 'warps'?",
        ),
        (
            ["flow", "tvl1-28", "options"],
            {"warps": "many"},
            "field 'flow.tvl1-28.options.warps': expected int like the default",
        ),
        (
            ["flow", "tvl1-28", "options"],
            {"warps": True},
            "field 'flow.tvl1-28.options.warps': expected int like the default",
        ),
        (
            ["flow", "tvl1-28", "algorithm"],
            "tvl2",
            "field 'flow.tvl1-28.algorithm': unknown name 'tvl2'; did you mean 'tvl1'?",
        ),
        (
            ["flow", "tvl1-28", "of"],
            "tim-10-128",
            "field 'flow.tvl1-28.pairs': 'tim-10-128' need not hold onset and apex",
        ),
        (["flow", "tvl1-28", "of"], "mmnet-32", "field 'flow.tvl1-28.of': 'mmnet-32' holds frames near the key frames"),
        (
            ["magnification", "evm-5", "options"],
            {"level": 3},
            "field 'magnification.evm-5.options': unknown option 'level'; did you mean 'levels'?",
        ),
        (
            ["magnification", "evm-5", "factors"],
            [],
            "field 'magnification.evm-5.factors': arm 'evm' needs one factor at least",
        ),
        (
            ["magnification", "evm-5", "factors"],
            [2, 0.5],
            "field 'magnification.evm-5': a factor is a total magnification, 1 or more, got 0.5",
        ),
        (
            ["magnification", "evm-5", "arm"],
            "ebm",
            "field 'magnification.evm-5.arm': unknown magnification arm 'ebm'; did you mean 'evm'?",
        ),
        (
            ["magnification", "evm-5", "options"],
            {"mode": "vidio", "band": [1, 10]},
            "field 'magnification.evm-5.options': option 'mode': Input should be 'onset' or 'video'",
        ),
        (
            ["magnification", "evm-5", "options"],
            {"mode": "video", "band": [1, 260]},
            "field 'magnification.evm-5': band: expected 0 < low < high < 250 Hz",
        ),
        (
            ["magnification", "evm-5"],
            {"of": "memix-48", "arm": "phase", "factors": [5]},
            "field 'magnification.evm-5': frames of 48 px are too small for Phase as it is set, 64 px is the least",
        ),
        (
            ["magnification", "evm-5"],
            {"of": "memix-48", "arm": "flow-warp", "factors": [5]},
            "field 'magnification.evm-5.options': option 'flow': Field required",
        ),
        (
            ["magnification", "evm-5"],
            {"of": "memix-48", "arm": "magnet", "factors": [5], "options": {"weights": "random"}},
            "field 'magnification.evm-5.options': option 'weights': MagNet's weights are a file: write {file: path}",
        ),
        (
            ["crops", "face-192", "interpolation"],
            "bilinar",
            "field 'crops.face-192.interpolation': unknown name 'bilinar'; did you mean 'bilinear'?",
        ),
        (
            ["frames", "tim-10-128", "choose"],
            "timm",
            "field 'frames.tim-10-128.choose': unknown name 'timm'; did you mean 'tim'?",
        ),
        (
            ["frames", "tim-10-128", "options"],
            {"cont": 10},
            "field 'frames.tim-10-128.options.cont': unknown option; did you mean 'count'?",
        ),
        (
            ["frames", "tim-10-128", "options"],
            {"count": 0},
            "field 'frames.tim-10-128.options': count: expected a whole number of frames from 1 up",
        ),
        (
            ["features", "resnet18-layer3-evm-5", "extractor"],
            "resnet18",
            "field 'features.resnet18-layer3-evm-5.extractor': unknown extractor 'resnet18'; did you mean 'resnet'?",
        ),
        (
            ["features", "resnet18-layer3-evm-5", "options"],
            {"layr": "layer3"},
            "field 'features.resnet18-layer3-evm-5.options': unknown option 'layr'; did you mean 'layer'?",
        ),
        (
            ["features", "resnet18-layer3-evm-5", "extractor"],
            "lbp-top",
            "field 'features.resnet18-layer3-evm-5.options': unknown option",
        ),
    ],
)
def test_options_of_recipes(root, path, value, message):
    _edit(root, "recipes.yaml", *path, value=value)
    with pytest.raises(InputError) as caught:
        check_recipes(load_project(_settings(), root).recipes)
    assert str(caught.value).startswith(f"config/recipes.yaml: {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "stsnet"}, "field 'method': unknown method 'stsnet'; did you mean 'ststnet'?"),
        ({"params": {"epoch": 3}}, "unknown hyper-parameter 'epoch'; did you mean 'epochs'?"),
        ({"params": {"epochs": "many"}}, "hyper-parameter 'epochs': Input should be a valid integer"),
        (
            {"budgets": {"quick": {"params": {"batchsize": 4}}}},
            "unknown hyper-parameter 'batchsize'; did you mean 'batch_",
        ),
        ({"inputs": {}}, "field 'inputs': no 'flow', which ststnet reads"),
        ({"inputs": {"flow": "tvl1-28", "frames": "x"}}, "field 'inputs.frames': ststnet does not read it"),
    ],
)
def test_cards_against_their_methods(changes, message):
    card = validate(MethodCard, {"method": "ststnet", "title": "t", "inputs": {"flow": "tvl1-28"}} | changes, Path("x"))
    with pytest.raises(InputError) as caught:
        check_card("mine", card, "quick")
    assert str(caught.value).startswith("config/methods/mine.yaml: ") and message in str(caught.value)


# sweeps, and what tables say of runs

SWEEP = {
    "method": "ststnet",
    "title": "STSTNet, rate {value}",
    "inputs": {"flow": "tvl1-28"},
    "params": {"epochs": 500, "mixing": "memix", "mixing_options": {"alpha_m": 0.5}},
    "sweep": {"learning_rate": [1.0e-5, 0.001]},
    "budgets": {"quick": {"params": {"epochs": 5}, "inputs": {"flow": "farneback-28"}}},
}


def _sweep(root, name="rate", **changes):
    (root / "config/methods" / f"{name}.yaml").write_text(yaml.safe_dump(SWEEP | changes))


def test_a_sweep_makes_a_run_of_each_value(root):
    _sweep(root)
    project = load_project(_settings(methods=["majority", "rate"]), root)
    assert project.card_of == {"majority": "majority", "rate-1e-05": "rate", "rate-0.001": "rate"}
    for run, value in {"rate-1e-05": 1e-5, "rate-0.001": 0.001}.items():
        card = project.methods[run]
        assert card.title == f"STSTNet, rate {value}" and card.inputs == {"flow": "farneback-28"}
        assert card.values("quick") == {**SWEEP["params"], "epochs": 5, "learning_rate": value}
    _check(project, "rate")
    (run,) = load_project(_settings(methods=["rate-0.001"]), root).methods
    assert run == "rate-0.001"
    paper = load_project(_settings(methods=["rate"], budget="paper"), root).methods["rate-0.001"]
    assert paper.inputs == {"flow": "tvl1-28"} and paper.values("paper")["epochs"] == 500


def test_a_sweep_inside_an_option_and_one_that_a_budget_sets_too(root):
    _sweep(root, sweep={"mixing_options.patches": [1, 196]})
    methods = load_project(_settings(methods=["rate"]), root).methods
    assert [card.params["mixing_options"] for card in methods.values()] == [
        {"alpha_m": 0.5, "patches": 1},
        {"alpha_m": 0.5, "patches": 196},
    ]
    _sweep(root, sweep={"epochs": [7, 9]})
    methods = load_project(_settings(methods=["rate"]), root).methods
    assert {run: card.values("quick")["epochs"] for run, card in methods.items()} == {"rate-7": 7, "rate-9": 9}


def test_a_sweep_of_several_makes_a_run_of_each_combination(root):
    sweep = {"epochs": [7, 9], "mixing_options.whole": [True, False]}
    _sweep(root, sweep=sweep, title="STSTNet, {epochs} epochs, whole {mixing_options.whole}; {value}")
    methods = load_project(_settings(methods=["rate", "majority"]), root).methods
    assert list(methods) == ["rate-7-true", "rate-7-false", "rate-9-true", "rate-9-false", "majority"]
    for run, (epochs, whole) in zip(methods, product(*sweep.values()), strict=False):
        assert methods[run].params == {
            "epochs": epochs,
            "mixing": "memix",
            "mixing_options": {"alpha_m": 0.5, "whole": whole},
        }
        assert methods[run].title == f"STSTNet, {epochs} epochs, whole {str(whole).lower()}; {run[5:]}"
    (run,) = load_project(_settings(methods=["rate-9-true"]), root).methods
    assert run == "rate-9-true"
    assert "did you mean 'rate-9-true'?" in _refusal(root, methods=["rate-9-tru"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sweep": {"learning_rate": []}}, "field 'sweep.learning_rate': one value at least, and each once"),
        ({"sweep": {"learning_rate": [1, 1.0]}}, "field 'sweep.learning_rate': one value at least, and each once"),
        (
            {"sweep": {"learning_rate": [1, 2], "epochs": [2]}, "title": "STSTNet, {epochs} epochs"},
            "field 'title': two runs would be called 'STSTNet, 2 epochs'; say in it which is which, by "
            "{epochs}, {learning_rate}",
        ),
        (
            {"sweep": {"mixing": ["a", "a-b"], "mixing_options.of": ["b-c", "c"]}},
            "field 'sweep': two runs would be called 'a-b-c'; values may not be joined to the same name",
        ),
        ({"sweep": {"learning_rate": 1}}, "field 'sweep.learning_rate': Input should be a valid tuple"),
        ({"sweep": {"learning_rate": [[1]]}}, "field 'sweep.learning_rate.0': Input should be"),
        ({"sweep": {"mixing": ["a/b"]}}, "field 'sweep.mixing': 'a/b' names a run, which has letters"),
        ({"sweep": {"epochs.last": [1]}}, "field 'sweep.epochs.last': 'epochs' is 500, which has no keys"),
        ({"budgets": {"quick": {"inputs": "tvl1-28"}}}, "field 'budgets.quick.inputs': Input should be a valid dict"),
        ({"budgets": {"quick": {"epochs": 5}}}, "field 'budgets.quick.epochs': unknown key"),
        ({"budgets": {"quick": {"inputs": {"flow": "tvl-28"}}}}, "field 'budgets.quick.inputs.flow': unknown name"),
        ({"method": "", "log": "x.txt"}, "field 'sweep': goes with 'method', and only with it"),
    ],
)
def test_a_bad_sweep(root, changes, message):
    _sweep(root, **changes)
    found = _refusal(root, methods=["rate"])
    assert found.startswith(f"config/methods/rate.yaml: {message}"), found


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"learning_rat": [1]}, "unknown hyper-parameter 'learning_rat'; did you mean 'learning_rate'?"),
        ({"learning_rate": ["fast"]}, "hyper-parameter 'learning_rate': Input should be a valid number"),
        ({"mixing_options.patch": [1]}, "mixing 'memix' has no option 'patch'; did you mean 'patches'?"),
    ],
)
def test_a_sweep_against_its_method(root, sweep, message):
    _sweep(root, sweep=sweep)
    project = load_project(_settings(methods=["rate"]), root)
    with pytest.raises(InputError) as caught:
        _check(project, "rate")
    assert str(caught.value).startswith("config/methods/rate.yaml: ") and message in str(caught.value)


def test_two_runs_of_one_name(root):
    _sweep(root)
    _sweep(root, "rate-0.001", sweep={})
    assert _refusal(root, methods=["rate-0.001", "rate"]) == (
        "config/config.yaml: field 'methods': two runs have the name 'rate-0.001', by config/methods/rate-0.001.yaml "
        "and config/methods/rate.yaml; leave one out, or rename a card"
    )
    assert "'rate-1e-05', by config/methods/rate.yaml; leave" in _refusal(root, methods=["rate", "rate-1e-05"])
    found = _refusal(root, methods=["rate-0.01"])
    assert found.startswith("config/config.yaml: field 'methods': unknown name 'rate-0.01'; did you mean 'rate-0.001'?")


# values by protocol


def test_what_differs_by_protocol(root):
    """The name outdoes the number of classes, a budget outdoes both, and a sweep's value all."""
    on = {
        "3 classes": {"params": {"epochs": 30, "dropout": 0.3}, "inputs": {"flow": "tvl1-28"}},
        "smic-3": {"params": {"dropout": 0.1}, "budgets": {"quick": {"params": {"epochs": 2}}}},
    }
    budgets = {"quick": {"params": {"epochs": 5}, "inputs": {"flow": "farneback-28"}}}
    _sweep(root, on=on, budgets=budgets, sweep={"learning_rate": [0.1, 0.2]})
    found = {}
    for budget in ("paper", "quick"):
        project = load_project(_settings(methods=["rate"], budget=budget), root)
        for protocol in ("samm-3", "smic-3", "casme2-5"):
            card = project.card_on("rate-0.2", protocol)
            assert card.params["learning_rate"] == 0.2 and not card.on and not card.budgets
            values = card.params["epochs"], card.params.get("dropout"), card.inputs["flow"]
            found[budget, protocol] = values
    assert found == {
        ("paper", "samm-3"): (30, 0.3, "tvl1-28"),
        ("paper", "smic-3"): (30, 0.1, "tvl1-28"),
        ("paper", "casme2-5"): (500, None, "tvl1-28"),
        ("quick", "samm-3"): (5, 0.3, "farneback-28"),
        ("quick", "smic-3"): (2, 0.1, "farneback-28"),
        ("quick", "casme2-5"): (5, None, "farneback-28"),
    }


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ({"sam-3": {}}, "field 'on': unknown name 'sam-3'; did you mean 'samm-3'?"),
        ({"3 clases": {}}, "field 'on': unknown name '3 clases'; did you mean '3 classes'?"),
        ({"samm-3": {"epochs": 3}}, "field 'on.samm-3.epochs': unknown key"),
        ({"samm-3": {"inputs": {"flow": "tvl-28"}}}, "field 'on.samm-3.inputs.flow': unknown name 'tvl-28'"),
    ],
)
def test_a_bad_value_by_protocol(root, on, message):
    _sweep(root, on=on, sweep={})
    assert _refusal(root, methods=["rate"]).startswith(f"config/methods/rate.yaml: {message}")


def test_a_card_like_another_keeps_its_values_by_protocol(root):
    on = {"samm-3": {"params": {"epochs": 7, "dropout": 0.1}, "budgets": {"quick": {"params": {"epochs": 2}}}}}
    _sweep(root, on=on, sweep={}, budgets={})
    card = {"like": "rate", "title": "mine", "on": {"samm-3": {"params": {"epochs": 9}}, "smic-3": {}}}
    (root / "config/methods/mine.yaml").write_text(yaml.safe_dump(card))
    card = load_project(_settings(methods=["mine"]), root).card("mine")
    assert card.on["samm-3"].params == {"epochs": 9, "dropout": 0.1} and "smic-3" in card.on
    assert card.values("quick", "samm-3", 3)["epochs"] == 2


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (
            "memix-k",
            {"runs": {"K=1": "rate-0.01"}},
            "field 'runs.K=1': unknown name 'rate-0.01'; did you mean 'rate-0.0",
        ),
        (
            "memix-k",
            {"runs": {"K=1": "rate"}},
            "field 'runs.K=1': 'rate' is a sweep; name one of its runs: rate-1e-05, ",
        ),
        ("memix-k", {"also": {"mine": {"run": "stsnet", "note": ""}}}, "field 'also.mine.run': unknown name 'stsnet'"),
        ("memix-k", {"also": {"mine": "ststnet"}}, "field 'also.mine': Input should be"),
        ("memix-k", {"convention": ""}, "field 'curve': no column has a score of ours to draw; give a convention"),
        ("leaderboard", {"curve": "K"}, "field 'curve': goes with kind: published, and only with it"),
        ("memix-k", {"rows": ["ststnet"]}, "field 'rows': goes with kind: leaderboard or runtime or comparisons"),
        (
            "leaderboard",
            {"rows": ["majority", "stsnet"]},
            "field 'rows.1': unknown name 'stsnet'; did you mean 'ststnet'",
        ),
        (
            "comparisons",
            {"rows": ["memix"]},
            "field 'rows.0': 'memix' has leaderboard: false: it is not compared with the best",
        ),
        ("comparisons", {"reference": "ststnet"}, "field 'reference': name in 'rows' what is compared with it"),
        ("runtime", {"reference": "ststnet"}, "field 'reference': goes with kind: comparisons, and only with it"),
        (
            "comparisons",
            {"rows": ["memix"], "reference": "stsnet"},
            "field 'reference': unknown name 'stsnet'; did you mean 'ststnet'",
        ),
        ("runtime", {"runs": {"K=1": "ststnet"}}, "field 'runs': goes with kind: published, and only with it"),
    ],
)
def test_what_tables_say_of_runs(root, file, changes, message):
    _sweep(root)
    path = root / "config/tables" / f"{file}.yaml"
    path.write_text(yaml.safe_dump(read_yaml(path) | changes))
    found = _refusal(root, tables=[file])
    assert found.startswith(f"config/tables/{file}.yaml: {message}"), found


def test_tables_may_name_runs_of_a_sweep_that_is_not_in_the_study(root):
    _sweep(root)
    path = root / "config/tables/memix-k.yaml"
    path.write_text(yaml.safe_dump(read_yaml(path) | {"runs": {"K=1": "rate-0.001", "K=40": "ststnet"}}))
    project = load_project(_settings(methods=["majority"], tables=["memix-k"]), root)
    assert list(project.methods) == ["majority"]
    assert project.tables["memix-k"].runs["K=1"] == "rate-0.001" and project.tables["memix-k"].runs["K=40"] == "ststnet"


# tables: what a card names is looked up before anything runs


def _table(root, name, **changes):
    """Change a table's card, load the project, and return the table."""
    path = root / "config/tables" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(read_yaml(path) | changes))
    return load_project(_settings(tables=[name]), root).tables[name]


def test_a_column_has_what_its_convention_says(root):
    table = _table(root, "mlsp-ablation")
    assert [column.metric for column in table.columns] == ["uf1", "uar", "acc", "params"]
    uf1, *_, acc, params = table.columns
    assert (uf1.honest, uf1.rule, uf1.as_published) == ("uf1", "fold-oracle-to-highest", "mean_fold_f1_to_highest")
    assert (acc.honest, acc.rule, acc.as_published) == ("acc", "fold-oracle", "mean_fold_acc")
    assert not params.honest and not params.rule
    table = _table(root, "memix-k")
    assert table.columns[0].as_published == "acc", "where the convention does not say, the honest score"
    assert table.caption.endswith("1 at least. The released code takes the best epoch of every test subject.")


def test_a_table_of_two_conventions(root):
    mixed = {"samm-3": ["acc", {"metric": "f1", "convention": "srmcl"}]}
    table = _table(root, "memix-samm3", columns=mixed)
    assert [(column.metric, column.as_published) for column in table.columns] == [("acc", "acc"), ("f1", "uf1")]
    assert "two different models. The test script of SRMCL" in table.caption


def test_rows_of_another_convention(root):
    table = _table(root, "memix-samm3", conventions={"AMAN": "aman", "STSTNet": "unknown-epoch"})
    acc, f1 = table.columns
    scored = [[as_scored(table, row, column) for column in (acc, f1)] for row in ("AMAN", "STSTNet", "MMNet")]
    assert [(column.rule, column.as_published) for column in scored[0]] == [
        ("fold-oracle-stop", "acc"), ("fold-oracle-stop", "uf1"),
    ]  # fmt: skip
    assert [(column.honest, column.rule, column.as_published) for column in scored[1]] == [
        ("acc", "", ""),
        ("uf1", "", ""),
    ]
    assert scored[2] == [acc, f1], "as the columns say"
    assert "not known" in table.by_row["STSTNet"].says and "not known" not in table.caption


def test_a_table_without_a_convention_is_printed_only(root):
    table = _table(root, "memix-samm3", convention="", conventions={})
    assert not any(column.honest for column in table.columns) and "released code" not in table.caption


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"published": "memx.csv"}, "config/published/memx.csv: no such file"),
        ({"table": "memix-sam3"}, "memix.csv: no table 'memix-sam3'; did you mean 'memix-samm3'"),
        ({"published": None}, "a table of kind 'published' needs the fields 'published' and 'columns'"),
        (
            {"convention": "memx"},
            "field 'convention': no entry 'memx' in config/conventions.yaml; did you mean 'memix'",
        ),
        ({"columns": {"samm-4": ["acc", "f1"]}}, "field 'columns.samm-4': .*memix.csv has no 'samm-4'.*'samm-3'"),
        (
            {"columns": {"samm-3": ["acc", "uar"]}},
            "field 'columns.samm-3': convention 'memix' .* no metric 'uar'; .*: acc",
        ),
        (
            {"columns": {"samm-3": ["acc", {"metric": "uar", "convention": "ststnet"}]}},
            "field 'columns.samm-3': .*memix.csv has no 'uar' under 'samm-3'; Known: acc, f1",
        ),
        (
            {"columns": {"samm-3": ["acc", {"metric": "f1", "convention": "mine"}]}},
            "field 'columns.samm-3': no entry 'mine'",
        ),
        ({"columns": {"samm-3": ["acc", "acc", "f1"]}}, "field 'columns.samm-3': 'acc' is listed twice"),
        (
            {"columns": {"samm-3": ["acc"]}},
            "field 'columns': .*memix.csv prints 'f1' under 'samm-3'; no column shows it",
        ),
        (
            {"columns": {"samm-3": {"metrics": ["acc", "f1"], "beside": "sam-3"}}},
            "field 'columns.samm-3.beside': unknown name 'sam-3'; did you mean 'samm-3'",
        ),
        (
            {"beside": {"AMAN": {"samm-3": "samm-33"}}},
            "field 'beside.AMAN.samm-3': unknown name 'samm-33'; did you mean 'samm-3'",
        ),
        ({"beside": {"AMAN": {"samm-5": "samm-3"}}}, "field 'beside.AMAN.samm-5': no column has 'samm-5'"),
        (
            {"beside": {"AMANN": {"samm-3": "samm-5"}}},
            "field 'beside': .*memix.csv has no 'AMANN'; did you mean 'AMAN'",
        ),
        (
            {"conventions": {"AMANN": "aman"}},
            "field 'conventions.AMANN': .*memix.csv has no 'AMANN'; did you mean 'AMAN'",
        ),
        (
            {"conventions": {"AMAN": "amann"}},
            "field 'conventions.AMAN': no entry 'amann' in config/conventions.yaml; did you mean 'aman'",
        ),
        (
            {"conventions": {"AMAN": "meb"}},
            "field 'conventions.AMAN': convention 'meb' .* no metric 'acc'; .*: acc: printed-only",
        ),
        ({"convention": "", "conventions": {"AMAN": "aman"}}, "field 'conventions': no column is scored"),
        ({"curve": "K"}, "field 'conventions': a table that is drawn as a curve has one for all of its rows"),
        ({"losses": ["mmnett"]}, "field 'losses.0': unknown name 'mmnett'; did you mean 'mmnet'"),
        ({"columns": {"samm-3": {"metric": ["acc"]}}}, "field 'columns.samm-3.metric': unknown key"),
        ({"runs": {"STSNet": "ststnet"}}, "field 'runs': .*memix.csv has no 'STSNet'; did you mean 'STSTNet'"),
        ({"also": {"AMAN": {"run": "mmnet", "note": ""}}}, "field 'also': there is a row 'AMAN' already"),
        ({"also": {NULL_ROW: {"run": "mmnet", "note": ""}}}, "field 'also': there is a row 'null model"),
    ],
)
def test_a_table_that_cannot_work_is_refused_before_anything_runs(root, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        _table(root, "memix-samm3", **changes)
    assert str(caught.value).startswith(("config/tables/memix-samm3.yaml: ", f"{root}/config/published/"))


def test_one_card_fills_every_table_that_prints_its_method(root):
    """Its row in config/published names it: no table's card has to."""
    printing = ["megc2019-baseline", "mlsp-performance", "dualbranch-performance", "srmcl-single"]

    def rows():
        found = load_project(_settings(tables=printing, methods=["majority"]), root).tables
        return [[row for row, run in found[name].runs.items() if run == "lbp-top"] for name in printing]

    card = root / "config/methods/lbp-top.yaml"
    text = card.read_text()
    card.unlink()
    assert rows() == [[], [], [], []]
    card.write_text(text)
    assert rows() == [["LBP-TOP"], ["LBP-TOP [4]"], ["LBP-TOP [14]"], ["LBP-TOP[10]"]]


def test_rows_that_another_run_fills_and_none(root):
    runs = _table(root, "memix-samm3").runs
    assert runs == {"STSTNet": "ststnet", "AMAN": "aman", "MMNet": "mmnet", "MixFormer(ours)": "mixmeformer"}
    runs = _table(root, "memix-samm3", runs={"STSTNet": "published-only", "AMAN": "memix-k-1"}).runs
    assert runs == {"MMNet": "mmnet", "AMAN": "memix-k-1", "MixFormer(ours)": "mixmeformer"}
    _sweep(root, "aman")
    assert "AMAN" not in _table(root, "memix-samm3", runs={}).runs, "a sweep: which of its runs is for the card to say"


def test_rows_of_a_leaderboard(root):
    table = _table(root, "leaderboard", rows=["memix-k", "ststnet", "memix-k-40"])
    assert table.rows == (*(f"memix-k-{k}" for k in (1, 40, 79, 118, 157, 196)), "ststnet")
    assert _table(root, "leaderboard", rows=[]).rows == ()


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        (
            "conventions.yaml",
            ["memix", "metrics", "acc", "rule"],
            "fold-oracel",
            "entry 'memix', field 'metrics.acc.rule': unknown rule 'fold-oracel'; did you mean 'fold-oracle'?",
        ),
        (
            "conventions.yaml",
            ["mlsp", "metrics", "uf1", "as_published"],
            "mean_f1",
            "entry 'mlsp', field 'metrics.uf1.as_published': unknown score 'mean_f1'; did you mean",
        ),
        (
            "conventions.yaml",
            ["aman", "metrics", "f1", "honest"],
            "f1",
            "entry 'aman', field 'metrics.f1.honest': unknown score 'f1'; did you mean",
        ),
        (
            "tables/leaderboard.yaml",
            ["metrics", "uf1"],
            "uf2",
            "field 'metrics.uf1': unknown score 'uf2'; did you mean",
        ),
    ],
)
def test_scores_and_rules_that_there_are_not(root, file, path, value, message):
    _edit(root, file, *path, value=value)
    project = load_project(_settings(), root)
    with pytest.raises(InputError) as caught:
        check_scoring(project.conventions, project.tables)
    assert str(caught.value).startswith(f"config/{file}: {message}")


@pytest.mark.parametrize("file", ["recipes.yaml", "protocols.yaml", "methods/ststnet.yaml", "tables/runtime.yaml"])
def test_a_syntax_error_names_the_line(root, file):
    path = root / "config" / file
    path.write_text("a: 1\nb: [1, 2\nc: 3\n")
    assert f"{file}, line 3, column 2: not valid YAML" in _refusal(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "expected"), ("- a\n- b\n", "expected"), ("title: \xe9", "not a text file in UTF-8")],
)
def test_files_that_are_no_cards(root, text, message):
    for file in ("recipes.yaml", "datasets.yaml", "methods/ststnet.yaml"):
        path = root / "config" / file
        old = path.read_bytes()
        path.write_bytes(text.encode("latin-1"))
        found = _refusal(root)
        assert file in found and message in found
        path.write_bytes(old)


def test_a_missing_file(root):
    (root / "config/recipes.yaml").unlink()
    assert "config/recipes.yaml: no such file" in _refusal(root)


# data sets


def test_a_licensed_folder_that_is_not_there(root):
    project = load_project(_settings(source={"samm": "licensed"}, data="mine"), root)
    with pytest.raises(InputError, match=r"^mine/samm: no such folder, or empty, .*'samm'.*source: synthetic"):
        project.source("samm")
    (root / "mine/samm").mkdir(parents=True)
    with pytest.raises(InputError, match="or empty"):
        project.source("samm")
    (root / "mine/samm/sheet.xlsx").touch()
    (root / "mine/mmew").mkdir()
    (root / "mine/mmew/sheet.xlsx").touch()
    assert [project.source(name) for name in ("samm", "mmew", "casme2")] == ["licensed", "licensed", "synthetic"]
    forced = load_project(_settings(source="synthetic", data="mine"), root)
    assert forced.source("mmew") == "synthetic"


def test_a_data_set_of_one_subject(root):
    (root / "config/synthetic/mini.csv").write_text("dataset,subject,emotion,clips\nsamm,6,Anger,2\nsamm,7,Other,2\n")
    project = load_project(_settings(), root)
    assert project.subjects("samm") == [6, 7]
    with pytest.raises(InputError, match=r"^config/synthetic/mini\.csv: 1 subject.* 'samm-3'.*two at least"):
        project.tested("samm-3")  # subject 7 has no clip of its classes


def test_a_licensed_data_set_of_one_subject(root):
    (root / "data/mmew").mkdir(parents=True)
    (root / "data/mmew/sheet.xlsx").touch()
    _edit(root, "datasets.yaml", "mmew", "subjects", value=[3])
    with pytest.raises(InputError, match=r"^config/datasets\.yaml: 1 subject.* 'mmew-4'"):
        load_project(_settings(), root).tested("mmew-4")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("samm,six,Anger,2", "row 3: expected dataset, subject .*'six'"),
        ("samm,6,Anger", "row 3: expected .*clips"),
        ("samm,6,Anger,-1", "row 3: expected .*clips"),
        ("sam,6,Anger,2", "row 3: field 'dataset': unknown name 'sam'; did you mean 'samm'"),
    ],
)
def test_a_bad_row_of_the_plan(root, row, message):
    (root / "config/synthetic/mini.csv").write_text(f"dataset,subject,emotion,clips\nsamm,7,Anger,2\n{row}\n")
    with pytest.raises(InputError, match=rf"^config/synthetic/mini\.csv, {message}"):
        _ = load_project(_settings(), root).plan


def test_a_data_set_without_synthetic_clips(root):
    _edit(root, "datasets.yaml", "samm", "loader", value="samm")
    (root / "config/synthetic/mini.csv").write_text("dataset,subject,emotion,clips\nmmew,3,anger,2\n")
    project = load_project(_settings(), root)
    with pytest.raises(InputError, match=r"^config/synthetic/mini\.csv: no clips of 'samm', .*full, .*data/samm"):
        project.tested("samm-3")


def test_another_reading_of_a_release_is_planned_as_the_release(root):
    project = load_project(_settings(), root)
    assert project.loader("casme2-2019") == "casme2" and project.folder_of("casme2-2019") == Path("data/casme2")
    assert project.plan_of("casme2-2019") == project.plan_of("casme2")


def test_subjects_by_their_folders(root):
    _edit(root, "datasets.yaml", "samm", "subjects", value="[0-9][0-9][0-9]")
    for name in ("006/x", "037/y", "notes/z", "38a/z"):
        (root / "data/samm" / name).mkdir(parents=True)
    project = load_project(_settings(), root)
    assert project.subjects("samm") == [6, 37]
    _edit(root, "datasets.yaml", "samm", "subjects", value="sub*")
    with pytest.raises(InputError, match=r"entry 'samm', field 'subjects': no folder sub\* in data/samm; put"):
        load_project(_settings(), root).subjects("samm")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dataset", "sam", r"record 1, dataset': unknown name 'sam'; did you mean 'samm'"),
        ("field", "apexx", r"record 1, field 'field': Input should be 'onset'"),
        ("wy", 1, r"record 1, field 'wy': unknown key"),
    ],
)
def test_a_bad_repair(root, field, value, message):
    record = {"dataset": "samm", "clip": "006_1_2", "field": "apex", "old": 1, "new": 2, "reason": "r", "source": "s"}
    (root / "config/repairs.yaml").write_text(yaml.safe_dump([record | {field: value}]))
    assert re.search(message, _refusal(root))
    (root / "config/repairs.yaml").write_text(yaml.safe_dump([record]))
    (repair,) = load_project(_settings(), root).repairs
    assert (repair.old, repair.new) == ("1", "2")
    (root / "config/repairs.yaml").write_text("dataset: samm\n")
    assert "config/repairs.yaml: expected a list of records, found dict" in _refusal(root)


def test_no_plan(root):
    (root / "config/synthetic/mini.csv").unlink()
    with pytest.raises(InputError, match=r"^config/synthetic/mini\.csv: no such file"):
        _ = load_project(_settings(), root).plan


def test_an_emotion_that_the_release_does_not_have(tmp_path):
    paths = {"root": tmp_path / "clips", "truth": tmp_path / "truth"}
    with pytest.raises(
        InputError, match=r"^config/synthetic/mini\.csv: samm subject 6, .*'Angry'; did you mean 'Anger'"
    ):
        render_dataset(dataset="samm", release="samm", plan=[(6, "Angry", 1, "")], seed=0, scale="mini", **paths)
    assert list(tmp_path.iterdir()) == []


# cards that are like another


LIKE = {"like": "rate", "title": "mine", "params": {"epochs": 3}}


def _like(root, **changes):
    _sweep(root, sweep={})
    (root / "config/methods/mine.yaml").write_text(yaml.safe_dump(LIKE | changes))


def test_a_card_like_another_says_only_what_differs(root):
    _like(root, budgets={"quick": {"params": {"batch_size": 2}}}, certainty={"epochs": "ours"})
    card = load_project(_settings(methods=["mine"]), root).methods["mine"]
    assert (card.method, card.title, card.inputs) == ("ststnet", "mine", {"flow": "farneback-28"})
    assert card.certainty == {"epochs": "ours"}
    paper = load_project(_settings(methods=["mine"], budget="paper"), root).methods["mine"]
    assert paper.inputs == {"flow": "tvl1-28"} and paper.values("paper")["epochs"] == 3
    assert card.values("quick") == SWEEP["params"] | {"epochs": 5, "batch_size": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"like": "rat"}, "field 'like': unknown name 'rat'; did you mean 'rate'?"),
        ({"like": "mine"}, "field 'like': 'mine' is like another card; name that one"),
        ({"params": "epochs"}, "field 'params': Input should be a valid dictionary; found 'epochs'"),
        (
            {"budgets": {"quick": 3}},
            "field 'budgets.quick': Input should be a valid dictionary or instance of Values; found 3",
        ),
        ({"titel": "x"}, "field 'titel': unknown key; did you mean 'title'?"),
    ],
)
def test_a_bad_card_like_another(root, changes, message):
    _like(root, **changes)
    assert _refusal(root, methods=["mine"]).startswith(f"config/methods/mine.yaml: {message}")


def test_a_sweep_like_another_card_leaves_it_as_it_is(root):
    _like(root, title="mine, {value}", sweep={"mixing_options.patches": [1, 40]})
    methods = load_project(_settings(methods=["mine", "rate"]), root).methods
    assert list(methods) == ["mine-1", "mine-40", "rate"]
    assert methods["mine-40"].params["mixing_options"] == {"alpha_m": 0.5, "patches": 40}
    assert methods["rate"].params["mixing_options"] == {"alpha_m": 0.5}


# what a study leaves out


def test_leave_out(root):
    _sweep(root)
    out = {"samm-3": ["rate-0.001", "majority"], "smic-3": ["rate"]}
    project = load_project(_settings(methods=["majority", "rate"], leave_out=out), root)
    left = {(p, r) for p in ("samm-3", "smic-3", "mmew-4") for r in project.methods if project.left_out(p, r)}
    assert left == {
        ("samm-3", "rate-0.001"), ("samm-3", "majority"), ("smic-3", "rate-0.001"), ("smic-3", "rate-1e-05")
    }  # fmt: skip


def test_leave_out_names_what_there_is(root):
    found = _refusal(root, leave_out={"samm-33": ["majority"]})
    assert found.startswith("config/config.yaml: field 'leave_out': unknown name 'samm-33'; did you mean 'samm-3'")
    found = _refusal(root, leave_out={"samm-3": ["majorty"]})
    assert found.startswith("config/config.yaml: field 'leave_out.samm-3': unknown name 'majorty'; did you mean 'maj")
