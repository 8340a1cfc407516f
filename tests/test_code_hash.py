"""When the code counts as changed."""

import ast
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from apexbench.code_hash import Code

ROOT = Path(__file__).parent.parent
LOADER = "apexbench.datasets.casme2"
CODE = """
import logging

LIMIT = 3


class Bad(Exception):
    pass


def check(rows):
    total = sum(rows)
    if total > LIMIT:
        raise ValueError(f"{total} rows; at most {LIMIT}")
    return total
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of the code, and of what was found in it before."""
    for folder in ("apexbench", "workflow/scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc", "*.nb?", "*-*.[0-9]*"))
    return tmp_path


def _hashes(tree):
    """Return {rule: hash}; `index`, whose data set has a loader, and `train`, with the module of a method."""
    starts = {path.stem: (f"workflow/scripts/{path.name}",) for path in (tree / "workflow/scripts").glob("*.py")}
    starts["index"] = (*starts["index"], LOADER)
    for arm in ("evm", "flow_warp", "magnet", "phase"):
        starts[f"magnify {arm}"] = (*starts["magnify"], f"apexbench.frames.magnifying.{arm}")
    starts["train ststnet"] = (*starts["train"], "apexbench.methods.ststnet")
    starts["train flow-svm"] = (*starts["train"], "apexbench.methods.flow_svm")
    return {name: Code(tree).hash(*some) for name, some in starts.items()}


def _changed(tree, file, edit="\nCHANGED = 1\n"):
    """Return the rules whose hash an edit changes: text to append, or (old, new)."""
    before = _hashes(tree)
    path = tree / "apexbench" / file
    text = path.read_text() if path.exists() else ""
    if isinstance(edit, tuple):
        assert edit[0] in text
        path.write_text(text.replace(*edit))
    else:
        path.write_text(text + edit)
    after = _hashes(tree)
    return {name for name in before if before[name] != after[name]}


# code and words


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3\n", "# at most so many\nLIMIT = 3  # rows\n"),
        ("def check(rows):\n", 'def check(rows):\n    """Count rows."""\n'),
        ("    pass\n", '    """Too many rows."""\n'),
        ("\nimport logging", '"""Counts."""\nimport logging'),
        ("LIMIT = 3\n", 'LIMIT = 3\n"""At most so many."""\n'),
        ("sum(rows)", "sum(\n        rows,\n    )"),
        ('f"{total} rows; at most {LIMIT}"', 'f"{total} rows, which are too many"'),
        ("ValueError(", 'ValueError("see the manual", '),
        ("    return total", '    logging.info("%d rows", total)\n    return total'),
        ("    return total", '    else:\n        logger.warning("few rows")\n    return total'),
    ],
)
def test_words_are_not_code(tmp_path, old, new):
    assert _one(tmp_path, CODE) == _one(tmp_path, CODE.replace(old, new)) and old in CODE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("total > LIMIT", "total >= LIMIT"),
        ("raise ValueError", "raise TypeError"),
        ("    return total", "    print(total)\n    return total"),
        ("    return total", "    kept = logging.info(total)\n    return total"),  # not a message alone
        ("sum(rows)", "'sum'"),
        ("LIMIT = 3", "import apexbench.motion\n\nLIMIT = 3"),
    ],
)
def test_code_is_code(tmp_path, old, new):
    assert _one(tmp_path, CODE) != _one(tmp_path, CODE.replace(old, new)) and old in CODE


def _one(folder, text):
    (folder / "one.py").write_text(text)
    return Code(folder).hash("one.py")


def test_an_import_in_a_message_counts(tmp_path):
    (tmp_path / "apexbench").mkdir()
    (tmp_path / "apexbench/names.py").write_text("")
    (tmp_path / "one.py").write_text('def f():\n    """Doc."""\n    import apexbench.names\n')
    assert [file.name for file in Code(tmp_path).files_of("one.py")] == ["names.py", "one.py"]


# what is kept from one start to the next


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A tree of two files, and where what was found in them is kept."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "apexbench/__pycache__").mkdir(parents=True)
    (tmp_path / "apexbench/names.py").write_text("A = 1\n")
    (tmp_path / "one.py").write_text(f"import apexbench.names\n{CODE}")
    first = Code(tmp_path).hash("one.py")
    (file,) = (tmp_path / "apexbench/__pycache__").iterdir()
    return tmp_path, file, first


