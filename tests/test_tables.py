import csv
import functools
import io
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
import yaml
from predictions import predictions, write
from scored import scored, value

from apexbench.config.datasets import DatasetCard
from apexbench.config.files import read_cards
from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.config.protocols import ProtocolCard
from apexbench.config.published import NULL_ROW
from apexbench.config.tables import AlsoCard, Paper, PrintedColumn, TableCard
from apexbench.errors import InputError
from apexbench.evaluation import comparisons
from apexbench.evaluation.score_files import read_scores, write_scores
from apexbench.evaluation.scores import score_runs
from apexbench.evaluation.selection import LEAKING, RULES
from apexbench.evaluation.tasks import SCORES
from apexbench.numbers import DASH, digits, fraction
from apexbench.printed import SIZES, read_published
from apexbench.project import load_project
from apexbench.stages.table import make_table
from apexbench.tables import published, words
from apexbench.tables.build import RUNTIME_COLUMNS, build_table
from apexbench.tables.check import check_scoring
from apexbench.tables.comparisons import COMPARISON_COLUMNS
from apexbench.tables.curve import read_curve
from apexbench.tables.data import DATA_COLUMNS
from apexbench.tables.layout import grid
from apexbench.tables.overview import by_paper, overview
from apexbench.tables.places import as_scored, needed, place
from apexbench.tables.readme import differs, rewrite
from apexbench.tables.render import FORMATS, to_csv, to_html, to_markdown, to_tex, write_table
from apexbench.tables.run_scores import NULL_RUN
from apexbench.tables.short import short_form
from apexbench.tables.table import COLUMNS, WARNING, StudyFacts, TableInputs
from apexbench.tables.verdict import verdict

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
PRINTED = {path.name: path for path in (CONFIG / "published").glob("*.csv")}
DATASETS, PROTOCOLS = read_cards(ROOT)
METHODS = {
    run: MethodCard(method=run, title=title)
    for run, title in {"majority": "Majority & co_1 <i>|", "ststnet": "STSTNet", "mmnet": "MMNet", "off": "OFF"}.items()
}
RUNS = [*METHODS, NULL_RUN]


def runs_of(its):
    """{row: run} of a published table."""
    return {**its.runs, **{row: also.run for row, also in its.also.items()}}


def printed_only(name):
    return CARDS[name].model_copy(update={"runs": {}, "also": {}})


NAMES = sorted(path.stem for path in (CONFIG / "tables").glob("*.yaml"))
CARDS = load_project({**read_yaml(CONFIG / "config.yaml"), "tables": NAMES}, ROOT).tables
PUBLISHED = [name for name, its in CARDS.items() if its.kind == "published"]
READ = {name: pd.read_csv(path, dtype=str, keep_default_na=False) for name, path in PRINTED.items()}


def lines_of(name):
    frame = READ[CARDS[name].published]
    return frame[frame["table"] == (CARDS[name].table or name)]


def study(*protocols, runs=RUNS, **more):
    """Scores of every run under protocols, slices included."""
    return {name: scored(name, runs, ("", *PROTOCOLS[name].slices), **more) for name in protocols}


def inputs(scores=None, **more):
    more = {"published": CONFIG / "published", "protocols": PROTOCOLS, "datasets": DATASETS, "methods": METHODS, **more}
    return TableInputs(scores=scores or {}, **more)


def build(name, scores=None, its=None, **more):
    return build_table(its or CARDS[name], name, inputs(scores, **more))


def cells(table):
    return table.frame.set_index(["row", "column"])


