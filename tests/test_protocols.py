"""Protocols: labels, folds and the official counts."""

from pathlib import Path

import pandas as pd
import pytest

from apexbench.clips import COLUMNS, write_index
from apexbench.config.model import read_yaml, validate
from apexbench.config.protocols import Excluded, ProtocolCard
from apexbench.datasets import load_index
from apexbench.errors import InputError
from apexbench.protocols import (
    assemble,
    counts,
    fold_name,
    fold_names,
    inner_splits,
    label,
    planned,
    read_protocol,
    splits,
    unexpected,
    write_protocol,
)
from apexbench.stages.protocol import protocol_table

ROOT = Path(__file__).parent.parent
CARDS = {
    name: validate(ProtocolCard, value, Path("config/protocols.yaml"))
    for name, value in read_yaml(ROOT / "config/protocols.yaml").items()
}
# clips, clips of each class, subjects (None where the official list gives none)
OFFICIAL = {
    "casme2-5": (246, (99, 63, 32, 27, 25), 26),
    "casme2-5-2019": (249, (99, 63, 32, 27, 28), 26),
    "casme2-4": (246, (126, 63, 32, 25), 26),
    "casme2-3": (147, (90, 32, 25), 24),
    "casme2-3-megc": (145, (88, 32, 25), 24),
    "casme2-3-wide": (156, (99, 32, 25), None),
    "casme2-7": (255, (99, 63, 32, 27, 25, 7, 2), None),
    "casme2-objective": (185, (25, 15, 99, 26, 20), None),
    "samm-5": (136, (57, 12, 26, 26, 15), 27),
    "samm-4": (124, (57, 26, 26, 15), None),
    "samm-3": (133, (92, 26, 15), 28),
    "samm-objective": (68, (24, 13, 20, 8, 3), None),
    "smic-3": (164, (70, 51, 43), 16),
    "smic-vis-3": (71, (24, 28, 19), None),
    "smic-nir-3": (71, (24, 28, 19), None),
    "smic-hs-e-3": (157, (66, 51, 40), None),
    "mmew-4": (263, (36, 89, 72, 66), None),
    "mmew-6": (234, (36, 89, 72, 16, 13, 8), None),
    "casme3-3": (699, (457, 55, 187), None),
    "casme3-4": (860, (457, 55, 187, 161), None),
    "casme3-7": (860, (250, 187, 161, 86, 64, 57, 55), None),
    "megc2019": (442, (250, 109, 83), 68),
    "megc2019-5fold": (442, (250, 109, 83), None),
    "megc2019-flow": (442, (250, 109, 83), 68),
    "megc2018-cde": (253, (49, 28, 119, 34, 23), None),
    "megc2018-hde": (253, (49, 28, 119, 34, 23), None),
    "cd6me": (2030, None, None),
}
CARD = ProtocolCard(
    title="two sets", datasets=("a", "b"), label_set="l", classes={"bad": ("Anger", "fear"), "good": ("happiness",)}
)


