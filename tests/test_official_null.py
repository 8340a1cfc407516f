import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.evaluation import official_null as science
from apexbench.evaluation.null_model import growing_choices
from apexbench.evaluation.selection import choose
from apexbench.evaluation.tasks import SingleLabel
from apexbench.figures.official_null import spread_out
from apexbench.stages import official_null as stage

ROOT = Path(__file__).parent.parent
PRINTED = sorted((ROOT / "config/published").glob("*.csv"))
CARD = yaml.safe_load((ROOT / "config/protocols.yaml").read_text())["megc2019"]
FILES = {
    "printed": [str(path) for path in PRINTED],
    "selection": str(ROOT / "config/published/selection.yaml"),
    "measured": str(ROOT / "config/measured/real-flow.csv"),
}


@pytest.fixture(scope="module")
def card():
    return ProtocolCard.model_validate(CARD)


@pytest.fixture(scope="module")
def curves(card):
    return science.official_curves(card)


@pytest.fixture(scope="module")
def printed(card):
    return science.printed_scores(PRINTED, science.read_selection(FILES["selection"]), card.slices)


def test_a_method_that_learns_nothing(curves):
    """The composite's numbers, measured with other code; of the parts, by one draw of twenty."""
    assert science.null_at(curves, 100) == pytest.approx(0.742, abs=0.01)
    assert science.null_at(curves, 500) == pytest.approx(0.810, abs=0.01)
    assert science.null_at(curves, 100, rule="last") == pytest.approx(0.333, abs=0.01)
    assert science.null_at(curves, 100, rule="global-oracle") == pytest.approx(0.391, abs=0.015)
    for part, value in {"smic": 0.680, "casme2": 0.760, "samm": 0.807}.items():
        assert science.null_at(curves, 100, f"megc2019-{part}") == pytest.approx(value, abs=0.015)
    leaky = curves.query("part == 'megc2019-full' and rule == 'fold-oracle'")["uf1"].to_numpy()
    assert (np.diff(leaky) > -0.002).all(), "smooth"


@pytest.mark.parametrize("rule", ["last", "global-oracle", "fold-oracle"])
def test_all_lengths_at_once_choose_as_each_alone(rule):
    rng = np.random.default_rng(3)
    fold, label = np.sort(rng.integers(6, size=40)), rng.integers(3, size=40)
    draws = rng.integers(3, size=(12, 40))
    picked = growing_choices(draws == label, fold, range(1, 13), rule)
    task, folds = SingleLabel(3), fold.max() + 1
    for until in range(1, 13):
        groups = (fold * until + np.arange(until)[:, None]).ravel()
        counts = task.count(groups, np.tile(label, until), draws[:until].ravel(), size=folds * until)
        of = SimpleNamespace(
            task=task, folds=list(range(folds)), counts=counts.reshape(folds, until, 3, 3),
            reached=np.ones((folds, until), bool), common=lambda until=until: until,
        )  # fmt: skip
        of.values = lambda criterion, of=of: of.task.criteria[criterion](of.counts).round(12)
        assert picked[until - 1].tolist() == choose(of, rule).tolist()


def test_printed_numbers_stand_once_and_by_what_is_known(printed):
    whole = printed[printed["part"] == science.WHOLE].set_index(["table", "method"])
    assert whole.loc[("ststnet-paper", "ststnet"), ["uf1", "selects"]].tolist() == [0.7353, "last"]
    assert whole.loc[("htnet-composite", "htnet"), "selects"] == "best-test-epoch"
    assert whole.loc[("ststnet-paper", "off-apexnet"), "selects"] == "unknown", "nothing was found of its code"
    twice = whole.loc["meb-early-stopping"]
    assert sorted(twice.loc["ststnet", "selects"]) == ["best-test-epoch", "last"], (
        "the remark says which, not the method"
    )
    assert not {"majority", "mlsp", "icip", "dualbranch-au", "null-prior"} & set(printed["method"]), "other metrics"
    for _, some in printed.groupby(["part", "method"]):
        assert (some["uf1"].sort_values().diff().dropna() > 0.0006).all(), "a rounded copy counts twice"
    text = "".join(path.read_text() for path in PRINTED)
    assert all(number in text for number in printed["printed"])


