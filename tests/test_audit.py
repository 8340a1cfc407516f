import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apexbench.errors import InputError
from apexbench.evaluation.audit import COUNTS, Printed, audit, audit_file, read_counts, uf1_bounds
from apexbench.evaluation.metrics import from_confusion

PUBLISHED = Path(__file__).parent.parent / "config/published"
FILES = sorted(path.stem for path in PUBLISHED.glob("*.csv"))


def read(name):
    return pd.read_csv(PUBLISHED / f"{name}.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def found():
    return {name: audit_file(PUBLISHED / f"{name}.csv") for name in FILES}


def remarks(frame, *starts):
    """{(row, remark)} of the caveats that begin so."""
    return {
        (index, part)
        for index, text in frame["caveat"].items()
        for part in text.split("; ")
        if part.startswith(starts)
    }  # fmt: skip


def texts(findings, *kinds):
    part = findings[findings["kind"].isin(kinds)]
    return set(zip(part["row"], part["text"], strict=True))


@pytest.mark.parametrize("name", FILES)
def test_granularity_in_the_words_of_the_caveats(found, name):
    frame, findings = read(name), found[name]
    assert texts(findings, "granularity") == remarks(frame, "not k/")
    assert texts(findings, "truncated") == remarks(frame, "truncated: ")
    padded = {(row, text) for row, text in remarks(frame, "fits ") if "last zero" in text}
    assert texts(findings, "padding") == padded
    assert texts(findings, "swap") == remarks(frame, "probable digit swap")
    assert texts(findings, "same count") == remarks(frame, "same 1")


@pytest.mark.parametrize("name", FILES)
def test_clips_and_correct_clips_of_the_files(name):
    frame, counts = read(name), read_counts(PUBLISHED / COUNTS)
    for line in frame[(frame["metric"] == "acc") & (frame["printed"] != "")].itertuples():
        known = counts.protocols.get(line.protocol)
        if known is None or not line.value:
            assert line.consistent == "unknown"
            continue
        fit = Printed.parse(line.printed, float(line.value)).fit((*known.clips, *known.also.get(line.method, ())))
        assert line.consistent == ("yes" if fit else "no")
        if fit:
            assert (int(line.k), int(line.n)) == fit[:2]


def test_the_findings_of_the_readme(found):
    def count(name, table, metric="acc"):
        frame = read(name)
        rows = frame[(frame["table"].isin(table)) & (frame["metric"] == metric) & (frame["value"] != "")].index
        findings = found[name]
        return (findings["row"].isin(rows) & (findings["kind"] == "granularity")).sum(), len(rows)

    assert count("memix", ["memix-samm3"]) == (6, 8)
    assert count("srmcl", ["srmcl-single"]) == (18, 36)
    mlsp = read("mlsp")
    smic = mlsp[
        (mlsp["metric"] == "acc") & (mlsp["protocol"].isin(["smic-3", "megc2019-smic"])) & (mlsp["value"] != "")
    ]
    findings = found["mlsp"]
    assert findings[findings["kind"] == "granularity"]["row"].isin(smic.index).sum() == 15 and len(smic) == 19
    assert all(part.empty for part in (found["decalcomanie"], found["memix"].query("kind == 'pair'")))
    assert "probable digit swap of .7317 (120/164)" in set(found["srmcl"]["text"])
    assert len(texts(found["srmcl"], "duplicate")) == 2


def test_the_mix_ups_of_ststnet(found):
    expected = remarks(read("reference"), "column holds", "harmonic mean", "probably the harmonic")
    assert texts(found["reference"], "metric") == expected and len(expected) == 7
    assert texts(found["mlsp"], "metric") == remarks(read("mlsp"), "column holds macro-precision")
    assert texts(found["memix"], "metric") == remarks(read("memix"), "column holds")


def test_pairs_that_exclude_each_other(found):
    # LBP-TOP on SMIC, and a pair that the README does not name: UF1 .847 with UAR .780
    frame = read("mlsp")
    rows = frame.loc[[row for row, _ in texts(found["mlsp"], "pair")], ["table", "row"]].drop_duplicates()
    assert rows["row"].str.split(" ").str[0].value_counts().to_dict() == {"LBP-TOP": 2, "HSTA": 1}
    assert texts(found["reference"], "pair") == remarks(read("reference"), "UF1 and UAR")
    bare = audit(read("reference").drop(columns="caveat"), read_counts(PUBLISHED / COUNTS))
    assert {text for _, text in texts(bare, "pair")} == {
        "UF1 and UAR cannot both hold: UAR .5280 on 70/51/43 clips forces UF1 >= .3880"
    }


def test_same_values_in_other_tables(found):
    frame = read("mlsp").loc[sorted({row for row, _ in texts(found["mlsp"], "duplicate")})]
    ablation = frame[frame["table"] == "mlsp-ablation"]
    assert ablation["row"].nunique() == 5 and set(ablation["metric"]) == {"acc", "uf1", "uar"}
    identical = remarks(read("mlsp"), "identical to the ICIP 2024 ablation")
    assert {row for row, _ in identical} <= set(frame.index)


@pytest.mark.parametrize("clips", [(5, 4, 3), (7, 2, 4), (8, 3, 2)])
def test_bounds_by_brute_force(clips):
    rows = [[row for row in itertools.product(range(n + 1), repeat=3) if sum(row) == n] for n in clips]
    scores = from_confusion(np.array(list(itertools.product(*rows))))
    for low in (0.0, 0.3, 0.45, 0.6, 0.75, 0.95):
        inside = scores["uf1"][(scores["uar"] >= low - 1e-12) & (scores["uar"] < low + 0.06)]
        assert uf1_bounds(clips, low, low + 0.06) == pytest.approx((inside.min(), inside.max()))
    assert uf1_bounds((2, 2, 2), 0.01, 0.02) is None


@pytest.mark.parametrize(
    ("text", "value", "units", "digits"),
    [
        ("82.11(+8.13)", 0.8211, 8211, 4),
        ("0.7805", 0.7805, 7805, 4),
        (".790", 0.79, 790, 3),
        ("83", 0.83, 83, 2),
        ("100", 1.0, 100, 2),
    ],
)
def test_printed_numbers(text, value, units, digits):
    printed = Printed.parse(text, value)
    assert (printed.units, printed.digits) == (units, digits) and printed.value == value
    assert Printed.parse("-", 0.5) is None


def test_fit_is_exact():
    for n in (133, 164, 246, 442):
        for k in range(n + 1):
            for digits in (3, 4):
                exact = k * 10**digits
                rounded = Printed((2 * exact + n) // (2 * n), digits, False)
                cut = Printed(exact // n, digits, False)
                assert rounded.rounded(n) == k and cut.truncated(n) == k
    assert Printed(6810, 4, True).fit([133]) is None


def rows(*lines):
    columns = ["table", "row", "method", "dataset", "protocol", "metric", "printed"]
    frame = pd.DataFrame([("t", *line) for line in lines], columns=columns)
    return frame.assign(value=frame["printed"])


def test_f1_that_is_a_harmonic_mean():
    frame = rows(
        ("a", "m", "smic", "x", "precision", "0.8000"),
        ("a", "m", "smic", "x", "uar", "0.6000"),
        ("a", "m", "smic", "x", "f1", "0.6857"),
        ("b", "m", "smic", "x", "precision", "0.8000"),
        ("b", "m", "smic", "x", "uar", "0.6000"),
        ("b", "m", "smic", "x", "f1", "0.6700"),
    )
    assert audit(frame).to_dict("records") == [
        {"row": 2, "kind": "metric", "text": "harmonic mean of macro-precision and macro-recall"}
    ]


def test_fractions_among_percentages_and_twins():
    frame = rows(
        ("a", "m", "smic", "x", "acc", "80.10"),
        ("b", "m", "smic", "x", "acc", "0.8120"),
        ("c", "p", "smic", "x", "uf1", "0.700"),
        ("c", "p", "smic", "x", "uar", "0.710"),
        ("d", "q", "smic", "x", "uf1", "0.700"),
        ("d", "q", "smic", "x", "uar", "0.710"),
    )
    frame.loc[0, "value"] = "0.801"
    findings = audit(frame)
    assert texts(findings, "percent") == {(1, "printed as a fraction among percentages")}
    assert texts(findings, "duplicate") == {(2, "same values as d"), (3, "same values as d"), (4, "same values as c"),
                                            (5, "same values as c")}  # fmt: skip


def test_bad_files(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        audit_file(tmp_path / "gone.csv")
    bad = tmp_path / "bad.csv"
    bad.write_text("table,row\n")
    with pytest.raises(InputError, match=r"bad\.csv: no column 'method'; expected table, row"):
        audit_file(bad)
    rows(("a", "m", "smic", "x", "acc", "much")).to_csv(bad, index=False)
    with pytest.raises(InputError, match=r"bad\.csv, row 2: field 'value': expected a number, found 'much'"):
        audit_file(bad)
    rows(("a", "m", "smic", "smic-3", "acc", "0.7371")).to_csv(bad, index=False)
    assert audit_file(bad).empty  # nothing is known of the protocol
    (tmp_path / COUNTS).write_text("protocols: {smic-3: {clips: [164]}}\n")
    assert audit_file(bad)["kind"].tolist() == ["granularity", "swap"]
    (tmp_path / COUNTS).write_text("protocols: {smic-3: {clip: [164]}}\n")
    with pytest.raises(InputError, match=r"counts\.yaml: field 'protocols\.smic-3\.clips'"):
        audit_file(bad)
