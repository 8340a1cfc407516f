"""Hours on a GPU: the estimate by hand, what pages say of it, and that what was counted is fresh.

benchmarks/paper_work.py: what it counts without computing is what PyTorch counts while it computes.
"""

import csv
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from random_clips import clips, small
from scored import scored
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from apexbench import gpu_hours
from apexbench.config.files import read_cards
from apexbench.config.methods import MethodCard
from apexbench.config.model import read_yaml
from apexbench.config.tables import Table
from apexbench.errors import InputError
from apexbench.gpu_hours import PEAK, SHARE, STEP, Work, about, estimate, folds_of, hours, key_of, read_work
from apexbench.methods import find
from apexbench.methods.deep import Clips
from apexbench.study import Study
from apexbench.tables.published import published_table
from apexbench.tables.run_scores import NULL_RUN
from apexbench.tables.table import StudyFacts, TableInputs

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import paper_work

ROOT = Path(__file__).parents[1]
DATASETS, PROTOCOLS = read_cards(ROOT)
LARGE = Work(training=100.0, test=40.0, drawn=1.0, batch=8, epochs=50)  # 137 ms a step
SMALL = Work(training=0.001, test=0.0005, drawn=1.0, batch=8, epochs=50)
REMADE = "card, recipe or method changed; write it anew: python benchmarks/paper_work.py"


@pytest.fixture(scope="module")
def project():
    return paper_work.paper_project()


@pytest.fixture(scope="module")
def file():
    with (ROOT / "config" / gpu_hours.FILE).open(newline="") as handle:
        return {row["key"]: row for row in csv.DictReader(handle)}


# the estimate


def test_hours_of_arithmetic_by_hand():
    """Of each of 10 folds 90 clips are trained on, 10 tested; 5.85 TFLOP/s are had."""
    assert pytest.approx(5.85e12) == SHARE * PEAK
    seconds = 10 * 50 * (90 * 100e9 + 10 * 40e9) / 5.85e12
    assert hours(LARGE, clips=100, folds=10) == pytest.approx(seconds / 3600)
    assert hours(LARGE, clips=100, folds=10, seeds=3) == pytest.approx(3 * seconds / 3600)
    assert not LARGE.waits


def test_hours_of_a_small_network_are_its_steps():
    """90 clips are 12 steps of 8, 10 are 2 batches of the test; arithmetic takes 15 microseconds."""
    assert hours(SMALL, clips=100, folds=10) == pytest.approx(10 * 50 * 14 * STEP / 3600)
    twice = replace(SMALL, training=0.002, drawn=2.0)  # each clip twice an epoch: 23 steps
    assert hours(twice, clips=100, folds=10) == pytest.approx(10 * 50 * 25 * STEP / 3600)
    assert SMALL.waits and twice.waits


def test_folds_by_the_official_counts():
    samm, composite = PROTOCOLS["samm-3"], PROTOCOLS["megc2019"]
    assert (folds_of(samm, DATASETS), folds_of(composite, DATASETS)) == (28, 68)
    parts = samm.model_copy(update={"split": "k-fold", "folds": 5})
    others = composite.model_copy(update={"split": "leave-one-dataset-out"})
    assert (folds_of(parts, DATASETS), folds_of(others, DATASETS)) == (5, 3)
    unlisted = samm.model_copy(update={"expected_subjects": {}})
    assert folds_of(unlisted, DATASETS) == DATASETS["samm"].expected_subjects
    unknown = {"samm": DATASETS["samm"].model_copy(update={"expected_subjects": None})}
    assert folds_of(unlisted, unknown) is None


def test_what_is_not_known_is_named_and_a_classic_method_takes_no_time():
    multilabel = next(name for name, card in PROTOCOLS.items() if card.multilabel)
    works = [
        ("samm-3", "a", LARGE),
        ("smic-3", "a", None),
        (multilabel, "a", LARGE),
        ("samm-3", "svm", Work(0, 0, 0, 0, 0)),
    ]
    total, missing = estimate(works, PROTOCOLS, DATASETS)
    assert total == pytest.approx(hours(LARGE, 133, 28)) and missing == [("smic-3", "a"), (multilabel, "a")]


