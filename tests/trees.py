"""The plans of the synthetic trees that tests read (fixture `rendered`, `full_plan`), and ways to spoil a copy."""

import csv
import hashlib
from contextlib import contextmanager
from pathlib import Path

import openpyxl

from apexbench.datasets.synthetic.layouts import LAYOUTS

FULL = Path(__file__).parent.parent / "config" / "synthetic" / "full.csv"
PLANS = {
    "casme2": [(1, "others", 2), (1, "happiness", 1), (17, "surprise", 2), (26, "disgust", 1), (26, "repression", 1)],
    "samm": [(6, "Anger", 2), (11, "Happiness", 2), (11, "Contempt", 1), (35, "Surprise", 1), (35, "Other", 1)],
    "smic-hs": [(1, "negative", 2), (3, "positive", 1), (3, "surprise", 2), (20, "positive", 2)],
    "mmew": [(2, "happiness", 2), (2, "anger", 1), (14, "surprise", 2), (36, "others", 2)],
}
SHEETS = {
    "casme2": "CASME2-coding-20140508.xlsx",
    "samm": "SAMM_Micro_FACS_Codes_v2.xlsx",
    "mmew": "MMEW_Micro_Exp.xlsx",
}


def full_plan(layout, subjects=None):
    """Rows (subject, emotion, clips, objective) of a layout at full scale, perhaps of some subjects only."""
    if layout in ("flow-maps", "flow-maps-loso"):  # the three parts in one folder; see layouts/flow_maps.py
        parts = enumerate(("casme2-flow", "samm-flow", "smic-hs-flow"))
        return [(1000 * place + subject, *rest) for place, part in parts for subject, *rest in full_plan(part)]
    with FULL.open(newline="") as file:
        rows = [(row["dataset"], int(row["subject"]), row["emotion"], int(row["clips"]), row["objective"])
                for row in csv.DictReader(file)]  # fmt: skip
    names = {row[0] for row in rows}
    dataset = layout if layout in names else LAYOUTS[layout].release
    return [row[1:] for row in rows if row[0] == dataset and (subjects is None or row[1] in subjects)]


@contextmanager
def edited(path: Path):
    """Yield the first sheet of a workbook and save what was done to it."""
    book = openpyxl.load_workbook(path)
    yield book.active
    book.save(path)


def fingerprint(root: Path) -> str:
    """Hash of the names, contents and times of all files below a folder."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        total.update(f"{path.relative_to(root)} {path.lstat().st_mtime_ns}".encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()
