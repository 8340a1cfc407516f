"""What the rules ask: paths, reasons and what makes two runs the same, decided without Snakemake and without clips."""

import csv
import re
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import yaml

from apexbench.config.model import read_yaml
from apexbench.config.settings import RULES, Settings
from apexbench.config.studies import over
from apexbench.errors import InputError
from apexbench.frames.magnet.network import MagNet
from apexbench.frames.magnifying.magnet import SHIPPED
from apexbench.methods import create
from apexbench.recipes import axes_of, shard_axes
from apexbench.study import Study
from apexbench.study.checked import SHARED
from apexbench.timm_resnet import create_network
from apexbench.weights import EVERY, Weights, write_states

ROOT = Path(__file__).parent.parent


def _settings(**changes):
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return settings | over(settings, changes)


def _edit(root, file, change):
    path = root / "config" / file
    card = read_yaml(path)
    change(card)
    path.write_text(yaml.safe_dump(card, sort_keys=False))


def test_a_job_takes_several_subjects_and_every_subject_is_taken_once(root):
    for step in (1, 3, 8):
        study = Study(_settings(subjects_per_job=step), root)
        for dataset in study.datasets:
            parts = study.parts(dataset)
            assert [subject for part in parts.values() for subject in part] == study.subjects(dataset)
            assert all(len(part) <= step for part in parts.values())
            assert study.part_subjects(dataset, next(iter(parts))) == next(iter(parts.values()))
    with pytest.raises(InputError, match="samm: no part '1-2' of its subjects; there are 6-"):
        study.part_subjects("samm", "1-2")


def test_each_data_set_says_where_its_clips_are_from(root):
    for folder in ("CASME2/sub01", "samm", "mmew/x"):
        (root / "data" / folder).mkdir(parents=True)
    (root / "data" / "smic-hs").symlink_to("nowhere")
    protocols = ["casme2-5", "samm-5", "mmew-4", "smic-3"]
    settings = _settings(protocols=protocols, table_protocols=[], source={"samm": "synthetic"}, tables=[], leave_out={})
    study = Study(settings, root)
    said = dict(line.split(": ", 1) for line in study.sources())
    assert said["casme2"] == "synthetic clips (data/CASME2 is not read: rename it to casme2)"
    assert said["samm"] == "synthetic clips (config/config.yaml has source: synthetic; data/samm is empty)"
    assert said["mmew"] == "licensed clips (data/mmew is there)"
    assert said["smic-hs"] == "synthetic clips (data/smic-hs is no folder, or a broken link)"


def test_recipes_are_files_and_an_arm_none_copies_nothing(root):
    _edit(
        root, "recipes.yaml", lambda card: card["magnification"].update(plain={"of": "onset-apex-192", "arm": "none"})
    )
    _edit(root, "recipes.yaml", lambda card: card["flow"].update(bare={"of": "plain", "map": 28}))
    study = Study(_settings(), root)
    part = next(iter(study.parts("samm")))
    assert study.shard("samm", "onset-apex-192", part) == f"results/frames/samm/onset-apex-192/{part}.safetensors"
    assert study.shard("samm", "plain", part) == study.shard("samm", "onset-apex-192", part)
    assert study.shard_below("samm", "bare", part) == study.shard("samm", "onset-apex-192", part)
    assert study.shard("samm", "evm-5", part) == f"results/magnified/samm/evm-5/{part}.safetensors"
    assert study.shard_below("samm", "resnet18-layer3-evm-5", part) == study.shard("samm", "evm-5", part)


def test_axes_are_known_before_anything_runs(root):
    def more(card):
        card["magnification"]["several"] = {"of": "all-192", "arm": "evm", "factors": [2, 3, 5]}
        card["flow"]["each"] = {"of": "several", "pairs": "onset-each"}
        card["features"]["maps"] = {"of": "several", "extractor": "resnet", "options": {}}

    _edit(root, "recipes.yaml", more)
    recipes = Study(_settings(), root).recipes
    assert axes_of(recipes, "tvl1-28") == ("motion", "y", "x")
    assert axes_of(recipes, "memix-224") == ("key", "colour", "y", "x")
    assert axes_of(recipes, "mmnet-224") == ("key", "near", "colour", "y", "x")
    assert axes_of(recipes, "tim-10-128") == ("frame", "colour", "y", "x")
    assert axes_of(recipes, "several") == ("frame", "factor", "colour", "y", "x")
    assert axes_of(recipes, "each") == ("pair", "factor", "motion", "y", "x")
    assert axes_of(recipes, "maps") == ("frame", "factor", "feature", "y", "x")
    assert shard_axes(recipes, "several") == ("frame", "factor", "y", "x", "colour")


def test_only_what_a_method_reads_is_made(root):
    study = Study(_settings(methods=["majority", "flow-svm"], tables=[]), root)
    assert study.recipes_in_use() == ["onset-apex-192", "tvl1-28"]
    assert study.pictured_flow() == ["tvl1-28"]
    assert not any("farneback" in path or "mixing" in path for path in study.figures())
    assert Study(_settings(methods=["majority"], tables=[]), root).recipes_in_use() == []


