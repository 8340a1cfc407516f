import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from predictions import CLASSES, predictions, table_of, write
from scored import scored

from apexbench.errors import InputError
from apexbench.evaluation.score_files import NULL_RUN, write_scores
from apexbench.figures.crops import sheet_figure
from apexbench.figures.flow import flow_figure, inner
from apexbench.figures.memory import principal
from apexbench.figures.ranks import critical_difference_figure, rank_diagram, rank_groups
from apexbench.figures.scores import confusion_figure, confusion_panels, curves_diagram, curves_figure, null_figure
from apexbench.figures.style import STYLE, seat_head
from apexbench.figures.sweep import sweep_figure
from apexbench.stages import score_figures
from apexbench.stages.crop_sheet import crop_sheet
from apexbench.stages.curve_figure import curve_figure
from apexbench.stages.flow_picture import flow_picture
from apexbench.stages.loss_figure import loss_figure, losses_of
from apexbench.stages.rank_figure import rank_figure
from apexbench.store.tensors import write_tensors
from apexbench.training.record import Job

POINTS = pd.DataFrame(
    {"x": [1.0, 40, 196], "published": [0.78, 0.87, None], "as_published": [0.6, 0.7, None],
     "honest": [0.4, 0.3, None], "ci_low": [0.3, 0.2, None], "ci_high": [0.6, 0.5, None], "null": [0.5, 0.6, None]}
)  # fmt: skip
RANKS = {"a": 1.5, "b": 2.0, "c": 3.75, "d": 4.25, "e": 3.5}


def artists(figure, gid):
    return [line for line in figure.axes[0].get_lines() if line.get_gid() == gid]


@pytest.mark.parametrize("title", ["$\\frac{$", "a $x$ $", r"\\notacommand_{", "<b>&amp;</b>"])
def test_titles_and_names_are_no_formulas(tmp_path, title):
    image = np.zeros((32, 32), np.uint8)
    confusion_figure(scored("samm-3", ["ststnet"]), [title, "b", "c"], {"ststnet": title}, tmp_path / "a.svg", title)
    sheet_figure([(title, image)], tmp_path / "b.jpg", title)
    flow_figure(image, image, np.zeros((32, 32, 3), np.float32), tmp_path / "c.jpg", title)
    critical_difference_figure({title: 1.0, "b": 2.0}, 0.5, tmp_path / "d.svg", title)


