"""The real workflow, as a user types it, in a copy of this tree with a smaller study."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import save_file

from apexbench.instructions import environment, held
from apexbench.store.tensors import read_tensors
from apexbench.tables.table import COLUMNS
from apexbench.torchvision_shim import ensure_torchvision

HERE = Path(__file__).parent
ROOT = HERE.parent
BIN = Path(sys.executable).parent
VIT = "vit_base_patch16_224"
PARTS = ["Snakefile", "rules", "workflow", "apexbench", "config", "profiles", "envs", "README.md"]


def call(folder: Path, *words: str, code: int = 0) -> str:
    """Run a command in `folder`, with this environment's programs first; return what it printed."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    text = done.stdout + done.stderr
    assert done.returncode == code, f"{' '.join(words)} ended with {done.returncode}, not {code}:\n{text[-6000:]}"
    return text


def planned(folder: Path, *words: str) -> dict[str, int]:
    """Dry-run `all` and return how many jobs of each rule would run."""
    text = call(folder, "snakemake", "--cores", "2", "--dry-run", *words)
    if "Nothing to be done" in text:
        return {}
    table = text.split("\nstage ")[-1]
    return {m[1]: int(m[2]) for m in re.finditer(r"^(\w+) +(\d+) ", table, re.MULTILINE) if m[1] != "total"}


def make_copy(folder: Path) -> Path:
    """With what Python and numba have compiled: cold caches are test_ststnet_kernel.py's."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        ignore = shutil.ignore_patterns("*.egg-info")
        shutil.copytree(source, folder / part, ignore=ignore) if source.is_dir() else shutil.copy(source, folder)
    shutil.copy(HERE / "small" / "config.yaml", folder / "config" / "config.yaml")
    shutil.copy(HERE / "small" / "mini.csv", folder / "config" / "synthetic" / "mini.csv")
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A copy in which the verbatim command has run."""
    folder = make_copy(tmp_path_factory.mktemp("apexbench"))
    text = call(folder, "snakemake", "--cores", "8", "--resources", "gpu=2", "all")
    assert re.search(r"^\d+ jobs in ", text, re.MULTILINE) and "results/small/tables" in text
    assert "\nrule " not in text and len(text.splitlines()) < 40, "a line for each stage, not some for each job"
    return folder


def run_folder(folder: Path, protocol: str, run: str) -> Path:
    """Where the only run of that name lies, whatever its key."""
    (found,) = (folder / "results" / "runs" / protocol / run).iterdir()
    return found


def predictions(folder: Path, protocol: str, run: str) -> pd.DataFrame:
    files = sorted(run_folder(folder, protocol, run).rglob("folds*.parquet"))
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    return frame.sort_values(["seed", "dataset", "subject", "clip", "epoch"], ignore_index=True)


def test_every_clip_is_tested_once_by_every_run(study):
    for protocol in ("samm-3", "smic-3"):
        table = pd.read_csv(study / "results" / "protocols" / f"{protocol}.csv")
        for run in ("majority", "flow-svm", "resnet-linear", "ststnet"):
            frame = predictions(study, protocol, run)
            one = frame[frame["epoch"] == frame["epoch"].max()]
            assert sorted(one["clip"]) == sorted(table["clip"])
            assert (one["fold"] == one["dataset"] + ":" + one["subject"].astype(str)).all()
            assert not (frame.groupby(["clip", "epoch"]).size() > 1).any()


def test_clips_without_a_class_are_left_out(study):
    assert len(pd.read_csv(study / "results" / "index" / "samm.csv")) == 9
    assert len(pd.read_csv(study / "results" / "protocols" / "samm-3.csv")) == 8


def test_tables_in_four_formats_and_in_the_readme(study):
    tables = study / "results" / "small" / "tables"
    for name in ("leaderboard", "memix-samm3", "runtime"):
        assert all((tables / f"{name}{suffix}").stat().st_size > 0 for suffix in (".md", ".csv", ".tex", ".html"))
    for name in ("leaderboard", "memix-samm3"):
        assert list(pd.read_csv(tables / f"{name}.csv", keep_default_na=False)) == COLUMNS
    published = pd.read_csv(tables / "memix-samm3.csv", keep_default_na=False)
    status = published.set_index("row")["status"]
    assert set(status["STSTNet"]) == {"ok"} and set(status["MMNet"]) == {"skipped"}
    assert set(status["MiMANet"]) == {"published-only"}
    readme, own = ((study / name).read_text() for name in ("README.md", "results/small/README.md"))
    for name in ("leaderboard", "memix-samm3"):
        assert (tables / f"short/{name}.md").read_text().strip() in readme
        assert (tables / f"short/{name}.md").read_text().strip() in own
        page = (study / "docs/results" / f"{name}.md").read_text()
        assert page == (tables / f"{name}.md").read_text() and f"(docs/results/{name}.md)" in readme
    assert "Synthetic clips: these numbers say nothing about real data" in readme


