"""Studies by name, tables by themselves, lists of what there is: decided without a clip."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from apexbench import cli
from apexbench.alone import alone, asked_alone
from apexbench.commands.report import report_command
from apexbench.commands.run import snakemake_command
from apexbench.config.model import read_yaml
from apexbench.config.studies import merged, over, study_file
from apexbench.errors import InputError
from apexbench.stages.save_study import save_study
from apexbench.study import Study

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config/config.yaml"
HEAVY = {"torch", "snakemake", "pandas", "cv2", "scipy", "sklearn"}


def write(root, name, **keys):
    file = root / "config/studies" / f"{name}.yaml"
    file.write_text(yaml.safe_dump(keys))
    return file


# a study's file


@pytest.mark.parametrize("file", sorted((ROOT / "config/studies").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_studies_that_are_shipped(root, file):
    study = Study(*_study(root, root / "config/studies" / file.name))
    assert study.name == file.stem and study.figures() and not study.left_out()


def test_the_study_of_all_pairs_needs_no_list(root):
    default, everything = Study(*_study(root)), Study(*_study(root, root / "config/studies/everything.yaml"))
    assert everything.settings.protocols == default.protocols and not everything.settings.table_protocols
    assert set(everything.runs) == set(default.runs) and not everything.settings.leave_out
    reasons = {everything.why_not(protocol, run) for protocol in everything.protocols for run in everything.runs}
    assert not [reason for reason in reasons if "leave_out" in reason or "table_" in reason]
    assert trained(default) < trained(everything) and {("mmnet", "megc2019"), ("ststnet", "samm-5")} <= trained(
        everything
    )
    moved = _study(root, write(root, "mine", methods=["majority"], table_methods=["mmnet", "srmcl"]))
    assert Study(*moved).settings.table_methods == ("mmnet", "srmcl")
    both = _study(root, root / "config/studies/mine.yaml", methods="all", protocols="all")
    assert Study(*both).settings.methods == ("majority", "mmnet", "srmcl") and not Study(*both).settings.table_methods
    assert set(Study(*both).settings.protocols) == set(default.protocols)


def test_a_list_of_methods_means_these_and_no_more(root):
    config = root / "config/config.yaml"
    config.write_text(yaml.safe_dump(read_yaml(config) | {"table_methods": ["aman-none"]}))
    assert _study(root)[0]["table_methods"] == ["aman-none"]
    values, _, origin = _study(root, methods="majority", protocols="smic-3")
    assert values["table_methods"] == values["table_protocols"] == [] and origin["table_methods"] == "--config"
    values, *_ = _study(root, methods="majority", table_methods="aman-none", table_protocols=["samm-5"])
    assert (values["table_methods"], values["table_protocols"]) == ("aman-none", ["samm-5"])
    assert over({"methods": ["a"]}, {"budget": "paper"}) == {"budget": "paper"}
    with pytest.raises(InputError, match="unknown name 'all'"):  # beside others it is a name like any
        Study(*_study(root, methods=["all", "majority"]))


def _study(root, *files, **typed):
    values, origin = merged(["config/config.yaml"], files, typed)
    return values, root, origin


def test_the_later_value_replaces_the_earlier_one_whole_and_its_place_is_known(root):
    file = write(root, "mine", leave_out={}, budget="paper", seeds=[0, 1])
    values, origin = merged(["config/config.yaml"], [file.absolute()], {"seeds": 3})
    assert values["leave_out"] == {} and values["study"] == "mine" and values["seeds"] == 3
    places = [origin[key] for key in ("scale", "budget", "study", "seeds")]
    assert places == ["config/config.yaml", *["config/studies/mine.yaml"] * 2, "--config"]


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("mine", {"study": "yours"}, "config/studies/mine.yaml: field 'study': 'yours', but a study is named as"),
        ("default", {}, "config/studies/default.yaml: 'default' is the study of config/config.yaml"),
        ("runs", {}, "config/studies/runs.yaml: field 'study': 'runs' is a folder that all studies share"),
        ("mine", {"budgett": "paper"}, "config/studies/mine.yaml: field 'budgett': unknown key; did you mean 'budget'"),
        ("mine", {"methods": ["stsnet"]}, "config/studies/mine.yaml: field 'methods': unknown name 'stsnet'; did you"),
        ("mine", {"source": "licensed"}, "data/casme2: no such folder, or empty, but config/studies/mine.yaml has"),
    ],
)  # fmt: skip
def test_messages_name_the_file_that_a_value_came_from(root, name, keys, message):
    with pytest.raises(InputError) as caught:
        Study(*_study(root, write(root, name, **keys)))
    assert str(caught.value).startswith(message)


def test_messages_name_the_command_line(root):
    with pytest.raises(InputError, match=r"^--config: field 'protocols': unknown name 'sam-3'; did you mean 'samm-3'"):
        Study(*_study(root, protocols="sam-3"))


def test_one_word_is_a_list_of_one(root):
    study = Study(*_study(root, protocols="smic-3", methods="majority", tables="data", seeds=2, table_protocols=[]))
    assert study.settings.protocols == ("smic-3",) and study.settings.methods == ("majority",)
    assert study.settings.tables == ("data",) and study.settings.seeds == (2,)


def test_a_study_is_saved_as_it_was_run(root):
    study = Study(*_study(root, study="typed", protocols=["smic-3"], methods=["majority"], leave_out={}))
    save_study(settings=study.saved(), output="results/typed/study.yaml")
    again = Study(*_study(root, Path("results/typed/study.yaml")))
    assert again.settings == study.settings and again.name == "typed"


# apexbench run, apexbench report


def test_a_study_is_found_by_its_name(root):
    file = write(root, "mine", budget="paper").relative_to(root)
    saved = {name: Path(f"results/{name}/study.yaml") for name in ("mine", "typed", "default")}
    assert study_file("mine") == study_file("mine", saved_first=True) == file
    assert study_file("default") is study_file("default", saved_first=True) is None
    for path in saved.values():
        path.parent.mkdir(parents=True)
        path.write_text("")
    assert study_file("mine") == file and study_file("mine", saved_first=True) == saved["mine"]
    assert study_file("typed") == study_file("typed", saved_first=True) == saved["typed"]
    assert study_file("default") is None and study_file("default", saved_first=True) == saved["default"]
    with pytest.raises(InputError, match=r"config/studies/mne\.yaml: no such file.*did you mean 'mine'"):
        study_file("mne")


@pytest.mark.parametrize(
    ("typed", "handed"),
    [
        ("", "--cores=all --resources=gpu=2"),
        ("tables/data -n", "--cores=all --resources=gpu=2 tables/data -n"),
        ("-c 4", "--resources=gpu=2 -c 4"),
        ("--resources mem_mb=9 all", "--cores=all --resources gpu=2 mem_mb=9 all"),
        ("--resources=mem_mb=9 -j2", "--resources gpu=2 mem_mb=9 -j2"),
        ("--cores 2 --resources mem_mb=9 gpu=0", "--cores 2 --resources mem_mb=9 gpu=0"),
        ("--profile profiles/slurm", "--profile profiles/slurm"),
        ("--config budget=paper", "--cores=all --resources=gpu=2 --config budget=paper"),
    ],
)  # fmt: skip
def test_what_snakemake_is_told(root, typed, handed):
    file = write(root, "mine", jobs_per_gpu=2)
    command = snakemake_command(file, typed.split(), gpus=1)
    assert command == ["snakemake", f"--configfile={file}", *handed.split()]
    with pytest.raises(InputError, match=r"--configfile: .* is the study's file"):
        snakemake_command(file, ["--configfile", "other.yaml"], gpus=1)


def test_where_a_report_lies():
    assert report_command("default", None, default=True)[-1] == "results/report.html"
    words = report_command("mine", Path("results/mine/study.yaml"), default=False)
    assert "--configfile=results/mine/study.yaml" in words and words[-1] == "results/mine/report.html"


# tables by themselves


def _alone(root, *only, **typed):
    settings = read_yaml(CONFIG)
    return Study(alone(settings | over(settings, typed), only, root), root)


def trained(study):
    return {(run, protocol) for run in study.runs for protocol in study.trained_on(run)}


def test_a_table_by_itself_trains_what_it_shows_and_nothing_else(root):
    study = _alone(root, "tables/memix-samm3", budget="paper")
    assert study.name == "default-memix-samm3" and study.settings.budget == "paper"
    runs = {"mmnet", "mixmeformer", "ststnet", "aman"}
    assert trained(study) == {(run, "samm-3") for run in runs}
    assert study.table_files("tables/memix-samm3") == [
        f"results/default-memix-samm3/tables/memix-samm3.{kind}" for kind in ("md", "csv", "tex", "html")
    ]
    default = Study(read_yaml(CONFIG) | {"budget": "paper"}, root)
    assert all(study.key("samm-3", run) == default.key("samm-3", run) for run in runs), "nothing is trained twice"


def test_what_the_study_leaves_out_is_there(root):
    typed = {"methods": ["majority"], "leave_out": {"samm-3": ["mmnet"]}}
    assert ("mmnet", "samm-3") in trained(_alone(root, "tables/memix-samm3", **typed))


def test_a_paper_is_all_its_tables_also_those_of_no_study(root):
    study = _alone(root, "papers/aman")
    assert list(study.project.tables) == ["aman-ablation", "aman-arms", "aman-single"]
    ablation = {run for run, protocol in trained(study) if protocol == "casme2-5"}
    assert {"aman-magnet", "aman-vectorised", "aman"} <= ablation
    assert {run for run, protocol in trained(study) if protocol != "casme2-5"} == {"aman"}
    assert len(study.table_files("papers/aman")) == 12


def test_a_table_of_the_study_s_own_runs_has_all_of_them(root):
    typed = {"protocols": ["smic-3"], "methods": ["majority", "mixup", "ststnet"], "table_protocols": []}
    assert trained(_alone(root, "tables/leaderboard", **typed)) == {("majority", "smic-3"), ("ststnet", "smic-3")}
    assert trained(_alone(root, "tables/dualbranch-deception", **typed)) == set(), "printed only"


def test_a_table_of_named_rows_has_the_protocols_of_their_cards(root):
    """Those that the study has for printed tables only, too; as far as it lists them, and no others."""
    study = _alone(root, "tables/decalcomanie-backbones")
    wanted = ["casme2-3-wide", "samm-3", "smic-3"]
    assert sorted(study.settings.protocols) == wanted and not study.settings.table_protocols
    assert trained(study) == {(run, p) for run in study.project.table("decalcomanie-backbones").rows for p in wanted}
    study = _alone(root, "tables/decalcomanie-backbones", protocols=["smic-3"], table_protocols=["casme2-3-megc"])
    assert study.settings.protocols == ("smic-3",) and {p for _, p in trained(study)} == {"smic-3"}
    (root / "config/tables/mine.yaml").write_text("kind: leaderboard\ntitle: t\nmetrics: {uf1: uf1}\nrows: [ststnet]\n")
    study = _alone(root, "tables/mine", protocols=["samm-3", "smic-3"])
    assert trained(study) == {("ststnet", "samm-3"), ("ststnet", "smic-3")}, "a card that names none: the study's"


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["tables/memix-samm"], "tables/memix-samm: no such table; did you mean 'memix-samm3'?"),
        (["papers/memx"], "papers/memx: no such paper; did you mean 'memix'?"),
        (["tables/data", "all"], "tables/data: makes a study of its own, so all cannot be made with it"),
    ],
)
def test_targets_that_there_are_not(root, targets, message):
    with pytest.raises(InputError) as caught:
        _alone(root, *asked_alone(targets))
    assert str(caught.value).startswith(message)


def test_a_table_that_cannot_be_filled_is_not_made_and_said_so(root):
    typed = {"protocols": ["samm-3"], "methods": ["majority", "ststnet"], "table_protocols": []}
    study = Study(read_yaml(CONFIG) | typed, root)
    made = {"leaderboard", "data", "memix-samm3", "comparisons", "runtime", "null-majority", "null-best-epoch"}
    assert set(study.tables) == made
    line = "left out: table memix-k (needs memix-k-1 or others under casme2-5, which this study does not train)"
    assert line in study.left_out() and len(study.left_out()) == len(read_yaml(CONFIG)["tables"]) - len(made)
    files = [*study.figures(), *study.readme_inputs()["pages"]]
    assert [path for path in files if "memix-samm3" in path] and not [path for path in files if "memix-k" in path]


# lists


def test_the_command_line_starts_without_what_it_does_not_need(root):
    code = f"""
