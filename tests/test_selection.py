import numpy as np
import pandas as pd
import pytest

from apexbench.evaluation.metrics import from_confusion
from apexbench.evaluation.selection import LEAKING, RULES, confusions, fold_oracle, global_oracle, last, predicted


def frame_of(hits):
    """Predictions of two classes from {fold: epochs x clips of 0/1 (correct or not)}; label 0 and 1 in turn."""
    rows = []
    for fold, epochs in hits.items():
        for epoch, clips in enumerate(epochs, 1):
            for clip, hit in enumerate(clips):
                label = clip % 2
                scores = [0.2, 0.2]
                scores[label if hit else 1 - label] = 0.9
                rows.append(("r", 0, fold, f"c{clip}", label, epoch, *scores))
    return pd.DataFrame(rows, columns=["run", "seed", "fold", "clip", "label", "epoch", "p0", "p1"])


def epochs_of(frame):
    return frame.groupby("fold")["epoch"].unique().map(list).to_dict()


HITS = {"samm:6": [[0, 0, 1], [1, 1, 0], [0, 1, 1], [0, 0, 0]], "samm:7": [[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]}


def test_rules():
    frame = frame_of(HITS)
    assert epochs_of(last(frame)) == {"samm:6": [4], "samm:7": [4]}
    assert epochs_of(fold_oracle(frame)) == {"samm:6": [2], "samm:7": [1]}
    assert epochs_of(fold_oracle(frame, ties="last")) == {"samm:6": [3], "samm:7": [1]}
    assert epochs_of(global_oracle(frame)) == {"samm:6": [1], "samm:7": [1]}
    # All clips once, whatever the rule.
    assert all(len(rule(frame)) == 6 for rule in RULES.values())


def test_criterion_decides():
    # Accuracy ties at 2/3; UF1 prefers the epoch that hits both classes.
    frame = frame_of({"samm:6": [[1, 0, 1], [1, 1, 0]]})
    assert epochs_of(fold_oracle(frame)) == {"samm:6": [1]}
    assert epochs_of(fold_oracle(frame, criterion="uf1")) == {"samm:6": [2]}
    with pytest.raises(ValueError, match="criterion is one of"):
        fold_oracle(frame, criterion="auc")


def test_folds_may_stop_early():
    frame = frame_of({"samm:6": HITS["samm:6"], "samm:7": HITS["samm:7"][:2]})
    assert epochs_of(last(frame)) == {"samm:6": [4], "samm:7": [2]}
    assert epochs_of(global_oracle(frame)) == {"samm:6": [1], "samm:7": [1]}


def test_lowest_index_wins_equal_scores():
    frame = pd.DataFrame({f"p{i}": [0.5] for i in (0, 1, 2, 10, 9)})
    frame["p10"] = frame["p9"] = 0.7
    assert predicted(frame).tolist() == [3]  # p9 comes before p10


def test_one_seed_only():
    frame = frame_of(HITS)
    with pytest.raises(ValueError, match="one seed"):
        last(pd.concat([frame, frame.assign(seed=1)]))


def test_random_scores_gain_from_the_oracle_only():
    rng = np.random.default_rng(0)
    subjects, per_subject, epochs = 60, 6, 40
    index = pd.MultiIndex.from_product([range(subjects), range(per_subject), range(1, epochs + 1)])
    frame = index.to_frame(index=False, name=["subject", "clip", "epoch"]).assign(run="null", seed=0)
    frame["fold"] = "samm:" + frame["subject"].astype(str)
    frame["label"] = rng.choice(3, p=[0.57, 0.25, 0.18], size=(subjects * per_subject)).repeat(epochs)
    frame[["p0", "p1", "p2"]] = rng.random((len(frame), 3))
    score = {name: from_confusion(confusions(rule(frame), "run")[1][0])["uf1"] for name, rule in RULES.items()}
    assert score["last"] < 0.38
    assert score["last"] < score["global-oracle"] < 0.45
    assert score["fold-oracle"] > 0.6
    assert {"fold-oracle", "global-oracle"} == LEAKING