def test_figures_are_the_same_every_time(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(255, size=(32, 32), dtype=np.uint8)
    curves = pd.DataFrame({"run": ["a", "a", "b"], "epoch": [1, 2, 1], "uf1": [0.3, 0.5, 0.4]})
    null = pd.DataFrame({"rule": ["last", "fold-oracle"] * 2, "epochs": [1, 1, 10, 10], "uf1": [0.3, 0.3, 0.3, 0.6]})
    null["leaking"] = null["rule"] != "last"
    for number in (1, 2):
        scores = scored("samm-3", ["ststnet", "majority"])
        confusion_figure(scores, CLASSES, {}, tmp_path / f"confusion{number}.svg", "t")
        curves_figure(curves, {"a": "A", "b": "B"}, tmp_path / f"curves{number}.svg", "t")
        flow_figure(image, image, np.zeros((32, 32, 3), np.float32), tmp_path / f"flow{number}.jpg", "t")
        sheet_figure([(str(n), image) for n in range(9)], tmp_path / f"sheet{number}.jpg", "t")
        critical_difference_figure(RANKS, 2.0, tmp_path / f"ranks{number}.svg", "t")
        null_figure(null, tmp_path / f"null{number}.svg", "t")
        sweep_figure(POINTS, tmp_path / f"sweep{number}.svg", "t", "K", "ACC", True)
    files = sorted(tmp_path.glob("*1.*"))
    assert len(files) == 7 * 2, "each as PDF too"
    for file in files:
        other = file.with_name(file.name.replace("1.", "2."))
        assert file.read_bytes() == other.read_bytes() and file.stat().st_size > 1000
        if file.suffix == ".pdf":
            fonts = re.findall(rb"/FontFile2|/Type3", file.read_bytes())
            assert set(fonts) == {b"/FontFile2"}, "outlines as publishers want them"


@pytest.mark.parametrize("count", [3, 6])
def test_heads_and_titles_of_panels_do_not_overlap(count):
    """Also where titles are long, there is one row or the last is not full, and a run was skipped."""
    runs = [f"run{number}" for number in range(count)]
    scores = scored("samm-3", [*runs, "skipped"], status={"skipped": "skipped"})
    titles = {run: f"a rather long title of the method that is number {run}" for run in [*runs, "skipped"]}
    with matplotlib.rc_context(STYLE):
        figure = confusion_panels(scores[scores["rule"] == "last"], CLASSES, titles, "A title\nStudy s, budget quick")
        seat_head(figure)
        figure.canvas.draw()
    panels = [panel for panel in figure.axes if panel.get_title()]
    shown = [*(panel.title for panel in panels), *(panel.xaxis.label for panel in panels), *figure.texts]
    boxes = [text.get_window_extent() for text in shown if text.get_text()]
    assert len(boxes) > count + 3
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    words = [panel.get_title().replace("\n", " ") for panel in panels]
    words.append(" ".join(text.get_text() for text in reversed(figure.texts) if text.get_gid() == "head"))
    assert len(panels) == count and f"Skipped: {titles['skipped']}" in words[-1], "named, and given no room"
    assert all(title in " ".join(words) for title in titles.values())


def test_learning_curves_tell_their_runs_apart():
    """No two lines look alike; each is as long as its own epochs; of one epoch there is no curve."""
    runs = [f"run{number}" for number in range(20)]
    parts = [{"run": run, "epoch": range(1, 5 + number), "uf1": 0.5} for number, run in enumerate(runs)]
    curves = pd.concat([*map(pd.DataFrame, parts), pd.DataFrame({"run": "once", "epoch": [1], "uf1": [0.4]})])
    figure = curves_diagram(curves, {run: run.upper() for run in [*runs, "once"]}, "t")
    lines = figure.axes[0].get_lines()
    assert [line.get_gid() for line in lines] == runs
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(runs)
    assert {line.get_xdata()[-1] for line in lines} == {100}
    assert lines[0].get_label() == "RUN0, 4 epochs"
    later = curves_diagram(curves[curves["run"] != "run0"], {run: run for run in runs}, "t").axes[0].get_lines()
    assert later[0].get_color() == lines[1].get_color(), "a run has its colour under every protocol"


def test_the_border_of_strain_is_left_blank():
    strain = inner(np.ones((56, 28)))
    assert strain.mask[:2].all() and strain.mask[-2:].all() and strain.mask[:, 0].all() and strain.mask[:, -1].all()
    assert not strain.mask[2:-2, 1:-1].any()


def test_losses_are_the_run_s_own_on_all_test_clips(tmp_path, monkeypatch):
    """The test side: each clip by the model of its fold; the training side: the mean over folds."""
    rng, files, kept = np.random.default_rng(0), [], []
    labels = np.array([0, 1, 2, 0, 1, 2])
    for seed in (0, 1):
        parts = []
        for epoch in (1, 2):
            scores = rng.normal(size=(6, 3)).astype(np.float32)
            kept.append((seed, epoch, scores))
            columns = {f"p{c}": scores[:, c] for c in range(3)}
            names = {
                "protocol": "p",
                "run": "r",
                "method": "mlsp",
                "dataset": "d",
                "subject": 1,
                "clip": list("uvwxyz"),
            }
            losses = [epoch + 0.25] * 4 + [epoch + 0.75] * 2
            facts = {"onset": 0, "seed": seed, "epoch": epoch, "fold": list("aaaabb"), "label": labels}
            parts.append(pd.DataFrame(names | facts | {"training_loss": losses} | columns))
        files.append(write(tmp_path / f"{seed}.parquet", pd.concat(parts)))
    weights = np.array([0.3, 0.35, 0.35])
    job = {
        "study_seed": 0, "protocol": "p", "classes": ("x", "y", "z"), "run": "r", "method": "mlsp",
        "params": {"class_weights": weights.tolist()}, "budget": "quick", "data_source": "", "code": "",
    }  # fmt: skip
    found = losses_of(Job(**job, seed=0), files).set_index(["seed", "epoch"])
    for seed, epoch, scores in kept:
        logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        wanted = -(weights[labels] * logs[np.arange(6), labels]).mean()
        np.testing.assert_allclose(found.loc[(seed, epoch)], [epoch + 0.5, wanted], rtol=1e-5)
    bare = write(tmp_path / "bare.parquet", parts[0].drop(columns="training_loss"))
    with pytest.raises(InputError, match=r"bare\.parquet: misses training_loss; delete the file and rerun"):
        losses_of(Job(**job, seed=0), [bare])
    drawn = []
    monkeypatch.setattr("apexbench.figures.losses.save", lambda figure, path: drawn.append(figure))
    loss_figure(runs={"r": files}, jobs={"r": job}, titles={"r": "mine"}, title="t", output="x.svg")
    lines = artists(drawn[0], "mine test")
    np.testing.assert_allclose(lines[0].get_ydata(), found["test"].groupby("epoch").mean())
    assert len(drawn[0].axes[0].collections) == 2, "a band of each side, as there are two seeds"


def test_components_of_a_line_are_the_line():
    rows = 1 + np.outer(np.arange(5.0), [3, 4, 0])
    basis, centre, share = principal(rows)
    np.testing.assert_allclose(basis[:, 0], [0.6, 0.8, 0], atol=1e-12)
    np.testing.assert_allclose(centre, [7, 9, 1])
    np.testing.assert_allclose(share, [1, 0], atol=1e-12)


def test_figures_of_a_protocol_show_each_run_once(tmp_path, monkeypatch):
    """Neither slices nor the null model, nor runs that are left out."""
    there = ["ststnet", "skipped", "majority", NULL_RUN]
    write_scores(scored("megc2019", there, slices=("", "megc2019-smic")), tmp_path / "s.csv")
    drawn = []
    monkeypatch.setattr(score_figures, "confusion_figure", lambda scores, *rest: drawn.append(scores))
    frame = predictions()
    write_scores(pd.DataFrame({"run": ["ststnet"] * 2, "epoch": [1, 2], "uf1": [0.3, 0.5]}), tmp_path / "e.csv")
    table = table_of(frame).assign(emotion="", **{"class": ""})
    table.to_csv(tmp_path / "table.csv", index=False)
    files = {
        "scores": "s.csv",
        "by_epoch_scores": "e.csv",
        "protocol": "table.csv",
        "confusion": "c.svg",
        "curves": "l.svg",
        "null": "n.svg",
    }
    paths = {key: tmp_path / name for key, name in files.items()}
    titles = {"ststnet": "STSTNet", "skipped": "Skipped"}
    score_figures.protocol_figures(titles=titles, by_epoch=list(titles), classes=CLASSES, title="t", **paths)
    (scores,) = drawn
    assert scores[scores["rule"] == "last"]["run"].tolist() == ["ststnet", "skipped"]
    assert "STSTNet, 2 epochs" in (tmp_path / "l.svg").read_text()
    assert "fold (leaks)" in (tmp_path / "n.svg").read_text()


@pytest.mark.parametrize(
    ("ranks", "cd", "groups"),
    [
        ([1, 2, 3, 4], 1.5, [(1, 2), (2, 3), (3, 4)]),
        ([1, 2, 3, 4], 1.0, []),  # differing by the critical difference itself is a difference
        ([1, 2, 3, 4], 9, [(1, 4)]),
        ([1, 1.5, 1.9, 4], 1.0, [(1, 1.9)]),  # (1.5, 1.9) lies within it
        ([2.5, 2.5], 0.5, []),  # equal ranks: one point, no bar to draw
        ([1], 1, []),
    ],
)
def test_groups_of_ranks(ranks, cd, groups):
    assert rank_groups(ranks, cd) == groups


def test_rank_diagram_geometry():
    figure = rank_diagram(RANKS, 2.0, "t")
    (axis,), (cd,), bars = (artists(figure, gid) for gid in ("axis", "cd", "group"))
    assert axis.get_xdata().tolist() == [1, 5]
    assert np.ptp(cd.get_xdata()) == 2.0
    assert [tuple(bar.get_xdata()) for bar in bars] == [(1.5, 2.0), (2.0, 3.75), (3.5, 4.25)]
    heights = [bar.get_ydata()[0] for bar in bars]
    assert all(len(set(bar.get_ydata())) == 1 for bar in bars) and len(set(heights)) == 3
    for name, rank in RANKS.items():
        (stem,) = artists(figure, f"method {name}")
        x, y = stem.get_xdata(), stem.get_ydata()
        assert x[0] == x[1] == rank and y[0] == 0 and y[1] == y[2] < min(heights)
        assert x[2] < 1 if name in "abe" else x[2] > 5  # the better half is named on the left
    names = [text.get_text() for text in figure.axes[0].texts]
    assert "a  1.50" in names and "4.25  d" in names and "critical difference 2.00" in names


def test_rank_diagram_of_few_protocols():
    """With two methods the critical difference is longer than the axis: drawn to its end, and said so."""
    figure = rank_diagram({"a": 1.25, "b": 1.75}, 9.0, "t")
    assert artists(figure, "cd")[0].get_xdata().tolist() == [1, 2]
    assert "critical difference 9.00 (longer than the axis)" in [text.get_text() for text in figure.axes[0].texts]
    figure = rank_diagram({"a": 1, "b": 2}, float("nan"), "t")
    assert not artists(figure, "cd") and not artists(figure, "group")
    assert "no critical difference: too few protocols" in [text.get_text() for text in figure.axes[0].texts]


def test_names_of_methods_do_not_overlap():
    ranks = {f"a rather long name of a method, number {n}": 1 + n / 11 for n in range(12)}
    figure = rank_diagram(ranks, 0.5, "t")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if "method" in text.get_text()]
    assert len(boxes) == 12
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