import sys
from apexbench.cli import main
for words in (["--help"], ["--version"], ["run", "--help"], *(["list", kind, "--json"] for kind in sys.argv[1:])):
    try:
        assert main(words) == 0
    except SystemExit as end:
        assert not end.code
    assert not {HEAVY} & set(sys.modules), words
"""
    kinds = ["methods", "protocols", "tables", "datasets", "studies", "recipes"]
    done = subprocess.run([sys.executable, "-c", code, *kinds], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def listed(capsys, *words):
    assert cli.main(["list", *words, "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_what_is_listed(root, capsys):
    write(root, "mine", methods="majority", budget="paper")
    (root / "data/samm/x").mkdir(parents=True)
    methods = listed(capsys, "methods", "mmnet", "majority", "memix-k")
    assert list(methods) == ["mmnet", "majority", "memix-k"]
    assert methods["mmnet"]["family"] == "2D CNN" and methods["majority"]["family"] == "control"
    assert methods["memix-k"]["family"] == "mixing", "its own, not that of the card it is like"
    assert methods["mmnet"]["parameters"] is None, "nobody has counted in this folder"
    assert methods["mmnet"]["in_study"] and not methods["mmnet"]["where_printed"]
    assert "memix-samm3" in methods["mmnet"]["tables"] and methods["memix-k"]["tables"] == ["memix-k"]
    protocol = listed(capsys, "protocols")["megc2019"]
    assert protocol["clips"] == 442 and protocol["datasets"] == ["smic-hs", "casme2", "samm"]
    tables = listed(capsys, "tables")
    assert (tables["memix-samm3"]["rows"], tables["memix-samm3"]["paper"]) == (9, "memix")
    assert tables["memix-samm3"]["run_here"] == 4 and not tables["aman-arms"]["in_study"]
    datasets = listed(capsys, "datasets")
    assert datasets["samm"]["clips_are"] == "licensed" and datasets["smic-hs"]["clips_are"] == "synthetic"
    studies = listed(capsys, "studies")
    files = {path.stem for path in (ROOT / "config/studies").glob("*.yaml")}
    assert {"default", "mine", *files} == set(studies) and studies["mine"]["budget"] == "paper"
    recipes = listed(capsys, "recipes")
    assert "ststnet" in recipes["tvl1-28"]["read_by"] and recipes["tvl1-28"]["size"] == 28


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lst"], "unknown command 'lst'; did you mean 'list'?"),
        (["list", "metods"], "list: unknown kind 'metods'; did you mean 'methods'?"),
        (["list", "methods", "stsnet"], "list methods: unknown name 'stsnet'; did you mean 'ststnet'?"),
        (["run", "papr"], "config/studies/papr.yaml: no such file"),
        (["report", "../paper"], "study '../paper'"),
        (["completion", "fish"], "completion: unknown shell 'fish'"),
        (["new-method", "My_Method"], "new-method: 'My_Method': expected small letters, digits and hyphens"),
        (["new-method", "ststnet"], "apexbench/methods/ststnet.py: is there already"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(root, capsys, words, message):
    assert cli.main(words) == 1
    assert capsys.readouterr().err.startswith(f"apexbench: {message}")


def test_the_shell_completes_commands_and_studies(root):
    script = subprocess.run(
        [sys.executable, "-m", "apexbench.cli", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    ask = '; COMP_WORDS=({words}); COMP_CWORD={place}; _apexbench; echo "${{COMPREPLY[@]}}"'
    for words, place, wanted in (
        ("apexbench new", 1, "new-method"),
        ("apexbench run hd", 2, "hde"),
        ("apexbench list --j", 2, "--json"),
        ("apexbench list rec", 2, "recipes"),
    ):
        code = script + ask.format(words=words, place=place).removeprefix("; ")
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, cwd=root)
        assert done.stdout.split() == [wanted], done.stderr


def test_audit_names_method_column_and_value(capsys):
    assert cli.main(["audit", str(ROOT / "config/published/memix.csv")]) == 0
    said = capsys.readouterr().out
    assert "\n    MAPNet, acc on samm-3, printed 86.50: no whole number of correct clips gives this accuracy: " in said