def test_faces_are_found_unless_the_release_is_cropped(root):
    study = Study(_settings(), root)
    assert study.frames_inputs("samm", "onset-apex-192", "6-9")["faces"] == "results/faces/samm/mesh/6-9.csv"
    _edit(root, "datasets.yaml", lambda card: card["samm"].update(cropped=True))
    assert "faces" not in Study(_settings(), root).frames_inputs("samm", "onset-apex-192", "6-9")


@pytest.mark.parametrize("name", sorted(SHARED))
def test_a_study_cannot_have_the_name_of_a_folder_that_all_share(root, name):
    with pytest.raises(InputError, match=f"field 'study': '{name}' is a folder that all studies share"):
        Study(_settings(study=name), root)


def test_every_folder_that_studies_share_is_known():
    texts = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    folders = {part.split("/")[0] for text in texts for part in text.split('"results/')[1:]}
    assert {folder for folder in folders if "{" not in folder} <= SHARED


# what a run is


def _key(root, protocol="samm-3", run="ststnet", **changes):
    return Study(_settings(**changes), root).key(protocol, run)


def test_studies_share_what_is_the_same(root):
    key = _key(root)
    for changes in (
        {"study": "other"},
        {"methods": ["ststnet"], "tables": []},
        {"protocols": ["samm-3"], "tables": []},
        {"seeds": [0, 1, 2]},
        {"folds_per_job": 2},
        {"subjects_per_job": 1},
        {"inner_folds": 3},
    ):
        assert _key(root, **changes) == key, changes


@pytest.mark.parametrize(
    "changes", [{"study_seed": 1}, {"budget": "paper"}, {"scale": "full"}, {"instructions": "native"}]
)
def test_other_settings_make_another_run(root, changes):
    assert _key(root, **changes) != _key(root)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("methods/ststnet.yaml", lambda card: card["params"].update(weight_decay=1.0)),
        ("recipes.yaml", lambda card: card["flow"]["tvl1-28"].update(strain="central")),
        ("recipes.yaml", lambda card: card["crops"]["face-192"].update(margin=0.1)),
        ("recipes.yaml", lambda card: card["frames"]["onset-apex-192"].update(crop="face-128")),
        ("protocols.yaml", lambda card: card["samm-3"]["classes"].update(positive=["happiness", "other"])),
        ("datasets.yaml", lambda card: card["samm"].update(apex="midpoint")),
    ],
)
def test_another_card_recipe_protocol_or_reading_makes_another_run(root, file, change):
    before, majority = _key(root), _key(root, run="majority", protocol="smic-3")
    _edit(root, file, change)
    assert _key(root) != before
    assert _key(root, run="majority", protocol="smic-3") == majority, "which has nothing to do with it"


@pytest.mark.parametrize("section", ["magnification", "features"])
def test_weights_of_arms_and_extractors_are_loaded_before_the_first_job(root, section):
    """A file of another network would else be found when all frames are there."""
    name = {"magnification": "aman-arms-magnet", "features": "aman-arms-magnet-layer3"}[section]
    fits, other = MagNet().state_dict(), create_network("resnet18", 0.25).state_dict()
    if section == "features":
        fits, other = other, fits
    file = root / "given.pth.tar"

    def check():
        settings = _settings(methods=["aman-magnet"], protocols=["casme2-5"], table_protocols=[], tables=[])
        Study(settings | {"leave_out": {}}, root).check_weight_files()

    def given(recipes):
        recipes[section][name]["options"] = recipes[section][name].get("options", {}) | {"weights": {"file": str(file)}}

    _edit(root, "recipes.yaml", given)
    where = re.escape(f"config/recipes.yaml: field '{section}.{name}.options.weights': {file}: ")
    with pytest.raises(InputError, match=f"{where}no such file"):
        check()
    torch.save({"state_dict": {f"module.{name}": x for name, x in other.items()}}, file)
    with pytest.raises(InputError, match=f"{where}does not fit the network; missing"):
        check()
    torch.save({"state_dict": {f"module.{name}": x for name, x in fits.items()}}, file)
    check()


@pytest.mark.parametrize(
    ("recipe", "factor", "there"),
    [
        ("aman-11x9-layer3", 9, "0 is 2, 1 is 3.25, "),
        ("aman-arms-phase-layer3", 2, "0 is 8, 1 is 16; take one of these, or 'all'"),
        ("aman-none-layer3", 1, "0 is its frames as they are; take one of these, or 'all'"),
    ],
)
def test_a_factor_that_a_recipe_lacks_is_told_before_the_first_job(root, recipe, factor, there):
    settings = _settings(methods=["aman-one-factor"], protocols=["casme2-5"], table_protocols=[], tables=[])

    def given(number):
        quick = {"inputs": {"features": recipe}, "params": {"factor": number}}
        _edit(root, "methods/aman-one-factor.yaml", lambda card: card.update(budgets={"quick": quick}))

    given(factor)
    where = "config/methods/aman-one-factor.yaml: field 'params.factor': under budget 'quick' "
    with pytest.raises(InputError) as caught:
        Study(settings | {"leave_out": {}}, root)
    assert str(caught.value).startswith(f"{where}{recipe!r} has no factor {factor}, counted from 0: {there}")
    given(factor - 1)
    assert Study(settings | {"leave_out": {}}, root).params("casme2-5", "aman-one-factor").factor == factor - 1