@pytest.fixture(autouse=True, scope="module")
def one_audit():
    """Read and audit each file once, not for every table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "audit_file", functools.cache(published.audit_file))
        yield


# Published tables: nothing that is printed may be lost


def test_every_printed_table_has_a_card():
    """All but the five that only check a reimplementation; of these, those that are worth a page."""
    tables = {(name, table) for name, frame in READ.items() for table in frame["table"]}
    assert tables == {(CARDS[name].published, CARDS[name].table or name) for name in PUBLISHED}


def test_each_paper_has_one_table_in_the_readme_and_all_have_pages():
    """A page for every table of the default study, and none that no study makes."""
    settings = read_yaml(CONFIG / "config.yaml")
    shown = [CARDS[name].published for name in NAMES if CARDS[name].readme and CARDS[name].kind == "published"]
    assert sorted(shown) == sorted(PRINTED.keys() - {"reference.csv"})
    printed = {name for name in PUBLISHED if not re.match("icip|dualbranch|.*-(steps|backbones|arms|rate)", name)}
    assert printed - {"aman-ablation"} <= set(settings["tables"])
    pages = {path.stem for path in (ROOT / "docs/results").glob("*.md")} - {"README"}
    assert pages == {name for name in settings["tables"] if CARDS[name].kind != "runtime"}


@pytest.mark.parametrize("scored_too", [False, True])
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_printed_value_appears(name, scored_too):
    printed = lines_of(name)
    needs = needed(CARDS[name], PROTOCOLS, PROTOCOLS)
    its = CARDS[name]
    table = build(name, study(*needs) if scored_too else None)
    frame = table.frame
    assert frame.columns.tolist() == COLUMNS
    assert len(frame) == frame.drop_duplicates(["row", "column"]).shape[0]
    rows = list(dict.fromkeys(printed["row"]))
    assert list(dict.fromkeys(frame["row"])) == [*rows, *its.also] + [NULL_ROW] * bool(scored_too and needs)
    expected = pd.to_numeric(printed["value"], errors="coerce").dropna()
    assert Counter(frame["published"].dropna()) == Counter(expected)
    assert set(printed["printed"]) - {""} <= set(frame["printed"])
    cards = {head.key: column for head, column in zip(table.columns, its.columns, strict=True)}
    found = {(c.row, cards[c.column].protocol, cards[c.column].metric): c for c in frame.itertuples()}
    for line in printed.itertuples():
        if line.metric:
            cell = found[line.row, line.protocol, line.metric]
            assert cell.printed == line.printed
            assert (line.value == "" and np.isnan(cell.published)) or float(line.value) == cell.published
            assert set(filter(None, line.caveat.split("; "))) <= set(cell.note.split("; "))
    texts = {item.text for part in grid(table).parts for row in part.rows for item in row}
    markdown, page = to_markdown(table), to_html(table)
    for line in printed[printed["value"] != ""].itertuples():
        text = (
            line.printed
            if line.metric in SIZES
            else fraction(float(line.value), digits(float(line.value), line.printed))
        )
        assert text in texts
        assert text in page and text in markdown


@pytest.mark.parametrize("name", PUBLISHED)
def test_our_cells_follow_each_column(name):
    """Statuses, each row by its own convention, and the null model under the rule and the score of every column."""
    needs = needed(CARDS[name], PROTOCOLS, PROTOCOLS)
    its, named = CARDS[name], runs_of(CARDS[name])
    cards = METHODS | {run: MethodCard(method="majority", title=run) for run in named.values()}
    table = build(name, study(*needs, runs=[*cards, NULL_RUN]), methods=cards)
    for head, column in zip(table.columns, its.columns, strict=True):
        part = table.frame[table.frame["column"] == head.key].set_index("row")
        mine = [*named, NULL_ROW] if needs else []
        assert set(part.drop(mine)["status"]) <= {"published-only"}
        assert part.drop(mine)[["as_published", "honest"]].isna().all(axis=None)
        for row in mine:
            run = named.get(row, NULL_RUN)
            own = as_scored(its, row, column)
            if not own.honest:
                assert part.loc[row, "status"] == "published-only"
                continue
            where = place(its.beside.get(row, {}).get(column.protocol) or column.beside or column.protocol, PROTOCOLS)
            assert part.loc[row, "status"] == "ok"
            if own.rule:
                assert part.loc[row, "as_published"] == value(*where, run, own.rule, own.as_published)
            else:
                assert np.isnan(part.loc[row, "as_published"]) and np.isnan(part.loc[row, "null"])
            assert part.loc[row, "honest"] == value(*where, run, "last", own.honest)
            assert tuple(part.loc[row, ["protocol", "slice"]]) == where
        leaks = {rule in LEAKING for rule in part["rule"] if rule}
        assert (head.leaks, head.mixed) == (True in leaks, leaks == {True, False})


QUOTING = ["srmcl-single", "mlsp-performance", "dualbranch-performance", "htnet-composite", "ststnet-paper"]


@pytest.mark.parametrize("name", QUOTING)
def test_quoted_rows_are_scored_as_their_own_code_selects(name):
    """By selection.yaml; the rule of whoever is not there is unknown, but for the authors of the table."""
    selects = {method: its["selects"] for method, its in read_yaml(CONFIG / "published/selection.yaml").items()}
    its, checked = CARDS[name], 0
    for row, method in dict(zip(lines_of(name)["row"], lines_of(name)["method"], strict=True)).items():
        if row not in its.runs or method == name.split("-")[0]:
            continue
        rules = {as_scored(its, row, column).rule for column in its.columns if column.honest}
        found = {"last" if rule == "last" else "best-test-epoch" if rule in LEAKING else rule for rule in rules}
        assert found == {selects.get(method, "")}, (row, rules)
        checked += 1
    assert checked >= 2


def test_a_row_of_another_convention_says_so_and_leaves_the_honest_scores_alone():
    runs = ["lbp-top", "dssn", "slstt", "srmcl"]
    cards = {run: MethodCard(method="majority", title=run) for run in runs}
    scores = study("smic-3", runs=[*runs, NULL_RUN])
    table = build("srmcl-single", scores, methods=cards)
    plain = build("srmcl-single", scores, CARDS["srmcl-single"].model_copy(update={"by_row": {}}), methods=cards)
    pd.testing.assert_series_equal(table.frame["honest"], plain.frame["honest"])
    found = cells(table).xs("smic-3 acc", level="column")
    assert found.loc["LBP-TOP[10]", "as_published"] == value("smic-3", "", "lbp-top", "last", "acc")
    assert found.loc["SLSTT[41]", "as_published"] == value("smic-3", "", "slstt", "fold-oracle", "acc")
    assert found.loc["SRMCL", "as_published"] == value("smic-3", "", "srmcl", "fold-oracle", "cumulative_acc")
    assert np.isnan(found.loc["DSSN[28]", "as_published"]) and found.loc["DSSN[28]", "status"] == "ok"
    said = "LBP-TOP[10], LBP-SIP[6], MDMO[11], Bi-WOOF[12]: after the last epoch: ACC = accuracy, F1 = UF1."
    assert said in table.caption and "DSSN[28]: none. The authors' training is not released" in table.caption
    assert f"All other rows: {published._as_published(table.card.columns)}. Honest" in table.caption
    assert "All other rows" not in plain.caption and "LBP-TOP" not in plain.caption
    lines = Counter(row[0].text for row in grid(table).parts[0].rows if row[0].indent)
    assert lines["as-published"] == 6, "LBP-TOP, LBP-SIP, MDMO, Bi-WOOF, DSSN, FeatRef"
    assert lines["as-published, leaky"] == 3, "SLSTT, SRMCL, the null model"
    marked = {**cards, "lbp-top": MethodCard(method="svm", title="LBP-TOP")}
    short = short_form(
        build("srmcl-single", study("smic-3", runs=[*runs, NULL_RUN], data_source="synthetic"), methods=marked)
    )
    of = {line.split(" | ")[0].removeprefix("| "): line for line in short.splitlines() if line.startswith("| ")}
    assert "leaky" not in of["LBP-TOP[10]"] + of["DSSN[28]"]
    assert "leaky" in of["SLSTT[41]"] and "leaky" in of["SRMCL"]


def test_a_row_may_stand_beside_another_protocol_than_its_column():
    scores = study("megc2019", "smic-3", "samm-3", "casme2-3-megc", runs=["mlsp", "ststnet", NULL_RUN])
    cards = {run: MethodCard(method=run, title=run) for run in ("mlsp", "ststnet")}
    found = cells(build("mlsp-performance", scores, methods=cards))
    ours, theirs = found.loc[("Ours", "megc2019-samm uf1")], found.loc[("STSTNet [7]", "megc2019-samm uf1")]
    assert (ours["protocol"], ours["slice"]) == ("samm-3", "")
    assert ours["honest"] == value("samm-3", "", "mlsp", "last", "uf1")
    assert "ours was trained on SAMM, 3 classes alone" in ours["note"]
    assert (theirs["protocol"], theirs["slice"]) == ("megc2019", "megc2019-samm") and "alone" not in theirs["note"]


def test_an_oracle_is_marked_wherever_it_stands():
    cards = {run: MethodCard(method="mlsp", title=run) for run in ("dualbranch-au", "dualbranch-noau")}
    more = {"methods": cards, "oracles": frozenset(["dualbranch-au"])}
    scores = study("samm-3", "casme2-3-megc", runs=[*cards, NULL_RUN])
    frame = build("dualbranch-ablation-au", scores, **more).frame
    marked = frame[frame["note"].str.contains("oracle: what it reads")]
    assert set(marked["row"]) == {"SAMM | Have AU", "CASME II | Have AU"}
    board = build("leaderboard", scores, **more).frame
    assert set(board.loc[board["note"].str.contains("oracle"), "row"]) == {"dualbranch-au"}


def test_printed_decimals_are_kept():
    laid = grid(build("mlsp-ablation")).parts[0].rows[0]
    assert [cell.text for cell in laid[1:5]] == [".641", ".670", ".773", "2.0M"]
    laid = {row[0].text: row for row in grid(build("memix-mixup", its=printed_only("memix-mixup"))).parts[0].rows}
    assert [cell.text for cell in laid["MEMix(ours)"][1:3]] == [".8537", ".8365"]
    assert grid(build("dualbranch-casme3")).parts[0].rows[0][1].text == ".3795"


def test_columns_of_slices_and_of_the_whole():
    table = build("ststnet-paper", study("megc2019"))
    cell = cells(table).loc["STSTNet", "megc2019-samm uar"]
    assert cell["published"] == 0.6810  # it is macro precision: so ours is, where it stands for what was printed
    assert cell["as_published"] == value("megc2019", "megc2019-samm", "ststnet", "last", "macro_precision")
    assert cell["honest"] == value("megc2019", "megc2019-samm", "ststnet", "last", "uar")
    assert cells(table).loc[("STSTNet", "megc2019-full f1"), "as_published"] == value(
        "megc2019", "megc2019-full", "ststnet", "last", "hm_f1"
    )
    assert (
        "after the last epoch: ACC = accuracy, F1 = harmonic mean of macro precision and macro recall" in table.caption
    )


def test_protocols_that_we_do_not_have_stay_printed_only():
    table = build("dualbranch-deception", study("smic-3"))
    assert set(table.frame["status"]) == {"published-only"} and NULL_ROW not in set(table.frame["row"])
    assert "Printed numbers only" in table.caption
    its = CARDS["dualbranch-deception"]
    column = PrintedColumn(protocol="deception-2", metric="acc", honest="acc", rule="last", as_published="acc")
    its = its.model_copy(update={"columns": (column,), "runs": {"Ours": "mmnet"}})
    cell = cells(build("dualbranch-deception", study("smic-3"), its)).loc["Ours", "acc"]
    assert (cell["status"], cell["note"].split("; ")[-1]) == ("skipped", "not one of our protocols")


def test_a_method_outside_the_study_is_skipped():
    its = CARDS["memix-samm3"].model_copy(update={"runs": {"MMNet": "mmnet", "AMAN": "aman"}})
    table = build("memix-samm3", study("samm-3"), its)
    status = cells(table)["status"]
    assert status["MMNet"].tolist() == ["ok", "ok"] and status["AMAN"].tolist() == ["skipped", "skipped"]
    assert "method 'aman' is not part of this study" in to_markdown(table)
    assert "Rows with scores of ours: 1 of 9" in table.caption and "Partial" not in table.caption


def test_a_protocol_outside_the_study_is_skipped():
    frame = build("memix-samm3").frame.set_index("row")
    assert set(frame.loc["STSTNet", "status"]) == {"skipped"} and NULL_ROW not in frame.index
    assert frame.loc["STSTNet", "note"].str.contains("protocol 'samm-3' is not part of this study").all()


def test_a_list_without_numbers():
    table = build("decalcomanie-variants", study("samm-3"))
    assert table.frame["published"].isna().all() and len(set(table.frame["row"])) == 17
    laid = grid(table)
    assert "not published in the README" in laid.every
    assert set(cells(table).loc["SBML_LR_infer_LR", "status"]) == {"skipped"}, "a run that this study has not"
    null = cells(table).loc[(NULL_ROW, "samm-3 war")]
    assert null["as_published"] == value("samm-3", "", NULL_RUN, "fold-oracle-uf1-late", "acc")


def test_rows_of_ours_below_the_printed_ones():
    its = CARDS["memix-mixup"].model_copy(update={
        "runs": {"Mixup": "majority", "baseline": "absent"},
        "also": {"another": AlsoCard(run="off", note="under another name; not printed"),
                 "later": AlsoCard(run="mmnet", note="not printed"), "none": AlsoCard(run="missing", note="")},
    })  # fmt: skip
    scores = {"casme2-5": scored("casme2-5", [run for run in RUNS if run != "mmnet"])}
    table = build("memix-mixup", scores, its)
    rows = list(dict.fromkeys(table.frame["row"]))
    assert rows[-5:] == ["MEMix(ours)", "another", "later", "none", NULL_ROW]
    assert table.caption.startswith("Partial: 2 of 3 runs are complete (1 failed: mmnet on casme2-5).")
    assert "Rows with scores of ours: 2 of 11." in table.caption
    by = cells(table)
    another = by.loc[("another", "f1")]
    assert np.isnan(another["published"]) and another["status"] == "ok"
    assert another["as_published"] == value("casme2-5", "", "off", "fold-oracle-present", "f1_present")
    assert by.loc[("another", "acc"), "note"] == "under another name; not printed"
    assert by.loc[("none", "acc"), "note"] == "method 'missing' is not part of this study"
    laid = grid(table)
    of = {row[0].text: row for row in laid.parts[0].rows}
    assert [laid.notes[n - 1] for n in of["another"][0].notes] == ["under another name", "not printed"]
    assert of["later"][0].notes == of["another"][0].notes[1:] and not of["none"][0].notes
    assert not any(of["another"][place].notes for place in (1, 4)), "nothing is printed there"
    assert {"best test epoch", "accuracy and F1 picked separately"} <= set(laid.every), "of every printed number still"
    assert "under another name" in to_markdown(table) and "under another name" in to_html(table)


def test_runs_off_the_leaderboard(tmp_path):
    """They stand in tables that name them; no other table shows or counts them."""
    hidden = METHODS | {"mmnet": METHODS["mmnet"].model_copy(update={"leaderboard": False})}
    scores = {"samm-3": scored("samm-3", RUNS, status={"mmnet": "partial", "off": "partial"})}
    leaderboard = build("leaderboard", scores, methods=hidden)
    runtime = build("runtime", scores, methods=hidden)
    for table in (leaderboard, runtime):
        assert "MMNet" not in set(table.frame["row"]) and {"STSTNet", "OFF"} <= set(table.frame["row"])
        assert table.caption.startswith("Partial: 2 of 3 runs are complete (1 partial: off on samm-3).")
    cell = cells(build("memix-samm3", scores, methods=hidden)).loc[("MMNet", "acc")]
    assert cell["status"] == "partial" and cell["honest"] == value("samm-3", "", "mmnet", "last", "acc")
    every = {run: card.model_copy(update={"leaderboard": False}) for run, card in METHODS.items()}
    for name in ("leaderboard", "runtime"):
        table = build(name, scores, methods=every)
        assert set(table.frame["row"]) <= {NULL_ROW} and all(form(table) for form in FORMATS.values())


def test_rows_that_a_table_names(tmp_path):
    """In its order, with or without the leaderboard's leave."""
    hidden = METHODS | {"mmnet": METHODS["mmnet"].model_copy(update={"leaderboard": False})}
    for name in ("leaderboard", "runtime"):
        its = CARDS[name].model_copy(update={"rows": ("off", "mmnet", "absent")})
        table = build(name, study("samm-3"), its, methods=hidden)
        assert list(dict.fromkeys(table.frame["row"])) == ["OFF", "MMNet"] + [NULL_ROW] * (name == "leaderboard")
        assert "Not part of this study: absent." in table.caption
        assert "Not part" not in build(name, study("samm-3"), methods=hidden).caption
    (tmp_path / "c.csv").write_text(f"{COMPARED}\nmmnet,ststnet,uf1{',' * 9}\noff,ststnet,uf1{',' * 9}\n")
    its = CARDS["comparisons"].model_copy(update={"rows": ("off", "ststnet")})
    table = build("comparisons", study("samm-3"), its, comparisons={"samm-3": tmp_path / "c.csv"})
    assert table.frame[["row", "reference"]].to_numpy().tolist() == [["OFF", "STSTNet"]]