def test_hours_in_words():
    texts = {0.94: "less than an hour", 0.96: "about 1 hour", 9.4: "about 9 hours", 1234: "about 1,200 hours"}
    assert {value: about(value) for value in texts} == texts


# pages

SCORES = {"samm-3": scored("samm-3", ["ststnet", "mmnet", NULL_RUN])}


@cache
def _study(**settings):
    return Study({**read_yaml(ROOT / "config/config.yaml"), "source": "synthetic", **settings}, ROOT)


def _compare(works, seeds=(0,)):
    """The lines of what it takes to compare, of a table of MEMix's SAMM numbers."""
    card = _study().table_card("memix-samm3")
    methods = {run: MethodCard(method=run, title=run.upper()) for run in ("ststnet", "mmnet")}
    facts = StudyFacts("mine", "quick", seeds, frozenset())
    given = {"published": ROOT / "config/published", "protocols": PROTOCOLS, "datasets": DATASETS, "methods": methods}
    inputs = TableInputs(**given, work=works, study=facts, scores=SCORES)
    return published_table(Table(**card), "memix-samm3", inputs).compare


def test_pages_say_the_hours_and_how_they_were_had():
    a, b = ("samm-3", "ststnet"), ("samm-3", "mmnet")
    _, trained, line, _ = _compare([(*a, SMALL), (*b, LARGE)], seeds=(0, 1))
    total = hours(SMALL, 133, 28, 2) + hours(LARGE, 133, 28, 2)
    assert total > 0.95 and trained.endswith("SAMM, 3 classes: 133 clips, 28 folds.")
    assert line.startswith(f"Hours on a GPU: {about(total)} on one NVIDIA A100, 2 seeds, estimated, not measured")
    for named in ("30 %", "19.5 TFLOP/s", "2 ms", "assumed", "flow", "features", "not counted"):
        assert named in line
    _, _, line, _ = _compare([(*a, LARGE), (*b, None)])
    assert line.endswith("Not part of it, for it could not be estimated: MMNET under SAMM, 3 classes.")
    for works in ([], [(*b, None)]):
        assert _compare(works)[2] == "Hours on a GPU: not estimated."
    assert _compare([(*a, Work(0, 0, 0, 0, 0))])[2] == "Hours on a GPU: none; these runs need no GPU."


def test_a_study_hands_each_table_the_paper_budget_of_what_it_shows():
    """Also of a study at the quick budget; what a user changes on a card has no estimate."""
    study = _study(budget="quick")
    works = {(protocol, run): its for protocol, run, its in study.table_sources("memix-samm3")["work"]}
    assert set(works) == {("samm-3", run) for run in ("ststnet", "aman", "mmnet", "mixmeformer")}
    assert works["samm-3", "ststnet"]["epochs"] == 500 and works["samm-3", "mixmeformer"]["epochs"] == 99
    assert study.table_sources("leaderboard")["work"] == []
    study.project.card("ststnet").params["epochs"] = 7
    assert (["samm-3", "ststnet", None]) in study.table_sources("memix-samm3")["work"]


def test_a_wrong_row_is_named(tmp_path):
    assert read_work(tmp_path) == {}
    (tmp_path / "measured").mkdir()
    head = ",".join(paper_work.COLUMNS)
    (tmp_path / gpu_hours.FILE).write_text(f"{head}\na,p,k1,9,2,1,1.000,4,10,no,\nb,p,k2,,,,,,,,not countable\n")
    assert read_work(tmp_path) == {"k1": Work(2, 1, 1, 4, 10), "k2": None}
    (tmp_path / gpu_hours.FILE).write_text(f"{head}\na,p,k1,9,many,1,1.000,4,10,no,\n")
    with pytest.raises(InputError, match=r"paper-work\.csv, row 2: .*'many'"):
        read_work(tmp_path)


# what was counted


def test_every_run_of_every_card_has_a_row_that_is_as_its_card(project, file):
    found = {}
    for name in project.names("methods"):
        for run, protocol, card in paper_work.wanted(project, name):
            row = found[key_of(card)] = file.get(key_of(card))
            assert row, f"{run} under {protocol}: no row: {REMADE}"
            params = find(card.method).parse(card.params, name)
            if find(card.method).uses_gpu:
                assert row["note"] or int(row["epochs"]) == params.epochs, f"{run}: {REMADE}"
                assert row["note"] or row["launch_bound"] == ("yes" if Work.of(row).waits else "no"), f"{run}: {REMADE}"
            else:
                assert row["epochs"] == "0"
    assert set(found) == set(file), f"rows of no card: {REMADE}"