@pytest.mark.parametrize(
    ("file", "keys", "run", "protocol", "person"),
    [
        ("methods/sbml-lr-lr.yaml", ["params"], "sbml-lr-lr", "smic-3", "smic-hs:1"),
        ("recipes.yaml", ["pretraining", "decalcomanie-1", "start"], "sbml-lr-lr-2", "smic-3", "smic-hs:1"),
        ("recipes.yaml", ["features", "aman-arms-none-layer3", "options"], "aman-none", "casme2-5", "casme2:1"),
    ],
)
def test_weights_that_have_seen_whom_a_run_tests_are_refused_before_the_first_job(
    root, file, keys, run, protocol, person
):
    """Weights that were trained here, but are named by their path."""
    quick = yaml.safe_load((ROOT / "config/methods/sbml-lr-lr.yaml").read_text())["budgets"]["quick"]["params"]
    clips, pictures = create("decalcomanie-sbml", 3, **quick).build().backbone, create_network("resnet18", 0.25)

    def given(card):
        for key in keys:
            card = card[key] if key in card else card.setdefault(key, {})
        card["weights"] = {"file": str(root / "ours.safetensors")}

    _edit(root, file, given)
    settings = _settings(methods=[run], protocols=[protocol], table_protocols=[], tables=[], leave_out={})
    for seen in (person, "mmew:1"):
        state = (pictures if run == "aman-none" else clips).state_dict()
        write_states(root / "ours.safetensors", {EVERY: state}, {EVERY: {seen}}, {})
        refused = pytest.raises(InputError, match=f"ours.safetensors has seen {person}, whom '{protocol}' tests")
        with refused if seen == person else nullcontext():
            Study(settings, root).check_weight_files()


@pytest.mark.parametrize(
    ("given", "train", "flow"),
    [
        (30, 30, 120),
        ({"default": 5}, 720, 5),
        ({"training": 9, "train": 3, "flow": 2}, 3, 2),
        ({"training": 9, "default": 5}, 9, 5),
    ],
)
def test_minutes_of_a_job_are_its_rules_or_those_of_its_kind(given, train, flow):
    settings = Settings(**_settings(minutes_per_job=given))
    assert (settings.minutes("train"), settings.minutes("flow")) == (train, flow)


def test_every_rule_asks_for_its_minutes_and_every_job_ends_itself_after_them():
    text = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    rules = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^(?:use )?rule |\Z)", text, re.MULTILINE | re.DOTALL))
    with_jobs = {name: body for name, body in rules.items() if "script:" in body}
    assert set(with_jobs) == set(RULES) and len(rules) > len(with_jobs) > 20
    for name, body in with_jobs.items():
        assert f'runtime=SETTINGS.minutes("{name}")' in body, name
        script = (ROOT / f"workflow/scripts/{name}.py").read_text()
        limit, lease = script.index("time_limit(snakemake)"), script.find("lease(r")
        assert limit > lease, f"{name}: the time begins when the GPU is there"


def test_words_of_a_card_do_not_make_another_run(root):
    before = _key(root)
    _edit(root, "methods/ststnet.yaml", lambda card: card.update(title="another title", note="another note"))
    _edit(root, "protocols.yaml", lambda card: card["samm-3"].update(title="other", note="other"))
    assert _key(root) == before


def test_a_run_of_another_configuration_is_refused(root):
    study = Study(_settings(), root)
    key = study.key("samm-3", "ststnet")
    run = study.training_run("samm-3", "ststnet", key)
    assert run["job"]["protocol"] == "samm-3" and run["roles"] == ["flow"] and run["weights"] == []
    assert run["folds"] == study.training_folds("samm-3", study.fold_ranges("samm-3", "ststnet")[0])
    with pytest.raises(InputError, match="not what the configuration now asks of 'ststnet'"):
        study.training_run("samm-3", "ststnet", "0" * 12)


def _maps_there(root):
    (root / "data/flow-maps").mkdir(parents=True)
    (root / "data/flow-maps/a.csv").touch()


def test_given_flow_maps_that_lie_unused_are_told_with_a_study_that_reads_them(root):
    assert Study(_settings(), root).unused_maps() == []
    _maps_there(root)
    (line,) = Study(_settings(), root).unused_maps()
    assert line.startswith("data/flow-maps: given flow maps, which no protocol of this study reads")
    file = line.split("--configfile ")[1]
    study = Study(_settings(**yaml.safe_load((root / file).read_text())), root)
    assert study.unused_maps() == [] and study.real(study.datasets)
    assert set(study.trained_on("ststnet")) == {"megc2019-flow"}