def links(page):
    """The files that a Markdown page links to, seen from it."""
    found = re.findall(r"\]\(([^)#]+)", page.read_text())
    return [page.parent / target for target in found if "://" not in target]


def test_no_link_of_a_generated_page_is_dead(study):
    pages = [study / "results/small/README.md", *(study / "docs/results").glob("*.md")]
    assert all(target.exists() for page in pages for target in links(page)) and any(map(links, pages))


def test_second_run_has_nothing_to_do(study):
    assert planned(study) == {}


@pytest.mark.slow  # test_kills.py is the whole of it
def test_runs_that_are_killed_go_on_to_the_same_tables(study, tmp_path):
    """Three cells of the product that test_kills.py goes through: Snakemake and its jobs die, as by a power cut."""
    from test_kills import killed, tables, unfinished

    def timeless():
        return {name: content for name, content in tables(study).items() if "runtime" not in name}

    before, results = timeless(), study / "results"
    gone = [path for place in ("flow", "packs") for recipe in (results / "flow").glob("smic-hs/*")
            for path in (results / place / "smic-hs").glob(f"{recipe.name}*")]  # fmt: skip
    for path in [*gone, results / "runs/smic-3", results / "small"]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    cells = [
        "before-rename:results/flow/*",
        "before-fsync:results/runs/*.folds/*",
        "after-rename:*/tables/leaderboard.tex",
    ]
    left = []
    while killed(study, tmp_path / "marks", *cells, words=[]):
        left += unfinished(study)
    assert len(list((tmp_path / "marks").iterdir())) == 3 and len(left) >= 2
    assert timeless() == before and unfinished(study) == [] and planned(study) == {}


def test_touching_sources_reruns_nothing(study):
    for file in [
        *(study / "apexbench").rglob("*.py"),
        *(study / "workflow").rglob("*.py"),
        *(study / "config").rglob("*"),
    ]:
        file.touch()
    assert planned(study) == {}


def test_changed_flow_code_reruns_flow_and_below_only(study):
    file = study / "apexbench" / "motion" / "strain.py"
    before = file.read_bytes()
    try:
        file.write_bytes(before + b"\nANOTHER = 1\n")
        jobs = planned(study)
    finally:
        file.write_bytes(before)
    assert jobs["flow"] == 2 and jobs["pack"] == 2 and jobs["flow_picture"] == 2
    assert jobs["train"] == 4, "flow-svm and ststnet, two protocols"
    assert not {"render", "index", "protocol", "faces", "frames", "magnify", "features", "crop_sheet"} & set(jobs)


def test_changed_method_reruns_that_method_only(study):
    file = study / "apexbench" / "methods" / "networks" / "ststnet.py"
    before = file.read_bytes()
    try:
        file.write_bytes(before + b"\nANOTHER = 1\n")
        jobs = planned(study)
    finally:
        file.write_bytes(before)
    assert jobs["train"] == 2 and not {"flow", "pack", "features"} & set(jobs)


def test_hand_edited_readme_block_is_written_again(study):
    readme = study / "README.md"
    right = readme.read_text()
    readme.write_text(right.replace("| majority", "| my favourite", 1))
    assert set(planned(study)) == {"readme", "all"}
    call(study, "snakemake", "--cores", "2")
    assert readme.read_text() == right


def test_folds_in_separate_jobs_predict_the_same(study):
    extra = ["--config", "folds_per_job=1", "--configfile", "config/config.yaml"]
    place = run_folder(study, "samm-3", "ststnet").relative_to(study)
    targets = [f"{place}/seed0/folds{i}-{i}.parquet" for i in (2, 0, 1)]
    whole = predictions(study, "samm-3", "ststnet")
    call(study, sys.executable, "-m", "snakemake", *targets, "--cores", "2", *extra)
    alone = pd.concat([pd.read_parquet(study / path) for path in targets]).sort_values(
        ["seed", "dataset", "subject", "clip", "epoch"], ignore_index=True
    )
    for path in targets:
        (study / path).unlink()
    pd.testing.assert_frame_equal(alone, whole)