def test_a_subject_without_clips_is_passed_over(tmp_path):
    """A release may have subjects, and a run subjects all of whose clips were skipped, without a clip to draw."""
    record = {"frames": [1, 2], "onset": 1, "apex": 2}
    for number, names in ((1, []), (2, ["samm/7/007_3_1/1"])):
        meta = {"subject": number, "clips": dict.fromkeys(names, record)}
        crops = {name: np.full((2, 32, 32, 1), 99, np.uint8) for name in names}
        maps = {name: np.ones((32, 32, 3), np.float16) for name in names}
        write_tensors(
            tmp_path / f"crops{number}", crops, {"kind": "shard", "axes": ["key", "y", "x", "colour"], **meta}
        )
        write_tensors(tmp_path / f"flow{number}", maps, {"kind": "shard", "axes": ["y", "x", "motion"], **meta})
    crops, flow = ([str(tmp_path / f"{kind}{number}") for number in (1, 2)] for kind in ("crops", "flow"))
    flow_picture(crops=crops, flow=flow, output=tmp_path / "flow.svg", title="SAMM\nStudy s")
    crop_sheet(shards=crops, output=tmp_path / "sheet.jpg", title="t")
    assert min((tmp_path / name).stat().st_size for name in ("flow.svg", "flow.pdf", "sheet.jpg")) > 1000
    head = [">SAMM</text>", ">Subject 7, clip 007_3_1, onset to apex: ", ">Study s</text>"]
    assert all(line in (tmp_path / "flow.svg").read_text() for line in head)
    with pytest.raises(InputError, match="no clip is left to draw"):
        flow_picture(crops=crops[:1], flow=flow[:1], output=tmp_path / "none.svg", title="t")