def test_printed_tables_take_given_maps_where_only_these_are_real(root):
    """megc2019-flow stands for megc2019: where it is alone, or where the frames are synthetic and the maps are not."""
    both = _settings(
        protocols=["megc2019", "megc2019-flow"], table_protocols=[], tables=["ststnet-paper", "leaderboard"]
    )
    alone = both | {"protocols": ["megc2019-flow"], "leave_out": {}}

    def taken(settings):
        table = Study(settings, root).project.tables["ststnet-paper"]
        return {column.beside for column in table.columns}, "magnitudes of motion are lost" in table.caption

    slices = {"megc2019-flow-full", "megc2019-flow-smic", "megc2019-flow-casme2", "megc2019-flow-samm"}
    assert taken(both) == ({""}, False), "all synthetic"
    assert taken(alone) == (slices, True)
    assert "ststnet" in Study(alone, root)._printed_there["megc2019-flow"]
    _maps_there(root)
    assert taken(both) == (slices, True)
    assert Study(both, root).table_protocols("ststnet-paper") == ["megc2019-flow"]
    for dataset in ("smic-hs", "casme2", "samm"):
        (root / "data" / dataset / "x").mkdir(parents=True)
    assert taken(both) == ({""}, False), "real frames are better than maps"
    _edit(root, "protocols.yaml", lambda card: card["smic-3"].update(stands_for="megc2091"))
    with pytest.raises(InputError, match=r"protocols\.yaml: field 'smic-3\.stands_for': unknown name 'megc2091'"):
        Study(both, root)


def test_reasons_for_which_a_run_is_not_trained(root):
    study = Study(_settings(protocols=["megc2019", "samm-3", "megc2019-flow"], tables=[]), root)
    assert study.why_not("samm-3", "ststnet") == ""
    assert study.why_not("megc2019", "mmnet") == "left out of this study (leave_out)"
    assert study.why_not("samm-3", "mixup") == "its card is for casme2-5 only"
    assert "holds flow maps of onset and apex only" in study.why_not("megc2019-flow", "resnet-linear")
    assert study.why_not("megc2019-flow", "ststnet") == ""
    assert study.predictions("megc2019", "mmnet") == []


_OFF_TANET = ["off-tanet", "macnn", "micro-attention", "ststnet-off-tanet"]


@pytest.mark.parametrize("budget", ["quick", "paper"])
def test_given_maps_are_no_puzzle_not_in_px_and_need_a_size(root, budget):
    """What is trained on them is what a pack of them can be made for, and what a map of 0..1 means something to."""
    methods = [
        *_OFF_TANET,
        "dssn",
        "dual-atme",
        "vit-flow",
        "srmcl",
        "dual-inception",
        "featref",
        "htnet",
        "inceptr",
        "flow-svm",
    ]
    settings = _settings(
        protocols=["megc2019-flow", "megc2019"], table_protocols=[], tables=[], methods=methods, leave_out={}
    )
    study = Study(settings | {"budget": budget}, root)
    why = {run: study.why_not("megc2019-flow", run) for run in methods}
    size = "which has no 'map', the side in px that the flow maps of smic-hs-flow are brought to"
    px = "needs flow in px, but the flow maps of smic-hs-flow are each stretched to their own range"
    for run in (*_OFF_TANET, "dssn", "srmcl"):
        assert why[run].endswith(size if budget == "paper" else px), run
    assert why["vit-flow"].endswith("is for casme2-5 only")
    assert why["dual-atme"] == (
        "reads tvl1-puzzle-28, of the region puzzle, but the flow maps of smic-hs-flow are of the whole face"
    )
    trained = [run for run, reason in why.items() if not reason]
    assert trained == ["dual-inception", "featref", "htnet", "inceptr", "flow-svm"]
    for run in trained:
        for recipe in study.card("megc2019-flow", run).inputs.values():
            assert study.recipes[recipe].map
    for run in ("dual-inception", "featref"):
        scaling = {protocol: study.params(protocol, run).scaling for protocol in ("megc2019-flow", "megc2019")}
        assert scaling == {"megc2019-flow": "0-255", "megc2019": "px"}
    assert not any("flow maps" in study.why_not("megc2019", run) for run in methods)


def _printed(tables):
    """{protocol: methods and runs that the files of config/published have there}, by the tables' cards as written."""
    printed = defaultdict(set)
    for name in tables:
        card = yaml.safe_load((ROOT / f"config/tables/{name}.yaml").read_text())
        if "published" not in card:
            continue
        with (ROOT / "config/published" / card["published"]).open(newline="") as handle:
            lines = [line for line in csv.DictReader(handle) if line["table"] == card.get("table", name)]
        rows = {line["row"]: line["method"] for line in lines} | card.get("runs", {})
        rows |= {row: its["run"] for row, its in card.get("also", {}).items()}
        for row, run in rows.items():
            for column, its in card["columns"].items():
                ours = its.get("beside") if isinstance(its, dict) else None
                printed[card.get("beside", {}).get(row, {}).get(column) or ours or column].add(run)
    return printed


def _trained(study):
    return {protocol: {run for run in study.runs if not study.why_not(protocol, run)} for protocol in study.protocols}


def test_under_protocols_of_tables_only_what_a_table_prints_there_is_trained(root):
    study = Study(_settings(), root)
    there, printed = _trained(study), _printed(_settings()["tables"])
    for protocol in study.settings.table_protocols:
        reasons = {run: study.why_not(protocol, run) for run in study.runs}
        others = {run for run, reason in reasons.items() if reason and "no printed table" not in reason}
        assert there[protocol] and there[protocol] == printed[protocol] & set(study.runs) - others, protocol
    assert {"srmcl", "aman", "lbp-top", "majority"} <= there["samm-5"] and "mmnet" in there["casme2-3-wide"]
    assert "no printed table of this study has it there" in study.why_not("samm-5", "ststnet")
    assert {"samm-5", "casme2-3-megc"} & set(study.table_protocols("srmcl-single")) == {"samm-5"}
    assert {"samm-5", "casme2-3-megc"} <= set(study.table_protocols("data"))
    for other in ("leaderboard", "comparisons", "runtime"):
        assert not {"samm-5", "casme2-3-megc"} & set(study.table_protocols(other))
    assert not [path for path in study.figures() if "samm-5" in path or "casme2-3-megc" in path]
    with pytest.raises(InputError, match="field 'table_protocols': 'samm-3' is one of 'protocols' too"):
        Study(_settings(table_protocols=["samm-3"]), root)