def test_report_is_one_offline_page(study):
    call(study, "snakemake", "--cores", "1", "--report", "results/report.html")
    page = (study / "results" / "report.html").read_text()
    assert "confusion-samm-3" in page and "crops-smic-hs" in page and "leaderboard" in page
    assert page.count("magnification-samm.jpg") and (study / "results/small/figures/magnification-samm.jpg").exists()
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?://', page)
    assert len(page) < 5_000_000


def test_a_report_opens_on_the_leaderboard_and_lists_titles_by_chapters(study):
    call(study, "snakemake", "--cores", "1", "--report", "results/titles.html")
    page = (study / "results" / "titles.html").read_text()
    said = dict(re.findall(r"^ *var (\w+) = (.+);$", page, re.MULTILINE))
    parts = {name: json.loads(said[name]) for name in ("metadata", "workflow_desc", "categories", "results")}
    assert parts["metadata"], "without any the page opens on the graph of the rules"
    first = parts["workflow_desc"]
    assert "Synthetic clips: these numbers" in first and "app.showCategory" in first and "system-message" not in first
    short = (study / "results/small/tables/short/leaderboard.md").read_text()
    (row,) = [line for line in short.splitlines() if line.startswith("| STSTNet")]
    for number in re.findall(r"\.\d{3}", row):
        assert number in first
    assert sorted(parts["categories"]) == [
        "1 Leaderboard", "2 Papers", "3 Protocols", "5 Clips and motion", "6 Runtime",
    ]  # fmt: skip
    names = {result["labels"]["result"] for result in parts["results"].values()}
    assert {"Leaderboard", "SAMM, 3 classes: confusion matrices", "SMIC-HS: first crops"} <= names
    assert "SAMM: motion magnified" in names
    assert not [name for name in names if re.search("samm-3|smic-", name)]
    assert not [path for path in parts["results"] if path.endswith(".pdf")]
    for figure in parts["results"]:
        if "/figures/" in figure:
            assert (study / figure).with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_records_tell_how_they_were_made(study):
    import pyarrow.parquet as pq

    (file,) = run_folder(study, "samm-3", "ststnet").rglob("*.parquet")
    record = json.loads(pq.read_schema(file).metadata[b"apexbench"])
    assert record["device"] == "cpu" and record["data_source"] == "synthetic" and record["budget"] == "quick"
    assert record["folds"] == 3 and record["seconds"] > 0
    assert {"config_hash", "code_hash"} <= set(record) and {"torch", "numpy"} <= set(record["versions"])
    assert record["instructions"] == held(environment("avx2"))


def test_a_failing_method_stops_only_what_needs_it(study):
    (study / "apexbench" / "methods" / "broken.py").write_text(
        "from apexbench.methods.base import Method\n\n\nclass Broken(Method):\n"
        "    def scores(self, train, labels, test, fold):\n        raise FloatingPointError('by design')\n"
    )
    (study / "config" / "methods" / "broken.yaml").write_text("method: broken\ntitle: broken\n")
    words = [
        "--config",
        'methods=["broken","majority"]',
        'protocols=["samm-3"]',
        'tables=["leaderboard"]',
        "study=broken",
    ]
    text = call(study, "snakemake", "--cores", "2", *words, "all", code=1)
    assert "FloatingPointError: by design" in text
    assert list((study / "results/runs/samm-3/majority").rglob("*.parquet"))
    assert not (study / "results" / "broken" / "tables").exists()


MORE = """
pair:
  title: two data sets in two parts
  datasets: [samm, smic-hs]
  label_set: test/3
  split: k-fold
  folds: 2
  classes: {negative: [anger, contempt, disgust, fear, sadness, negative], positive: [happiness, positive],
            surprise: [surprise]}
  slices: {pair-samm: [samm], pair-smic: [smic-hs]}
units:
  title: one data set left out, action units
  datasets: [samm, smic-hs]
  label_set: test/units
  split: leave-one-dataset-out
  average: datasets
  target: aus
  classes: {brows: [1, 2, 4], mouth: [12, 14, 15, 17, 20, 25]}
  slices: {units-samm: [samm], units-smic: [smic-hs]}
"""


