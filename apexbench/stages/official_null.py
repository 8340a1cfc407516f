"""Official counts and printed numbers -> the figure of the null model on MEGC2019, and its numbers."""

import os
from collections.abc import Mapping, Sequence

import pandas as pd

from apexbench.config.protocols import ProtocolCard
from apexbench.evaluation.official_null import (
    BEST,
    LAST,
    in_words,
    official_clips,
    official_curves,
    paper_run,
    printed_scores,
    read_measured,
    read_selection,
)
from apexbench.figures.official_null import official_null_figure
from apexbench.store.writing import atomic


def official_null(
    *, card: Mapping, printed: Sequence[str], selection: str, measured: str, svg: str, csv: str, words: str
) -> None:
    """Draw the figure, write its numbers, and say it in a sentence.

    Parameters
    ----------
    card : the composite's entry of protocols.yaml, with the official counts.
    printed, selection, measured : files of config/published and config/measured.
    """
    protocol = ProtocolCard.model_validate(card)
    curves = official_curves(protocol)
    scores = printed_scores(printed, read_selection(selection), protocol.slices)
    runs = read_measured(measured)
    clips = official_clips(protocol)
    parts = {}
    for name, datasets in protocol.slices.items():
        some = clips[clips["dataset"].isin(datasets)]
        parts[name] = f"{_TITLES.get(name, name)}\n{len(some)} clips, {some['fold'].nunique()} subjects"
    official_null_figure(curves, scores, runs, parts, svg)
    _write(csv, curves, scores, paper_run(runs))
    with atomic(words) as part:
        part.write_text(in_words(curves, scores) + "\n", encoding="utf-8")


_TITLES = {"megc2019-smic": "SMIC", "megc2019-casme2": "CASME II", "megc2019-samm": "SAMM"}


def _write(path: str | os.PathLike, curves: pd.DataFrame, scores: pd.DataFrame, run: pd.Series | None) -> None:
    """Write the numbers: what (null model, published, run here), part, name, rule, epochs, uf1, its band, note."""
    drawn = curves.assign(what="null model", name="", note="").drop(columns="leaking")
    names = {"title": "name", "selects": "rule"}
    read = scores.rename(columns=names).assign(what="published", note=scores["table"])
    frames = [drawn, read]
    if run is not None:
        note = f"docs/real-flow.md, {run['date']}, {run['commit']}"
        here = [(LAST, run["uf1_last"]), (BEST, run["uf1_best_test_epoch"])]
        frames.append(
            pd.DataFrame(
                [("run here", "megc2019-full", run["row"], rule, run["epochs"], value, note) for rule, value in here],
                columns=["what", "part", "name", "rule", "epochs", "uf1", "note"],
            )
        )
    columns = ["what", "part", "name", "rule", "epochs", "uf1", "uf1_low", "uf1_high", "note"]
    frame = pd.concat(frames, ignore_index=True)[columns]
    with atomic(path) as part:
        frame.round(4).astype({"epochs": "Int64"}).to_csv(part, index=False)