def test_methods_of_tables_are_trained_where_a_table_prints_them_and_are_on_no_leaderboard(root):
    moved = ["mmnet", "srmcl", "memix-k"]  # a method with many printed rows, one with few, and a sweep
    methods = [name for name in _settings()["methods"] if name not in moved]
    left_out = _settings()["leave_out"] | {"casme2-3-wide": ["mmnet"]}
    everywhere = Study(_settings(methods=[*methods, *moved], leave_out=left_out), root)
    study = Study(_settings(methods=methods, table_methods=moved, leave_out=left_out), root)
    printed, runs = _printed(_settings()["tables"]), {"mmnet", "srmcl"}
    runs |= {run for run in study.runs if run.startswith("memix-k-")}
    before, there = _trained(everywhere), _trained(study)
    for protocol in study.protocols:
        assert there[protocol] & runs == printed[protocol] & runs - set(left_out.get(protocol, ())), protocol
        assert there[protocol] - runs == before[protocol] - runs, "the others are where they were"
    assert {"mmnet", "srmcl"} <= there["samm-3"] | there["smic-3"] and "srmcl" in there["samm-5"]
    elsewhere = next(p for p in study.settings.protocols if not {"srmcl"} & (printed[p] | set(left_out.get(p, ()))))
    assert study.why_not(elsewhere, "srmcl") == "no printed table of this study has it there (table_methods)"
    assert study.why_not("casme2-3-wide", "mmnet") == "left out of this study (leave_out)"
    assert not runs & set(study.shown) and {"mmnet", "srmcl"} <= set(everywhere.shown)
    assert not runs & set(study.compared()[""]) and not runs & set(study.shown_titles())
    assert study.table_sources("leaderboard")["study"]["table_methods"] == sorted(runs)
    assert study.key("samm-3", "mmnet") == everywhere.key("samm-3", "mmnet"), "nothing is trained anew"
    kept = Study(_settings(methods=methods, table_methods=moved, tables=["leaderboard"]), root)
    assert not any(runs & trained for trained in _trained(kept).values()), "no printed table, nothing to train"
    with pytest.raises(InputError, match="field 'table_methods': 'mmnet' is one of 'methods' too: it is trained every"):
        Study(_settings(table_methods=["mmnet"]), root)
    with pytest.raises(InputError, match="field 'table_methods': unknown name 'mnet'; did you mean 'mmnet'"):
        Study(_settings(table_methods=["mnet"]), root)


def test_figures_have_titles_and_say_which_study_and_that_clips_are_synthetic(root):
    study = Study(_settings(), root)
    said = "Study default, budget quick; synthetic clips: these numbers say nothing about real data"
    assert study.protocol_head("samm-3").split("\n") == ["SAMM, 3 classes", said]
    assert study.flow_head("samm", "tvl1-28").split("\n") == ["SAMM: TV-L1 flow (recipe tvl1-28)", said]
    assert study.ranks_head().split("\n")[1].startswith("CASME II, 5 classes; SAMM, 3 classes; ")
    assert study.shown_titles()["ststnet"] == "STSTNet"
    assert "ststnet" in study.shown_by_epoch() and not {"majority", "flow-svm", "memix-k-1"} & set(
        study.shown_by_epoch()
    )
    chapters = {table: study.table_category(table) for table in ("leaderboard", "srmcl-ablation", "memix-k", "data")}
    assert list(chapters.values()) == ["1 Leaderboard", "2 Papers", "2 Papers", "5 Clips and motion"]
    assert not study.curve_beside_printed("memix-k"), "what is printed is of real clips"
    (root / "data" / "casme2" / "sub01").mkdir(parents=True)
    licensed = Study(_settings(source={"casme2": "licensed"}), root)
    assert licensed.curve_beside_printed("memix-k") and "synthetic" not in licensed.curve_head("memix-k")


def test_the_null_model_on_official_counts_is_drawn_where_a_study_is_about_them(root):
    study = Study(_settings(), root)
    figure = "results/default/figures/official-null.svg"
    sources = study.readme_sources()
    assert figure in study.figures() and sources["pictures"] == {"official-null.svg": figure}
    assert sources["words"] == {"official-null": figure.replace(".svg", ".md")}
    assert study.official_card()["expected_clips"] == 442, "the official counts, not those of the synthetic clips"
    mine = Study(_settings(study="mine"), root)
    assert figure.replace("default", "mine") in mine.figures() and not mine.readme_sources()["pictures"]
    assert not [path for path in Study(_settings(protocols=["smic-3"]), root).figures() if "official" in path]


