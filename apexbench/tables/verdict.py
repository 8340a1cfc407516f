"""What a published table says, in a few words."""

from dataclasses import dataclass

import pandas as pd

from apexbench.config.published import NULL_ROW
from apexbench.evaluation.selection import LEAKING
from apexbench.numbers import fraction, span

_F1 = ("f1", "uf1")


def rows_run(frame: pd.DataFrame) -> int:
    """Return in how many rows of a published table, tidy, a run of ours has a score."""
    return frame.loc[frame["honest"].notna() & (frame["row"] != NULL_ROW), "row"].nunique()


@dataclass(frozen=True)
class Leak:
    """What an author's choice of epochs adds to our scores on average, and what a model that learns nothing gets by it.

    `null` are the lowest and the highest of its scores; it is above `below` of `scores` of ours.
    """

    gain: float
    null: tuple[float, float] | None = None
    below: int = 0
    scores: int = 0

    def phrase(self) -> str:
        """Return it in few words, for a table whose caption explains them."""
        adds = f"adds {fraction(self.gain, 2)}"
        if self.null is None:
            return adds
        return f"{adds}; null model {span(*self.null)}, above {self.below} of {self.scores} scores"


def verdict(frame: pd.DataFrame, synthetic: bool) -> str:
    """Say in few words what the author's choice of epochs adds to our runs and to a model that learns nothing.

    `frame` is the tidy table, or several of one author's, one below the other. Of real clips: also how many printed
    numbers lie within our intervals.
    """
    ours = frame[frame["honest"].notna() & (frame["row"] != NULL_ROW)]
    if ours.empty:
        return "Its methods are not in this study." if (frame["status"] == "skipped").any() else "Printed only."
    f1 = ours[ours["column"].str.split().str[-1].isin(_F1)]
    ours = f1 if len(f1) else ours
    chosen = ours["rule"].isin(LEAKING) & ours["as_published"].notna()
    leaking = ours[chosen & ~(ours["epochs"] == 1)]  # of one epoch there is none to choose
    if leaking.empty:
        said = ["no leak"]
    else:
        said = [_leak(leaking).phrase()]
    printed = ours[ours["published"].notna()]
    if not synthetic and len(printed):
        within = int(printed["published"].between(printed["ci_low"], printed["ci_high"]).sum())
        said.append(f"printed numbers within our 95 % intervals: {within} of {len(printed)}")
    return "; ".join(said)


def _leak(leaking: pd.DataFrame) -> Leak:
    gain = (leaking["as_published"] - leaking["honest"]).mean()
    both = leaking.dropna(subset="null")  # the null model of as many epochs as each run has
    if both.empty:
        return Leak(gain)
    below = int((both["as_published"] < both["null"]).sum())
    return Leak(gain, (both["null"].min(), both["null"].max()), below, len(both))
