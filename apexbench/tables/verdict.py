"""What a published table says, in a sentence or two."""

import pandas as pd

from apexbench.config.published import NULL_ROW
from apexbench.evaluation.selection import LEAKING
from apexbench.numbers import fraction, signed

_F1 = ("f1", "uf1")


def rows_run(frame: pd.DataFrame) -> int:
    """Return in how many rows of a published table, tidy, a run of ours has a score."""
    return frame.loc[frame["honest"].notna() & (frame["row"] != NULL_ROW), "row"].nunique()


def verdict(frame: pd.DataFrame, synthetic: bool) -> str:
    """Say what the author's choice of epochs adds to our runs and to a model that learns nothing.

    `frame` is the tidy table. Of real clips: also how many printed numbers lie within our intervals.
    """
    ours = frame[frame["honest"].notna() & (frame["row"] != NULL_ROW)]
    if ours.empty:
        return "No method of it runs in this study." if (frame["status"] == "skipped").any() else "Printed only."
    f1 = ours[ours["column"].str.split().str[-1].isin(_F1)]
    ours = f1 if len(f1) else ours
    leaking = ours[ours["rule"].isin(LEAKING) & ours["as_published"].notna()]
    said = [_leak(frame, leaking)] if len(leaking) else ["Its epoch is not chosen on test clips."]
    printed = ours[ours["published"].notna()]
    if not synthetic and len(printed):
        within = int(printed["published"].between(printed["ci_low"], printed["ci_high"]).sum())
        said.append(f"Printed numbers within our 95 % intervals: {within} of {len(printed)}.")
    return " ".join(said)


def _leak(frame: pd.DataFrame, leaking: pd.DataFrame) -> str:
    gain = (leaking["as_published"] - leaking["honest"]).mean()
    null = frame[frame["row"] == NULL_ROW].set_index("column")["as_published"].dropna()
    text = f"Its choice of epochs on test clips adds {signed(round(gain, 2))[:-1]} on average"
    compared = leaking[leaking["column"].isin(null.index)]
    if compared.empty:
        return f"{text}."
    below = int((compared["as_published"] <= compared["column"].map(null)).sum())
    span = " to ".join(dict.fromkeys(fraction(value, 2) for value in (null.min(), null.max())))
    return f"{text}; the null model scores {span} by it, no less than {below} of {len(compared)} of ours."
