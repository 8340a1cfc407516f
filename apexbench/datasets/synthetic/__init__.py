"""Synthetic clips with known truth, written in each data set's own layout."""

from apexbench.datasets.synthetic.render import lay_out, render, retake

__all__ = ["lay_out", "render", "retake"]