def test_losses_are_drawn_of_the_runs_that_are_trained(root):
    study = Study(_settings(), root)
    assert "results/default/figures/losses-mlsp-ablation.svg" in study.figures()
    assert list(study.losses_by_run("mlsp-ablation")) == ["mlsp-cce", "mlsp-wcce"]
    assert study.loss_jobs("mlsp-ablation")["mlsp-wcce"]["protocol"] == "smic-3"
    fewer = Study(_settings(methods=["majority", "mlsp-wcce"]), root)
    assert list(fewer.losses_by_run("mlsp-ablation")) == ["mlsp-wcce"]
    none = Study(_settings(protocols=["samm-3"]), root)
    assert not none.losses_by_run("mlsp-ablation") and not [path for path in none.figures() if "losses" in path]


def test_oracles_are_known(root):
    study = Study(_settings(methods=["majority", "mlsp", "dualbranch-au"]), root)
    assert study.oracles == ["dualbranch-au"]
    assert "oracle" in study.runs["dualbranch-au"].title.lower()


def test_every_fold_is_in_one_job(root):
    for step in ("all", 1, 3):
        study = Study(_settings(folds_per_job=step), root)
        for protocol in study.settings.protocols:
            ranges = study.fold_ranges(protocol, "majority")
            folds = [fold for name in ranges for fold in study.training_folds(protocol, name)]
            assert folds == study.folds[protocol] and len(set(folds)) == len(folds)
            assert len(study.predictions(protocol, "majority")) == len(ranges)


def test_auto_cuts_the_folds_of_networks_alike_in_every_study_and_on_every_machine(root):
    few = Study(_settings(scale="full", protocols=["megc2019"], table_protocols=[], folds_per_job="auto"), root)
    many = Study(
        _settings(scale="full", table_protocols=[], folds_per_job="auto", methods=["ststnet"], leave_out={}), root
    )
    ranges = few.fold_ranges("megc2019", "ststnet")
    assert len(ranges) == 8 and ranges[0] == "0-8" and ranges[-1] == "63-67"
    assert [fold for name in ranges for fold in few.training_folds("megc2019", name)] == few.folds["megc2019"]
    assert few.fold_ranges("megc2019", "flow-svm") == ["0-67"]
    assert few.predictions("megc2019", "ststnet") == many.predictions("megc2019", "ststnet")


def test_methods_without_randomness_are_trained_with_one_seed(root):
    study = Study(_settings(seeds=[3, 4]), root)
    seeds = {
        run: len(study.predictions("samm-3", run)) for run in ("majority", "flow-svm", "shuffled-labels", "ststnet")
    }
    assert seeds == {"majority": 1, "flow-svm": 1, "shuffled-labels": 2, "ststnet": 2}
    assert "seed3/" in study.predictions("samm-3", "majority")[0]


# pre-training

OTHERS = {"task": "reconstruct", "inputs": {"frames": "memix-48"}, "clips": {"scope": "all", "datasets": ["mmew"]}}
FACES = {
    "task": "reconstruct",
    "inputs": {"frames": "memix-48"},
    "clips": {"scope": "fold"},
    "start": {"weights": {"pretraining": "others"}},
}


def _pretraining(root, weights="faces", **recipes):
    recipes = {"others": OTHERS, "faces": FACES} | recipes
    _edit(root, "recipes.yaml", lambda card: card.update(pretraining=recipes))
    quick = {"params": {"semantic_weights": {"pretraining": weights}, "resnet": {}}}
    card = {"like": "mixmeformer", "title": "pre", "budgets": {"quick": quick}}
    (root / "config/methods/pre.yaml").write_text(yaml.safe_dump(card))


def _pre(root, protocols=("samm-3", "smic-3"), methods=("pre",), **settings):
    alone = {"protocols": list(protocols), "table_protocols": [], "methods": list(methods), "tables": ["data"]}
    return Study(_settings(**alone, **settings), root)


def test_a_run_asks_for_its_pre_trainings_and_these_for_theirs(root):
    _pretraining(root)
    study = _pre(root, folds_per_job=4)
    (path,) = study.training_inputs("samm-3", "pre", study.key("samm-3", "pre"), "0-3")["weights"]
    key = study.pretraining_key("faces", "samm-3")
    assert path == f"results/pretrained/faces/{key}/samm-3/folds0-3.safetensors"
    clips = "samm-3/folds0-3"
    assert study.pretraining_inputs("faces", key, clips) == {
        "frames": ["results/packs/samm/memix-48.safetensors"],
        "protocol": "results/protocols/samm-3.csv",
    }
    assert study.pretraining_folds(clips) == study.training_folds("samm-3", "0-3")
    assert study.pretraining_people("faces", clips) == {"samm": "samm"}
    (first,) = study.pretraining_weights("faces", clips)
    assert first == f"results/pretrained/others/{study.pretraining_key('others', 'samm-3')}/all.safetensors"
    whole = study.pretraining_key("others", "samm-3")
    assert study.pretraining_inputs("others", whole, "all") == {
        "frames": ["results/packs/mmew/memix-48.safetensors"],
        "indexes": ["results/index/mmew.csv"],
    }
    assert study.pretraining_folds("all") == [] and study.pretraining_weights("others", "all") == []
    assert "mmew" not in study.datasets and study.licensed["mmew"] is False
    job = study.pretraining_job("faces", key, clips)
    assert job["params"] == {"weights": {"pretraining": "others"}} and job["protocol"] == "samm-3"
    with pytest.raises(InputError, match="results/pretrained/faces/0: not what the configuration now asks of 'faces'"):
        study.pretraining_job("faces", "0", clips)


