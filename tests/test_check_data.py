"""`apexbench check-data`: what it prints of good and of bad copies, and the status that it ends with."""

import re
import shutil
from pathlib import Path

import pytest
from trees import SHEETS, edited, fingerprint

from apexbench import cli

ROOT = Path(__file__).parent.parent


@pytest.fixture
def check(monkeypatch, capsys):
    """Return a function that runs the command in the project and gives its status, its lines and its complaint."""
    monkeypatch.chdir(ROOT)

    def run(*arguments):
        status = cli.main(["check-data", *map(str, arguments)])
        out = capsys.readouterr()
        return status, out.out.splitlines(), out.err

    return run


def counts(lines):
    """{what: (found, expected)} of the table."""
    start = next(i for i, line in enumerate(lines) if line.split() == ["found", "expected"]) + 1
    rows = {}
    for line in lines[start:]:
        if not line:
            return rows
        what, found, expected = re.fullmatch(r"(.+?) +(\d+) +(\d+|\?)(?:  <--)?", line).groups()
        rows[what] = (int(found), expected)
    return rows


def test_a_complete_copy(laid_out, check):
    root = laid_out("casme2")
    before = fingerprint(root / "CASME2_RAW_selected/sub04")
    status, lines, complaint = check("casme2", root, "--strict")
    assert status == 0 and complaint == ""
    assert re.fullmatch(rf"{root}: 255 clips, 26 subjects, \d+ frames", lines[0])
    assert re.fullmatch(r"release casme2, label set casme2-20140508, sample ids [0-9a-f]{12}", lines[1])
    assert lines[2] == "apex: sheet 254, midpoint 1"
    table = counts(lines)
    assert table["clips"] == (255, "255") and table["subjects"] == (26, "26") and table["disgust"] == (63, "63")
    assert (
        "protocol casme2-5: 246 clips, 246 expected" in lines and "protocol casme2-7: 255 clips, 255 expected" in lines
    )
    assert "protocol megc2019: 145 clips, 145 expected" in lines  # its part
    assert lines[-1] == "errors: 0; counts that differ: 0"
    start = lines.index("repairs applied (1)")
    assert lines[start + 1].startswith("CASME2-coding-20140508.xlsx, sheet 'Sheet1', row ")
    assert "clip 16/EP01_08: offset '110' -> '96'" in lines[start + 1]
    assert sum("apex == offset" in line for line in lines) == 4
    assert fingerprint(root / "CASME2_RAW_selected/sub04") == before


@pytest.mark.parametrize("policy", ["midpoint", "drop"])
def test_another_policy(laid_out, check, policy):
    status, lines, _ = check("casme2", laid_out("casme2"), "--apex", policy)
    assert status == 0 and lines[2] == {"midpoint": "apex: midpoint 255", "drop": "apex: sheet 253"}[policy]
    assert ("clips left out (2)" in lines) == (policy == "drop")
    assert "protocol casme2-3-megc: 145 clips, 145 expected" in lines


def test_spotting_is_offered(rendered, check):
    status, lines, _ = check("mmew", rendered["mmew"][0], "--apex", "spotted")
    assert status == 0 and lines[2] == "apex: spotted 7"


def test_counts_that_differ(laid_out, check):
    root = laid_out("samm", (12, 23, 24))
    status, lines, _ = check("samm", root)
    assert status == 0 and counts(lines)["clips"][1] == "159"
    assert next(line for line in lines if line.startswith("clips")).endswith("  <--")
    assert "  samm subject 6, negative: expected 9, found 0" in lines
    assert int(lines[-1].split()[-1]) > 20
    assert check("samm", root, "--strict")[0] == 1


def test_every_error_is_printed_by_kind(copy, check):
    root = copy("mmew")
    with edited(root / SHEETS["mmew"]) as sheet:
        for number in range(30):
            sheet.append([1, f"S01-01-{number:03d}", 1, 2, 3, "4", "anger", None])
        sheet["G2"], sheet["D3"] = "angr", "?"
    shutil.copytree(root / "MMEW_Final", root / "MMEW_Final" / "Macro_Expression")
    (root / "MMEW_Final" / "S30-01-001").mkdir()
    status, lines, complaint = check("mmew", root)
    assert status == 1 and complaint == ""
    heads = [line for line in lines if re.search(r" \(\d+\)$", line)]
    assert heads == ["folders and pictures that the annotation does not list (1)", "apexes to know of (1)",
                     "labels that are not known (1)", "errors (30)"]  # fmt: skip
    start = lines.index("errors (30)")
    assert all(line.startswith("MMEW_Micro_Exp.xlsx, sheet 'Sheet1', row ") for line in lines[start + 1 : start + 31])
    assert lines[-1].startswith("errors: 30; counts that differ: ")


