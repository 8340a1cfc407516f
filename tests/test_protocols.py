"""Protocols: labels, folds and the official counts."""

from pathlib import Path

import pandas as pd
import pytest

from apexbench.clips import COLUMNS, write_index
from apexbench.config import ProtocolCard, read_yaml, validate
from apexbench.datasets import load_index
from apexbench.errors import InputError
from apexbench.protocols import assemble, fold_name, loso, planned, read_protocol, unexpected, write_protocol
from apexbench.stages.clips import protocol_table

ROOT = Path(__file__).parent.parent
CARDS = {
    name: validate(ProtocolCard, value, Path("config/protocols.yaml"))
    for name, value in read_yaml(ROOT / "config/protocols.yaml").items()
}
OFFICIAL = {
    "casme2-5": (246, (99, 63, 32, 27, 25), 26),
    "samm-3": (133, (92, 26, 15), 28),
    "smic-3": (164, (70, 51, 43), 16),
    "mmew-4": (263, (36, 89, 72, 66), None),
}
CARD = ProtocolCard(
    title="two sets", datasets=("a", "b"), label_set="l", classes={"bad": ("Anger", "fear"), "good": ("happiness",)}
)


def _index(path, dataset, clips):
    """Write an index of (subject, clip, onset, emotion)."""
    rows = [
        dict.fromkeys(COLUMNS, "x")
        | {"dataset": dataset, "subject": subject, "clip": clip, "onset": onset, "emotion": emotion}
        | {"apex": onset + 1, "offset": onset + 2, "n_frames": 3, "fps": 1.0}
        for subject, clip, onset, emotion in clips
    ]
    write_index(pd.DataFrame(rows), path)
    return path


@pytest.fixture
def indexes(tmp_path):
    a = [(1, "x", 9, "ANGER"), (1, "x", 5, "happiness"), (2, "y", 1, "fear"), (3, "z", 1, "others")]
    b = [(1, "x", 9, "Happiness"), (4, "w", 1, "anger")]
    return [_index(tmp_path / "b.csv", "b", b), _index(tmp_path / "a.csv", "a", a)]


@pytest.mark.parametrize("name", CARDS)
def test_official_counts_add_up(name):
    card = CARDS[name]
    clips, classes, subjects = OFFICIAL[name]
    assert card.expected_clips == clips == sum(card.expected_classes) and card.expected_classes == classes
    for dataset in card.datasets:
        listed = card.expected_subjects.get(dataset)
        assert (None if listed is None else len(listed)) == subjects
        if listed and all(isinstance(count, tuple) for count in listed.values()):
            assert tuple(map(sum, zip(*listed.values(), strict=True))) == classes
        elif listed:
            assert sum(listed.values()) == clips
        if listed:
            known = read_yaml(ROOT / "config/datasets.yaml")[dataset]["subjects"]
            assert set(listed) <= set(known)


def test_every_protocol_has_its_official_counts():
    assert set(OFFICIAL) <= set(CARDS)


def test_labels_by_emotion_whatever_its_case(indexes):
    frame = assemble("p", CARD, indexes)
    assert len(frame) == 5  # 'others' has no class
    assert dict(zip(frame["emotion"], frame["class"], strict=True)) == {
        "happiness": "good", "ANGER": "bad", "fear": "bad", "Happiness": "good", "anger": "bad"
    }  # fmt: skip
    assert [list(CARD.classes)[label] for label in frame["label"]] == frame["class"].tolist()
    assert frame[["dataset", "subject", "clip", "onset"]].values.tolist() == [
        ["a", 1, "x", 5], ["a", 1, "x", 9], ["a", 2, "y", 1], ["b", 1, "x", 9], ["b", 4, "w", 1]
    ]  # fmt: skip
    assert assemble("p", CARD, indexes[::-1]).equals(frame)


def test_subject_1_of_two_data_sets_is_two_people(indexes):
    frame = assemble("p", CARD, indexes)
    assert list(loso(frame)) == ["a:1", "a:2", "b:1", "b:4"]
    assert fold_name("b", 4) == "b:4"


@pytest.mark.parametrize("dataset", ["casme2", "samm", "smic-hs", "mmew"])
def test_leave_one_subject_out(rendered, tmp_path, dataset):
    name = next(name for name, card in CARDS.items() if card.datasets == (dataset,))
    index = tmp_path / "i.csv"
    write_index(load_index(dataset, rendered[dataset][0]), index)
    card = CARDS[name].model_copy(update={"classes": _present(CARDS[name], index)})
    frame = assemble(name, card, [index])
    folds = loso(frame)
    subjects = frame["dataset"] + ":" + frame["subject"].astype(str)
    tested = []
    for fold, (inside, outside) in folds.items():
        assert set(subjects[outside]) == {fold} and fold not in set(subjects[inside])
        assert sorted(inside + outside) == list(range(len(frame)))
        tested += outside
    assert sorted(tested) == list(range(len(frame))) and set(folds) == set(subjects)