EMOTIONS = {"task": "classify-faces", "inputs": {"frames": "aman-arms"}, "params": {"width": 0.25}}


def _pretrained_features(root, clips=("mmew",), scope="all", options=(), **recipe):
    """A study of samm-3 whose method reads features of weights that are trained here."""
    clips = {"clips": {"scope": scope, **({"datasets": list(clips)} if clips else {})}}
    options = {"width": 0.25, "weights": {"pretraining": "emotions"}, **dict(options)}
    mine = {"of": "aman-arms", "extractor": "resnet", "options": options}
    _edit(root, "recipes.yaml", lambda card: card["pretraining"].update(emotions=EMOTIONS | clips | recipe))
    _edit(root, "recipes.yaml", lambda card: card["features"].update(mine=mine))
    card = {
        "like": "aman",
        "title": "mine",
        "inputs": {"features": "mine"},
        "budgets": {"quick": {"inputs": {"features": "mine"}}},
    }
    (root / "config/methods/pre.yaml").write_text(yaml.safe_dump(card))
    return _pre(root, protocols=("samm-3",))


def test_features_by_weights_that_are_trained_here(root):
    study = _pretrained_features(root)
    (path,) = study.feature_weights("mine")
    assert path == f"results/pretrained/emotions/{study.pretraining_key('emotions', '')}/all.safetensors"
    assert (
        study.feature_card("mine")["options"]["weights"]
        == {"file": path}
        == study.pack_recipe("mine")["options"]["weights"]
    )
    assert (
        study.pretrained_in_use() == ["emotions"] and study.licensed["mmew"] is False and "mmew" not in study.datasets
    )
    assert study.feature_people("samm") == "samm"
    other = _pretrained_features(root, params={"width": 0.25, "epochs": 3})
    assert other.key("samm-3", "pre") != study.key("samm-3", "pre") and other.feature_weights("mine") != [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": ("samm",)}, r"'features\.mine\.options\.weights': the pre-training 'emotions' sees .* 'samm-3'"),
        ({"scope": "fold", "clips": ()}, r"'features\.mine\.options\.weights': features are made once for all folds"),
        ({"options": {"width": 0.5}}, "the pre-training 'emotions' does not fit: width is 0.5 here and 0.25 there"),
        ({"options": {"weights": {"pretraining": "emotion"}}}, "unknown name 'emotion'; did you mean 'emotions'"),
        ({"task": "reconstruct", "inputs": {"frames": "memix-48"}, "params": {}}, "it trains no ResNet of pictures"),
    ],
)  # fmt: skip
def test_features_refuse_weights_that_cannot_be(root, change, message):
    with pytest.raises(InputError, match=message):
        _pretrained_features(root, **change)


def test_a_pre_training_reads_no_features_of_another(root):
    reads = {"task": "classify-faces", "inputs": {"frames": "mine"}}
    with pytest.raises(
        InputError, match=r"'pretraining\.emotions\.inputs\.frames': 'mine' is extracted by the pre-training"
    ):
        _pretrained_features(root, **reads)


def test_the_key_of_a_run_holds_what_its_weights_depend_on(root):
    keys = set()
    for params in ({}, {"epochs": 3}):
        _pretraining(root, others=OTHERS | {"params": params})
        study = _pre(root)
        assert study.pretraining_key("others", "samm-3") == study.pretraining_key("others", "smic-3")
        assert study.pretraining_key("faces", "samm-3") != study.pretraining_key("faces", "smic-3")
        keys |= {study.key("samm-3", "pre"), study.pretraining_key("faces", "samm-3")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("weights", "protocols", "message"),
    [
        ("faces", ["mmew-4"], "the pre-training 'others' sees 8 subject(s) of 'mmew' whom 'mmew-4' tests, such as"),
        ("fces", ["samm-3"], "unknown name 'fces'; did you mean 'faces'?"),
    ],
)
def test_pre_trainings_that_may_not_be_used(root, weights, protocols, message):
    _pretraining(root, weights)
    with pytest.raises(InputError) as caught:
        _pre(root, protocols)
    assert str(caught.value).startswith(f"config/methods/pre.yaml: field 'params.semantic_weights': {message}")


def test_a_pre_training_of_other_sizes_is_refused_before_anything_runs(root):
    def smaller(card):
        card["pretraining"]["srmcl"]["budgets"]["quick"]["params"]["dim"] = 32

    _edit(root, "recipes.yaml", smaller)
    with pytest.raises(InputError) as caught:
        Study(_settings(methods=["srmcl"]), root)
    assert str(caught.value) == (
        "config/methods/srmcl.yaml: field 'params.weights': under budget 'quick' the pre-training 'srmcl' does not "
        "fit: dim is 48 here and 32 there; give both the same"
    )
    Study(_settings(methods=["srmcl"], budget="paper"), root)


def test_weights_of_each_fold_leave_nothing_to_predict_for_the_rule_inner(root):
    _pretraining(root, "faces")
    study = _pre(root, ["samm-3"], ["pre", "ststnet"], inner_folds=2)
    assert study.predictions("samm-3", "pre") and not study.inner_predictions("samm-3", "pre")
    assert study.inner_predictions("samm-3", "ststnet")