def test_what_was_found_is_not_looked_for_again(kept, monkeypatch):
    tree, _, first = kept
    monkeypatch.setattr("apexbench.code_hash._read", lambda content: pytest.fail("read again"))
    assert Code(tree).hash("one.py") == first


@pytest.mark.parametrize("edit", ["A = 2\n", "import apexbench.more\nA = 1\n"])
def test_what_is_kept_of_a_file_is_of_its_bytes_not_of_its_date(kept, edit):
    tree, _, first = kept
    file = tree / "apexbench/names.py"
    (tree / "apexbench/more.py").write_text("")
    assert Code(tree).hash("one.py") == first
    before = file.stat()
    file.write_text(edit)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = Code(tree).hash("one.py")
    assert changed != first
    file.write_text("A = 1\n")
    assert Code(tree).hash("one.py") == first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"by": "another", "found": {}}', '{"found": {}}', "\0"])
def test_what_cannot_be_read_of_it_is_found_anew(kept, text):
    tree, file, first = kept
    file.write_text(text)
    assert Code(tree).hash("one.py") == first
    assert file.read_text() != text


def test_nothing_is_kept_where_python_keeps_nothing(kept, monkeypatch):
    tree, file, first = kept
    file.unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert Code(tree).hash("one.py") == first and not file.exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tree / "apexbench/__pycache__").rmdir()
    assert Code(tree).hash("one.py") == first  # nor where there is no folder for it


# rules


def test_touching_changes_nothing(tree):
    before = _hashes(tree)
    assert all(re.fullmatch("[0-9a-f]{12}", value) for value in before.values())
    for path in tree.rglob("*.py"):
        os.utime(path, (1, 1))
    assert _hashes(tree) == before


def test_the_place_of_the_code_does_not_matter(tree):
    assert _hashes(tree) == _hashes(ROOT)


def test_motion_is_the_business_of_flow_and_not_of_faces(tree):
    changed = _changed(tree, "motion/strain.py")
    assert "flow" in changed and not changed & {"render", "index", "faces", "magnify", "train", "scores"}
    assert {name for name in changed if name.startswith("magnify")} == {"magnify flow_warp"}


def test_protocols_are_no_business_of_what_comes_before_them(tree):
    changed = _changed(tree, "protocols.py")
    assert {"protocol", "train", "scores"} <= changed
    assert not changed & {"render", "index", "faces", "magnify", "flow", "pack", "pack_maps", "features"}


def test_a_reworded_caption_makes_tables_anew_and_nothing_else(tree):
    assert _changed(tree, "tables/words.py", ("weighted F1", "F1, weighted")) == {"table", "readme"}


def test_a_figure_is_its_own_business(tree):
    drawn = {"crops": "crop_sheet", "flow": "flow_picture", "scores": "score_figures", "ranks": "rank_figure"}
    drawn |= {"official_null": "official_null", "magnification": "magnification_figure"}
    for module, rule in {**drawn, "sweep": "curve_figure", "mixing": "inside_picture", "losses": "loss_figure"}.items():
        assert _changed(tree, f"figures/{module}.py") == {rule}


def test_each_stage_is_the_business_of_its_rule(tree):
    for rule in ("index", "protocol", "import_log", "scores", "table", "readme", "weights"):
        assert _changed(tree, f"stages/{rule}.py") == {rule}


def test_a_comment_or_a_message_retrains_nothing(tree):
    assert _changed(tree, "store/writing.py", "\n# a word on files\n") == set()
    message = "not a readable image; {_MEND}"
    assert _changed(tree, "frames/pictures.py", (message, "cannot be read")) == set()


def test_a_module_imported_inside_a_function_counts(tree):
    assert "import tvl1_kernels" in (tree / "apexbench/motion/tvl1.py").read_text()
    assert "flow" in _changed(tree, "motion/tvl1_kernels.py")
    assert "train ststnet" in _changed(tree, "methods/networks/ststnet.py")


def test_one_method_does_not_retrain_the_others(tree):
    assert _changed(tree, "methods/ststnet.py") == {"train ststnet"}
    assert _changed(tree, "methods/flow_svm.py") == {"train flow-svm"}
    assert _changed(tree, "methods/brand_new.py") == set()


def test_one_arm_does_not_magnify_anew_what_another_did(tree):
    assert _changed(tree, "frames/magnifying/phase.py") == {"magnify phase"}
    assert _changed(tree, "frames/steerable.py") == {"magnify phase"}
    assert _changed(tree, "frames/magnet/network.py") == {"magnify magnet"}
    assert _changed(tree, "frames/magnet/training.py") == set(), "its weights are a file of their own"
    assert {"magnify", "magnify evm", "magnify magnet"} <= _changed(tree, "frames/magnification.py")