def test_the_sentence_counts(curves, printed):
    words = science.in_words(curves, printed)
    above, every = map(int, re.search(r"above (\d+) of the (\d+) published", words).groups())
    whole = printed.loc[printed["part"] == science.WHOLE, "uf1"]
    assert (above, every) == ((whole < science.null_at(curves, 100)).sum(), len(whole)) and 0 < above < every
    higher = printed.assign(uf1=0.99)
    assert f"above 0 of the {every} published" in science.in_words(curves, higher)


def test_figure_and_numbers(tmp_path, monkeypatch, curves, printed):
    monkeypatch.setattr(stage, "official_curves", lambda card: curves)
    for number in (1, 2):
        names = {kind: str(tmp_path / f"{number}.{kind}") for kind in ("svg", "csv")}
        stage.official_null(card=CARD, **FILES, **names, words=str(tmp_path / "words.md"))
    for kind in ("svg", "pdf", "csv"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes(), "equal bytes"
    drawn = set(re.findall("<text[^>]*>(.*?)</text>", (tmp_path / "1.svg").read_text()))
    assert {"what most code keeps", "last epoch", "best test epoch, one for all", "the same run .726"} <= drawn
    for line in printed[printed["part"] == science.WHOLE].itertuples():
        assert any(text.startswith(line.title) and f"{line.uf1:.4f}"[1:] in text for text in drawn), line.title
    frame = pd.read_csv(tmp_path / "1.csv", keep_default_na=False)
    assert set(frame["what"]) == {"null model", "published", "run here"} and (tmp_path / "words.md").exists()
    here = frame[frame["what"] == "run here"]
    assert here["uf1"].tolist() == [0.675, 0.726] and here["rule"].tolist() == ["last", "best-test-epoch"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ststnet: {selects: best, says: x}", "field 'selects'"),
        ("ststnet: {selects: last}", "field 'says'"),
        ("[ststnet]", "expected {method: {selects: ..., says: ...}}"),
    ],
)
def test_a_selection_that_is_none(tmp_path, text, message):
    (tmp_path / "selection.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        science.read_selection(tmp_path / "selection.yaml")
    assert message in str(caught.value) and "selection.yaml" in str(caught.value)


def test_counts_and_columns_that_lack(tmp_path):
    counts = {**CARD["expected_subjects"], "samm": {6: 11}}
    with pytest.raises(InputError, match=r"field 'expected_subjects.samm' .* clips of each class for each subject"):
        science.official_clips(ProtocolCard.model_validate(CARD | {"expected_subjects": counts}))
    (tmp_path / "real-flow.csv").write_text("row,budget\nSTSTNet,paper\n")
    with pytest.raises(InputError, match=r"real-flow\.csv: no column 'epochs'"):
        science.read_measured(tmp_path / "real-flow.csv")


def test_labels_stand_apart_near_their_points():
    values = [0.70, 0.71, 0.71, 0.9, 0.2]
    placed = spread_out(values, 0.05)
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(placed)[order]) > 0.05 - 1e-6).all() and placed[3:] == [0.9, 0.2]
    assert np.mean(placed[:3]) == pytest.approx(np.mean(values[:3]))


def test_the_page_of_real_numbers_has_what_was_measured():
    page = (ROOT / "docs/real-flow.md").read_text()
    rows = [re.sub(r"[*]", "", line) for line in page.splitlines() if line.startswith("|")]
    for line in science.read_measured(FILES["measured"]).itertuples():
        (row,) = [row for row in rows if row.startswith(f"| {line.row} |") and f"| {line.budget} |" in row.replace(
            "|  |", "| nan |") and (pd.isna(line.epochs) or f"| {line.epochs:.0f} |" in row)]  # fmt: skip
        scores = [line.uf1_last, line.uf1_best_test_epoch, line.smic, line.casme2, line.samm]
        assert all(f"{score:.3f}".lstrip("0") in row for score in scores if not pd.isna(score))
