"""Losses by epoch."""

import os

import matplotlib
import pandas as pd

from apexbench.figures.style import OKABE_ITO, STYLE, WIDTH, panel_figure, save, wrapped


def losses_figure(curves: pd.DataFrame, path: str | os.PathLike, title: str) -> None:
    """Draw training and test loss of some runs by epoch, a panel for each; with several seeds a band of one deviation.

    curves : columns run, seed, epoch, training, test.
    """
    with matplotlib.rc_context(STYLE):
        runs = list(dict.fromkeys(curves["run"]))
        per_row = min(len(runs), 3)
        figure, panels = panel_figure(len(runs), per_row, (WIDTH / max(per_row, 2), 2.9), title, layout="constrained")
        for panel, run in zip(panels, runs, strict=True):
            by_epoch = curves[curves["run"] == run].groupby("epoch")
            for colour, style, side in zip(OKABE_ITO, ("-", "--"), ("training", "test"), strict=False):
                mean, spread = by_epoch[side].mean(), by_epoch[side].std()
                panel.plot(mean.index, mean, color=colour, ls=style, lw=1.6, label=side, gid=f"{run} {side}")
                if spread.notna().any():
                    panel.fill_between(mean.index, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0)
            panel.set(title=wrapped(run, 0.8 * WIDTH / per_row), xlabel="epoch", ylim=(0, None))
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.grid(axis="y")
        panels[0].set_ylabel("loss, each run's own")
        panels[-1].legend()
        save(figure, path)