def _present(card, index):
    """The classes that the small tree has clips of."""
    found = set(pd.read_csv(index)["emotion"].str.lower())
    return {name: emotions for name, emotions in card.classes.items() if found & set(emotions)}


def test_a_table_reads_as_it_was_written(indexes, tmp_path):
    frame = assemble("p", CARD, indexes)
    write_protocol(frame, tmp_path / "p.csv")
    again = read_protocol(tmp_path / "p.csv")
    assert again.drop(columns="id").equals(frame)
    assert again["id"].tolist() == ["a/1/x/5", "a/1/x/9", "a/2/y/1", "b/1/x/9", "b/4/w/1"]
    (tmp_path / "p.csv").write_text("dataset,subject\n")
    with pytest.raises(InputError, match=r"p\.csv: no column 'clip'; delete the file and rerun the rule 'protocol'"):
        read_protocol(tmp_path / "p.csv")


def test_clip_names_stay_text(tmp_path):
    index = _index(tmp_path / "a.csv", "a", [(1, "007", 1, "anger"), (2, "1e3", 1, "happiness")])
    protocol_table("p", CARD.model_dump(), [index], tmp_path / "p.csv")
    assert read_protocol(tmp_path / "p.csv")["id"].tolist() == ["a/1/007/1", "a/2/1e3/1"]


def test_a_class_without_clips(tmp_path):
    index = _index(tmp_path / "a.csv", "a", [(1, "x", 1, "anger"), (2, "y", 1, "fear")])
    with pytest.raises(
        InputError, match=r"protocol 'p': no clip of class 'good' \(emotions happiness\) in a, b; check"
    ):
        assemble("p", CARD, [index])


def test_a_subject_alone(tmp_path):
    index = _index(tmp_path / "a.csv", "a", [(7, "x", 1, "anger"), (7, "y", 1, "happiness"), (8, "z", 1, "others")])
    with pytest.raises(InputError, match=r"protocol 'p': all 2 clips are of one subject \(a:7\).*needs two"):
        assemble("p", CARD, [index])


def _counted(**counts):
    return CARD.model_copy(update=counts)


def test_counts_as_expected_say_nothing(indexes):
    frame = assemble("p", CARD, indexes)
    assert unexpected(CARD, frame) == []
    card = _counted(
        expected_clips=5,
        expected_classes=(3, 2),
        expected_subjects={"a": {1: (1, 1), 2: (1, 0)}, "b": {1: 1, 4: 1}},
    )
    assert unexpected(card, frame) == []


def test_every_difference_is_a_line(indexes):
    card = _counted(
        expected_clips=6,
        expected_classes=(3, 3),
        expected_subjects={"a": {1: (2, 1), 2: (1, 0), 9: 4}, "b": {1: 1}},
    )
    assert unexpected(card, assemble("p", CARD, indexes)) == [
        "in all: expected 6 clips, found 5",
        "class good: expected 3 clips, found 2",
        "a subject 1, bad: expected 2 clips, found 1",
        "a subject 9: expected 4 clips, found 0",
        "b subject 4: not in the official list",
    ]


def test_differences_go_to_the_log_by_protocol_and_label_set(indexes, tmp_path, caplog):
    protocol_table("p", _counted(expected_clips=6).model_dump(mode="json"), indexes, tmp_path / "deep" / "p.csv")
    assert caplog.messages == ["protocol p (l), in all: expected 6 clips, found 5"]
    assert len(read_protocol(tmp_path / "deep" / "p.csv")) == 5


def test_a_plan_takes_the_place_of_the_official_counts(indexes):
    plan = [("a", 1, "anger", 1), ("a", 1, "Happiness", 1), ("a", 2, "FEAR", 1), ("a", 3, "others", 1)]
    plan += [("b", 1, "happiness", 1), ("b", 4, "anger", 1), ("b", 5, "anger", 0), ("c", 1, "anger", 7)]
    card = planned(_counted(expected_clips=133), plan)
    assert (card.expected_clips, card.expected_classes) == (5, (3, 2))
    assert card.expected_subjects == {"a": {1: (1, 1), 2: (1, 0)}, "b": {1: (0, 1), 4: (1, 0)}}
    assert unexpected(card, assemble("p", CARD, indexes)) == []
