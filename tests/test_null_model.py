import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predictions import megc2019
from scipy.stats import binom

from apexbench.evaluation.null_model import null_decisions, null_decisions_by_epochs, null_scores
from apexbench.evaluation.selection import RULES

ROOT = Path(__file__).parent.parent
REFERENCE = pd.read_csv(ROOT / "config/published/reference.csv").query("table == 'null-best-epoch'")
PLAN = pd.read_csv(ROOT / "config/synthetic/full.csv")
SAMM_5 = ["anger", "contempt", "happiness", "other", "surprise"]
CASME2_5 = ["others", "disgust", "happiness", "repression", "surprise"]


def planned(dataset, emotions):
    """Folds and labels of a data set's official number of clips of each subject and emotion."""
    plan = PLAN[PLAN["dataset"] == dataset].assign(emotion=lambda frame: frame["emotion"].str.lower())
    plan = plan[plan["emotion"].isin(emotions)]
    rows = plan.loc[plan.index.repeat(plan["clips"])]
    return rows["subject"].to_numpy(), rows["emotion"].map(emotions.index).to_numpy()


def official():
    table = megc2019()
    return table["fold"].to_numpy(), table["label"].to_numpy()


def expected_accuracy(folds, labels, epochs):
    """Mean accuracy of the rule fold-oracle, exactly: the best of `epochs` sums of binomials in each fold."""
    prior = np.bincount(labels) / len(labels)
    hits = 0.0
    for fold in np.unique(folds):
        correct = np.ones(1)
        for clips, share in zip(np.bincount(labels[folds == fold], minlength=len(prior)), prior, strict=True):
            correct = np.convolve(correct, binom.pmf(np.arange(clips + 1), clips, share))
        hits += (1 - correct.cumsum()[:-1].clip(0, 1) ** epochs).sum()
    return hits / len(labels)


# protocol: clips, classes, folds and labels, and by how much the scores may differ because of the plan
DATA = {
    "megc2019-full": (442, 3, official(), 0.0),
    # how the emotions fall on the subjects is not published in full, only the totals of both
    "casme2-5": (246, 5, planned("casme2", CASME2_5), 0.02),
    "samm-5": (136, 5, planned("samm", SAMM_5), 0.02),
}


@pytest.mark.parametrize(
    ("protocol", "draw"),
    [("megc2019-full", "prior"), ("megc2019-full", "uniform"), ("casme2-5", "prior"), ("samm-5", "prior")],
)
@pytest.mark.parametrize("epochs", [1, 10, 100, 800])
def test_published_inflation(protocol, draw, epochs):
    clips, classes, data, unknown = DATA[protocol]
    rows = REFERENCE[(REFERENCE["protocol"] == protocol) & (REFERENCE["row"] == f"{draw} draw, best of {epochs}")]
    assert len(rows) == 3
    folds, labels = data
    assert len(labels) == clips
    repeats = 40 if epochs < 800 else 20
    scores = null_scores(folds, labels, classes, epochs, "fold-oracle", repeats, seed=7, uniform=draw == "uniform")
    for line in rows.itertuples():
        sd = float(re.search(r"sd ([.\d]+)", line.caveat)[1])
        noise = sd * np.sqrt(1 / 400 + 1 / repeats)
        mean, spread = scores["uf1" if line.metric == "f1" else line.metric]
        assert abs(mean - line.value) < 4 * noise + unknown, line.metric
        assert spread == pytest.approx(sd, rel=0.6)


def test_accuracy_is_the_exact_expectation():
    folds, labels = official()
    for epochs in (1, 50):
        mean, sd = null_scores(folds, labels, 3, epochs, "fold-oracle", repeats=200)["acc"]
        assert abs(mean - expected_accuracy(folds, labels, epochs)) < 4 * sd / np.sqrt(200)


def test_one_global_epoch_is_worth_little():
    folds, labels = official()
    for epochs, value in ((100, 0.391), (800, 0.409)):  # means of 20 repeats
        mean, sd = null_scores(folds, labels, 3, epochs, "global-oracle", repeats=20)["uf1"]
        assert abs(mean - value) < 4 * sd * np.sqrt(2 / 20)


def test_every_rule_and_score():
    folds, labels = official()
    scores = {rule: null_scores(folds, labels, 3, 20, rule, repeats=10) for rule in RULES}
    assert scores["last"] == scores["inner"]
    assert scores["last"]["uf1"][0] < 0.36 < scores["global-oracle"]["uf1"][0] < 0.42
    assert all(scores[rule]["uf1"][0] > 0.6 for rule in RULES if rule.startswith("fold-oracle"))
    assert all(np.isfinite(value).all() for rule in scores.values() for value in rule.values())
    assert {"acc", "uf1", "cumulative_acc", "mean_fold_f1_absent_one"} <= set(scores["last"])


def test_seeded_and_shared_between_rules():
    folds, labels = official()
    both = null_decisions(folds, labels, 3, 5, ["last", "fold-oracle"], repeats=3, seed=1)
    alone = null_decisions(folds, labels, 3, 5, ["fold-oracle"], repeats=3, seed=1)
    assert (both["fold-oracle"] == alone["fold-oracle"]).all()
    other = null_decisions(folds, labels, 3, 5, ["fold-oracle"], repeats=3, seed=2)
    assert (alone["fold-oracle"] != other["fold-oracle"]).any()


def test_fewer_epochs_are_the_first_of_the_longest():
    folds, labels = official()
    both = null_decisions_by_epochs(folds, labels, 3, [50, 10], ["fold-oracle", "last"], repeats=8)
    alone = null_decisions(folds, labels, 3, 50, ["fold-oracle", "last"], repeats=8)
    assert all((both[50][rule] == alone[rule]).all() for rule in alone)
    right = {epochs: (of["fold-oracle"] == labels).mean() for epochs, of in both.items()}
    assert right[10] == pytest.approx(expected_accuracy(folds, labels, 10), abs=0.03) and right[10] < right[50] - 0.03


def test_draws_follow_the_prior():
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    drawn = null_decisions(labels, labels, 3, 1, ["last"], repeats=50)["last"]
    assert np.bincount(drawn.ravel()) / drawn.size == pytest.approx([0.7, 0.2, 0.1], abs=0.01)
    drawn = null_decisions(labels, labels, 3, 1, ["last"], repeats=50, uniform=True)["last"]
    assert np.bincount(drawn.ravel()) / drawn.size == pytest.approx([1 / 3] * 3, abs=0.01)


def test_multilabel():
    rng = np.random.default_rng(0)
    labels = ((rng.random((200, 4)) < [0.1, 0.3, 0.5, 0.9]) @ (1 << np.arange(4))).astype(int)
    folds = np.repeat(range(40), 5)
    scores = {rule: null_scores(folds, labels, 4, 30, rule, multilabel=True) for rule in ("last", "fold-oracle")}
    assert set(scores["last"]) == {"au_f1", "au_macro_f1"}
    assert scores["last"]["au_f1"][0] + 0.1 < scores["fold-oracle"]["au_f1"][0]
