"""Keyed repairs: applied where the old value is found, never elsewhere; the shipped records fit the shipped layouts."""

import re
from collections import Counter
from pathlib import Path

import pytest

from apexbench.config.datasets import LOADERS, Repair
from apexbench.config.files import read_repairs
from apexbench.datasets import read_release
from apexbench.datasets.annotations import Annotation
from apexbench.datasets.repairs import DroppedByRepair, repair, select

RECORDS = read_repairs(Path(__file__).parent.parent)


def record(**changes):
    values = {"dataset": "samm", "subject": 6, "clip": "006_1_2", "field": "offset", "old": "20", "new": "30",
              "reason": "why", "source": "who"}  # fmt: skip
    return Repair(**{**values, **changes})


def clip(**changes):
    values = {"subject": "006", "clip": "006_1_2", "emotion": "Anger", "onset": "10", "apex": "15", "offset": "20"}
    return Annotation("sheet, row 1", **{**values, **changes})


# matching


def test_a_repair_is_applied_noted_and_told():
    item = clip()
    (finding,) = repair(item, [record()])
    assert item.offset == "30" and item.repairs == ["offset:20->30"]
    assert (finding.kind, finding.place, finding.clip) == ("repair", "sheet, row 1", "6/006_1_2")
    assert finding.text == "offset '20' -> '30': why (who)"


@pytest.mark.parametrize(
    "changes", [{"clip": "006_1_3"}, {"subject": "7"}, {"subject": "none"}, {"onset": "41"}, {"onset": "x"}]
)
def test_another_clip_is_left_alone(changes):
    item = clip(**changes)
    assert repair(item, [record(onset_from=0, onset_to=40)]) == [] and item.offset == "20" and not item.repairs


def test_another_value_is_left_alone_and_told():
    item = clip(offset="21")
    (finding,) = repair(item, [record()])
    assert item.offset == "21" and not item.repairs and finding.kind == "unmatched-repair"
    assert finding.text == "offset is '21', not '20': not changed; why (who)"
    assert repair(item, [record(subject=None, clip="*")]) == []  # of any clip: nothing to tell


def test_what_is_switched_off_is_passed_over():
    item = clip()
    assert repair(item, [record(enabled=False)]) == [] and item.offset == "20"
    assert select([record(enabled=False), record(dataset="mmew"), record()], "samm") == [record()]


@pytest.mark.parametrize(
    ("old", "values", "matches"),
    [
        ("20", {"offset": "20.0"}, True),
        ("20", {"offset": "20"}, True),
        ("20", {"offset": "200"}, False),
        ("20", {"offset": None}, False),
        ("*", {"offset": "anything"}, True),
        ("*", {"offset": None}, True),
        ("missing", {"offset": "/"}, True),
        ("missing", {"offset": ""}, True),
        ("missing", {"offset": None}, True),
        ("missing", {"offset": "20"}, False),
        ("~^2", {"offset": "20"}, True),
        ("~^3", {"offset": "20"}, False),
        ("out of range", {"apex": "21"}, True),
        ("out of range", {"apex": "9"}, True),
        ("out of range", {"apex": "20"}, False),
        ("out of range", {"apex": "/"}, False),
        ("out of range", {"apex": None}, False),
        ("out of range", {"apex": "21", "offset": None}, False),
    ],
)
def test_old_values(old, values, matches):
    item = clip(**values)
    repair(item, [record(field=next(iter(values)), old=old, new="12")])
    assert bool(item.repairs) == matches


@pytest.mark.parametrize(
    ("new", "expected"), [("apex", "15"), ("onset", "10"), ("midpoint", "15"), ("17", "17"), ("apex+1", "apex+1")]
)
def test_new_values(new, expected):
    item = clip()
    repair(item, [record(new=new)])
    assert item.offset == expected


def test_a_midpoint_of_nothing_is_not_taken():
    item = clip(onset="x")
    (finding,) = repair(item, [record(field="apex", old="15", new="midpoint")])
    assert finding.kind == "unmatched-repair" and item.apex == "15"