# Curves


def test_a_table_as_a_curve(tmp_path):
    its = CARDS["memix-alpha"].model_copy(update={"runs": {"alpha_k=3.0": "mmnet", "alpha_k=1.0": "off"}})
    table = build("memix-alpha", study("casme2-5"), its)
    write_table(table, tmp_path / "memix-alpha.csv")
    points, column = read_curve(tmp_path / "memix-alpha.csv", "memix-alpha", its)
    assert points["x"].tolist() == [1.0, 1.5, 2.0, 2.5, 3.0] and column == its.columns[0]
    assert points["published"].tolist() == [0.8496, 0.8537, 0.8984, 0.8659, 0.8659]
    honest = [value("casme2-5", "", run, "last", "acc") for run in ("off", "mmnet")]
    assert points["honest"].dropna().tolist() == honest and points["as_published"].count() == 2
    frame = table.frame.query("column == 'acc'").set_index("row")
    assert points["null"].dropna().tolist() == frame.loc[["alpha_k=1.0", "alpha_k=3.0"], "null"].round(6).tolist()
    write_table(build("memix-alpha", its=printed_only("memix-alpha")), tmp_path / "memix-alpha.csv")
    points, _ = read_curve(tmp_path / "memix-alpha.csv", "memix-alpha", its)
    assert points["honest"].isna().all() and points["null"].isna().all()


def test_a_row_without_a_number(tmp_path):
    write_table(build("memix-mixup"), tmp_path / "t.csv")
    with pytest.raises(
        InputError, match=r"^config/tables/memix-mixup\.yaml: field 'curve': the row 'baseline' does not"
    ):
        read_curve(tmp_path / "t.csv", "memix-mixup", CARDS["memix-mixup"])


# Footnotes


def test_remarks_become_footnotes_once(monkeypatch):
    index = READ["memix.csv"].index[0]
    found = [("granularity", "not k/133"), ("duplicate", "found by the audit; twice")]
    frame = pd.DataFrame([(index, *some) for some in found], columns=["row", "kind", "text"])
    monkeypatch.setattr(published, "audit_file", lambda path: frame)
    laid = grid(build("memix-samm3", study("samm-3")))
    assert len(laid.notes) == len(set(laid.notes)) and not set(laid.notes) & set(laid.every)
    first, acc, *_ = laid.parts[0].rows[0]
    assert first.text == "STSTNet" and acc.text == ".6810"
    assert [laid.notes[n - 1] for n in first.notes] == ["protocol is really megc2019-samm"]  # holds for the whole row
    of_acc = [laid.notes[n - 1] for n in acc.notes]
    assert of_acc[0] == "not k/133" and of_acc[-1] == "found by the audit, twice" and len(of_acc) == 3


def test_a_remark_on_every_number_is_said_once():
    table = build("memix-k", its=printed_only("memix-k"))
    laid = grid(table)
    assert laid.every == [
        "header says %, values are fractions",
        "dataset and model not stated, k/246 fits casme2-5",
        "best test epoch",
    ]
    assert laid.notes == ["above the MEMix row of memix-mixup (210/246)"]
    assert to_markdown(table).count("best test epoch") == 1 and "On every number: header says %" in to_markdown(table)
    assert "On every number" in to_tex(table) and "On every number" in to_html(table)


def test_captions_name_rule_and_convention():
    caption = build("memix-samm3", study("samm-3")).caption
    assert "at each test fold's epoch of highest accuracy (leaks): ACC = accuracy;" in caption
    assert "F1 over the classes that occur there (leaks): F1 = macro F1 over the classes that occur." in caption
    assert "Honest: our run after the last epoch: ACC = accuracy, F1 = UF1; with a 95 % interval" in caption
    assert "SAMM, 3 classes (n = 22, 5 folds)" in caption and "Budget: quick; 1 seed." in caption
    assert "Leave one subject out; the predictions of all folds are pooled" in caption
    assert "drawn at random for 100 epochs" in caption
    caption = build("mlsp-ablation", study("smic-3")).caption
    assert "UF1 = macro F1 up to the highest class that occurs (mean over folds)" in caption
    caption = build("srmcl-single", study("smic-3", "samm-5")).caption
    assert "ACC = running accuracy (mean over folds), F1 = UF1. Honest" in caption


