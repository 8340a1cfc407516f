"""Synthetic trees, made once for all tests, and copies of the project."""

import os
import shutil
from functools import cache
from pathlib import Path

from apexbench.instructions import environment

os.environ.update(environment("avx2"))  # as in every job, and before anything that chooses by it is imported

import pytest
import toy_methods  # noqa: F401  (lets them be found)
from trees import PLANS, full_plan

from apexbench.datasets.synthetic import lay_out, render
from apexbench.store.tensors import read_tensors

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in every job; two threads wait for each other on a busy machine

ROOT = Path(__file__).parent.parent


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


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory):
    """Return a function that gives the root of a layout's tree at full scale, without faces. Read only."""
    folder = tmp_path_factory.mktemp("laid-out")

    @cache
    def made(layout, subjects=None):
        root = folder / f"{layout}-{len(list(folder.iterdir()))}"
        lay_out(layout, full_plan(layout, subjects), root, scale="full")
        return root

    return made


@pytest.fixture
def one_thread():
    """One thread, as in every job, and torch's generator at 0."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A copy of config/ and of the code in an empty working directory: no licensed data."""
    for part in ("config", "workflow", "apexbench"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "schemas"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
