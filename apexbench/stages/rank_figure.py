"""Scores of several protocols -> the figure of mean ranks."""

from collections.abc import Mapping, Sequence

import pandas as pd

from apexbench.evaluation.comparisons import Ranking, rank_runs
from apexbench.evaluation.score_files import read_scores
from apexbench.figures.ranks import critical_difference_figure
from apexbench.numbers import chance


def rank_figure(
    *, scores: Mapping[str, str], titles: Mapping[str, str], multilabel: Sequence[str], title: str, output: str
) -> None:
    """Draw the mean ranks of runs over protocols, {protocol: scores CSV}, by the honest UF1 (F1 of action units).

    titles : {run: what the figure calls it} of the runs that are ranked.
    """
    columns = {}
    for protocol, path in scores.items():
        frame = read_scores(path)
        honest = frame[(frame["rule"] == "last") & (frame["slice"] == "") & frame["run"].isin(titles)].set_index("run")
        columns[protocol] = honest["au_f1" if protocol in multilabel else "uf1"]
    ranking = rank_runs(pd.DataFrame(columns).T)
    ranks = {titles[run]: rank for run, rank in ranking.mean_ranks.items()}
    critical_difference_figure(ranks, ranking.critical_difference, output, title, _tests_in_words(ranking, titles))


def _tests_in_words(ranking: Ranking, titles: Mapping[str, str]) -> str:
    if pd.isna(ranking.p):
        return ""
    behind = ranking.holm[ranking.holm["p_holm"] < 0.05]
    named = ", ".join(f"{titles[row.run]} ({chance(row.p_holm)})" for row in behind.itertuples()) or "none"
    best = titles[ranking.mean_ranks.index[0]]
    return f"Friedman (Iman-Davenport): p {chance(ranking.p)}. Behind {best} after Holm's correction, p < .05: {named}."
