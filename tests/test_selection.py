import numpy as np
import pandas as pd
import pytest
from predictions import every_score

from apexbench.errors import InputError
from apexbench.evaluation.multilabel import bitmask
from apexbench.evaluation.selection import HONEST, LEAKING, RULES, inner, predicted, select, trace


def frame_of(hits):
    """Predictions of two classes from {fold: epochs x clips of 0/1 (correct or not)}; label 0 and 1 in turn."""
    rows = []
    for fold, epochs in hits.items():
        for epoch, clips in enumerate(epochs, 1):
            for clip, hit in enumerate(clips):
                label = clip % 2
                rows.append((fold, f"c{clip}", label, epoch, label if hit else 1 - label))
    return scored(rows, 2)


def scored(rows, classes):
    """Predictions from rows (fold, clip, label, epoch, predicted class)."""
    frame = pd.DataFrame(rows, columns=["fold", "clip", "label", "epoch", "guess"])
    frame[[f"p{c}" for c in range(classes)]] = 0.2 + 0.7 * np.eye(classes)[frame.pop("guess")]
    where = frame["fold"].str.split(":", expand=True)
    return frame.assign(run="r", seed=0, dataset=where[0], subject=where[1].astype(int), onset=1)


def epochs_of(frame):
    return frame.groupby("fold")["epoch"].unique().map(list).to_dict()


HITS = {"samm:6": [[0, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 0]], "samm:7": [[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]}


def test_rules():
    frame = frame_of(HITS)
    assert epochs_of(select(frame, "last")) == {"samm:6": [4], "samm:7": [4]}
    assert epochs_of(select(frame, "fold-oracle")) == {"samm:6": [2], "samm:7": [1]}
    assert epochs_of(select(frame, "fold-oracle-late")) == {"samm:6": [3], "samm:7": [1]}
    assert epochs_of(select(frame, "global-oracle")) == {"samm:6": [1], "samm:7": [1]}
    # All clips once, whatever the rule.
    inside = validation({"samm:6": [[1]], "samm:7": [[1]]})
    assert all(len(select(frame, rule, inside)) == 6 for rule in RULES)
    assert set(HONEST) == {"last", "inner"} and set(RULES) - set(HONEST) == LEAKING


def test_rows_may_come_in_any_order():
    frame = frame_of(HITS)
    mixed = frame.sample(frac=1, random_state=0)
    for rule in RULES:
        if rule != "inner":
            assert epochs_of(select(mixed, rule)) == epochs_of(select(frame, rule)), rule


def test_criterion_decides():
    # Accuracy ties at 2/3; UF1 prefers the epoch that hits both classes.
    frame = frame_of({"samm:6": [[1, 0, 1], [1, 1, 0]]})
    assert epochs_of(select(frame, "fold-oracle")) == {"samm:6": [1]}
    assert epochs_of(select(frame, "fold-oracle-uf1")) == {"samm:6": [2]}


def test_ties():
    frame = frame_of({"samm:6": [[0, 0], [1, 0], [0, 1], [0, 0]]})
    first, later = {"samm:6": [2]}, {"samm:6": [3]}
    assert epochs_of(select(frame, "fold-oracle")) == epochs_of(select(frame, "fold-oracle-stop")) == first
    assert epochs_of(select(frame, "fold-oracle-uf1")) == epochs_of(select(frame, "fold-oracle-to-highest")) == first
    assert epochs_of(select(frame, "fold-oracle-late")) == epochs_of(select(frame, "fold-oracle-uf1-late")) == later
    assert epochs_of(select(frame, "fold-oracle-present")) == later
    assert epochs_of(select(frame, "fold-oracle-absent-one")) == later


def test_stop_variant_keeps_the_last_epoch_of_a_hopeless_fold():
    frame = frame_of({"samm:6": [[0, 0], [0, 0], [0, 0]], "samm:7": [[1, 0], [1, 1], [1, 1]]})
    assert epochs_of(select(frame, "fold-oracle")) == {"samm:6": [1], "samm:7": [2]}
    assert epochs_of(select(frame, "fold-oracle-stop")) == {"samm:6": [3], "samm:7": [2]}


def test_criteria_count_absent_classes_each_in_its_way():
    # Three clips of class 0: one, one and two are right, the others are called 1 and 2, 1 and 1, 1.
    rows = [
        ("samm:6", f"c{clip}", 0, epoch, guess)
        for epoch, guesses in enumerate([(0, 1, 2), (0, 1, 1), (0, 0, 1)], 1)
        for clip, guess in enumerate(guesses)
    ]
    values = trace(scored(rows, 3)).values
    assert values("uf1")[0] == pytest.approx([0.5 / 3, 0.5 / 3, 0.8 / 3])
    assert values("f1-present")[0] == pytest.approx([0.5 / 3, 0.5 / 2, 0.8 / 2])
    assert values("f1-absent-one")[0] == pytest.approx([0.5 / 3, 1.5 / 3, 1.8 / 3])
    assert values("f1-to-highest")[0] == pytest.approx([0.5 / 3, 0.5 / 2, 0.8 / 2])


def test_folds_may_stop_early():
    frame = frame_of({"samm:6": HITS["samm:6"], "samm:7": HITS["samm:7"][:2]})
    assert epochs_of(select(frame, "last")) == {"samm:6": [4], "samm:7": [2]}
    assert epochs_of(select(frame, "global-oracle")) == {"samm:6": [1], "samm:7": [1]}
    # A fold that is never right keeps an epoch that it has.
    frame = frame_of({"samm:6": HITS["samm:6"], "samm:7": [[0, 0], [0, 0]]})
    assert epochs_of(select(frame, "fold-oracle-late"))["samm:7"] == [2]
    assert epochs_of(select(frame, "fold-oracle-present"))["samm:7"] == [2]


def test_lowest_index_wins_equal_scores():
    frame = pd.DataFrame({f"p{i}": [0.5] for i in (0, 1, 2, 10, 9)})
    frame["p10"] = frame["p9"] = 0.7
    assert predicted(frame).tolist() == [3]  # p9 comes before p10


def test_one_seed_only():
    frame = frame_of(HITS)
    with pytest.raises(ValueError, match="one seed"):
        select(pd.concat([frame, frame.assign(seed=1)]), "last")


# inner


def validation(hits):
    """Inner predictions of clips that no fold tests."""
    return frame_of(hits).assign(subject=99)


def test_inner_picks_the_best_validation_epoch():
    frame = frame_of(HITS)
    inside = validation({"samm:6": [[0, 0], [0, 1], [1, 0], [0, 0]], "samm:7": [[0, 0], [0, 0], [0, 1], [1, 1]]})
    chosen = select(frame, "inner", inside)
    assert epochs_of(chosen) == {"samm:6": [2], "samm:7": [4]} and len(chosen) == 6


def test_inner_never_looks_at_the_test_labels():
    frame = frame_of(HITS)
    inside = validation(HITS)
    blind = frame.assign(label=0)
    assert epochs_of(select(frame, "inner", inside)) == epochs_of(select(blind, "inner", inside))


def test_inner_pools_several_models_and_skips_what_one_lacks():
    frame = frame_of({"samm:6": [[0], [0], [0]]})
    one = validation({"samm:6": [[0, 1], [1, 1], [1, 1]]})
    other = validation({"samm:6": [[1, 1], [0, 1]]}).assign(subject=98)  # trained for two epochs only
    both = pd.concat([one, other])
    assert epochs_of(select(frame, "inner", one)) == {"samm:6": [2]}
    assert epochs_of(select(frame, "inner", both)) == {"samm:6": [1]}  # 3 of 4, and 3 of 4: the first
    # The main training may have stopped before the inner optimum.
    assert epochs_of(select(frame[frame["epoch"] == 1], "inner", one)) == {"samm:6": [1]}


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (validation({"samm:6": HITS["samm:6"]}), "no inner predictions for fold 'samm:7'"),
        (frame_of(HITS), "clip samm/6/c0/1 validates fold 'samm:6', which tests it"),
        (validation(HITS).assign(epoch=9), "fold 'samm:6' shares no epoch"),
    ],
)
def test_inner_refuses(inside, message):
    with pytest.raises(InputError, match=message):
        select(frame_of(HITS), "inner", inside)


