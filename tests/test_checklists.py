"""Checklists and references of a study: what its files say, and nothing that they do not."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from predictions import predictions, table_of, write

from apexbench import cli
from apexbench.bibliography import bibliography, bibtex
from apexbench.checklists import neurips, reforms
from apexbench.checklists.records import Records
from apexbench.clips import COLUMNS, write_index
from apexbench.config.files import read_cards, read_entries
from apexbench.config.references import Reference
from apexbench.config.studies import CONFIG, merged
from apexbench.evaluation.score_files import write_scores
from apexbench.evaluation.scores import score_runs
from apexbench.protocols import write_protocol
from apexbench.study import Study

ROOT = Path(__file__).parent.parent
SEEDS = (0, 1)
RUNS = ("majority", "ststnet")


def _study(**changes):
    """A study of the working directory."""
    settings, origin = merged([CONFIG], ["config/studies/small.yaml"], changes)
    return Study(settings, Path(), origin)


@pytest.fixture
def study(root):
    """A study that was run: two methods on SAMM, one of two seeds; its clips are said to be a licensed copy's."""
    chosen = {
        "protocols": ["samm-3"],
        "table_protocols": [],
        "leave_out": {},
        "tables": [],
        "methods": [*RUNS],
        "seeds": [*SEEDS],
    }
    Path("config/studies").mkdir(exist_ok=True)
    Path("config/studies/small.yaml").write_text(yaml.safe_dump(chosen))
    study = _study()
    frame = predictions()
    table = table_of(frame)
    names = ["negative", "positive", "surprise"]
    table = table.assign(emotion="anger", **{"class": [names[label] for label in table["label"]]})
    Path("results/index").mkdir(parents=True)
    row = dict.fromkeys(COLUMNS, "") | {"apex": 9, "offset": 9, "fps": 200.0, "n_frames": 9, "apex_source": "sheet"}
    rows = [row | {k: v for k, v in clip.items() if k in COLUMNS} for clip in table.to_dict("records")]
    other = row | {"dataset": "samm", "subject": 6, "clip": "006_9_9", "onset": 1, "emotion": "other"}
    write_index(pd.DataFrame([*rows, other]).assign(label_set="samm-v2"), "results/index/samm.csv")
    Path("results/index/samm.findings.csv").write_text("kind,place,clip,text\nmissing-frames,x,6/1,y\nnote,x,,y\n")
    Path("results/protocols").mkdir()
    write_protocol(table, "results/protocols/samm-3.csv")
    files = {}
    for run in RUNS:
        for path in study.predictions("samm-3", run):
            seed = int(Path(path).parent.name.removeprefix("seed"))
            Path(path).parent.mkdir(parents=True)
            write(path, predictions(run, seed=seed), commit="abc123", seconds=1800.0, peak_mb=700 + seed, device="cpu",
                  versions={"numpy": "2"}, budget="quick")  # fmt: skip
            files.setdefault(run, []).append(path)
    assert [len(paths) for paths in files.values()] == [1, 2]
    card = read_cards(Path())[1]["samm-3"]
    write_scores(score_runs(files, card, table), Path("results/small/scores/samm-3.csv"))
    Path("results/small/study.yaml").write_text(yaml.safe_dump(chosen | {"study": "small"}))
    return study


# checklists


def test_there_are_all_items_and_each_asks_for_what_is_on_record():
    numbers = [item.number for items in reforms.MODULES.values() for item in items]
    assert len(reforms.MODULES) == 8 and len(set(numbers)) == len(numbers) == 32
    assert [number[0] for number in numbers] == [module[0] for module, its in reforms.MODULES.items() for _ in its]
    asked = [item for checklist in (reforms, neurips) for items in checklist.MODULES.values() for item in items]
    assert [item.number for item in asked[32:]] == [str(number) for number in range(1, 17)]
    facts = {name for item in asked for name in item.facts}
    told = {name for name in vars(Records) if not name.startswith("_") and name != "trainings"}
    assert facts == told  # each fact is asked for, and each that is asked for there is
    assert all(item.facts or item.open for item in asked)


