"""How scores and numbers are written in tables and figures."""

import re

import pandas as pd

DASH = "\N{EN DASH}"
# what printed tables call their columns
PRINTED = {"acc": "ACC", "f1": "F1", "uf1": "UF1", "uar": "UAR", "war": "WAR", "params": "parameters", "flops": "FLOPs"}


def digits(value: float, printed: str) -> int:
    """Return how many decimals of a fraction were printed: two to four, and four where nothing was.

    >>> digits(0.732, "0.732"), digits(0.3795, "37.95"), digits(0.8537, "85.37(+11.39)"), digits(0.71394, "")
    (3, 4, 4, 4)
    """
    number = re.match(r"[\d.]+", printed)
    if not number:
        return 4
    decimals = len(number[0].partition(".")[2])
    percent = float(number[0]) > 1.5 * value
    return min(max(decimals + 2 * percent, 2), 4)


def fraction(value: float, decimals: int = 3) -> str:
    """Return a score without its leading zero.

    >>> fraction(0.7124), fraction(-0.02), fraction(1.0, 2), fraction(float("nan"))
    ('.712', '-.020', '1.00', '–')
    """
    return DASH if pd.isna(value) else re.sub(r"^(-?)0\.", r"\1.", f"{value:.{decimals}f}")


def signed(value: float) -> str:
    """Return a difference of scores with its sign.

    >>> signed(0.031), signed(-0.2), signed(0.0)
    ('+.031', '-.200', '+.000')
    """
    return fraction(value) if pd.isna(value) or value < 0 else f"+{fraction(value)}"


def number(value: float) -> str:
    return DASH if pd.isna(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"[{fraction(low, 2)}, {fraction(high, 2)}]"


def span(low: float, high: float) -> str:
    """Return a lowest and a highest score in words; one number where they look alike.

    >>> span(0.531, 0.742), span(0.728, 0.731)
    ('.53 to .74', '.73')
    """
    return " to ".join(dict.fromkeys(fraction(value, 2) for value in (low, high)))


def spread(sd: float) -> str:
    return "" if pd.isna(sd) else f"\N{PLUS-MINUS SIGN}{fraction(sd)}"


def chance(value: float) -> str:
    return "<.001" if value < 0.001 else fraction(value)
