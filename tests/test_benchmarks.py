"""benchmarks/gpu.py: its steps are the loop's, its noise is what packs hold, and its page has a row for each method.

benchmarks/scale.py: the studies that it measures are as large as its page says; folds_at_once.py runs.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from random_clips import clips, small

from apexbench.methods import find
from apexbench.methods.base import Fold
from apexbench.methods.deep import epochs
from apexbench.recipes import axes_of

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import folds_at_once
import gpu
import noise
import scale

LABELS = np.arange(12) % 3
LOOK = ["--device", "cpu", "--budget", "quick", "--steps", "3"]


@pytest.fixture(autouse=True, scope="module")
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def project():
    return gpu.project_under("quick")


# steps


@pytest.mark.parametrize("name", ["toy-branches", "toy-memory", "mmnet"])
def test_as_many_steps_as_an_epoch_has_leave_the_loop_s_weights(name):
    train = clips(name, 12)
    looped = next(epochs(small(name), train, LABELS, Fold(5))).state_dict()
    steps = gpu.Steps(small(name), train, LABELS, Fold(5))
    before = {key: x.clone() for key, x in steps.model.state_dict().items()}
    for _ in steps.method.batches(LABELS, torch.Generator()):
        steps.ours()
    after = steps.model.state_dict()
    assert all(torch.equal(after[key], x) for key, x in looped.items())
    assert any(not torch.equal(after[key], x) for key, x in before.items())


def test_only_batches_of_full_size_are_timed():
    steps = gpu.Steps(small("toy-branches"), clips("toy-branches", 10), LABELS[:10], Fold(0))
    assert {len(next(steps.batches)) for _ in range(7)} == {4}


def _counting(name, **more):
    """A toy that counts how often it transforms and learns."""
    kind, calls = find(name), []

    class Counting(kind):
        def transform(self, batch, rng=None):
            calls.append("transform")
            return super().transform(batch, rng)

        def loss(self, output, targets):
            calls.append("loss")
            return super().loss(output, targets)

    for key, value in more.items():
        setattr(Counting, key, value)
    return gpu.Steps(small(Counting), clips(name, 12), LABELS, Fold(0)), calls


def _twice(self, model, clips, rows, rng):
    batches = [clips.batch(rows, rng) for _ in range(2)]
    return sum(self.loss(model(**batch), clips.targets[rows]) for batch in batches)


@pytest.mark.parametrize(("step", "losses"), [({}, 1), ({"step": _twice}, 2)])
def test_the_bare_step_learns_and_transforms_nothing(step, losses):
    steps, calls = _counting("toy-branches", **step)
    bare = steps.bare()
    before = [x.clone() for x in steps.model.parameters()]
    calls.clear()
    bare()
    bare()
    assert calls == ["loss"] * (2 * losses)
    assert any(not torch.equal(a, b) for a, b in zip(before, steps.model.parameters(), strict=True))


# noise


def test_noise_has_the_axes_sizes_and_types_of_packs(project):
    recipes, rng = project.recipes, np.random.default_rng(0)
    for name in recipes.names():
        if name in recipes.features and recipes[name].extractor in ("resnet", "vit"):
            continue  # seconds
        axes, made = axes_of(recipes, name), noise.noise(recipes, name, "x", 2, rng)
        x = made["x"]
        assert x.ndim == 1 + len(axes) and len(x) == 2, name
        sizes = dict(zip(axes, x.shape[1:], strict=True))
        known = {"colour": 3, "motion": 3, "key": 2, "x": recipes.size(name), "y": recipes.size(name)}
        assert all(sizes[axis] == known[axis] for axis in known.keys() & sizes.keys()), name
        kind = np.uint8 if "colour" in axes else np.float16 if "motion" in axes else np.float32
        assert x.dtype == kind and x.any(), name
        assert ("x_lengths" in made) == ("near" in axes)
    made = noise.noise(recipes, "mmnet-224", "frames", 3, rng)
    assert made["frames"].shape == (3, 2, 2, 3, 224, 224)  # of 35 frames of rise a jitter of one
    assert made["frames_lengths"].tolist() == [[2, 2]] * 3


def test_what_a_method_is_measured_on(monkeypatch):
    monkeypatch.setattr(noise, "_noise", lambda shape, dtype, rng: np.zeros(shape, dtype))
    project = gpu.project_under("paper")
    leading = noise.leading_cards(project)
    assert {"mmnet": "mmnet", "mixmeformer": "mixmeformer", "ststnet": "ststnet"}.items() <= leading.items()
    assert not {"majority", "svm", "flow-svm"} & set(leading)
    vit = noise.case_of(project, "vit-flow")
    assert project.card("vit-flow").params["weights"] != "random" and not vit.params.weights_named()
    assert (vit.protocol, vit.classes, vit.folds, vit.params.epochs) == ("casme2-5", 5, 26, 99)
    assert len(vit.labels) + len(vit.test["id"]) == 246 and len(vit.train["flow"]) == len(vit.labels)
    assert not set(vit.train["subject"]) & set(vit.test["subject"]) and len(set(vit.test["subject"])) == 1
    assert vit.train["flow"].shape[1:] == (3, 224, 224) and vit.train["flow"].dtype == np.float16
    ststnet = noise.case_of(project, "ststnet")  # its printed numbers are of three classes
    assert (ststnet.protocol, ststnet.classes, set(ststnet.labels)) == ("casme2-3-megc", 3, {0, 1, 2})


# the page


def test_a_method_that_fails_is_a_row_and_the_rest_goes_on(monkeypatch, tmp_path, capsys):
    errors = {"mmnet": ValueError("a | b\nc"), "vit-flow": torch.OutOfMemoryError()}
    for name, error in errors.items():
        monkeypatch.setattr(find(name), "build", lambda self, weights=None, error=error: _raise(error))
    file = tmp_path / "page.md"
    *failed, row = gpu.main([*LOOK, "--seconds", "60", "--methods", *errors, "ststnet", "--output", str(file)])
    assert [(it.note, it.steps) for it in failed] == [("failed: ValueError: a / b c", 0), ("out of memory", 0)]
    for value in (row.bare, row.ours, row.ratio, row.flops, row.epoch, row.fold):
        assert value > 0
    assert row.steps == 3 and row.epoch_measured and not row.note and row.batch == 8
    printed = capsys.readouterr().out
    assert printed == file.read_text()
    table = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [line[0] for line in table] == ["| method", "| mmnet", "| vit-flow", "| ststnet"]
    assert {len(line) for line in table} == {len(gpu.HEAD)} and f"{row.fold:,.1f} s" in table[-1]
    assert [line[-1] for line in table[1:3]] == ["failed: ValueError: a / b c |", "out of memory |"]


def _raise(error):
    raise error


@pytest.mark.parametrize("name", ["ststnet", "capsulenet"])  # the latter's batches need what it is fitted to
def test_what_does_not_fit_into_the_time_is_an_estimate(name, capsys):
    (row,) = gpu.main([*LOOK, "--seconds", "0", "--methods", name])
    assert row.steps == 1 and not row.note and row.epoch > 0 and not row.epoch_measured and not row.fold
    assert row.whole == pytest.approx(row.case.params.epochs * row.epoch)
    printed = capsys.readouterr().out
    assert f"estimate {row.epoch:,.2f} s | estimate {row.whole:,.1f} s | estimate" in printed
    assert "1 steps only" in printed


def test_a_page_of_quotients_has_no_times(tmp_path):
    names = ["slow", "few", "broken"]
    found = [
        gpu.Row(name, "float32", ratio=1.3, batch=4, steps=steps) for name, steps in zip(names, (10, 9, 0), strict=True)
    ]
    found[-1].note = "out of memory"
    text = gpu.ratio_page(found, "quick")
    assert "limit of 1.2: slow; fewer" in text and "| slow |  | 4 | **1.30** | 10 |  |" in text
    assert "| few |  | 4 | 1.30 | 9 |  |" in text and "| broken |  | 4 |  |  | out of memory |" in text
    (row,) = gpu.main([*LOOK, "--seconds", "20", "--methods", "ststnet", "--ratios", str(tmp_path / "steps.md")])
    assert row.steps and not row.epoch and not row.fold
    page = (tmp_path / "steps.md").read_text()
    assert f"| ststnet | casme2-3-megc | {row.batch} | " in page and " ms" not in page and " s |" not in page


def test_an_unknown_method_is_told():
    with pytest.raises(SystemExit, match="no card of a deep method 'majority'; "):
        gpu.main([*LOOK, "--methods", "majority"])


# folds at once


def test_both_ways_take_a_step_of_every_fold():
    ways = folds_at_once.variants("off-apexnet-meb", "quick", 2, "cpu")
    assert list(ways) == ["each", "at once"]
    for step in ways.values():
        step()


# the number of jobs


def test_the_studies_of_the_page_have_its_numbers(tmp_path):
    folder = scale.study_folder(tmp_path / "study", 40)
    assert scale.trainings(folder, scale.FOLDS | {"seeds": [0, 1]}) == (672, 672)
    plan = scale.planned(40, 5)
    assert scale.trainings(folder, plan) == (40 * 12 * 5, 40 * 5 * 530)
    assert scale.trainings(folder, plan | {"folds_per_job": 1}) == (40 * 5 * 530,) * 2


def test_files_of_the_page_are_those_that_jobs_write(tmp_path):
    folder = scale.study_folder(tmp_path / "study")
    one = {"protocols": ["smic-3"], "table_protocols": [], "methods": ["majority", "ststnet"], "tables": ["data"]}
    files = scale.files_of(scale.snakemake(folder, one, "-p")[2])
    assert files["runs"] == 2 and files["packs"] == 1 and files["protocols"] == 2 and files["index"] == 2
    assert files["logs"] == files["benchmarks"] > files["runs"]


def test_the_page_of_the_curve(tmp_path):
    curve = [scale.Run(1_000, 1_000, 2.0, 100.0), scale.Run(21_000, 21_000, 22.0, 500.0)]
    whole, single = scale.Run(2_400, 106_000, 4.0, 190.0), scale.Run(106_000, 106_000, 110.0, 2_100.0)
    text = scale.page(curve, whole, whole, single, scale.Counter(runs=2_400, logs=3_000))
    assert "a job costs 1.00 ms and 20 KB" in text and "310,800 files more" in text and "| all | 5,400 |" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.count("|") for line in rows} == {7, 3} and all(len(line) <= 120 for line in text.splitlines())
    scale.picture(curve, whole, single, tmp_path / "scale.svg")
    assert "training jobs" in (tmp_path / "scale.svg").read_text()