def test_a_sheet_shows_every_subject_in_turn(tmp_path, monkeypatch):
    names = [f"samm/{subject}/c{clip}/1" for subject in (6, 7, 11) for clip in range(4)]
    clips = {name: {"frames": [1, 2], "onset": 1, "apex": 2} for name in names}
    meta = {"kind": "shard", "axes": ["key", "y", "x", "colour"], "clips": clips}
    write_tensors(tmp_path / "crops", {name: np.full((2, 32, 32, 1), 99, np.uint8) for name in names}, meta)
    drawn = []
    monkeypatch.setattr("apexbench.stages.crop_sheet.sheet_figure", lambda crops, output, title: drawn.append(crops))
    crop_sheet(shards=[tmp_path / "crops"], output=tmp_path / "sheet.png", title="t", most=5)
    assert [label for label, _ in drawn[0]] == ["6: c0", "6: c1", "7: c0", "7: c1", "11: c0"]


def test_a_sheet_of_frames_among_which_onset_and_apex_need_not_be(tmp_path, monkeypatch):
    clips = {"samm/6/c/1": {"frames": [3, 5], "onset": 1, "apex": 4}}
    frames = np.stack([np.full((32, 32, 1), level, np.uint8) for level in (10, 20)])
    meta = {"kind": "shard", "axes": ["frame", "y", "x", "colour"], "clips": clips}
    write_tensors(tmp_path / "crops", {"samm/6/c/1": frames}, meta)
    drawn = []
    monkeypatch.setattr("apexbench.stages.crop_sheet.sheet_figure", lambda crops, output, title: drawn.extend(crops))
    crop_sheet(shards=[tmp_path / "crops"], output=tmp_path / "sheet.png", title="t")
    assert [(label, image.shape, image.max()) for label, image in drawn] == [("6: c", (32, 32, 1), 10)]


