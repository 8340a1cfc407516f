"""Synthetic clips with known truth, written in each data set's own layout."""

from apexbench.datasets.synthetic.render import render

__all__ = ["render"]