def test_pictures_that_are_none_are_named(copy, check):
    root = copy("mmew")
    first, second = sorted(path for path in root.rglob("S*-*-*") if path.is_dir())[:2]
    (first / "1.jpg").write_bytes((first / "1.jpg").read_bytes()[:-200])
    (second / "2.jpg").write_bytes(b"")
    (second / "5.jpg").unlink()
    (second / "5.jpg").mkdir()
    status, lines, complaint = check("mmew", root)
    assert status == 1 and complaint == ""
    assert sum("1.jpg: clip " in line and "not a readable image; copy it anew" in line for line in lines) == 1
    assert sum("5.jpg is no picture, but a folder" in line for line in lines) == 1
    assert lines[-1].startswith("errors: 2; ")
    (second / "5.jpg").rmdir()
    (second / "5.jpg").write_bytes((second / "4.jpg").read_bytes())
    status, lines, _ = check("mmew", root)
    assert status == 1 and sum("2.jpg: clip " in line and "not a readable image" in line for line in lines) == 1


def test_warnings_are_counted_and_refused_if_strict(laid_out, check, tmp_path):
    root = shutil.copytree(laid_out("casme2"), tmp_path / "casme2")
    with edited(root / SHEETS["casme2"]) as sheet:
        sheet["I2"] = "disgusted"
    status, lines, _ = check("casme2", root)
    assert status == 0 and lines[-1].endswith("; warnings: 1")
    assert check("casme2", root, "--strict")[0] == 1


def test_nothing_to_read(check, tmp_path):
    status, lines, complaint = check("samm", tmp_path)
    assert status == 1 and lines == []
    assert complaint.startswith(f"apexbench: {tmp_path}: the annotation file not found; expected SAMM_*")
    assert check("samm", tmp_path / "nowhere")[2].startswith(f"apexbench: {tmp_path / 'nowhere'}: no such folder; put")
    assert check("sam", tmp_path)[2].startswith("apexbench: unknown data set 'sam'; did you mean 'samm'?")


def test_only_errors(copy, check):
    root = copy("smic-hs")
    for path in root.rglob("*.bmp"):
        path.unlink()
    status, lines, _ = check("smic-hs", root)
    assert status == 1 and lines[0] == f"{root}: 0 clips, 0 subjects, 0 frames" and "errors (7)" in lines


def test_entries_have_their_own_folder_and_options(laid_out, check, monkeypatch, tmp_path):
    root = laid_out("smic-hs-cropped")
    status, lines, _ = check("smic-hs-cropped", root, "--strict")
    assert status == 0 and {"missing frames (4)", "clips left out (1)"} <= set(lines)
    (tmp_path / "data").mkdir()
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "data" / "smic-hs").symlink_to(root)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check-data", "smic-hs-cropped"]) == 0  # reads data/smic-hs


def test_flow_maps_whole_are_checked_against_the_sum_of_their_parts(laid_out, check):
    """Subject 6 of CASME II, SMIC and SAMM are three people."""
    status, lines, _ = check("flow-maps", laid_out("flow-maps"))
    assert status == 0 and lines[0].endswith("442 clips, 68 subjects, 442 frames")
    assert counts(lines) == {
        "clips": (442, "442"), "subjects": (68, "68"),
        "negative": (250, "250"), "positive": (109, "109"), "surprise": (83, "83"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "release"), [("samm", "samm"), ("casme2-flow", "flow-maps"), ("casme3c", "casme3c")]
)
def test_a_release_by_its_name_outside_a_project(laid_out, tmp_path, monkeypatch, capsys, layout, release):
    monkeypatch.chdir(tmp_path)
    root = laid_out(layout, None if layout == "casme2-flow" else (1, 2, 12, 23))
    assert cli.main(["check-data", release, str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"release {release}, label set unnamed" in lines[1]
    assert {expected for _, expected in counts(lines).values()} == {"?"}
    assert not [line for line in lines if line.startswith("protocol ")] and list(tmp_path.iterdir()) == []
