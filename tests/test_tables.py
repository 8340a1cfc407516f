import csv
import io
from pathlib import Path

import numpy as np
import pytest
from predictions import CLASSES, predictions, write

from apexbench.config import MethodCard, ProtocolCard, TableCard, read_yaml, validate
from apexbench.errors import InputError
from apexbench.evaluation.scores import learning_curves, score_runs
from apexbench.tables import figures
from apexbench.tables.build import COLUMNS, NULL_ROW, RUNTIME_COLUMNS, WARNING, build_table
from apexbench.tables.readme import differs, rewrite
from apexbench.tables.render import FORMATS, fraction, grid, to_csv, to_html, to_markdown, to_tex, write_table

CONFIG = Path(__file__).parents[1] / "config"
METHODS = {
    run: MethodCard(method=run, title=title)
    for run, title in {"null": "Null & co_1 <i>|", "ststnet": "STSTNet", "mmnet": "MMNet", "off": "OFF"}.items()
}
PROTOCOLS = {
    name: ProtocolCard(title=title, datasets=("samm",), label_set="x", classes={name: (name,) for name in CLASSES})
    for name, title in {"samm-3": "SAMM, 3 classes", "smic-3": "SMIC"}.items()
}


def card(name):
    path = CONFIG / "tables" / f"{name}.yaml"
    return validate(TableCard, read_yaml(path), path)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Runs of samm-3: null and ststnet whole, mmnet without its last subject, off skipped."""
    folder = tmp_path_factory.mktemp("runs")
    frames = {"null": predictions("null", skill=0), "ststnet": predictions(), "mmnet": predictions("mmnet")}
    frames["mmnet"] = frames["mmnet"][frames["mmnet"]["subject"] < 11]
    return {run: [write(folder / f"{run}.parquet", frame)] for run, frame in frames.items()} | {"off": []}


@pytest.fixture(scope="module")
def scores(paths):
    return {"samm-3": score_runs(paths, expected_clips=22)}


def build(name, scores, protocols=PROTOCOLS, methods=METHODS, **more):
    return build_table(card(name), name, scores, CONFIG / "published", protocols, methods, **more)


def test_leaderboard_has_every_run_and_protocol(scores):
    frame = build("leaderboard", scores).frame
    assert frame.columns.tolist() == COLUMNS
    assert list(dict.fromkeys(frame["row"])) == [method.title for method in METHODS.values()]
    assert list(dict.fromkeys(frame["column"])) == ["samm-3 uf1", "smic-3 uf1"]
    cells = frame.set_index(["column", "row"])
    assert cells.loc["samm-3 uf1", "status"].tolist() == ["ok", "ok", "partial", "skipped"]
    assert cells.loc[("samm-3 uf1", "MMNet"), "note"] == "only 16 of 22 clips in every seed"
    assert set(cells.loc["smic-3 uf1", "status"]) == {"failed"}
    assert cells.loc["smic-3 uf1", "note"].str.contains("see its log").all()
    honest = scores["samm-3"].set_index(["run", "rule"])
    row = cells.loc[("samm-3 uf1", "STSTNet")]
    assert row["honest"] == honest.loc[("ststnet", "last"), "uf1"]
    assert row["as_published"] == honest.loc[("ststnet", "fold-oracle"), "uf1"]
    assert row["ci_low"] <= row["honest"] <= row["ci_high"]
    assert (row["seeds"], row["n"]) == (1, 22)


def test_runs_with_one_title_stay_apart(scores):
    twins = {run: MethodCard(method=run, title="Same") for run in ("ststnet", "mmnet")}
    assert set(build("leaderboard", scores, methods=twins).frame["row"]) == {"Same (ststnet)", "Same (mmnet)"}


def test_published_table(scores):
    table = build("memix-samm3", scores)
    frame = table.frame
    assert frame.columns.tolist() == COLUMNS
    lines = (CONFIG / "published" / "memix.csv").read_text().splitlines()
    printed = [row["row"] for row in csv.DictReader(lines)][:18:2]  # two metrics for each of nine rows
    assert list(dict.fromkeys(frame["row"])) == [*printed, NULL_ROW]
    cells = frame.set_index(["row", "column"])
    assert cells.loc[("STSTNet", "acc"), "published"] == 0.6810
    assert (
        cells.loc[("STSTNet", "f1"), "honest"]
        == scores["samm-3"].set_index(["run", "rule"]).loc[("ststnet", "last"), "uf1"]
    )
    others = frame[~frame["row"].isin(["STSTNet", NULL_ROW])]
    assert set(others["status"]) == {"published-only"} and others["honest"].isna().all()
    assert np.isnan(cells.loc[("FRL-DGT", "acc"), "published"])
    assert cells.loc[(NULL_ROW, "acc"), ["status", "published"]].isna().tolist() == [False, True]


def test_caveats_become_footnotes_once(scores):
    laid = grid(build("memix-samm3", scores))
    assert laid.notes[0] == "not k/133" and len(laid.notes) == len(set(laid.notes))
    ststnet = laid.rows[0]
    assert ststnet[0].text == "STSTNet" and ststnet[1].text == ".6810"
    assert [laid.notes[n - 1] for n in ststnet[1].notes][2] == "protocol is really megc2019-samm"
    assert len(laid.header) == 7 == len(laid.rows[-1])


def test_published_table_without_our_protocol():
    frame = build("memix-samm3", {}, protocols={}).frame
    ours = frame[frame["row"] == "STSTNet"]
    assert set(ours["status"]) == {"skipped"} and ours["note"].str.contains("not part of this study").all()
    assert NULL_ROW not in set(frame["row"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"published": "memx.csv"}, "no such file"),
        ({"protocol": "samm-5"}, "no row of protocol 'samm-5'.*samm-3"),
        ({"metrics": {"f2": "uf1"}}, r"memix-samm3\.yaml: field 'metrics': .* no 'f2'; .*f1"),
        ({"ours": {"STSNet": "ststnet"}}, "field 'ours': .* no 'STSNet'; did you mean 'STSTNet'"),
        ({"metrics": {}}, "field 'metrics': name at least one"),
    ],
)
def test_wrong_card_is_refused(scores, change, message):
    changed = card("memix-samm3").model_copy(update=change)
    with pytest.raises(InputError, match=message):
        build_table(changed, "memix-samm3", scores, CONFIG / "published", PROTOCOLS, METHODS)


def test_runtime(scores, tmp_path):
    files = [tmp_path / "1.tsv", tmp_path / "2.tsv"]
    files[0].write_text("s\th:m:s\tmax_rss\n3.1\t0:00:03\t410.5\n")
    files[1].write_text("s\th:m:s\tmax_rss\n0.1\t0:00:00\t-\n")
    table = build("runtime", scores, benchmarks={("samm-3", "ststnet"): files})
    assert table.frame.columns.tolist() == RUNTIME_COLUMNS and len(table.frame) == 8
    row = table.frame.set_index(["column", "row"]).loc[("samm-3", "STSTNet")]
    assert (row["peak_mb"], row["train_seconds"], row["seconds_per_fold"], row["epochs"]) == (410.5, 2.5, 0.5, 4)
    for form in FORMATS.values():
        assert "410" in form(table)
    files[0].write_text("s\n3.1\n")
    with pytest.raises(InputError, match=r"1\.tsv: expected a benchmark file"):
        build("runtime", scores, benchmarks={("samm-3", "ststnet"): files})


@pytest.mark.parametrize("name", ["leaderboard", "memix-samm3", "runtime"])
def test_synthetic_clips_are_announced(scores, name):
    synthetic = {"samm-3": scores["samm-3"].copy()}
    assert WARNING not in to_markdown(build(name, scores))
    synthetic["samm-3"].loc[scores["samm-3"]["run"] == "mmnet", "data_source"] = "synthetic"
    table = build(name, synthetic)
    assert f"**{WARNING}**" in to_markdown(table)
    assert f"\\textbf{{{WARNING}}}" in to_tex(table)
    assert f'<p class="warning">{WARNING}</p>' in to_html(table)


def test_caption_states_the_terms(scores):
    for name in ("leaderboard", "memix-samm3"):
        caption = build(name, scores).caption
        for words in ("SAMM, 3 classes (n = 22, 5 folds)", "Budget: quick", "UF1" * (name != "leaderboard"), "pooled"):
            assert words in caption
        assert "null row" in caption


def test_formats_escape(scores):
    table = build("leaderboard", scores)
    assert r"| Null &amp; co\_1 &lt;i>\| |" in to_markdown(table)
    assert r"Null \& co\_1 \textless{}i\textgreater{}\textbar{} &" in to_tex(table)
    assert "Null &amp; co_1 &lt;i&gt;|" in to_html(table)
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert list(rows[0]) == COLUMNS and rows[0]["row"] == "Null & co_1 <i>|" and rows[0]["n"] == "22"
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(METHODS)
    assert {line.replace(r"\|", "").count("|") for line in lines} == {4}


def test_markdown_cell(scores):
    row = scores["samm-3"].set_index(["run", "rule"]).loc[("ststnet", "last")]
    leaky = scores["samm-3"].set_index(["run", "rule"]).loc[("ststnet", "fold-oracle")]
    interval = f"[{fraction(row['uf1_low'], 2)}, {fraction(row['uf1_high'], 2)}]"
    expected = f"{fraction(row['uf1'])} <sub>{interval}</sub><br><sub>leaky {fraction(leaky['uf1'])}</sub>"
    assert expected in to_markdown(build("leaderboard", scores))


def test_nothing_scored_yet():
    table = build("leaderboard", {})
    assert "No run has scores yet" in to_markdown(table) and set(table.frame["status"]) == {"failed"}


def test_write_table_by_suffix(scores, tmp_path):
    table = build("leaderboard", scores)
    for suffix, form in FORMATS.items():
        write_table(table, tmp_path / f"t{suffix}")
        assert (tmp_path / f"t{suffix}").read_text() == form(table)
    with pytest.raises(InputError, match="no such table format"):
        write_table(table, tmp_path / "t.xls")


README = """# Title
<!-- table:a -->
old
<!-- /table:a -->
middle
```
<!-- table:a -->
```
<!-- table:other -->
kept
<!-- /table:other -->
"""


def test_readme_is_rewritten_in_place(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(README)
    assert differs(path, {"a": "| new |\n"})
    assert rewrite(path, {"a": "| new |\n"})
    assert path.read_text() == README.replace("\nold\n", "\n\n| new |\n\n")
    assert not differs(path, {"a": "| new |\n"}) and not rewrite(path, {"a": "| new |\n"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Title\n", r"no place for table 'a'; add the lines <!-- table:a --> and <!-- /table:a -->"),
        ("<!-- table:a -->\n", r"line 1: <!-- table:a --> is never closed"),
        ("\n<!-- /table:a -->\n", r"line 2: unbalanced"),
        ("<!-- table:a -->\n<!-- table:b -->\n<!-- /table:b -->\n<!-- /table:a -->\n", "line 2: unbalanced"),
        ("<!-- table:a -->\n<!-- /table:b -->\n", "line 2: unbalanced"),
        ("<!-- table:a -->\n<!-- /table:a -->\n" * 2, "line 3: unbalanced"),
    ],
)
def test_bad_markers_are_refused(tmp_path, text, message):
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        rewrite(path, {"a": "new"})
    assert path.read_text() == text


def test_figures_are_the_same_every_time(scores, paths, tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(255, size=(32, 32), dtype=np.uint8)
    curves = learning_curves([path for files in paths.values() for path in files])
    for number in (1, 2):
        figures.confusion_figure(scores["samm-3"], CLASSES, tmp_path / f"confusion{number}.svg", "t")
        figures.curves_figure(curves, tmp_path / f"curves{number}.svg", "t")
        figures.flow_figure(image, image, np.zeros((32, 32, 3), np.float32), tmp_path / f"flow{number}.png", "t")
        figures.sheet_figure([(str(n), image) for n in range(9)], tmp_path / f"sheet{number}.png", "t")
    for name in ("confusion{}.svg", "curves{}.svg", "flow{}.png", "sheet{}.png"):
        first, second = ((tmp_path / name.format(number)).read_bytes() for number in (1, 2))
        assert first == second and len(first) > 1000