def test_words_for_every_score_and_rule():
    assert list(words.RULES) == list(RULES)
    assert set(words.SCORES) == set(SCORES)
    for rule, text in words.RULES.items():
        assert (rule in LEAKING) == text.endswith("(leaks)")


# Layout


def test_few_columns_stand_side_by_side():
    laid = grid(build("memix-samm3", study("samm-3"))).parts[0]
    assert [(cell.text, cell.small) for cell in laid.header[1:4]] == [
        ("ACC", "published"), ("ACC", "as-published, some leaky"), ("ACC", "honest"),
    ]  # fmt: skip
    assert len(laid.header) == 10 and {len(row) for row in laid.rows} == {10}
    row = next(row for row in laid.rows if row[0].text == "STSTNet")
    assert float(row[4].text) == pytest.approx(float(row[3].text) - float(row[1].text), abs=2e-3)
    states = dict.fromkeys(CARDS["memix-samm3"].runs, "skipped") | {"STSTNet": "ok", "MMNet": "ok", NULL_ROW: "ok"}
    assert [row[-1].text for row in laid.rows] == [states.get(row[0].text, "published-only") for row in laid.rows]
    leaky = {row[0].text: row[2].small for row in laid.rows if row[2].text != DASH}
    assert leaky == {"STSTNet": "", "MMNet": leaky["MMNet"], NULL_ROW: "leaky"} and leaky["MMNet"].startswith("leaky")


def test_many_columns_take_four_lines():
    table = build("srmcl-single", study("smic-3", "casme2-5"), CARDS["srmcl-single"].model_copy(
        update={"runs": {"SRMCL": "mmnet"}}
    ))  # fmt: skip
    laid = grid(table).parts[0]
    assert len(laid.header) == 8 and {len(row) for row in laid.rows} == {8}
    names = [(row[0].text, row[0].indent) for row in laid.rows]
    place_ = names.index(("SRMCL", False))
    below = [("as-published, leaky", True), ("honest", True), ("honest \N{MINUS SIGN} published", True)]
    assert names[place_ + 1 :] == [*below, (NULL_ROW, False), *below]
    row, leaky, honest, _ = laid.rows[place_ : place_ + 4]
    assert row[1].text == ".7898" and row[-1].text == "ok, skipped"
    assert leaky[1].text == fraction(value("smic-3", "", "mmnet", "fold-oracle", "cumulative_acc"))
    assert honest[2].text == fraction(value("smic-3", "", "mmnet", "last", "uf1")) and honest[2].small.startswith("[")
    assert leaky[5].text == DASH and "protocol 'samm-5' is not part of this study" in grid(table).notes
    assert 'class="below"' in to_html(table) and r"\quad as-published" in to_tex(table)


@pytest.mark.parametrize("name", ["memix-samm3", "srmcl-single"])
def test_no_printed_number_stands_beside_a_score_of_synthetic_clips(name):
    table = build(name, study("samm-3", "smic-3", data_source="synthetic"))
    ours, theirs = grid(table).parts
    assert "synthetic" in ours.title and theirs.title.startswith("Real clips")
    frame = cells(table)
    column = next(column for column in table.columns if column.scored and column.leaks)
    row = next(row for row in ours.rows if not pd.isna(frame.loc[(row[0].text, column.key), "honest"]))
    cell = frame.loc[(row[0].text, column.key)]
    added = cell["as_published"] - cell["honest"]
    text = " ".join(part for cell in row for part in (cell.text, cell.leaky))
    assert fraction(cell["honest"]) in text and fraction(added).lstrip("-") in text
    printed = {fraction(value_, 4) for value_ in frame["published"].dropna()}
    here = {word for row in ours.rows for cell in row for word in (cell.text, cell.small, cell.leaky)}
    assert not printed & here
    names = [row[0].text for row in ours.rows]
    assert set(frame.index.get_level_values(0)[frame["status"] != "published-only"]) == set(names), "no row vanishes"
    assert {row[0].text for row in theirs.rows} >= set(frame.index.get_level_values(0)[frame["published"].notna()])


def test_short_forms():
    scores = study("samm-3", "smic-3", "megc2019", data_source="synthetic")
    methods = {**METHODS, "majority": METHODS["majority"].model_copy(update={"control": True})}
    table = build("leaderboard", scores, methods=methods)
    board = short_form(table)
    lines = [line.split(" | ") for line in board.splitlines() if line.startswith("|")]
    assert len(lines[0]) == 5, "wholes only, no parts of the composite"
    names = [line[0].removeprefix("| ") for line in lines[2:]]
    assert set(names[:3]) == {"OFF", "STSTNet", "MMNet"} and names[-2:] == [r"Majority &amp; co\_1 &lt;i>\|", NULL_ROW]
    assert float(lines[2][-1].strip(" |")) <= float(lines[3][-1].strip(" |")) <= float(lines[4][-1].strip(" |"))
    assert board.count("**.") == 3, "the best of each protocol, and controls are never it"
    picked = [
        cell
        for cell in table.frame.to_dict("records")
        if cell["row"] in names[:3] and not cell["slice"] and cell["honest"] == cell["honest"] and cell["epochs"] > 1
    ]
    below = sum(cell["honest"] < cell["null"] for cell in picked)
    assert len(picked) > 0 and f"above {below} of the {len(picked)} honest scores of methods with epochs." in board
    assert "which learns nothing, would stand at" in board and WARNING in board
    text = short_form(build("memix-samm3", scores))
    assert "STSTNet" in text and "MiMANet" not in text and "real clips, as printed" in text
    assert all(line.startswith("|") for line in text.splitlines()), "a table; the overview says what it says"
    assert short_form(build("data", its=CARDS["runtime"].model_copy(update={"kind": "runtime"}))) == ""


def test_a_printed_standard_deviation_stands_beside_its_number_and_is_no_footnote():
    table = grid(build("null-best-epoch", study("smic-3")))
    first, number, *_ = table.parts[0].rows[0]
    assert (first.text, number.text, number.small) == ("prior draw, best of 1", ".4171", "\N{PLUS-MINUS SIGN}.022")
    assert table.notes == ["one draw, no selection", "best draw per subject by test accuracy"]
    assert table.every == ["mean of 400 simulations"]


def test_a_page_of_which_no_column_is_ours_says_nothing_of_our_runs():
    table = build("null-best-epoch", study("smic-3"))
    (part,) = grid(table).parts
    assert "Status" not in [cell.text for cell in part.header] and {len(row) for row in part.rows} == {len(part.header)}
    assert table.caption.endswith("none of the columns is ours to score.")
    assert "published-only" not in to_markdown(table)
    other = build("srmcl-single", study("smic-3"))
    assert grid(other).parts[0].header[-1].text == "Status" and "Rows with scores of ours: " in other.caption


def test_numbers_stand_on_their_point_and_words_left():
    table = build("srmcl-single", study("smic-3"))
    part = grid(table).parts[0]
    assert part.texts() == [True, *[False] * 6, True]
    rule = next(line for line in to_markdown(table).splitlines() if line.startswith("|:"))
    assert rule == "|:--" + "|--:" * 6 + "|:--|"
    numbers = re.findall(r"<td[^>]*>(\.\d+\u2007*)<", to_html(table))
    assert {len(number) for number in numbers} == {5}, "decimals and figure spaces make four"
    assert r"\phantom{0}" in to_tex(table)


def test_a_circular_run_is_marked_wherever_it_stands():
    scores, more = study("samm-3"), {"circular": frozenset(["ststnet"])}
    frame = build("memix-samm3", scores, **more).frame
    assert set(frame.loc[frame["note"].str.contains("circular: its flow"), "row"]) == {"STSTNet"}
    board = build("leaderboard", scores, **more).frame
    assert set(board.loc[board["note"].str.contains("circular"), "row"]) == {"STSTNet"}