def _index(path, dataset, clips):
    """Write an index of (subject, clip, onset, emotion[, action units, objective class])."""
    rows = [
        dict.fromkeys(COLUMNS, "x")
        | {"dataset": dataset, "subject": subject, "clip": clip, "onset": onset, "emotion": emotion}
        | {"apex": onset + 1, "offset": onset + 2, "n_frames": 3, "fps": 1.0}
        | dict(zip(("aus", "objective"), more, strict=False))
        for subject, clip, onset, emotion, *more in clips
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
    assert card.expected_clips == clips and card.expected_classes == classes
    assert classes is None or sum(classes) == clips
    listed = [count for part in card.expected_subjects.values() for count in part.values()]
    assert (len(listed) or None) == subjects
    if listed and all(isinstance(count, tuple) for count in listed):
        assert tuple(map(sum, zip(*listed, strict=True))) == classes
    elif listed:
        assert sum(listed) == clips
    datasets = read_yaml(ROOT / "config/datasets.yaml")
    for dataset, part in card.expected_subjects.items():
        assert set(part) <= set(datasets[dataset]["subjects"])


def test_every_protocol_has_its_official_counts():
    assert set(OFFICIAL) == set(CARDS) and all(card.source for card in CARDS.values())


def test_slices_of_a_composite_are_its_parts():
    expected = {"megc2019-full": 442, "megc2019-smic": 164, "megc2019-casme2": 145, "megc2019-samm": 133}
    card = CARDS["megc2019"]
    totals = {d: sum(map(sum, part.values())) for d, part in card.expected_subjects.items()}
    assert {name: sum(totals[d] for d in part) for name, part in card.slices.items()} == expected


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
    assert list(splits(frame)) == ["a:1", "a:2", "b:1", "b:4"]
    assert fold_name("b", 4) == "b:4"


@pytest.mark.parametrize("dataset", ["casme2", "samm", "smic-hs", "mmew"])
def test_leave_one_subject_out(rendered, tmp_path, dataset):
    name = next(name for name, card in CARDS.items() if card.datasets == (dataset,))
    index = tmp_path / "i.csv"
    write_index(load_index(dataset, rendered[dataset][0]), index)
    card = CARDS[name].model_copy(update={"classes": _present(CARDS[name], index)})
    frame = assemble(name, card, [index])
    folds = splits(frame)
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
    (tmp_path / "p.csv.seal").unlink()
    with pytest.raises(InputError, match=r"p\.csv: no column 'clip'; delete the file and rerun the rule 'protocol'"):
        read_protocol(tmp_path / "p.csv")


def test_clip_names_stay_text(tmp_path):
    index = _index(tmp_path / "a.csv", "a", [(1, "007", 1, "anger"), (2, "1e3", 1, "happiness")])
    outputs = {"output": tmp_path / "p.csv", "counts_output": tmp_path / "counts.csv"}
    protocol_table(name="p", card=CARD.model_dump(), indexes=[index], findings=[], **outputs)
    assert read_protocol(tmp_path / "p.csv")["id"].tolist() == ["a/1/007/1", "a/2/1e3/1"]


def test_a_class_without_clips(tmp_path):
    index = _index(tmp_path / "a.csv", "a", [(1, "x", 1, "anger"), (2, "y", 1, "fear")])
    with pytest.raises(InputError, match=r"protocol 'p': no clip of class 'good' \(emotion happiness\) in a, b; check"):
        assemble("p", CARD, [index])


def test_a_subject_alone(tmp_path):
    index = _index(tmp_path / "a.csv", "a", [(7, "x", 1, "anger"), (7, "y", 1, "happiness"), (8, "z", 1, "others")])
    with pytest.raises(InputError, match=r"protocol 'p': all 2 clips are of one fold \(a:7\).*needs two"):
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
    frame = assemble("p", CARD, indexes)
    assert unexpected(card, frame) == [
        "clips: expected 6, found 5",
        "class good: expected 3, found 2",
        "a subject 1, bad: expected 2, found 1",
        "a subject 9: expected 4, found 0",
        "b subject 4, not in the official list: expected 0, found 1",
    ]
    table = counts(card, frame).set_index("what")
    assert table.loc["class bad"].tolist() == [3, 3] and table.loc["a subject 2, good"].tolist() == [0, 0]


def _table(indexes, folder, strict=False, **changes):
    findings = folder / "f.csv"
    findings.write_text("kind,place,clip,text\ndropped,sheet row 7,w2,no frames\napex,sheet row 8,w3,midpoint\n")
    card = _counted(**changes).model_dump(mode="json")
    outputs = {"output": folder / "deep/p.csv", "counts_output": folder / "deep/counts.csv"}
    protocol_table(name="p", card=card, indexes=indexes, findings=[findings], strict=strict, **outputs)


def test_differences_go_to_the_log_with_the_clips_that_were_left_out(indexes, tmp_path, caplog):
    _table(indexes, tmp_path, expected_clips=6)
    assert caplog.messages == [
        "protocol p (l), clips: expected 6, found 5",
        "protocol p (l), left out: sheet row 7, clip w2: no frames",
    ]
    assert len(read_protocol(tmp_path / "deep" / "p.csv")) == 5
    assert pd.read_csv(tmp_path / "deep" / "counts.csv").loc[0].tolist() == ["clips", 6, 5]


def test_nothing_is_said_where_all_is_there(indexes, tmp_path, caplog):
    _table(indexes, tmp_path, strict=True, expected_clips=5)
    assert caplog.messages == []


def test_strict_makes_differences_an_error(indexes, tmp_path):
    with pytest.raises(InputError, match=r"expected 6, found 5\n.*clip w2: no frames\n.*strict: false"):
        _table(indexes, tmp_path, strict=True, expected_clips=6)
    assert not (tmp_path / "deep").exists()


def test_a_plan_takes_the_place_of_the_official_counts(indexes):
    a = [(1, "anger", 1, ""), (1, "Happiness", 1, ""), (2, "FEAR", 1, ""), (3, "others", 1, "")]
    b = [(1, "happiness", 1, ""), (4, "anger", 1, ""), (5, "anger", 0, "")]
    card = planned(_counted(expected_clips=133), {"a": a, "b": b})
    assert (card.expected_clips, card.expected_classes) == (5, (3, 2))
    assert card.expected_subjects == {"a": {1: (1, 1), 2: (1, 0)}, "b": {1: (0, 1), 4: (1, 0)}}
    assert unexpected(card, assemble("p", CARD, indexes)) == []


def test_what_a_plan_leaves_open_is_not_expected():
    rows = {"a": [(1, "anger", 2, ""), (2, "fear", 1, "II")]}
    units = planned(_counted(target="aus", expected_clips=9, expected_classes=(1, 1)), rows)
    assert (units.expected_clips, units.expected_classes, units.expected_subjects) == (3, None, {})
    objective = planned(_counted(target="objective", expected_clips=9), rows)
    assert (objective.expected_clips, objective.expected_classes) == (None, None)


# class maps


def test_a_data_set_may_have_a_map_of_its_own(indexes):
    card = _counted(classes_of={"a": {"bad": ("anger",)}})
    assert assemble("p", card, indexes)["clip"].tolist() == ["x", "x", "x", "w"]  # a's fear has no class


def test_excluded_clips_are_left_out(indexes):
    out = Excluded(dataset="a", subject=1, clip="x", reason="listed nowhere")
    frame = assemble("p", _counted(exclude=(out,)), indexes)
    assert frame[["dataset", "subject"]].values.tolist() == [["a", 2], ["b", 1], ["b", 4]]


def test_objective_classes_are_roman_numbers(tmp_path):
    clips = [(1, "x", 1, "anger", "4", "III"), (2, "y", 1, "others", "9", "iv"), (3, "z", 1, "fear", "", "VII")]
    card = _counted(target="objective", classes={"III": ("III",), "IV": ("IV",)}, datasets=("a",))
    frame = assemble("p", card, [_index(tmp_path / "a.csv", "a", clips)])
    assert frame[["clip", "class", "label"]].values.tolist() == [["x", "III", 0], ["y", "IV", 1]]


UNITS = CARD.model_copy(update={"target": "aus", "classes": {"AU1": ("1",), "AU4": ("4",), "AU12": ("12",)}})


def test_a_clip_may_show_several_action_units_or_none(tmp_path):
    clips = [(1, "v", 1, "x", "4+L12"), (1, "w", 1, "x", "R1A + 4C"), (2, "y", 1, "x", "25"), (2, "z", 1, "x", "?")]
    frame = assemble("p", UNITS, [_index(tmp_path / "a.csv", "a", clips)])
    assert frame["label"].tolist() == [6, 3, 0, 0]
    assert frame["class"].tolist() == ["AU4+AU12", "AU1+AU4", "", ""]
    write_protocol(frame, tmp_path / "p.csv")
    assert read_protocol(tmp_path / "p.csv")["class"].tolist() == frame["class"].tolist()
    assert counts(UNITS, frame)["found"].tolist() == [4, 2, 1, 2, 1]


# splits


def _many(folder):
    """Two data sets of 12 and 5 subjects with 1 to 12 clips each."""
    for dataset, subjects in (("a", 12), ("b", 5)):
        emotions = ("anger", "happiness")
        clips = [(s, f"c{n}", n, emotions[n % 2]) for s in range(1, subjects + 1) for n in range(1, s + 1)]
        yield _index(folder / f"{dataset}.csv", dataset, clips)


def _owners(frame):
    return [fold_name(d, s) for d, s in zip(frame["dataset"], frame["subject"], strict=True)]


def test_k_fold_keeps_subjects_whole_and_parts_alike(tmp_path):
    card = _counted(split="k-fold", folds=4)
    frame = assemble("p", card, _many(tmp_path))
    assert set(frame["fold"]) == set(fold_names(card, [("a", 1)])) == {f"part:{n}" for n in (1, 2, 3, 4)}
    assert frame.assign(owner=_owners(frame)).groupby("owner")["fold"].nunique().max() == 1
    sizes = frame["fold"].value_counts()
    assert sizes.max() - sizes.min() <= 2


def test_one_data_set_left_out(tmp_path):
    card = _counted(split="leave-one-dataset-out")
    frame = assemble("p", card, _many(tmp_path))
    assert list(splits(frame)) == fold_names(card, []) == ["a", "b"]
    for fold, (inside, outside) in splits(frame).items():
        assert set(frame["dataset"][outside]) == {fold} and fold not in set(frame["dataset"][inside])


@pytest.mark.parametrize("parts", [2, 3, 40])
def test_inner_parts_are_disjoint_in_subjects_and_never_see_the_test_subject(tmp_path, parts):
    frame = assemble("p", CARD, _many(tmp_path))
    owners = _owners(frame)
    for fold, (train, _) in list(splits(frame).items())[::4]:
        inner = inner_splits(frame, train, parts, 7)
        assert len(inner) == min(parts, 16)
        assert sorted(row for _, validation in inner for row in validation) == train
        for inside, validation in inner:
            mine, held_out = {owners[r] for r in inside}, {owners[r] for r in validation}
            assert not mine & held_out and fold not in mine | held_out
            assert sorted(inside + validation) == train
        assert inner == inner_splits(frame, train, parts, 7) and (
            parts == 40 or inner != inner_splits(frame, train, parts, 8)
        )


def test_official_labels_of_every_emotion_protocol():
    """A table of all labels that releases use: each class map takes what it says and nothing else."""
    wide = CARDS["megc2019"]
    rows = [("smic-hs", "negative"), ("casme2", "fear"), ("samm", "Fear"), ("casme2", "Repression"), ("samm", "Other")]
    frame = pd.DataFrame(rows, columns=["dataset", "emotion"]).assign(subject=1, clip="c")
    assert label(wide, frame)[["dataset", "class"]].values.tolist() == [
        ["smic-hs", "negative"], ["samm", "negative"], ["casme2", "negative"]
    ]  # fmt: skip