def test_cards_and_the_command_line_retrain_nothing(tree):
    for file in ("config/settings.py", "errors.py", "project/__init__.py", "jobs.py", "code_hash.py", "cli.py"):
        assert _changed(tree, file) == set()


# what jobs ask of config/, and why its code need not count
ASKED = {
    "digest": "another digest is another key, and takes nothing over",
    "read_yaml": "what YAML says is its authors' business",
    "validate": "it refuses, and computes nothing",
    "on_keys": "when a study is checked: what a run is told are parameters",
    "runs": "the same",
}
STARTS = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "workflow/scripts").glob("*.py"))] + [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("datasets", "features", "frames/magnifying", "methods", "methods/mixing", "methods/pretraining")
    for path in sorted((ROOT / "apexbench" / folder).glob("[a-z]*.py"))
]


def _computing(text):
    """{name: what it computes} of a module of config/: a function itself, a model's methods but what checks fields."""
    found = {}
    for node in ast.parse(text).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        functions = [each for each in inside if isinstance(each, ast.FunctionDef)]
        checks = [each for each in functions if any("validator" in ast.unparse(by) for by in each.decorator_list)]
        if functions:
            found[node.name] = {each.name for each in functions if each not in checks}
    return found


def _asked(text, computing):
    """The functions of config/, and the methods of those of its models that are imported, which a file asks."""
    nodes = list(ast.walk(ast.parse(text)))
    named = {name.name: node.module for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names}
    its = {name: computing[module][name] for name, module in named.items() if name in computing.get(module, ())}
    methods = set().union(*its.values()) - set(dir(dict))
    called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return {name for name in its if name in its[name]} | (methods & called)


def test_no_job_asks_a_model_of_config_for_what_decides_on_numbers():
    """Its code is part of no hash."""
    files = (ROOT / "apexbench/config").glob("*.py")
    computing = {f"apexbench.config.{file.stem}": _computing(file.read_text()) for file in files}
    asked = {}
    for file in Code(ROOT).files_of(*STARTS):
        if "apexbench.config" in (text := file.read_text()):
            asked |= dict.fromkeys(_asked(text, computing), file.name)
    assert {name: file for name, file in asked.items() if name not in ASKED} == {}
    assert set(ASKED) <= set(asked), "one that nobody asks for any more"


def test_one_that_does_is_found():
    model = "class Card(Model):\n    @model_validator\n    def _ok(self): ...\n    def chosen(self): ...\n"
    computing = {"apexbench.config.cards": _computing(f"{model}def other(): ...")}
    assert computing == {"apexbench.config.cards": {"Card": {"chosen"}, "other": {"other"}}}
    begin = "from apexbench.config.cards import "
    assert _asked(f"{begin}Card\ndef f(card: Card):\n    return card.chosen() + card.field", computing) == {"chosen"}
    assert _asked(f"def f():\n    {begin}other\n", computing) == {"other"}
    assert _asked("from apexbench.labels import other\nother().chosen()", computing) == set()


def test_what_cards_say_of_labels_and_oracles_counts(tree):
    changed = _changed(tree, "labels.py", ("card.classes, **card.classes_of", "card.classes_of, **card.classes"))
    assert {"protocol", "train ststnet", "scores", "table"} <= changed and not changed & {"frames", "flow", "index"}
    assert _changed(tree, "oracles.py", ('== "action-units"', '!= "action-units"')) == {
        "frames",
        "flow",
        "magnification_figure",
    }
    assert "table" in _changed(tree, "printed.py", ("float(text)", "-float(text)"))


def test_the_loop_retrains_all(tree):
    assert {"train", "train ststnet", "train flow-svm"} <= _changed(tree, "methods/deep.py")


def test_a_script_counts_itself_and_what_it_begins_to_import(tree):
    before = _hashes(tree)
    script = tree / "workflow/scripts/faces.py"
    script.write_text(script.read_text() + "\n\ndef late():\n    import apexbench.motion.strain\n")
    assert {name for name, value in _hashes(tree).items() if value != before[name]} == {"faces"}
    assert "faces" in _changed(tree, "motion/strain.py")


def test_an_unknown_start(tree):
    with pytest.raises(FileNotFoundError, match=r"apexbench\.nowhere: neither a file"):
        Code(tree).hash("apexbench.nowhere")