def test_what_a_table_says():
    frame = build("memix-samm3", study("samm-3")).frame
    text = verdict(frame, synthetic=True)
    assert re.fullmatch(r"adds -?\.\d\d; null model \.\d\d( to \.\d\d)?, above \d of \d scores", text)
    cell = frame[(frame["row"] == "STSTNet") & (frame["column"] == "f1")].index[0]
    frame.loc[frame.index != cell, ["ci_low", "ci_high"]] = 2.0
    frame.loc[cell, ["ci_low", "ci_high"]] = [frame.loc[cell, "published"] - 0.01, frame.loc[cell, "published"] + 0.01]
    assert "printed numbers within our 95 % intervals: 1 of 2" in verdict(frame, synthetic=False)
    assert verdict(build("memix-samm3", its=printed_only("memix-samm3")).frame, True) == "Printed only."


def test_the_overview_has_a_line_for_each_paper_and_each_reference_table():
    scores = study("samm-3", "mmew-4", "megc2019", data_source="synthetic")
    names = ["memix-samm3", "memix-mmew4", "ststnet-torch", "megc2019-baseline"]
    tables = {name: (CARDS[name], build(name, scores).frame, True) for name in names}
    papers = {"memix": Paper(title="MEMix", venue="ICASSP"), "reference": Paper(title="Reference values")}
    lines = by_paper(tables, papers, "docs/{name}.md").splitlines()
    assert len(lines) == 5 and lines[2].startswith(
        "| **MEMix (ICASSP)** | [SAMM, 3 classes](docs/memix-samm3.md), [MMEW"
    )
    printed = sum(lines_of(name)[lines_of(name)["value"] != ""]["row"].nunique() for name in names[:2])
    assert [cell.strip() for cell in lines[2].split("|")[3:5]] == [str(printed), "3"]
    assert "above" in lines[2] and lines[3].endswith("| 1 | 1 | no leak |") and lines[4].startswith("|  | [Baseline")
    assert len(overview(tables, papers, "{name}.md").splitlines()) == 2 + len(names)


def test_without_runs_the_columns_are_what_is_printed():
    laid = grid(build("memix-mixup", its=printed_only("memix-mixup"))).parts[0]
    assert [cell.text for cell in laid.header] == ["Method", "ACC", "F1", "Status"]
    assert {row[-1].text for row in laid.rows} == {"published-only"}


def test_the_example_of_the_docs(tmp_path):
    """docs/add-a-table.md, as it stands: printed numbers, a convention, a card; then what is said of other cards."""
    page = (ROOT / "docs/add-a-table.md").read_text()
    (numbers,) = map(dedent, re.findall(r"```csv\n(.*?)```", page, re.DOTALL))
    convention, card, more, board, against = map(dedent, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    shutil.copytree(CONFIG, tmp_path / "config")
    files = re.findall(r"`(config/(?:published/lbp\.csv|tables/.+?\.yaml))`", page)
    (tmp_path / files[0]).write_text(numbers)
    (tmp_path / files[1]).write_text(card)
    with (tmp_path / "config/conventions.yaml").open("a") as file:
        file.write(convention)
    (tmp_path / "config/tables/board.yaml").write_text(board)
    (tmp_path / "config/tables/against.yaml").write_text(against)
    assert (
        files == ["config/published/lbp.csv", "config/tables/lbp-survey.yaml"]
        and f'tables=["{Path(files[1]).stem}"]' in page
    )
    project = load_project(
        {**read_yaml(CONFIG / "config.yaml"), "tables": ["lbp-survey", "board", "against"]}, tmp_path
    )
    check_scoring(project.conventions, project.tables)
    its = project.tables["lbp-survey"]
    assert its.runs == {"LBP-TOP [4]": "lbp-top", "STSTNet [7]": "ststnet"} and its.caption == (
        "Table 3 of the survey. The released code takes the best epoch of every test subject."
    )
    table = build_table(its, "lbp-survey", inputs(study("samm-3"), published=tmp_path / "config/published"))
    by = cells(table)
    assert by.loc[("STSTNet [7]", "f1"), "as_published"] == value(
        "samm-3", "", "ststnet", "fold-oracle", "mean_fold_f1_present"
    )
    assert by.loc[("LBP-TOP [4]", "acc"), ["published", "status"]].tolist() == [0.594, "skipped"]
    assert project.tables["board"].rows == ("ststnet", *(f"memix-k-{k}" for k in (1, 40, 79, 118, 157, 196)))
    assert (project.tables["against"].reference, project.tables["against"].rows) == ("srmcl-sr", ("srmcl",))
    TableCard(kind="published", title="t", published="x.csv", **yaml.safe_load(more))
    said = page.split("## Scores and rules")[1]
    assert set(re.findall(r"`([a-z0-9_-]+)`", said.split("\n## ")[0])) == {*SCORES, *RULES}


# Files that are wrong


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value,printed", "val,printed", "no column 'value'"),
        ("0.6588,0.6588", "65.88,65.88", r"row 3: field 'value': expected a fraction in \[0, 1\].*found '65.88'"),
        ("0.6588,0.6588", "n/a,0.6588", "row 3: field 'value': .*found 'n/a'"),
        ("0.6588,0.6588", "nan,0.6588", "row 3: field 'value': .*found 'nan'"),
        ("0.6588,0.6588", "0.6588", "row 3: not as many fields as there are columns"),
        ("UF1; protocol", "UF1, protocol", "row 3: not as many fields as there are columns; quote a field with commas"),
        ("f1,0.6588", "f1,1.6588", "row 3: field 'value': .*found '1.6588'"),
        (
            "STSTNet,ststnet,2019,CNN,samm,3,samm-3,f1",
            "STSTNet,stsnet,2019,CNN,samm,3,samm-3,f1",
            "row 3: field 'method': 'STSTNet' is",
        ),
        ("MiMANet", "STSTNet", "row 4: 'STSTNet', 'acc' is given twice under 'samm-3'"),
    ],
)
def test_wrong_numbers_are_refused(tmp_path, old, new, message):
    (tmp_path / "memix.csv").write_text(PRINTED["memix.csv"].read_text().replace(old, new))
    with pytest.raises(InputError, match=r"memix\.csv.*" + message):
        read_published(tmp_path / "memix.csv", "memix-samm3")


# Leaderboard


def test_leaderboard_has_every_run_and_protocol():
    scores = {"samm-3": scored("samm-3", RUNS, status={"mmnet": "partial", "off": "skipped"}), "smic-3": pd.DataFrame()}
    table = build("leaderboard", scores)
    frame = table.frame
    assert frame.columns.tolist() == COLUMNS
    assert list(dict.fromkeys(frame["row"])) == [*(method.title for method in METHODS.values()), NULL_ROW]
    assert list(dict.fromkeys(frame["column"])) == ["samm-3 uf1", "smic-3 uf1"]
    by = frame.set_index(["column", "row"])
    assert by.loc["samm-3 uf1", "status"].tolist() == ["ok", "ok", "partial", "skipped", "ok"]
    assert by.loc[("samm-3 uf1", "MMNet"), "note"] == "only 16 of 22 clips in every seed"
    assert set(by.loc["smic-3 uf1", "status"]) == {"failed"}
    assert by.loc["smic-3 uf1", "note"].str.contains("see its log").all()
    row = by.loc[("samm-3 uf1", "STSTNet")]
    assert row["honest"] == value("samm-3", "", "ststnet", "last", "uf1")
    assert row["as_published"] == value("samm-3", "", "ststnet", "fold-oracle", "uf1")
    assert row["ci_low"] <= row["honest"] <= row["ci_high"]
    assert (row["seeds"], row["n"]) == (1, 22)
    assert "Partial: 2 of 7 runs are complete (4 failed, 1 partial: " in table.caption
    assert "mmnet on samm-3" in table.caption and "1 more" in table.caption


def test_leaderboard_shows_slices_and_fitting_metrics():
    table = build("leaderboard", study("megc2019", "cd6me", "megc2018-hde"))
    columns = list(dict.fromkeys(table.frame["column"]))
    assert columns[:4] == ["megc2019 uf1", "megc2019-smic uf1", "megc2019-casme2 uf1", "megc2019-samm uf1"]
    assert columns[4] == "cd6me au_f1" and "cd6me-samm au_f1" in columns and "megc2018-hde-samm uf1" in columns
    assert not {"megc2019-full uf1", "megc2019 au_f1", "cd6me uf1"} & set(columns)
    by = cells(table)
    assert by.loc[("STSTNet", "megc2019-smic uf1"), "honest"] == value(
        "megc2019", "megc2019-smic", "ststnet", "last", "uf1"
    )
    assert by.loc[("STSTNet", "cd6me au_f1"), "honest"] == value("cd6me", "", "ststnet", "last", "au_f1")
    heads = {column.key: (column.title, column.subtitle) for column in table.columns}
    assert heads["megc2019-smic uf1"] == (PROTOCOLS["megc2019"].title, f"{DATASETS['smic-hs'].title} part, UF1")
    titles = [PROTOCOLS[name].title for name in ("cd6me", "megc2018-hde")]
    assert f"{', '.join(titles)}: leave one data set out; every data set is scored for itself" in table.caption
    title = PROTOCOLS["megc2019"].title
    assert f"{title}: leave one subject out; the predictions of all folds are pooled" in table.caption


