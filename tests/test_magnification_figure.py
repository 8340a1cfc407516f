"""The figure of magnification: what it draws, of which clip, by which arms, and where it lies."""

import logging

import numpy as np
import pytest
import yaml
from PIL import Image
from test_study import _edit, _settings

from apexbench.clips import find_frames, write_index
from apexbench.datasets import load_index
from apexbench.datasets.synthetic import render, retake
from apexbench.errors import InputError
from apexbench.figures.magnification import arms_figure, telling_column, time_slice, with_slice
from apexbench.frames.magnification import magnify_clip
from apexbench.frames.pictures import read_frame
from apexbench.recipes import check_pictured
from apexbench.stages import magnification_figure as stage
from apexbench.study import Study

FACTORS = (2, 5)
PLAN = [(6, "Happiness", 2)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The root of two rendered clips of SAMM, whose frames are gray."""
    folder = tmp_path_factory.mktemp("samm")
    render("samm", PLAN, folder / "clips", folder / "truth", seed=7)
    return folder / "clips"


@pytest.fixture(scope="module")
def index(clips):
    """Their index CSV, and its first row."""
    frame = load_index("samm", clips)
    write_index(frame, path := clips.parent / "samm.csv")
    return path, frame.sort_values(["subject", "clip"]).iloc[0]


@pytest.fixture(scope="module")
def larger(index):
    """{frame number: its pictures with 1, 2 and 5 times the motion} of the first clip."""
    row = index[1]
    clip = int(row.subject), row["clip"], int(row.onset)
    return retake("samm", PLAN, clip, (1, *FACTORS), seed=7)


# the truth


def test_a_clip_is_rendered_again_as_it_was_and_with_larger_motion(clips, index, larger):
    row = index[1]
    frames = find_frames(clips / row.frames_dir)
    assert set(larger) >= set(range(row.onset, row.offset + 1))
    apart = [np.abs(read_frame(frames[n])[..., 0] - larger[n][0].astype(float)).mean() for n in (row.onset, row.apex)]
    assert max(apart) < 1, "but for its JPEG"
    once, *more = np.moveaxis(larger[row.apex].astype(float), 0, 0)
    change = [np.abs(picture - larger[row.onset][0]).mean() for picture in (once, *more)]
    assert change[0] < change[1] < change[2]
    np.testing.assert_array_equal(larger[row.onset][0], larger[row.onset][2])


def test_no_clip_of_another_name_is_rendered_again():
    assert retake("samm", PLAN, (6, "none", 1), FACTORS, seed=7) is None
    assert retake("casme2-flow", [(1, "negative", 1)], (1, "EP01_01", 1), FACTORS, seed=7) is None, "given as flow maps"


# the drawing


def test_a_slice_of_a_still_clip_does_not_change_and_larger_motion_bends_its_lines_more(index, larger):
    row = index[1]
    numbers = range(row.onset, row.apex + 1)
    clips = [np.stack([larger[n][place] for n in numbers])[..., None] for place in range(3)]
    still = np.repeat(clips[0][:1], 4, axis=0)
    assert not np.ptp(time_slice(still, 9), axis=1).any()
    column = telling_column(clips[0], clips[1:])
    slices = [time_slice(clip, column).astype(float) for clip in clips]
    bent = [np.abs(each[:, -1] - each[:, 0]).mean() for each in slices]
    assert bent[0] < bent[1] < bent[2]
    elsewhere = np.mean([np.abs(np.subtract(clip, clips[0], dtype=float)).mean() for clip in clips[1:]])
    there = np.mean([np.abs(each - slices[0]).mean() for each in slices[1:]])
    assert there > elsewhere, "the column is where the motion is"


def test_a_picture_has_its_column_dotted_and_its_slice_beside():
    frames = np.zeros((4, 48, 48, 1), np.uint8)
    frames[:, 10] = np.arange(4)[:, None, None] * 50
    picture = with_slice(frames, 2, 20)
    assert picture.shape == (48, 48 + 2 + 4 * 4, 3) and (picture[10, 0] == 100).all()
    assert (picture[::4, 20] == 255).all() and (picture[:, 48:50] == 255).all()
    assert picture[10, 50:, 0].tolist() == [value for value in (0, 50, 100, 150) for _ in range(4)]


@pytest.mark.parametrize(("arms", "channels"), [(1, 1), (6, 3)])
def test_a_figure_is_a_small_picture_with_nothing_overlapping(tmp_path, monkeypatch, arms, channels):
    drawn = []
    monkeypatch.setattr("apexbench.figures.magnification.save", lambda figure, *_, **__: drawn.append(figure))
    rng = np.random.default_rng(0)
    frames = rng.integers(255, size=(6, 64, 64, channels), dtype=np.uint8)
    made = {f"flow warp, by arm {n}": {factor: frames for factor in (2, 5)[: n + 1]} for n in range(arms)}
    arms_figure(frames, 3, made, tmp_path / "a.jpg", "A title\nStudy s, budget quick")
    (figure,) = drawn
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in [*figure.axes[0].texts, *figure.texts] if text.get_text()]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    sizes = {text.get_fontsize() for text in figure.axes[0].texts}
    assert min(sizes) >= 8 and max(box.x1 for box in boxes) < 1.02 * figure.bbox.width
    words = {text.get_text().replace("\n", " ") for text in figure.axes[0].texts}
    assert {"onset", "apex", "as it is", "factor 2", *made} <= words and ("factor 5" in words) == (arms > 1)
    (sheet,) = figure.axes[0].images
    assert sheet.get_array().shape[2] == 3


# the stage


@pytest.mark.parametrize(
    ("count", "apex", "most"), [(30, 10, 7), (70, 2, 12), (70, 69, 12), (70, 0, 12), (13, 6, 12), (5, 2, 12), (2, 1, 2)]
)
def test_few_frames_are_spread_evenly_and_hold_onset_apex_and_offset(count, apex, most):
    places = stage.evenly(count, apex, most)
    assert places == sorted(set(places)) and len(places) == min(count, most)
    assert {0, apex, count - 1} <= set(places)
    if count > 2 * most:
        widest = 1.5 * count / (most - 1)
        assert max(np.diff(places)) < max(widest, apex if apex < widest else 0) + 1


def draw(index, clips, arms, size, tmp_path, **changes):
    options = {"dataset": "samm", "index": index[0], "clips": clips, "faces": [], "arms": arms}
    options |= {"frames": {"crop": {"size": size}, "choose": "all", "options": {}}, "title": "SAMM\nStudy s"}
    options |= {"truth": {"release": "samm", "plan": PLAN, "scale": "mini", "seed": 7}}
    stage.magnification_figure(**options | {"output": tmp_path / "m.jpg"} | changes)


EVM = {"of": "all-48", "arm": "evm", "factors": list(FACTORS)}
PHASE = {"of": "all-48", "arm": "phase", "factors": [2]}


def test_the_first_clip_beside_its_truth_and_what_an_arm_cannot_take(index, clips, tmp_path, monkeypatch, caplog):
    drawn = []
    monkeypatch.setattr(stage, "arms_figure", lambda *all_of_it: drawn.append(all_of_it))
    monkeypatch.setattr(stage, "MOST", 20)
    with caplog.at_level(logging.WARNING):
        draw(index, clips, {"linear": EVM, "phases": PHASE}, 48, tmp_path)
    frames, apex, made, _, title = drawn[0]
    row = index[1]
    assert f"Subject {row.subject}, clip {row['clip']}: all {len(frames)} frames" in title.split("\n")[1]
    assert "phases is left out: frames of 48 px are too small for Phase" in caplog.text
    assert list(made) == ["linear", "truth"] and list(made["truth"]) == list(FACTORS)
    assert frames.shape == (row.offset - row.onset + 1, 48, 48, 1) and apex == row.apex - row.onset
    np.testing.assert_array_equal(made["linear"][5], magnify_clip(frames, "evm", 5))
    wanted = made["truth"][5][apex].astype(float) - frames[0]
    shown = frames[apex].astype(float) - frames[0]
    gain = (shown * wanted).sum() / (wanted**2).sum()
    assert 0 < gain < 0.5, "the truth shows the same motion, larger"
    with pytest.raises(InputError, match=r"m\.jpg: no arm of 'pictured_magnification' can take the clip"):
        draw(index, clips, {"phases": PHASE}, 48, tmp_path)


def test_licensed_clips_have_no_truth_and_the_picture_is_a_small_file(index, clips, tmp_path, monkeypatch):
    draw(index, clips, {"linear": EVM}, 48, tmp_path, truth={})
    assert (tmp_path / "m.pdf").read_bytes().startswith(b"%PDF") and (tmp_path / "m.jpg").stat().st_size < 60_000
    assert Image.open(tmp_path / "m.jpg").width > 500
    monkeypatch.setattr(stage, "MOST", 4)
    drawn = []
    monkeypatch.setattr(stage, "arms_figure", lambda *all_of_it: drawn.append(all_of_it))
    draw(index, clips, {"linear": EVM}, 48, tmp_path, truth={})
    frames, apex, made, _, title = drawn[0]
    row = index[1]
    assert len(frames) == 4 and list(made) == ["linear"] and f": 4 of its {row.offset - row.onset + 1} frames" in title
    shown = read_frame(find_frames(clips / row.frames_dir)[row.apex])
    assert abs(frames[apex].mean() - shown.mean()) < 2


# the study


def test_a_study_that_reads_magnified_frames_has_the_figure_of_its_first_data_set(root):
    study = Study(_settings(methods=["majority", "resnet-linear"], protocols=["samm-3", "smic-3"], tables=[]), root)
    assert study.magnified_dataset() == "samm"
    assert {f"results/default/figures/magnification-samm.{kind}" for kind in ("jpg", "pdf")} <= set(study.figures())
    inputs, truth = study.magnification_inputs("samm"), study.magnification_truth("samm")
    assert inputs["index"] == "results/index/samm.csv" and len(inputs["faces"]) == len(study.parts("samm"))
    assert inputs["weights"] == study.magnify_weights("pictured-magnet")
    assert truth["seed"] == 0 and truth["plan"] == study.render_plan("samm")
    titles = list(study.magnification_cards())
    assert titles == ["linear Eulerian", "phase-based", "flow warp, TV-L1", "flow warp, Farnebäck", "MagNet"]
    for changes in ({"methods": ["majority", "flow-svm"]}, {"pictured_magnification": []}):
        other = Study(
            _settings(**{"methods": ["resnet-linear"], "protocols": ["samm-3"], "tables": [], **changes}), root
        )
        assert not [path for path in other.figures() if "/magnification-" in path]
        with pytest.raises(
            InputError, match="no arm is pictured: none is set, or no method of the study reads magnified"
        ):
            other.magnification_inputs("samm")


def test_pictures_of_licensed_clips_lie_apart_and_have_no_truth(root):
    (root / "data/samm/x").mkdir(parents=True)
    study = Study(_settings(methods=["resnet-linear"], protocols=["samm-3"], table_protocols=[], tables=[]), root)
    (picture,) = [path for path in study.figures() if path.endswith("magnification-samm.jpg")]
    assert picture == "results/default/figures-licensed/magnification-samm.jpg"
    assert study.magnification_truth("samm") == {} and study.magnification_inputs("samm")["clips"] == "data/samm"


def test_two_arms_of_one_title_have_their_recipe_s_name_behind_it(root):
    more = {"of": "all-128", "arm": "evm", "factors": [5], "options": {"levels": 3}}
    _edit(root, "recipes.yaml", lambda card: card["magnification"].update(coarse=more))
    shown = ["pictured-evm", "coarse", "pictured-phase"]
    study = Study(_settings(methods=["resnet-linear"], tables=[], pictured_magnification=shown), root)
    assert list(study.magnification_cards()) == [
        "linear Eulerian (pictured-evm)", "linear Eulerian (coarse)", "phase-based"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (["pictured-emv"], r"no magnification recipe 'pictured-emv'; did you mean 'pictured-evm'"),
        (["pictured-evm", "evm-5"], r"'evm-5' is made of 'onset-apex-112', and 'pictured-evm' of 'all-128'; one clip"),
        (["unmagnified-112"], r"'unmagnified-112' magnifies nothing; leave it out"),
        (["aman-arms-evm"], r"'aman-arms' need not hold the apex; take recipes of frames with choose: key-"),
    ],
)
def test_recipes_that_cannot_be_shown_are_refused_before_anything_runs(root, shown, text):
    with pytest.raises(InputError, match=rf"config/config\.yaml: field 'pictured_magnification': {text}"):
        Study(_settings(methods=["resnet-linear"], tables=[], pictured_magnification=shown), root)


def test_the_shipped_recipes_can_be_shown(root):
    study = Study(_settings(), root)
    names = yaml.safe_load((root / "config/config.yaml").read_text())["pictured_magnification"]
    check_pictured(study.recipes, names, "config/config.yaml")
    assert {study.recipes.magnification[name].factors for name in names} == {(2, 5, 10)}