def test_other_splits_inner_validation_logs_and_partial_tables(study):
    """Composite parts, several labels at once, the rule `inner`, an imported run, and tables of what is there."""
    protocols = study / "config" / "protocols.yaml"
    protocols.write_text(protocols.read_text() + MORE)
    files = sorted((run_folder(study, "samm-3", "ststnet") / "seed0").glob("*.parquet"))
    call(study, "apexbench", "export-log", *map(str, files), "theirs.txt")
    (study / "config/methods/theirs.yaml").write_text("title: theirs\nlog: theirs.txt\nprotocols: [samm-3, pair]\n")
    (study / "config/methods/later.yaml").write_text("method: majority\ntitle: later\n")
    words = ["--config", 'protocols=["pair","units","samm-3"]', "study=other"]
    more = ['methods=["majority","flow-svm","theirs"]', 'tables=["leaderboard","comparisons"]', "inner_folds=2"]
    jobs, readme = planned(study, *words, *more), (study / "README.md").read_bytes()
    assert not {"render", "index", "faces", "frames", "magnify", "flow", "pack", "features"} & set(jobs), "done already"
    call(study, "snakemake", "--cores", "2", *words, *more, "all")
    scores = {name: pd.read_csv(study / f"results/other/scores/{name}.csv") for name in ("pair", "units", "samm-3")}
    pair = scores["pair"][scores["pair"]["run"] == "flow-svm"].fillna({"slice": ""}).set_index(["slice", "rule"])
    assert pair.loc[("", "last"), "n"] == pair.loc[("pair-samm", "last"), "n"] + pair.loc[("pair-smic", "last"), "n"]
    assert pair.loc[("", "inner"), "uf1"] == pair.loc[("", "last"), "uf1"], "flow-svm has one epoch"
    units = scores["units"][scores["units"]["rule"] == "last"].dropna(subset="n").set_index("run")["au_f1"]
    assert units.between(0, 1).all() and {"majority", "flow-svm", "null-model"} <= set(units.index)
    whole = predictions(study, "samm-3", "ststnet")
    whole = whole[whole["epoch"] == whole["epoch"].max()]
    theirs = predictions(study, "samm-3", "theirs")
    votes = [frame[["p0", "p1", "p2"]].to_numpy().argmax(1).tolist() for frame in (theirs, whole)]
    assert votes[0] == votes[1]
    whole = scores["pair"][scores["pair"]["slice"].isna()]
    status = whole.set_index("run")["status"]
    skipped = scores["units"].set_index("run").loc["theirs"]
    assert set(skipped["status"]) == {"skipped"} and set(skipped["note"]) == {"its card is for samm-3, pair only"}
    assert set(status["theirs"]) == {"partial"} and set(status["majority"]) == {"ok"}

    assert (study / "README.md").read_bytes() == readme, "only the study that is shown writes there"
    assert "Study `other`" in (study / "results/other/README.md").read_text()
    later = ['methods=["majority","later"]', 'tables=["leaderboard","comparisons"]']
    call(study, "snakemake", "--cores", "2", "partial", *words, *later)
    text = (study / "results/other/partial/tables/leaderboard.md").read_text()
    assert "Partial: 3 of 6 runs" in text and "failed" in text
    assert not (study / "results/runs/pair/later").exists() and (study / "README.md").read_bytes() == readme


