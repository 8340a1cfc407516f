"""Synthetic trees, rendered once for all tests."""

import shutil

import pytest
from trees import PLANS

from apexbench.datasets.synthetic import render
from apexbench.store import read_tensors


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Per data set: the root of its tree, and its truth. Read only: spoil a `copy` instead."""
    folder = tmp_path_factory.mktemp("synthetic")
    trees = {}
    for dataset, plan in PLANS.items():
        render(dataset, plan, folder / dataset, folder / f"{dataset}.safetensors", seed=7)
        trees[dataset] = folder / dataset, read_tensors(folder / f"{dataset}.safetensors", "truth")
    return trees


@pytest.fixture
def copy(rendered, tmp_path):
    """Return a function that gives a copy of a data set's tree, to be spoilt."""

    def copied(dataset):
        return shutil.copytree(rendered[dataset][0], tmp_path / dataset)

    return copied
