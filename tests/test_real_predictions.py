"""docs/real-predictions.md says what its CSVs and the confusion matrices in them say."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from apexbench.evaluation.comparisons import mcnemar_p
from apexbench.evaluation.metrics import from_confusion

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "benchmarks"))
import real_predictions  # noqa: E402


def test_the_page_is_what_its_numbers_make():
    """If this fails: python benchmarks/real_predictions.py."""
    page = (ROOT / "docs/real-predictions.md").read_text()
    assert real_predictions.filled(page) == page
    (pair,) = real_predictions.rows(real_predictions.PAIRS)
    words = " ".join(page.split())
    for column in (
        "clips",
        "first_uf1",
        "second_uf1",
        "difference",
        "only_first",
        "only_second",
        "p_clip",
        "p_subject",
    ):
        assert pair[column] in words, column
    with pytest.raises(ValueError, match="markers of 'null'"):
        real_predictions.filled(page.replace("<!-- begin null -->", ""))


def test_figures_that_have_a_matrix_follow_from_it():
    matrices = [row for row in real_predictions.rows() if row["confusion"]]
    assert len(matrices) == 5
    for row in matrices:
        counts = np.array(json.loads(row["confusion"]))
        scores = from_confusion(counts)
        assert counts.sum() == int(row["n"])
        for score in ("acc", "uf1", "uar"):
            assert float(scores[score]) == pytest.approx(float(row[score]), abs=6e-5), (row["part"], score)
        printed = re.fullmatch(r"F1 (\.\d{4})", row["printed"])
        assert printed is None or float(scores["hm_f1"]) == pytest.approx(float(printed[1]), abs=6e-5)


def test_mcnemars_p_follows_from_its_counts():
    (pair,) = real_predictions.rows(real_predictions.PAIRS)
    p = mcnemar_p(int(pair["only_first"]), int(pair["only_second"]))
    assert p == pytest.approx(float(pair["p_clip"]), abs=5e-4)