def test_a_sweep_is_trained_and_stands_in_tables_that_name_it(study):
    config = study / "config"
    (config / "methods/rate.yaml").write_text(
        "method: ststnet\ntitle: rate {value}\nleaderboard: false\ninputs: {flow: farneback-28}\n"
        "sweep: {learning_rate: [0.001, 0.01]}\nbudgets: {quick: {params: {epochs: 2}}}\n"
    )
    (config / "tables/rates.yaml").write_text(
        "kind: published\ntitle: rates\npublished: rates.csv\ncurve: learning rate\n"
        "convention: memix\ncolumns: {samm-3: [acc]}\nruns: {rate=0.001: rate-0.001}\n"
        "also: {rate=0.01: {run: rate-0.01, note: ours alone}}\n"
    )
    head = "table,row,method,dataset,protocol,metric,value,printed,n,k,consistent,caveat"
    (config / "published/rates.csv").write_text(f"{head}\nrates,rate=0.001,m,samm,samm-3,acc,0.7,70,,,,\n")
    words = ["--config", 'methods=["ststnet","rate"]', 'tables=["leaderboard","rates"]', "study=sweep"]
    jobs = planned(study, *words, 'protocols=["samm-3"]')
    assert jobs["train"] == 2 and jobs["curve_figure"] == 1 and jobs["flow"] == 1, "flow by another algorithm"
    call(study, "snakemake", "--cores", "2", *words, 'protocols=["samm-3"]')
    folder = study / "results/sweep"
    rates = pd.read_csv(folder / "tables/rates.csv").set_index("row")
    assert rates["status"].to_dict() == dict.fromkeys(["rate=0.001", "rate=0.01", "null model (learns nothing)"], "ok")
    assert rates.loc["rate=0.01", "note"] == "ours alone"
    assert "rate 0.01" not in (folder / "tables/leaderboard.md").read_text()
    assert {"rate-0.001", "rate-0.01", "ststnet"} < set(pd.read_csv(folder / "scores/samm-3.csv")["run"])
    assert "rate-0" not in (folder / "figures/curves-samm-3.svg").read_text()
    assert "synthetic clips: these numbers" in (folder / "figures/curve-rates.svg").read_text()
    assert "train" not in planned(study, *words, 'protocols=["samm-3"]', 'methods=["rate-0.01"]')


def test_a_method_from_the_template_in_a_study_with_a_file(study):
    """Both templates train as they stand, pass their own tests, and the study is run and reported by its name."""
    call(study, "apexbench", "new-method", "my-net")
    call(study, "apexbench", "new-method", "my-votes", "--classic")
    (study / "config/studies/mine.yaml").write_text(
        "protocols: smic-3\nmethods: [my-net, my-votes]\ntables: [leaderboard, memix-k]\n"
    )
    text = call(study, "apexbench", "run", "mine", "--cores", "2")
    assert "snakemake --configfile=config/studies/mine.yaml --resources=gpu=" in text
    assert "left out: table memix-k (needs memix-k-1" in text
    assert set(predictions(study, "smic-3", "my-net")["epoch"]) == {1, 2, 3, 4, 5}, "the quick budget of its card"
    rows = pd.read_csv(study / "results/mine/tables/leaderboard.csv").set_index("row")
    assert {"My net", "My votes"} < set(rows.index) and set(rows["status"]) == {"ok"}
    assert sorted(path.name for path in (study / "results/mine/tables").iterdir() if "memix" in path.name) == []
    (study / "config/studies/mine.yaml").unlink()  # as if it had been typed by --config
    call(study, "apexbench", "report", "mine")
    assert "My net" in (study / "results/mine/report.html").read_text()
    words = ["env", f"PYTHONPATH={study}{os.pathsep}{HERE}", sys.executable, "-m", "pytest", "-q", "-p", "conftest"]
    assert "2 passed" in call(study, *words, "tests/test_my_net.py", "tests/test_my_votes.py")


def test_a_table_by_itself(study):
    """With a method that the study does not have, in four formats, and the README as it was."""
    config = study / "config"
    (config / "tables/own-two.yaml").write_text(
        "kind: published\ntitle: two\npublished: own.csv\nconvention: memix\ncolumns: {samm-3: [acc]}\n"
    )
    head = "table,row,method,dataset,protocol,metric,value,printed,n,k,consistent,caveat"
    lines = [f"own-two,{name},{name},samm,samm-3,acc,0.7,70,,,," for name in ("ststnet", "flow-svm-linear", "nobody")]
    (config / "published/own.csv").write_text("\n".join([head, *lines]) + "\n")
    readme = (study / "README.md").read_bytes()
    jobs = planned(study, "papers/own")
    assert (jobs["train"], jobs["scores"], jobs["table"]) == (1, 1, 1) and "readme" not in jobs
    call(study, "snakemake", "--cores", "2", "--resources", "gpu=0", "tables/own-two")
    table = pd.read_csv(study / "results/small-own-two/tables/own-two.csv").set_index("row")
    assert table["status"].to_dict() == {
        "ststnet": "ok", "flow-svm-linear": "ok", "nobody": "published-only", "null model (learns nothing)": "ok"
    }  # fmt: skip
    files = [path for path in (study / "results/small-own-two/tables").iterdir() if path.is_file()]
    kinds = sorted(path.suffix for path in files if "seal" not in path.name)
    assert kinds == [".csv", ".html", ".md", ".tex"] and (study / "README.md").read_bytes() == readme
    told = ["--config", "only=['tables/own-two']"]  # what a job on another machine is told
    assert planned(study, "results/small-own-two/tables/own-two.md", *told) == {}
    text = call(study, "snakemake", "--cores", "2", "tables/own-two", "all", code=1)
    assert "tables/own-two: makes a study of its own, so all cannot be made with it" in text