def _items(page):
    """{checklist's first word, number: its lines}."""
    found, checklist = {}, ""
    for block in re.split(r"\n(?=## |\*\*)", page):
        if block.startswith("## "):
            checklist = block[3:].split()[0]
        elif block.startswith("**"):
            number = block[2:].split()[0]
            found[checklist, number] = [line for line in block.split("\n") if line.startswith("- ")]
    return found


def test_a_checklist_says_what_the_files_say(study, capsys):
    assert cli.main(["checklist", "small"]) == 0
    items = _items(capsys.readouterr().out)
    assert len(items) == 48 and all(items.values())
    said = {number: "\n".join(lines) for (checklist, number), lines in items.items() if checklist == "REFORMS"}
    assert "SAMM (`samm`): licensed copy, label set samm-v2" in said["1a"] and "synthetic" not in said["1a"]
    assert "abc123" in said["2b"] and "numpy 2" in said["2b"]
    assert "3 training jobs, 1.50 hours in all, at most 701 MB" in said["2c"]
    assert "22 clips of 5 subjects; samm 22" in said["3b"]
    table = pd.read_csv("results/protocols/samm-3.csv")
    counts = ", ".join(f"{c} {(table['class'] == c).sum()}" for c in ("negative", "positive", "surprise"))
    assert counts in said["3d"]
    assert "clips with missing frames 1" in said["3f"] and "1 of 23 clips have a label of no class" in said["4a"]
    assert "loso, 5 folds" in said["5c"] and "epoch of the honest scores: rule last" in said["5d"]
    assert "rules that look at test clips" in said["5d"] and "fold-oracle" in said["5d"]
    assert "no subject stands in two folds and no clip twice" in said["6a"]
    assert "2 of 2 scores of the last epoch have a 95 % interval" in said["7b"]
    assert "seeds of the trainings: 0, 1; scores are means over seeds" in said["7b"]
    assert "no tests between methods on record" in said["7c"]
    assert said["1b"] == "- **open:** the motivation"
    assert items["NeurIPS", "8"][0] == "- see REFORMS 2c" and items["NeurIPS", "8"][-1].startswith(
        "- **open:** yes, no"
    )


def test_a_checklist_tells_of_what_is_wrong(study, capsys):
    """Leaks, records that are not there, and synthetic clips."""
    table = pd.read_csv("results/protocols/samm-3.csv", dtype=str)
    table.loc[0, "fold"] = "samm:11"  # a clip of subject 6
    write_protocol(table, "results/protocols/samm-3.csv")
    index = pd.read_csv("results/index/samm.csv", dtype=str, keep_default_na=False)
    index = index.astype({"subject": int, "onset": int}).assign(label_set="synthetic-mini")
    write_index(index, "results/index/samm.csv")
    Path(study.predictions("samm-3", "ststnet")[1]).unlink()
    assert cli.main(["checklist", "small", "-o", "page.md"]) == 0
    page = Path("page.md").read_text()
    assert f"{page.count('**open:**')} points are open" in capsys.readouterr().out
    said = {number: "\n".join(lines) for (_, number), lines in _items(page).items()}
    assert "**1 subjects stand in several folds, 0 clips twice**" in said["6a"] and "no subject stands" not in page
    assert "**synthetic clips, which say nothing about any population**" in said["1a"]
    assert "1 of 3 training records are not there; run the study again" in said["2c"]
    assert "seeds of the trainings: 0; one seed" in said["7b"]


def test_a_study_that_was_not_run_has_no_checklist(study, capsys):
    Path("results/small/scores/samm-3.csv").unlink()
    assert cli.main(["checklist", "small"]) == 1
    assert "samm-3.csv: not there: the study is not run to its end; apexbench run small" in capsys.readouterr().err
    assert cli.main(["checklist", "smal"]) == 1 and "did you mean 'small'?" in capsys.readouterr().err


# references