def test_leaderboard_may_be_of_one_protocol():
    its = CARDS["leaderboard"].model_copy(update={"protocol": "smic-3"})
    assert set(build("leaderboard", study("samm-3", "smic-3"), its).frame["column"]) == {"smic-3 uf1"}


def test_runs_with_one_title_stay_apart():
    twins = {run: MethodCard(method=run, title="Same") for run in ("ststnet", "mmnet")}
    rows = set(build("leaderboard", study("samm-3"), methods=twins).frame["row"])
    assert rows == {"Same (ststnet)", "Same (mmnet)", NULL_ROW}


def test_nothing_scored_yet():
    table = build("leaderboard", {"samm-3": pd.DataFrame()})
    assert "No run has scores yet" in to_markdown(table) and set(table.frame["status"]) == {"failed"}
    table = build("leaderboard", {"samm-3": pd.DataFrame()}, partial=True)
    assert table.frame["note"].str.contains("has no scores yet").all()
    assert table.caption.startswith("Partial: 0 of 4 runs are complete (4 failed: ")


def test_markdown_cell():
    low, high = value("samm-3", "", "ststnet", "last", "uf1") - 0.1, value("samm-3", "", "ststnet", "last", "uf1") + 0.1
    leaky = fraction(value("samm-3", "", "ststnet", "fold-oracle", "uf1"))
    null = fraction(value("samm-3", "", NULL_RUN, "fold-oracle", "uf1"))
    expected = f"{fraction(low + 0.1)} <sub>[{fraction(low, 2)},&nbsp;{fraction(high, 2)}]</sub><br>"
    expected += f"<sub>leaky {leaky} (null at 100 epochs: {null})</sub>"
    assert expected in to_markdown(build("leaderboard", study("samm-3")))


def test_the_null_model_stands_beside_each_row_at_its_number_of_epochs():
    frames = [
        scored("samm-3", runs, epochs=n) for runs, n in ((["ststnet", NULL_RUN], 100), (["mmnet"], 15), (["off"], 1))
    ]
    scores = {"samm-3": pd.concat([*frames, scored("samm-3", ["null-model-15"], epochs=15).assign(method=NULL_RUN)])}
    board, printed = (build(name, scores) for name in ("leaderboard", "memix-samm3"))
    longest, shorter = (value("samm-3", "", run, "fold-oracle", "uf1") for run in (NULL_RUN, "null-model-15"))
    by = board.frame.set_index("row")
    assert by["epochs"].dropna().to_dict() == {"STSTNet": 100, "MMNet": 15, "OFF": 1, NULL_ROW: 100}
    assert by.loc[["STSTNet", "MMNet", "OFF"], "null"].tolist() == [
        longest, shorter, value("samm-3", "", NULL_RUN, "last", "uf1")
    ]  # fmt: skip
    assert np.isnan(by.loc[NULL_ROW, "null"])
    said = {row[0].text: row[1].leaky for row in grid(board).parts[0].rows}
    assert (
        f"(null at 15 epochs: {fraction(shorter)})" in said["MMNet"] and "null at" not in said["OFF"] + said[NULL_ROW]
    )
    cell = cells(printed).loc[("MMNet", "acc")]
    assert cell["null"] == value("samm-3", "", "null-model-15", cell["rule"], cell["score"])
    assert f"null at 15 epochs: {fraction(cell['null'])}" in to_markdown(printed)
    assert "n = 22" in board.caption, "no null model is one of the study's runs"


def test_every_table_names_its_study_and_says_which_clips_are_real(tmp_path):
    facts = StudyFacts("mine", "paper", (0, 1), frozenset(["casme2-flow", "samm-flow", "smic-hs-flow", "smic-hs"]))
    made = StudyFacts("mine", "quick", (3,), frozenset())
    scores = study("megc2019-flow", "samm-3", "smic-3")
    (tmp_path / "c.csv").write_text(f"{COMPARED}\nmmnet,ststnet,uf1{',' * 9}\n")
    for name in ("leaderboard", "runtime", "comparisons", "data", "ststnet-paper"):
        table = build(name, scores, study=facts, comparisons={"samm-3": tmp_path / "c.csv"})
        assert table.caption.endswith("\nStudy mine: budget paper, seeds 0, 1.")
    table = build("leaderboard", scores, study=facts)
    assert table.warning.startswith("Real clips: SMIC-HS, given flow maps; CASME II, given flow maps; SAMM, given flow")
    assert "SMIC-HS. Synthetic clips: SAMM; numbers of protocols with these say nothing" in table.warning
    assert "Real clips: SMIC-HS, given" in to_markdown(table) and "Real clips: SMIC-HS, given" in to_tex(table)
    assert build("leaderboard", study("smic-3"), study=facts).warning == "Real clips: SMIC-HS."
    table = build("leaderboard", study("smic-3"), study=made)
    assert table.warning == WARNING and table.caption.endswith("\nStudy mine: budget quick, seed 3.")


def test_no_run_is_left_out_without_its_reason():
    hidden = METHODS | {"mmnet": METHODS["mmnet"].model_copy(update={"leaderboard": False})}
    scores = {p: scored(p, RUNS, status={"mmnet": "skipped"}) for p in ("samm-3", "smic-3")}
    assert "Not trained here: MMNet (mmnet cannot be trained)." in build("leaderboard", scores, methods=hidden).caption
    scores["smic-3"] = scored("smic-3", RUNS)
    assert "Not trained here" not in build("leaderboard", scores, methods=hidden).caption


def test_a_leaderboard_names_the_methods_that_only_printed_tables_show():
    facts = StudyFacts("mine", "quick", (3,), frozenset(), ("mmnet",))
    hidden = METHODS | {"mmnet": METHODS["mmnet"].model_copy(update={"leaderboard": False})}
    scores = {p: scored(p, RUNS, status={"mmnet": "skipped"}) for p in ("samm-3", "smic-3")}
    board = build("leaderboard", scores, methods=hidden, study=facts)
    assert "Not here, as they are trained only where a printed table has them: MMNet." in board.caption
    assert "Not trained here" not in board.caption and "MMNet" not in set(board.frame["row"])
    whole = build("leaderboard", scores, study=StudyFacts("mine", "quick", (3,), frozenset()))
    assert "Not here" not in whole.caption and "MMNet" in set(whole.frame["row"])


def test_partial_tables_name_what_is_missing():
    scores = {"samm-3": scored("samm-3", RUNS, status={"ststnet": "partial"})}
    its = CARDS["memix-samm3"].model_copy(update={"runs": {"STSTNet": "ststnet"}})
    table = build("memix-samm3", scores, its, partial=True)
    assert table.caption.startswith("Partial: 0 of 1 runs are complete (1 partial: ststnet on samm-3).")
    assert cells(table).loc["STSTNet", "status"].tolist() == ["partial", "partial"]
    assert cells(table).loc[("STSTNet", "acc"), "honest"] == value("samm-3", "", "ststnet", "last", "acc")
    laid = grid(table)
    status = laid.parts[0].rows[0][-1]
    assert status.text == "partial" and laid.notes[status.notes[0] - 1] == "only 16 of 22 clips in every seed"