def test_a_way_of_mixing_of_one_s_own_trains_its_own_run_only(study):
    page = (ROOT / "docs/add-a-method.md").read_text().split("## A way of mixing")[1]
    code, card = (textwrap.dedent(block) for block in re.findall(r"```(?:python|yaml)\n(.*?)```", page, re.DOTALL)[:2])
    file = study / "apexbench/methods/mixing/anchored.py"
    file.write_text(code)
    (study / "config/methods/ststnet-anchored.yaml").write_text(card + "budgets: {quick: {params: {epochs: 2}}}\n")
    words = ["--config", "methods=[majority,flow-svm,ststnet,ststnet-anchored]", "tables=[leaderboard]"]
    assert planned(study, *words)["train"] == 2, "one for each protocol"
    call(study, "snakemake", "--cores", "1", "results/small/scores/samm-3.csv", *words)
    assert predictions(study, "samm-3", "ststnet-anchored")["epoch"].max() == 2
    file.unlink()


def test_pretrained_weights_a_file_and_a_tag_and_the_picture_of_what_is_mixed(study, monkeypatch):
    ensure_torchvision()
    import timm

    vit = {"embed_dim": 32, "depth": 2, "num_heads": 4}
    save_file(timm.create_model(VIT, img_size=48, **vit).state_dict(), study / "own.safetensors")
    tag = f"{VIT}.augreg_in21k_ft_in1k"
    for name, weights in {"own": {"file": "own.safetensors"}, "tagged": {"timm": tag}}.items():
        quick = {"vit": vit, "epochs": 2, "weights": weights}
        card = {"like": "mixmeformer", "title": name, "budgets": {"quick": {"params": quick}}}
        (study / f"config/methods/{name}.yaml").write_text(json.dumps(card))
    words = ["--config", 'protocols=["samm-3"]', "tables=[]", "study=weighty"]
    jobs = planned(study, *words, 'methods=["own","tagged"]')
    assert jobs["train"] == 2 and jobs["weights"] == 1 and jobs["inside_picture"] == 2
    picture = "results/weighty/figures/inside-samm-3-own.jpg"
    call(study, "snakemake", "--cores", "2", picture, "results/weighty/scores/samm-3.csv", *words, 'methods=["own"]')
    assert predictions(study, "samm-3", "own")["epoch"].max() == 2
    assert (study / picture).stat().st_size > 10_000
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    call(study, "snakemake", "--cores", "2", *words, 'methods=["tagged"]', code=1)
    (log,) = (study / "results/logs/weights").glob("*.log")
    text = log.read_text()
    assert "ERROR config/methods/tagged.yaml" in text and tag in text and "model.safetensors" in text
    assert "Traceback" not in text and not (study / "results/runs/samm-3/tagged").exists()


PRETRAINING = """
  strangers:
    task: reconstruct
    inputs: {frames: memix-48}
    params: &small
      epochs: 1
      resnet: {layers: [1, 1, 1, 1], channels: [8, 16, 32, 64], stem_type: deep, stem_width: 4}
    clips: {scope: all, datasets: [smic-hs]}
  chained: {task: reconstruct, inputs: {frames: memix-48}, params: *small, clips: {scope: fold},
            start: {weights: {pretraining: strangers}}}
"""