def test_records_are_applied_one_after_the_other_but_found_by_the_sheet_s_onset():
    item = clip(onset="3647", apex="2650", offset="2661")
    first = record(field="onset", old="3647", new="2647", onset_from=3647, onset_to=3647)
    second = record(field="apex", old="out of range", new="midpoint", onset_from=3647, onset_to=3647)
    third = record(field="apex", old="2650", new="2655", onset_from=3647, onset_to=3647)
    found = repair(item, [first, second, third])
    assert item.repairs == ["onset:3647->2647", "apex:2650->2655"]
    assert [finding.kind for finding in found] == ["repair", "unmatched-repair", "repair"]


def test_a_clip_may_be_left_out():
    with pytest.raises(DroppedByRepair, match=r"left out by a repair: why \(who\)"):
        repair(clip(), [record(field="clip", old="*", new="drop")])


def test_a_repair_to_what_is_there_already_changes_nothing():
    item = clip()
    assert repair(item, [record(new="20")]) == [] and not item.repairs


def test_labels_and_units_can_be_repaired():
    item = clip(aus="R12 or R15", objective="VIII")
    units = record(field="aus", old=r"~(?i)\bor\b", new="R12 + R15")
    labels = record(field="objective", old="VIII", new="I"), record(field="emotion", old="Anger", new="Fear")
    repair(item, [units, *labels])
    assert (item.aus, item.objective, item.emotion) == ("R12 + R15", "I", "Fear")


# the shipped records


def test_the_shipped_records():
    assert {item.dataset for item in RECORDS} <= set(LOADERS)
    keys = [(r.dataset, r.subject, r.clip, r.field, r.onset_from, r.new) for r in RECORDS]
    assert max(Counter(keys).values()) == 1
    on = [(r.dataset, r.subject, r.clip, r.field, r.onset_from) for r in RECORDS if r.enabled]
    assert max(Counter(on).values()) == 1  # no two contradict each other
    for item in RECORDS:
        shape = {"casme2": r"EP\d\d_\d\d[f]?", "samm": rf"{item.subject or 0:03d}_\d_\d", "casme3a": "[a-m]"}
        assert item.clip == "*" or re.fullmatch(shape[item.dataset], item.clip), item  # YAML reads 032_3_1 as a number
        assert item.reason and item.source
    optional = [r for r in RECORDS if r.reason.startswith("chosen by optical flow")]
    assert len(optional) == 21 and not any(r.enabled for r in optional)


@pytest.mark.parametrize(
    ("layout", "applied", "unmatched"),
    [
        ("casme2", {"16/EP01_08"}, set()),
        ("casme2-2019", set(), {"16/EP01_08"}),
        ("samm", {"28/028_4_1", "32/032_3_1", "7/007_6_1", "7/007_6_5", "11/011_4_2", "14/014_5_2", "35/035_7_2"},
         None),
        ("casme3a", {"149/d", "216/d", "216/e", "40/e", "214/c"}, {"216/e"}),
        ("mmew", set(), set()),
    ],
)  # fmt: skip
def test_what_is_applied_to_the_shipped_layouts(laid_out, layout, applied, unmatched):
    loader = {"casme2-2019": "casme2"}.get(layout, layout)
    root = laid_out(layout)
    release = read_release(layout, root, loader=loader, repairs=RECORDS)
    release.require_usable()
    assert {finding.clip for finding in release.of_kind("repair")} == applied
    assert unmatched is None or {finding.clip for finding in release.of_kind("unmatched-repair")} == unmatched
    rows = release.index[release.index["repairs"] != ""]
    assert {f"{row.subject}/{row.clip}" for row in rows.itertuples()} == applied
    texts = [record.model_dump() for record in RECORDS]  # as a job gets them
    assert read_release(layout, root, loader=loader, repairs=texts).index.equals(release.index)


def test_a_clip_left_out_by_a_repair_is_told(laid_out):
    root = laid_out("samm", (12, 23, 24))
    name = read_release("samm", root).index["clip"].iloc[0]
    release = read_release("samm", root, repairs=[record(subject=12, clip=name, field="clip", old="*", new="drop")])
    (finding,) = release.of_kind("dropped")
    assert finding.clip == f"12/{name}" and finding.text == "left out by a repair: why (who)"
    assert name not in set(release.index["clip"])