def test_scores_as_they_are_written(tmp_path):
    """From predictions: a run that is there, one without files, one that cannot be trained, and the null model."""
    frame = predictions(epochs=40, skill=0.2)
    clips = frame.drop_duplicates(["dataset", "subject", "clip", "onset"])
    runs = {"ststnet": [write(tmp_path / "p.parquet", frame)], "mmnet": [], "off": []}
    scores = score_runs(runs, PROTOCOLS["samm-3"], clips, reasons={"off": "it reads frames"})
    write_scores(scores, tmp_path / "samm-3.csv")
    methods = {run: METHODS[run] for run in runs}
    table = build("leaderboard", {"samm-3": read_scores(tmp_path / "samm-3.csv")}, methods=methods)
    frame = table.frame.set_index("row")
    assert frame["status"].to_dict() == {"STSTNet": "ok", "MMNet": "failed", "OFF": "skipped", NULL_ROW: "ok"}
    assert frame.loc["OFF", "note"] == "skipped: it reads frames"
    assert frame.loc[NULL_ROW, "as_published"] > frame.loc[NULL_ROW, "honest"] + 0.2
    assert frame.loc["STSTNet", "as_published"] > frame.loc["STSTNet", "honest"]
    assert "Partial: 1 of 2 runs are complete (1 failed: mmnet on samm-3)." in table.caption
    assert "drawn at random for 40 epochs" in table.caption


# Runtime, data, comparisons


def test_runtime(tmp_path):
    files = [tmp_path / "1.tsv", tmp_path / "2.tsv"]
    files[0].write_text("s\th:m:s\tmax_rss\tcpu_time\n3.1\t0:00:03\t410.5\t2.5\n")
    files[1].write_text("s\th:m:s\tmax_rss\tcpu_time\n0.1\t0:00:00\t-\t1.25\n")
    table = build("runtime", study("samm-3"), benchmarks={("samm-3", "ststnet"): files})
    assert table.frame.columns.tolist() == RUNTIME_COLUMNS and len(table.frame) == 4
    row = table.frame.set_index(["column", "row"]).loc[("samm-3", "STSTNet")]
    assert (row["peak_mb"], row["train_seconds"], row["seconds_per_fold"], row["epochs"]) == (410.5, 2.5, 0.5, 100)
    assert row["cpu_seconds"] == 3.75
    for form in FORMATS.values():
        assert "410" in form(table)
    files[0].write_text("s\n3.1\n")
    with pytest.raises(InputError, match=r"1\.tsv: expected a benchmark file"):
        build("runtime", study("samm-3"), benchmarks={("samm-3", "ststnet"): files})


INDEX = "dataset,subject,clip,emotion,apex_source,label_set\n" + "".join(
    f"samm,{subject},{subject}_secret,{emotion},{apex},{{label_set}}\n"
    for subject, emotion, apex in ((6, "Anger", "sheet"), (6, "Anger", "midpoint"), (7, "Happiness", "sheet"))
)
FINDINGS = """kind,place,clip,text
repair,"codes.xlsx, MICRO_ONLY, row 15",6_secret,"apex 9 -> 8; see the errata"
missing-frames,6_secret,6_secret,"frames 3, 4"
unmatched-repair,row 16,7_secret,offset is 5
"""
COUNTS = """what,expected,found
clips,{clips},3
subjects,2,2
class negative,2,2
class positive,,1
samm subject 6,2,{six}
samm subject 7,1,1
"""


@pytest.fixture
def found(tmp_path):
    """Write index, findings and counts; return them as `TableInputs` takes them."""

    def write(label_set="samm-v2", clips=3, six=2, **expected):
        for name, text in {"samm.csv": INDEX.format(label_set=label_set), "samm.findings.csv": FINDINGS,
                           "samm-3.counts.csv": COUNTS.format(clips=clips, six=six)}.items():  # fmt: skip
            (tmp_path / name).write_text(text)
        cards = {"samm": DatasetCard(title="SAMM", label_set="x", fps=200, subjects=(6, 7), **expected)}
        return {
            "datasets": cards,
            "counts": {"samm-3": tmp_path / "samm-3.counts.csv"},
            "indexes": {"samm": tmp_path / "samm.csv"},
            "findings": {"samm": tmp_path / "samm.findings.csv"},
        }

    return write


def test_data(found):
    table = build(
        "data", **found(expected_clips=3, expected_subjects=2, expected_emotions={"anger": 2, "happiness": 1})
    )
    assert table.frame.columns.tolist() == DATA_COLUMNS and not table.warning
    by = table.frame.set_index(["group", "column"])
    assert by.loc["data set", "found"].to_dict() == {
        "label set": "samm-v2", "clips": "3", "subjects": "2", "apex sheet": "2", "apex midpoint": "1",
        "apex last": "0", "apex spotted": "0", "apex provided": "0", "repairs": "1", "missing frames": "1",
        "dropped": "0", "emotion anger": "2", "emotion happiness": "1",
    }  # fmt: skip
    assert by.loc[("data set", "clips"), "expected"] == "3" and by.loc[("data set", "emotion anger"), "expected"] == "2"
    assert by.loc[("protocol", "class positive"), ["expected", "found"]].tolist() == ["", "1"]
    assert set(by["status"]) == {"ok"}
    datasets, protocols = grid(table).parts
    assert [cell.text for cell in datasets.rows[0]] == [
        "SAMM", "samm-v2", "3 / 3", "2 / 2", "2 sheet, 1 midpoint", "1", "1", "0", "ok",
    ]  # fmt: skip
    assert [cell.text for cell in protocols.rows[0]] == [
        PROTOCOLS["samm-3"].title, PROTOCOLS["samm-3"].label_set, "3 / 3", "2 / 2", "2 / 2 negative, 1 positive", "ok",
    ]  # fmt: skip


def test_data_that_differs(found):
    table = build("data", **found(clips=4, six=3, expected_clips=4, expected_emotions={"anger": 2, "fear": 1}))
    assert set(table.frame["status"]) == {"differs"}
    assert "counts that differ, by class and subject: 2, named" in to_markdown(table)
    assert "samm subject 6: expected 3" not in to_markdown(table).replace("found 2", "")
    details = [line for lines in table.details.values() for line in lines]
    assert "clips: expected 4, found 3" in details and any("expected 2, found 3" in line for line in details)


def test_names_of_clips_stay_on_the_page(found):
    """The README and what is cited from it may be published; a licence does not cover the names of clips."""
    table = build("data", **found())
    for form in (to_markdown, to_csv, to_tex):
        assert "secret" not in form(table)
        assert "1 repair, 1 missing-frames, 1 unmatched-repair" in form(table)
    assert "codes.xlsx, MICRO_ONLY, row 15: 6_secret: apex 9 -&gt; 8; see the errata" in to_html(table)


@pytest.mark.parametrize(("label_set", "status"), [("synthetic-mini", "unchecked"), ("synthetic-full", "differs")])
def test_synthetic_data_says_so(found, label_set, status):
    table = build("data", **found(label_set, expected_clips=159))
    assert table.warning == WARNING and "SAMM (synthetic)" in to_markdown(table)
    assert table.frame.set_index(["group", "column"]).loc[("data set", "clips"), "status"] == status


def test_partial_data(found):
    files = found()
    files["counts"] = {"smic-3": files["counts"]["samm-3"].with_name("no.csv"), **files["counts"]}
    with pytest.raises(InputError, match=r"no\.csv: no such file"):
        build("data", **files)
    table = build("data", **files, partial=True)
    assert table.caption.startswith("Partial: 1 of 1 data sets and 1 of 2 protocols are there.")


COMPARED = "run,reference,score,difference,low,high,p_permutation,p_holm,p_mcnemar,p_mcnemar_holm,note,table"


def test_comparisons(tmp_path):
    assert set(COMPARED.split(",")) - {"table"} <= set(comparisons.COLUMNS)
    (tmp_path / "samm-3.csv").write_text(
        f"{COMPARED}\nmmnet,ststnet,uf1,-0.1234,-0.2,0.05,0.04,0.12,0.0002,0.0004,,\n"
        "off,ststnet,uf1,-0.2,,,,,,,other clips,\n"
    )
    files = {"samm-3": tmp_path / "samm-3.csv", "smic-3": tmp_path / "smic-3.csv"}
    with pytest.raises(InputError, match=r"smic-3\.csv: no such file"):
        build("comparisons", study("samm-3", "smic-3"), comparisons=files)
    table = build("comparisons", study("samm-3", "smic-3"), comparisons=files, partial=True)
    assert table.caption.startswith(f"Partial: no comparisons yet of {PROTOCOLS['smic-3'].title}.")
    assert table.frame.columns.tolist() == COMPARISON_COLUMNS and len(table.frame) == 2
    first, second = grid(table).parts[0].rows
    assert [cell.text for cell in first] == [
        "MMNet", "SAMM, 3 classes", "STSTNet", "-.123 UF1", ".040", ".120", "<.001", "<.001",
    ]  # fmt: skip
    assert grid(table).notes == ["other clips"] and second[0].notes == (1,)
    assert first[3].small == "[-.20, .05]" and second[4].text == DASH
    (tmp_path / "smic-3.csv").write_text("run,reference\n")
    with pytest.raises(InputError, match=r"smic-3\.csv: no column 'score'"):
        build("comparisons", study("samm-3", "smic-3"), comparisons=files)