def test_every_data_set_and_method_is_cited_or_said_to_have_no_reference(root):
    """All data sets, all cards of config/methods with a source, all flow and magnification there is."""
    entries = read_entries(Path("config"), "references.yaml", Reference)
    study, methods = _everything(root)
    found = bibliography(study)
    text = bibtex(study, found)
    used = [what for uses in found.used_for.values() for what in uses]
    for what in [*(f"data set {name}" for name in study.project.datasets), *(f"method {name}" for name in methods)]:
        assert (what in used) != (what in found.unknown), what
        assert what in text
    unknown = {what for what in found.unknown if what.startswith("data set ")}
    assert unknown == {f"data set {name}" for name in ("casme", "casme-squared", "4dme", "actions", "macro")}
    assert {"algorithm tvl1", "algorithm farneback", "algorithm magnet", "algorithm lbp-top"} <= set(used)
    assert {"algorithm flow-warp", "algorithm resnet"} <= set(found.unknown)
    assert {"method ststnet", "method mmnet", "method srmcl", "method aman"} <= set(used)
    assert {"majority", "shuffled-labels", "flow-svm"} <= set(found.own)
    assert [name for name in found.own if study.project.card(name).source] == []
    keys = re.findall(r"^@\w+\{(\S+),$", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) and set(keys) == {*found.used_for, "apexbench"}
    assert set(found.used_for) <= set(entries)


def _everything(root):
    """A study with every data set and every card, whose methods are not asked for what they cannot do."""
    study = Study(merged([CONFIG], [], {})[0] | {"tables": [], "table_protocols": [], "leave_out": {}}, root)
    project = study.project
    names = project.names("methods")
    for name in names:
        for run, card in project.card(name).runs(name, "quick").items():
            study.runs[run], project.card_of[run] = card, name
    study.licensed.update(dict.fromkeys(project.datasets, False))
    return study, [name for name in names if project.card(name).source]


def test_an_entry_has_the_facts_on_record_and_names_what_it_lacks(root):
    (root / "config/studies").mkdir(exist_ok=True)
    (root / "config/studies/small.yaml").write_text(
        yaml.safe_dump(
            {
                "protocols": ["megc2019", "megc2019-flow"],
                "table_protocols": [],
                "leave_out": {},
                "tables": [],
                "methods": ["ststnet", "mixup", "resnet-linear"],
            }
        )
    )
    assert cli.main(["cite", "small", "-o", "study.bib"]) == 0
    entries = {
        key: body for key, body in re.findall(r"^@\w+\{(\S+),\n(.*?)^\}$", Path("study.bib").read_text(), re.M | re.S)
    }
    assert "author = {Liong and Gan and See and Khor and Huang}" in entries["ststnet"]
    assert "booktitle = {FG}" in entries["ststnet"] and "note = {not on record here: title}" in entries["ststnet"]
    assert "doi = {10.1109/ICASSP48485.2024.10446492}" in entries["memix"] and "note" not in entries["memix"]
    assert "eprint = {2307.14637}" in entries["htnet"]  # whose repository has the given maps
    assert {
        "casme2",
        "samm",
        "smic",
        "megc2019",
        "mixup",
        "tvl1",
        "snakemake",
        "pytorch",
        "timm",
        "scikit-learn",
    } <= set(entries)
    assert not {"mmew", "mmnet", "srmcl"} & set(entries)


def test_the_references_of_methods_to_come_are_there():
    entries = read_entries(ROOT / "config", "references.yaml", Reference)
    named = {name for its in entries.values() for name in its.methods}
    assert {
        "lbp-sip", "mdmo", "bi-woof", "off-apexnet", "sssnet", "rcn-a", "dual-inception", "featref", "off-tanet",
        "macnn", "micro-attention", "capsulenet", "dssn", "htnet", "inceptr", "dual-atme", "slstt",
    } <= named  # fmt: skip


def test_a_reference_of_nothing_is_refused():
    with pytest.raises(ValueError, match="what it is the reference of"):
        Reference(type="misc", title="x")


# start-up


def test_no_command_waits_for_torch(study):
    """Nor for what trains; run as a user does, one after the other."""
    code = """
import sys
from apexbench import cli
cli.make_parser()
light = {"torch", "pandas", "cv2", "sklearn", "numba", "timm"} & set(sys.modules)
assert not light, light
assert cli.main(["checklist", "small", "-o", "a.md"]) == cli.main(["cite", "small", "-o", "a.bib"]) == 0
assert cli.main(["export", "ststnet", "--protocol", "samm-3"]) == 1  # its packs are not there
print(*{"torch", "sklearn", "numba", "timm", "matplotlib"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""
    assert "make it with: snakemake --cores 2 results/packs/samm/tvl1-28.safetensors" in done.stderr