def test_another_reading_of_the_same_people_counts(root):
    _pretraining(root, "once", once=OTHERS | {"clips": {"scope": "all", "datasets": ["smic-vis"]}})
    _pre(root, ["samm-3"])
    with pytest.raises(
        InputError, match=r"'once' sees . subject.s. of 'smic-vis' whom 'smic-3' tests, such as smic-hs:"
    ):
        _pre(root, ["smic-3"])


def test_magnification_knows_its_weights_and_its_gpu(root):
    def more(card):
        own = {"of": "onset-apex-112", "arm": "magnet", "factors": [5]}
        card["magnification"]["learned"] = own
        card["magnification"]["theirs"] = own | {"options": {"weights": {"file": "weights/theirs.pth.tar"}, "batch": 4}}

    _edit(root, "recipes.yaml", more)
    study = Study(_settings(), root)
    (shipped,) = study.magnify_weights("learned")
    assert Path(shipped).resolve() == SHIPPED and not Path(shipped).is_absolute()
    assert study.magnify_card("learned")["options"] == {"weights": {"file": shipped}}
    assert study.magnify_weights("theirs") == ["weights/theirs.pth.tar"]
    assert study.magnify_card("theirs") == study.recipe("theirs")
    assert study.magnify_weights("evm-5") == [] and study.magnify_card("evm-5") == study.recipe("evm-5")
    assert study.magnify_gpus("learned") == 1 and study.magnify_gpus("evm-5") == 0
    assert study.magnify_code("learned") == study.magnify_code("theirs") != study.magnify_code("evm-5")


def test_flow_of_what_the_same_flow_has_magnified_is_circular(root):
    def more(card):
        card["magnification"]["warped"] = {
            "of": "onset-apex-112", "arm": "flow-warp", "factors": [5], "options": {"flow": "farneback"}
        }  # fmt: skip
        card["flow"] |= {name: {"of": "warped", "algorithm": name} for name in ("farneback", "tvl1")}
        card["flow"]["of-evm"] = {"of": "evm-5", "algorithm": "farneback"}
        card["features"]["maps"] = {"of": "warped", "extractor": "resnet"}

    _edit(root, "recipes.yaml", more)
    recipes = Study(_settings(), root).recipes
    told = {name: recipes.is_circular(name) for name in ("farneback", "tvl1", "of-evm", "maps", "warped", "tvl1-28")}
    assert [name for name, circular in told.items() if circular] == ["farneback"]


def test_features_that_want_landmarks_get_the_frames_below(root):
    _edit(root, "recipes.yaml", lambda card: card["features"].update(flat={"of": "tvl1-28", "extractor": "bi-woof"}))
    study = Study(_settings(), root)
    part = next(iter(study.parts("samm")))
    assert study.feature_inputs("samm", "mdmo-quick", part) == {
        "shard": f"results/flow/samm/farneback-each-112/{part}.safetensors",
        "frames": f"results/frames/samm/uniform-5-112/{part}.safetensors",
    }
    assert study.feature_inputs("samm", "flat", part) == {"shard": study.shard("samm", "tvl1-28", part)}


def test_flow_of_a_sequence_is_not_drawn(root):
    study = Study(_settings(methods=["majority", "flow-svm", "mdmo"], tables=[]), root)
    assert "farneback-each-112" in study.recipes_in_use() and study.pictured_flow() == ["tvl1-28"]


def test_the_recipes_of_the_docs(root):
    page = (ROOT / "docs/add-a-method.md").read_text().split("\n## Weights\n")[1].split("\n## ")[0]
    named, recipes = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    assert [Weights.model_validate(weights).kind for weights in named] == ["random", "file", "timm", "pretraining"]
    _pretraining(root, "chained", **recipes["pretraining"])
    study = _pre(root)
    assert study.pretrained_in_use() == ["chained", "others"]
    assert study.pretrainings.params("others").epochs == 2 and study.pretrainings.params("faces").epochs == 20


def test_a_pack_of_features_depends_on_what_makes_them(root):
    """Their shards are deleted; a pack of anything else depends on its own code alone."""
    study = Study(_settings(methods=["majority", "aman"]), root)
    assert study.pack_code("tvl1-28") == study.code("pack")
    assert study.features_code("aman-quick") in study.pack_code("aman-quick")
    assert study.pack_recipe("aman-quick")["options"]["width"] == 0.25


def test_the_drawing_of_attention_gets_the_magnified_frames(root):
    study = Study(_settings(methods=["ststnet", "aman", "aman-none"]), root)
    (part,) = study.parts("casme2")
    inputs = study.inside_inputs("casme2-5", "aman")
    assert inputs["features"] == ["results/packs/casme2/aman-quick.safetensors"]
    assert inputs["pictures"] == [f"results/magnified/casme2/aman-arms-flow-warp/{part}.safetensors"]
    unmagnified = study.inside_inputs("casme2-5", "aman-none")["pictures"]
    assert unmagnified == [f"results/frames/casme2/aman-arms/{part}.safetensors"]
    assert list(study.inside_inputs("casme2-5", "ststnet")) == ["flow"]