def test_comparisons_with_a_run_that_the_card_names(tmp_path):
    hidden = METHODS | {"mmnet": METHODS["mmnet"].model_copy(update={"leaderboard": False})}
    (tmp_path / "c.csv").write_text(
        f"{COMPARED}\noff,ststnet,uf1,-0.2{',' * 8}\nststnet,mmnet,uf1,0.1{',' * 7},comparisons\n"
        f"off,mmnet,uf1,0.3{',' * 7},other\n"
    )
    files = {"samm-3": tmp_path / "c.csv"}
    its = CARDS["comparisons"].model_copy(update={"reference": "mmnet", "rows": ("ststnet", "off")})
    table = build("comparisons", study("samm-3"), its, methods=hidden, comparisons=files)
    assert table.frame[["row", "reference", "difference"]].to_numpy().tolist() == [["STSTNet", "MMNet", 0.1]]
    assert "best honest score" not in table.caption and "Holm" in table.caption
    table = build("comparisons", study("samm-3"), methods=hidden, comparisons=files)
    assert table.frame[["row", "reference"]].to_numpy().tolist() == [["OFF", "STSTNet"]]
    assert "best honest score" in table.caption


# Formats


@pytest.mark.parametrize("name", ["leaderboard", "memix-samm3", "runtime", "mlsp-ablation", "comparisons"])
def test_synthetic_clips_are_announced(name, tmp_path):
    (tmp_path / "c.csv").write_text(f"{COMPARED}\n")
    files = {"comparisons": {"samm-3": tmp_path / "c.csv"}}
    assert WARNING not in to_markdown(build(name, study("samm-3", "smic-3"), **files))
    scores = study("samm-3", "smic-3")
    for frame in scores.values():
        frame.loc[frame["run"] == "mmnet", "data_source"] = "synthetic"
    table = build(name, scores, **files)
    assert f"**{WARNING}**" in to_markdown(table)
    assert f"\\textbf{{{WARNING}}}" in to_tex(table)
    assert f'<p class="warning">{WARNING}</p>' in to_html(table)


def test_no_field_of_a_csv_is_a_formula():
    table = build("leaderboard", study("samm-3"))
    texts = ["=1+1", "+1", "-2.5", "@SUM(A1)", "-cmd", "-", "\t=1", "plain"]
    cells = pd.DataFrame([table.frame.iloc[0]] * len(texts)).assign(row=texts)
    rows = csv.DictReader(io.StringIO(to_csv(replace(table, frame=cells))))
    wanted = ["'=1+1", "+1", "-2.5", "'@SUM(A1)", "'-cmd", "-", "'\t=1", "plain"]
    assert [row["row"] for row in rows] == wanted


def test_formats_escape():
    table = build("leaderboard", study("samm-3"))
    assert r"| Majority &amp; co\_1 &lt;i>\| |" in to_markdown(table)
    assert r"Majority \& co\_1 \textless{}i\textgreater{}\textbar{} &" in to_tex(table)
    assert "Majority &amp; co_1 &lt;i&gt;|" in to_html(table)
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert list(rows[0]) == COLUMNS and rows[0]["row"] == "Majority & co_1 <i>|" and rows[0]["n"] == "22"
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(RUNS)
    assert {line.replace(r"\|", "").count("|") for line in lines} == {3}


@pytest.mark.parametrize("name", CARDS)
def test_markdown_and_tex_are_rectangular(name):
    table = build(name, study("samm-3", "smic-3", "megc2019"))
    for part in re.split(r"\n\n+", to_markdown(table)):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        assert len({line.replace(r"\|", "").count("|") for line in lines}) <= 1
    for part in to_tex(table).split(r"\bottomrule"):
        rows = [line for line in part.splitlines() if line.endswith(r" \\")]
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in rows}) <= 1


def test_write_table_by_suffix(tmp_path):
    table = build("leaderboard", study("samm-3"))
    for suffix, form in FORMATS.items():
        write_table(table, tmp_path / f"t{suffix}")
        assert (tmp_path / f"t{suffix}").read_text() == form(table)
    with pytest.raises(InputError, match="no such table format"):
        write_table(table, tmp_path / "t.xls")


def test_make_table_from_files(tmp_path):
    """What the rule calls: plain dicts and paths; files may be missing where the table is partial."""
    write_scores(scored("samm-3", RUNS), tmp_path / "samm-3.csv")
    plain = {key: {name: its.model_dump(mode="json") for name, its in cards.items()} for key, cards in
             {"protocols": PROTOCOLS, "datasets": DATASETS, "methods": METHODS}.items()}  # fmt: skip
    paths = {"scores": {name: str(tmp_path / f"{name}.csv") for name in ("samm-3", "smic-3")}, "comparisons": {}}
    rest = {"published_folder": str(CONFIG / "published"), "benchmarks": [["samm-3", "ststnet", ["no.tsv"]]]}
    rest |= {"data": {"counts": {}, "indexes": {}, "findings": {}}, "oracles": [], "circular": []}
    rest |= {"short": str(tmp_path / "short.md"), "work": []}
    rest |= {"study": {"name": "mine", "budget": "quick", "seeds": [0], "real": []}}
    outputs = [str(tmp_path / f"t{suffix}") for suffix in FORMATS]
    its = CARDS["leaderboard"].model_dump(mode="json")
    with pytest.raises(InputError, match=r"smic-3\.csv: no such file"):
        make_table(name="leaderboard", card=its, **plain, **paths, **rest, partial=False, outputs=outputs)
    make_table(name="leaderboard", card=its, **plain, **paths, **rest, partial=True, outputs=outputs)
    frame = pd.read_csv(outputs[1], keep_default_na=False).set_index(["row", "column"])
    assert frame.loc[("STSTNet", "samm-3 uf1"), "status"] == "ok"
    assert float(frame.loc[("STSTNet", "samm-3 uf1"), "honest"]) == value("samm-3", "", "ststnet", "last", "uf1")
    assert frame.loc[("STSTNet", "smic-3 uf1"), "note"] == "run 'ststnet' on 'smic-3' has no scores yet"


def test_places_and_needs():
    assert place("samm-3", PROTOCOLS) == ("samm-3", "") and place("deception-2", PROTOCOLS) is None
    assert place("megc2019-smic", PROTOCOLS) == ("megc2019", "megc2019-smic")
    studied = ["smic-3", "megc2019", "samm-3"]
    assert needed(CARDS["mlsp-performance"], PROTOCOLS, studied) == studied, "a row of its own stands beside"
    assert needed(CARDS["srmcl-single"], PROTOCOLS, studied) == ["smic-3"]
    assert needed(CARDS["dualbranch-deception"], PROTOCOLS, studied) == []
    assert needed(CARDS["leaderboard"], PROTOCOLS, studied) == studied
    its = CARDS["leaderboard"].model_copy(update={"protocol": "samm-3"})
    assert needed(its, PROTOCOLS, studied) == ["samm-3"]


def test_slices_belong_to_one_protocol():
    """A column names a slice without its protocol."""
    slices = [name for its in PROTOCOLS.values() for name in its.slices]
    assert len(slices) == len(set(slices)) and not set(slices) & set(PROTOCOLS)
    assert isinstance(PROTOCOLS["samm-3"], ProtocolCard)


def test_several_seeds_are_shown_as_mean_and_standard_deviation():
    frame = scored("samm-3", ["ststnet", NULL_RUN])
    ours = frame["run"] == "ststnet"
    frame.loc[ours, ["seeds", "uf1_sd", "acc_sd"]] = [3, 0.021, 0.013]
    frame.loc[~ours, "uf1_sd"] = 0.5  # over repeats, not over seeds
    for name in ("leaderboard", "memix-samm3"):
        table = build(name, {"samm-3": frame})
        text = to_markdown(table)
        assert "\N{PLUS-MINUS SIGN}.021" in text and "\N{PLUS-MINUS SIGN}.500" not in text
        assert "standard deviation of 3 seeds" in table.caption


# README


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
    assert path.read_text() == README.replace("\nold\n", "\n| new |\n")
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