def test_inner_needs_its_predictions():
    with pytest.raises(ValueError, match="needs the inner predictions"):
        select(frame_of(HITS), "inner")
    assert inner(trace(frame_of(HITS)), trace(validation(HITS))).tolist() == [1, 0]


# multi-label


def test_multilabel_rules():
    label = bitmask([[True, False], [False, True], [True, True]])
    rows = []
    for epoch, guesses in enumerate([[0, 0, 0], [1, 2, 0], [1, 2, 3], [0, 2, 3]], 1):
        for clip, guess in enumerate(guesses):
            rows.append(("samm:6", f"c{clip}", label[clip], epoch, guess & 1, guess >> 1))
    frame = pd.DataFrame(rows, columns=["fold", "clip", "label", "epoch", "p0", "p1"]).assign(run="r", seed=0)
    assert epochs_of(select(frame, "last", multilabel=True)) == {"samm:6": [4]}
    for rule in RULES:
        if rule.startswith("fold-oracle"):
            assert epochs_of(select(frame, rule, multilabel=True)) == {"samm:6": [3]}, rule


def test_random_scores_gain_from_the_oracles_only():
    rng = np.random.default_rng(0)
    subjects, per_subject, epochs = 60, 6, 40
    index = pd.MultiIndex.from_product([range(subjects), range(per_subject), range(1, epochs + 1)])
    frame = index.to_frame(index=False, name=["subject", "clip", "epoch"]).assign(run="null", seed=0)
    frame["fold"] = "samm:" + frame["subject"].astype(str)
    frame["label"] = rng.choice(3, p=[0.57, 0.25, 0.18], size=(subjects * per_subject)).repeat(epochs)
    frame[["p0", "p1", "p2"]] = rng.random((len(frame), 3))
    score = {rule: every_score(select(frame, rule))["uf1"] for rule in RULES if rule != "inner"}
    assert score["last"] < 0.38
    assert score["last"] < score["global-oracle"] < 0.45
    assert all(value > 0.6 for rule, value in score.items() if rule.startswith("fold-oracle"))