@pytest.mark.parametrize("name", ["ststnet", "dualbranch-single-gru"])
def test_counting_again_gives_the_same(project, file, name):
    for row in paper_work.rows_of(project, name):
        assert row == file[row["key"]], REMADE


def test_known_numbers_of_the_file(file):
    """ViT-B/16 is 17.6 GMAC a picture, its last block for the class token only; STSTNet has 1683 parameters at 3."""
    rows = {row["run"]: row for row in file.values()}
    vit = rows["vit-flow"]
    assert float(vit["gflop_per_clip_test"]) == pytest.approx(2 * 17.6 * 11.2 / 12, rel=0.02)
    assert float(vit["gflop_per_clip_training"]) == pytest.approx(3 * float(vit["gflop_per_clip_test"]), rel=0.01)
    mixed = float(rows["mixaugment"]["gflop_per_clip_training"])  # each clip mixed, and as it is
    assert mixed == pytest.approx(2 * float(vit["gflop_per_clip_training"]), rel=1e-5)
    assert rows["mixmeformer"]["parameters"] == "88587589"
    assert int(rows["ststnet"]["parameters"]) == 1683 + 2 * 401


@pytest.mark.parametrize("name", ["mmnet", "vit-flow", "srmcl"])
def test_without_computing_as_much_is_counted_as_with(name):
    """mmnet looks at values when it transforms, srmcl begins its epochs with a pass over all clips."""
    labels = np.arange(12) % 3
    given = clips(name, 12)
    packs = {"all": {key: x[:1] for key, x in given.items() if key not in ("id", "subject")}}
    work = paper_work.count(small(name), packs, given["subject"], labels).work
    method = small(name)
    method.fit(given)
    model, real = method.build(), Clips(method, given, labels)
    rows = [torch.as_tensor(rows) for rows in method.batches(labels, torch.Generator().manual_seed(0))]
    with _computing() as counter:
        method.begin_epoch(model, real, 0)
        model.train()
        for some in rows:
            method.step(model, real, some, np.random.default_rng(0)).backward()
    assert work.training * len(labels) * 1e9 == pytest.approx(counter.get_total_flops())
    model.eval()
    with _computing() as counter, torch.no_grad():
        [method.logits(model(**batch)) for batch, _ in real]
    assert work.test * len(labels) * 1e9 == pytest.approx(counter.get_total_flops())


@contextmanager
def _computing():
    """PyTorch counts attention of the CPU only where it is plain matrix products."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        yield counter


@pytest.mark.parametrize("groups", [1, 4])
def test_gradients_of_a_grouped_convolution(groups):
    """Each of the two costs what the convolution costs: 2 * 8 * 8 / groups * 9 * 25 outputs."""
    layer = torch.nn.Conv2d(8, 8, 3, groups=groups, device="meta")
    x = torch.empty(1, 8, 7, 7, device="meta", requires_grad=True)
    with paper_work._counter() as counter:
        y = layer(x).sum()
    forward = counter.get_total_flops()
    with paper_work._counter() as counter:
        y.backward()
    assert forward == 2 * 8 * 8 // groups * 9 * 25 and counter.get_total_flops() == 2 * forward


def test_what_cannot_be_counted_has_a_note_and_no_estimate(project, monkeypatch):
    card = next(its for _, _, its in paper_work.wanted(project, "ststnet"))
    kind = find("ststnet")
    monkeypatch.setattr(
        kind, "loss", lambda self, output, targets: torch.tensor(output.sum().item(), requires_grad=True)
    )
    row = dict.fromkeys(paper_work.COLUMNS, "") | paper_work._counted(project, card, "casme2-5")
    assert row["note"].startswith("not countable: ") and Work.of(row) is None
    monkeypatch.setattr(kind, "scores", lambda self, train, labels, test, fold: None, raising=False)
    assert paper_work._counted(project, card, "casme2-5") == {"note": "trains by a loop of its own"}