def test_the_rank_figure_says_what_friedman_and_holm_say(tmp_path):
    paths = {}
    for number in range(6):
        protocol = f"p{number}"
        frame = scored(protocol, ["hidden", "best", "middle", "worst", NULL_RUN])
        honest = frame["rule"] == "last"
        for run, value in {"hidden": 1.0, "best": 0.9, "middle": 0.6, "worst": 0.3, NULL_RUN: 0.95}.items():
            frame.loc[honest & (frame["run"] == run), "uf1"] = value
        paths[protocol] = tmp_path / f"{protocol}.csv"
        write_scores(frame, paths[protocol])
    titles = {"best": "The best", "middle": "Middle", "worst": "Worst"}
    rank_figure(scores=paths, titles=titles, multilabel=[], title="t", output=tmp_path / "ranks.svg")
    text = (tmp_path / "ranks.svg").read_text()
    assert "p &lt;.001. Behind The best after Holm" in text and "Worst (.001)" in text
    assert "Middle (" not in text and NULL_RUN not in text and "hidden" not in text


def test_a_curve_over_a_hyper_parameter(tmp_path):
    path = tmp_path / "curve.svg"
    sweep_figure(POINTS, path, "t", "alpha_k", "ACC", True)
    text = path.read_text()
    for label in ("alpha_k", "ACC", "published", "as-published (leaks)", "honest, 95 % interval", "null model (leaks)"):
        assert f">{label}</text>" in text
    sweep_figure(POINTS[["x", "published"]].reindex(columns=POINTS.columns), path, "t", "K", "ACC", False)
    assert "honest" not in path.read_text() and "null model" not in path.read_text()


def test_the_curve_of_a_table(tmp_path):
    rows = [
        ["K=1", "acc", 0.8, 0.7, 0.5, 0.4, 0.6, 0.55],
        ["null model (learns nothing)", "acc", None, 0.6, 0.3, *[None] * 3],
    ]
    columns = ["row", "column", "published", "as_published", "honest", "ci_low", "ci_high", "null"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "t.csv", index=False)
    card = {
        "kind": "published",
        "title": "t",
        "curve": "K",
        "columns": [{"protocol": "p", "metric": "acc", "honest": "acc", "rule": "fold-oracle", "as_published": "acc"}],
    }
    files = {"table": tmp_path / "t.csv", "output": tmp_path / "c.svg"}
    curve_figure(name="t", card=card, title="by K\nsynthetic clips", printed=False, **files)
    text = (tmp_path / "c.svg").read_text()
    assert ">by K</text>" in text and ">synthetic clips</text>" in text
    assert ">ACC</text>" in text and "null model (leaks)" in text
    assert ">published</text>" not in text, "no printed number beside those of synthetic clips"
    curve_figure(name="t", card=card, title="by K", printed=True, **files)
    assert ">published</text>" in (tmp_path / "c.svg").read_text()