def test_weights_that_are_trained_here_have_seen_no_test_subject(study):
    """A chain: on another data set, then on the training side of each fold; its file says whom it has seen."""
    recipes = study / "config/recipes.yaml"
    assert recipes.read_text().split("\n\n")[-1].startswith("pretraining:"), "the last section"
    recipes.write_text(recipes.read_text().rstrip() + PRETRAINING)
    quick = {
        "epochs": 1,
        "vit": {"embed_dim": 32, "depth": 1, "num_heads": 4},
        "semantic_weights": {"pretraining": "chained"},
    }
    card = {"like": "mixmeformer", "title": "pretrained", "leaderboard": False, "budgets": {"quick": {"params": quick}}}
    (study / "config/methods/pretrained.yaml").write_text(json.dumps(card))
    words = ["--config", 'methods=["pretrained"]', "tables=[]", "study=taught"]
    text = call(study, "snakemake", "--cores", "2", "--dry-run", *words, 'protocols=["samm-3","smic-3"]', code=1)
    assert "config/methods/pretrained.yaml" in text and "Traceback" not in text, (
        "it would be tested on those it has seen"
    )
    words.append('protocols=["samm-3"]')
    words.insert(0, "results/taught/scores/samm-3.csv")
    assert planned(study, *words)["pretrain"] == 2
    call(study, "snakemake", "--cores", "2", *words)
    assert len(predictions(study, "samm-3", "pretrained")) == 8
    (file,) = (study / "results/pretrained/chained").rglob("*.safetensors")
    everyone = {f"samm:{subject}" for subject in pd.read_csv(study / "results/protocols/samm-3.csv")["subject"]}
    for fold, seen in read_tensors(file, kind="pretrained").meta["seen"].items():
        assert fold not in seen and everyone - {fold} <= set(seen) and any(one.startswith("smic") for one in seen)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["methods=stsnet"], ["--config: field 'methods'", "did you mean 'ststnet'"]),
        (['protocols=["sam-3"]'], ["--config: field 'protocols'", "did you mean 'samm-3'"]),
        (['tables=["leaderbord"]'], ["--config", "tables", "did you mean 'leaderboard'"]),
        (["budgett=paper"], ["--config", "budgett", "did you mean 'budget'"]),
        (["inner_folds=1"], ["--config", "inner_folds", "0 (off), or 2"]),
        (["folds_per_job=0"], ["--config", "folds_per_job", "from 1 up"]),
        (["source=licensed"], ["data/samm", "source: licensed"]),
    ],
)
def test_bad_configuration_is_refused_before_anything_runs(study, words, parts):
    text = call(study, "snakemake", "--cores", "2", "--config", *words, code=1)
    assert all(part in text for part in parts), text
    assert "Traceback" not in text


def test_licensed_copy_takes_the_place_of_synthetic_clips(study, tmp_path):
    folder = make_copy(tmp_path / "copy")
    shutil.copytree(study / "results" / "synthetic" / "samm" / "clips", folder / "data" / "samm")
    words = ["--config", 'methods=["majority"]', 'protocols=["samm-3"]', 'tables=["leaderboard"]', "study=mine"]
    jobs = planned(folder, *words)
    assert "render" not in jobs and jobs["index"] == 1 and "faces" not in jobs, "no method reads frames"
    before = {path: path.read_bytes() for path in sorted((folder / "data").rglob("*")) if path.is_file()}
    call(folder, "snakemake", "--cores", "2", "results/protocols/samm-3.csv", *words)
    assert {path: path.read_bytes() for path in sorted((folder / "data").rglob("*")) if path.is_file()} == before
    log = (folder / "results" / "logs" / "protocol" / "samm-3.log").read_text()
    assert "class negative: expected 92, found 3" in log
    words = [*words[:-1], "study=mine", "strict=true"]
    text = call(folder, "snakemake", "--cores", "2", "results/protocols/samm-3.csv", *words, code=1)
    assert "samm: clips: expected 159, found 9" in text and "Traceback" not in text


def test_a_second_study_trains_nothing_that_the_first_has_trained(study):
    words = ["--config", "study=second", 'protocols=["smic-3","samm-3"]', 'methods=["ststnet","majority"]']
    jobs = planned(study, *words, 'tables=["leaderboard"]', "subjects_per_job=8")
    assert not {"train", "pack", "flow", "frames", "faces", "index", "render", "protocol"} & set(jobs), jobs
    assert jobs["scores"] == 2
    text = call(study, "snakemake", "--cores", "2", "--config", "study=flow", code=1)
    assert "field 'study': 'flow' is a folder that all studies share" in text and "Traceback" not in text
