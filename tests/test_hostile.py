"""Hostile and broken input: each ends in a message that names the file, or does no harm; none in a traceback.

No case may hang, run code, write outside of its folder or take 2 GB.
"""

import json
import os
import pickle
import resource
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch  # noqa: F401  (before anything is held)
import yaml
from safetensors.numpy import save_file

from apexbench.clips import find_frames, read_index
from apexbench.config.datasets import DatasetCard
from apexbench.config.files import read_entries
from apexbench.config.model import read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.recipes import Recipes
from apexbench.config.settings import Settings
from apexbench.config.tables import Convention
from apexbench.datasets import load_index
from apexbench.datasets.annotations import Copy, leaf_folders
from apexbench.datasets.sheets import COLUMNS, read_cells, read_sheet
from apexbench.errors import InputError
from apexbench.evaluation.megc_log import read_log
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.score_files import read_scores
from apexbench.frames.pictures import read_frame
from apexbench.project import load_project
from apexbench.protocols import read_protocol
from apexbench.snakemake_cli import checking
from apexbench.store.packs import read_pack
from apexbench.store.tensors import read_tensors
from apexbench.weights import read_seen, read_state, read_states

ROOT = Path(__file__).parent.parent
SECONDS, BYTES = 60, 2 * 2**30
HEADER = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"]
ROW = ["1", "EP01", "1", "2", "3", "4", "fear"]
FEW = (8, 21)  # subjects of CASME II with few clips


@contextmanager
def held():
    """End what takes too long, and give it no more than BYTES beside what there is."""

    def late(*_):
        raise AssertionError(f"more than {SECONDS} s")

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (size + BYTES, limits[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)


# workbooks, as XML

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def text_cell(place, text):
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def row(number, values):
    return f'<row r="{number}">{"".join(text_cell(f"{chr(65 + i)}{number}", v) for i, v in enumerate(values))}</row>'


SOUND = row(1, HEADER) + row(2, ROW)


def sheet_xml(rows, head="", tail="", before=""):
    text = f'<?xml version="1.0"?>{before}<worksheet xmlns="{MAIN}">{head}<sheetData>{rows}</sheetData>{tail}'
    return text + "</worksheet>"


def workbook(path, rows=SOUND, xml=None, state="", **parts):
    """Write a workbook of one sheet; `parts` replace members, with __ for / and the suffix .xml."""
    members = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName='
        '"/xl/sharedStrings.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{RELS}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        f'<sheet name="S" sheetId="1" {state} r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELS}"><Relationship Id="r1" Type="{OFFICE}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>x</t></si></sst>',
        "xl/worksheets/sheet1.xml": sheet_xml(rows) if xml is None else xml,
        **{name.replace("__", "/") + ".xml": text for name, text in parts.items()},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            if isinstance(text, int):  # so many blanks
                with archive.open(name, "w") as member:
                    for _ in range(text // 2**20):
                        member.write(b" " * 2**20)
            elif text is not None:
                archive.writestr(name, text)
    return path


def sheet(rows=SOUND, rows_read=1, **more):
    """Return what reads a workbook of these rows, and counts the rows that were found."""

    def run(place):
        found = read_sheet(workbook(place / "a.xlsx", rows, **more), COLUMNS)
        assert len(found) == rows_read
        return found

    return run


def cells(rows, **more):
    return lambda place: read_cells(workbook(place / "a.xlsx", rows, **more))


def formula(place, text):
    return f'<c r="{place}"><f>{text}</f></c>'


def number(place, text):
    return f'<c r="{place}"><v>{text}</v></c>'


def chain(rows, line, first=1):
    """Rows of one formula each; `line` has {n}, {before} and {after}."""
    return "".join(
        f'<row r="{n}">{formula(f"A{n}", line.format(n=n, before=n - 1, after=n + 1))}</row>'
        for n in range(first, rows + 1)
    )


def raw(name, data, read):
    """Return what writes bytes to a file and reads it."""

    def run(place):
        (place / name).write_bytes(data)
        return read(place / name)

    return run


def csv_sheet(data):
    return raw("a.csv", data, lambda path: read_sheet(path, COLUMNS))


def sparse(name, size, read, head=b""):
    def run(place):
        with (place / name).open("wb") as file:
            file.write(head)
            file.truncate(size)
        return read(place / name)

    return run


LAUGHS = "<!DOCTYPE w [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)
) + "]>"  # fmt: skip
BIG = "9" * 5000
DOUBLED = f'<row r="1">{number("A1", 1)}</row>' + chain(60, "A{before}+A{before}", 2)
SHEETS = [
    ("stray cell in the last row", sheet(SOUND + f'<row r="1048576">{text_cell("A1048576", "x")}</row>'), None),
    ("stray cell in the last column", sheet(SOUND + f'<row r="3">{text_cell("XFD3", "x")}</row>'), None),
    ("stray cells in both", sheet(SOUND + f'<row r="1048576">{text_cell("XFD1048576", "x")}</row>'), None),
    ("a size that is not true", sheet(xml=sheet_xml(SOUND, '<dimension ref="A1:XFD1048576"/>')), None),
    ("a size without end", sheet(xml=sheet_xml(SOUND, '<dimension ref="A1:ZZZ9999999999"/>')), None),
    ("all cells merged", sheet(xml=sheet_xml(SOUND, tail='<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>')),
     None),
    ("a row past the last", sheet(SOUND + '<row r="99999999"><c r="A99999999"><v>1</v></c></row>'),
     "a.xlsx, sheet 'S', row 1048577: more than 1048576 rows, or 300000 values; delete"),
    ("a row number of 5000 digits", sheet(SOUND + f'<row r="{BIG}"><c r="A3"><v>1</v></c></row>'),
     "a.xlsx, sheet 'S': not readable .* copy it anew"),
    ("a row number that is none", sheet('<row r="x"/>'), "a.xlsx, sheet 'S': not readable"),
    ("a column past the last", sheet(SOUND + '<row r="3"><c r="ABCDE3"><v>1</v></c></row>'),
     "a.xlsx, sheet 'S': not readable"),
    ("a cell without a place", sheet(SOUND + '<row r="3"><c r="?"><v>1</v></c></row>'),
     "a.xlsx, sheet 'S': not readab"),
    ("a shared text that is not there", sheet(SOUND + '<row r="3"><c r="A3" t="s"><v>99</v></c></row>'),
     "a.xlsx, sheet 'S': not readable"),
    ("a number of 5000 digits", sheet(SOUND + f'<row r="3">{number("A3", BIG)}</row>'), "a.xlsx, sheet 'S': not reada"),
    ("a number without end", cells(f'<row r="1">{number("A1", "1e999")}</row>'), None),
    ("a date of the year 10^9", cells('<row r="1"><c r="A1" t="d"><v>1000000000-01-01</v></c></row>'),
     "a.xlsx, sheet 'S': not readable|None"),
    ("formulas that double", cells(DOUBLED), None),
    ("formulas of a thousand terms each", cells(
        f'<row r="1">{number("A1", 1)}</row>' + chain(30, "+".join(["A{before}"] * 1000), 2)), None),
    ("a ring of formulas", cells(chain(50, "A{after}+A{before}", 2) + chain(52, "A2+A50", 51)), None),
    ("formulas that hang on the next", cells(chain(20000, "A{after}+1")), None),
    ("a formula of row 0", cells(f'<row r="1">{formula("A1", "A0")}</row>'), None),
    ("a formula of a row past the last", cells(f'<row r="1">{formula("A1", "A9999999+1")}</row>'), None),
    ("a formula of a row of 5000 digits", cells(f'<row r="1">{formula("A1", f"A{BIG}")}</row>'), None),
    ("a formula of 5000 digits", cells(f'<row r="1">{formula("A1", BIG)}</row>'), None),
    ("a formula of a column past the last", cells(f'<row r="1">{formula("A1", "ZZZ1+1")}</row>'), None),
    ("a formula that asks the system", cells(f'<row r="1">{formula("A1", "cmd|&apos;/c calc&apos;!A1")}</row>'), None),
    ("entities that grow", sheet(xml=sheet_xml(row(1, ["&a9;"]), before=LAUGHS)), "a.xlsx"),
    ("an entity that reads a file", sheet(xml=sheet_xml(row(1, ["&e;"]),
     before="<!DOCTYPE w [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>")), "a.xlsx(?!.*root:)"),
    ("a sheet that is no XML", sheet(xml="<worksheet"), "a.xlsx"),
    ("a sheet that breaks off", sheet(xml=sheet_xml(SOUND)[:-30]), "a.xlsx"),
    ("a sheet that is not there", sheet(xml=None, xl__worksheets__sheet1=None), "a.xlsx"),
    ("a workbook without a list of sheets", sheet(xl__workbook=f'<workbook xmlns="{MAIN}"/>'),
     "a.xlsx: not a readable workbook|no visible sheet"),
    ("levels without end", sheet(xml="<a>" * 100_000), "a.xlsx"),
    ("only a hidden sheet", sheet(state='state="hidden"'), "a.xlsx: no visible sheet; unhide the one"),
    ("a sheet without a header", sheet(row(1, ROW)), "sheet 'S': no header row with Subject"),
    ("a header without rows", sheet(row(1, HEADER)), "sheet 'S': no rows below the header in row 1"),
    ("a header twice", sheet(row(1, [*HEADER, "Subject"]) + row(2, ROW)), "row 1: 2 columns 'Subject'; keep one"),
    ("no workbook", raw("a.xlsx", b"PK\3\4", lambda path: read_sheet(path, COLUMNS)),
     "a.xlsx: not a readable workbook"),
    ("an empty workbook", raw("a.xlsx", b"", lambda path: read_sheet(path, COLUMNS)), "a.xlsx: not a readable workb"),
    ("a file that is not zipped", raw("a.xlsx", b"<html>", lambda path: read_sheet(path, COLUMNS)),
     "not a readable wor"),
    ("an old workbook", raw("a.xls", b"\xd0\xcf\x11\xe0" * 99, lambda path: read_sheet(path, COLUMNS)),
     "a.xls: .*workbo"),
    ("a CSV with NULs", csv_sheet(b"Subject,Filename\0\n1,\0\n"), "a.csv"),
    ("a CSV of one endless field", csv_sheet(b'"' + b"x" * 200_000), "a.csv: not a readable CSV"),
    ("a CSV that is not UTF-8", csv_sheet("Subject".encode("utf-16")), "a.csv: not a readable CSV file in UTF-8"),
    ("an empty CSV", csv_sheet(b""), "a.csv: no header row"),
    ("a CSV of 3 GB", sparse("a.csv", 3 * 2**30, lambda path: read_sheet(path, COLUMNS)),
     "a.csv: 3072 MB; an annotation"),
]  # fmt: skip
SLOW_SHEETS = [
    ("cells in the last column of many rows", sheet(SOUND + "".join(
        f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(3, 3000))),
     "sheet 'S', row 1223: cells in too many columns"),
    ("a sheet of 1 GB when unpacked", sheet(xml=2**30), "a.xlsx: 1024 MB when unpacked"),
    ("texts of 300 MB when unpacked", sheet(xl__sharedStrings=300 * 2**20), "a.xlsx: 300 MB when unpacked"),
]  # fmt: skip


# rows of a sound tree that are spoilt

COLUMN = {"subject": 1, "clip": 2, "onset": 4, "apex": 5, "offset": 6, "aus": 8, "emotion": 9}


def casme2(field, value):
    def run(place):
        path = place / "casme2" / "CASME2-coding-20140508.xlsx"
        book = openpyxl.load_workbook(path)
        book.active.cell(2, COLUMN[field]).value = value
        book.save(path)
        return load_index("casme2", place / "casme2")

    run.tree = "casme2"
    return run


ROWS = [
    ("a subject of 5000 digits", casme2("subject", BIG), "row 2: clip 9+/.*field 'subject': expected a number"),
    ("a subject with the letter O", casme2("subject", "O8"), "field 'subject': expected a number, found 'O8'"),
    ("a subject in Arabic digits", casme2("subject", "\u0668"), "field 'subject': expected a number"),
    ("an onset of 5000 digits", casme2("onset", BIG), "field 'onset': expected a frame number, found '9999"),
    ("an onset with an underscore", casme2("onset", "1_0"), "field 'onset': expected a frame number, found '1_0'"),
    ("an onset without end", casme2("onset", "inf"), "field 'onset': expected a frame number, found 'inf'"),
    ("an onset by exponent", casme2("onset", "1e2"), "field 'onset': expected a frame number, found '1e2'"),
    ("an offset of 10^14", casme2("offset", 10**14), "field 'offset': 10+ lies .* past the last one"),
    ("a clip in another place", casme2("clip", "../sub21"), "listed, but there is no folder of frames"),
    ("a clip that is a path", casme2("clip", "/etc"), "listed, but there is no folder of frames"),
    ("a clip without a name", casme2("clip", " "), "field 'clip': expected a name, found ''"),
    ("an apex that is a formula", casme2("apex", "=HYPERLINK(A1)"), "field 'apex': expected a frame number"),
    ("an emotion that is missing", casme2("emotion", "/"), "field 'emotion': expected a label, found '/'"),
    ("units of 30,000 letters", casme2("aus", "A" * 30_000), None),
]


# pictures and folders


def png(width, height):
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\2\0\0\0" + bytes(40)


def bmp(width, height):
    return b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, width, height, 1, 24, 0) + bytes(40)


def jpeg(width, height):
    return b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", height, width) + bytes(40)


def picture(data):
    return raw("img1.jpg", data, read_frame)


def put(path, kind):
    """Put something that is no file where one belongs."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"dangling link": "nowhere", "link loop": path.name, "device": "/dev/zero"}[kind])


def in_place(name, kind, read):
    def run(place):
        put(place / name, kind)
        return read(place / name)

    return run


def leaves(place):
    return leaf_folders(place, r"(\d{3})_\d+_\d+")


def nested(count, read=leaves):
    """Return what makes folders in folders, by steps, as a path may not be so long, and reads them."""

    def run(place):
        deepest = [os.open(place, os.O_RDONLY)]
        for _ in range(count):
            os.mkdir("xx", dir_fd=deepest[-1])
            deepest.append(os.open("xx", os.O_RDONLY, dir_fd=deepest[-1]))
            os.close(deepest.pop(-2))
        os.close(deepest.pop())
        try:
            return read(place)
        finally:
            _remove(place, count)

    return run


def _remove(place, count):
    """Take nested folders away from above: the next one is drawn up, the emptied one removed."""
    for _ in range(count):
        if (place / "xx" / "xx").exists():
            (place / "xx" / "xx").rename(place / "next")
            (place / "xx").rmdir()
            (place / "next").rename(place / "xx")


def linked(place):
    for name in "abcdefgh":
        (place / name).mkdir()
    for one in "abcdefgh":
        for other in "abcdefgh":
            (place / one / f"to-{other}").symlink_to(place / other)
    return leaves(place)


KINDS = ("folder", "dangling link", "link loop", "pipe")
PICTURES = [
    ("a PNG of 60,000 px", picture(png(60_000, 60_000)), "img1.jpg: 60000x60000 px .* more than any frame has"),
    ("a PNG of 2^32 px", picture(png(2**32 - 1, 2**32 - 1)), "img1.jpg: 4294967295x.* more than any frame has"),
    ("a PNG without px", picture(png(0, 9)), "img1.jpg: not a readable image; copy it anew"),
    ("a BMP of 60,000 px", picture(bmp(60_000, -60_000)), "img1.jpg: 60000x60000 px"),
    ("a BMP of less than no px", picture(bmp(-5, 5)), "img1.jpg: not a readable image"),
    ("a JPEG of 60,000 px", picture(jpeg(60_000, 60_000)), "img1.jpg: 60000x60000 px"),
    ("a JPEG that is its header", picture(jpeg(64, 64)), "img1.jpg: not a readable image"),
    ("a PNG that is its header", picture(png(64, 64)), "img1.jpg: not a readable image"),
    ("an empty picture", picture(b""), "img1.jpg: not a readable image"),
    ("a picture that is a page", picture(b"<html><script>"), "img1.jpg: not a readable image"),
    ("a picture of 8 GB", sparse("img1.jpg", 8 * 2**30, read_frame, png(64, 64)),
     "px in 8589934592 bytes is more than"),
    ("a picture that never ends", in_place("img1.jpg", "device", read_frame), "img1.jpg: no picture file"),
    *((f"a {kind} read as a frame", in_place("img1.jpg", kind, read_frame), "img1.jpg: n") for kind in KINDS),
    *((f"a {kind} named like a frame", in_place("img1.jpg", kind, lambda path: find_frames(path.parent)),
       "img1.jpg is no picture, but a folder, a pipe or a broken link; remove it") for kind in KINDS),
    *((f"a {kind} in place of the sheet", in_place("casme.xlsx", kind,
       lambda path: Copy(path.parent, "casme").find_sheet(["casme.xlsx"])), "the annotation file") for kind in KINDS),
    ("60 nested folders", nested(60), "folders lie more than 50 deep in each other; move away"),
    ("1,500 nested folders", nested(1500), "folders lie more than 50 deep in each other; move away"),
    ("1,200 nested folders around the sheet", nested(1200, lambda place: Copy(place, "samm").find_sheet(["a.xlsx"])),
     "cannot look for|the annotation file not found"),
    ("links from each folder to each", linked, None),
]  # fmt: skip


# names and cards

PROTOCOL = {"title": "t", "datasets": ["samm"], "label_set": "l", "classes": {"a": ["x"], "b": ["y"]}}
DATASET = {"title": "t", "label_set": "l", "fps": 1, "subjects": [1, 2]}
CONVENTION = {"metrics": {"acc": "printed-only"}}
EVIL = ("../../../evil", "a/b", "..", ".", ".hidden", "-n", "", "a b", "a\nb", "\u00e4", "$(id)", "a;b", "a{b}", "a\\b")


def entries(name, model, key, card):
    def run(place):
        (place / name).write_text(yaml.safe_dump({key: card}, allow_unicode=True))
        return read_entries(place, name, model)

    return run


def recipes(section, key):
    def run(place):
        value = {"crops": {}, "frames": {}} | {section: {key: {}}}
        return validate(Recipes, value, Path("config/recipes.yaml"))

    return run


def study(**changes):
    def run(place):
        known = {"study": "s", "protocols": ["p"], "methods": ["m"], "tables": ["t"]}
        return validate(Settings, known | changes, Path("config/config.yaml"))

    return run


def card(text):
    return raw("card.yaml", text if isinstance(text, bytes) else text.encode(), read_yaml)


def project(**changes):
    return lambda place: load_project(read_yaml(ROOT / "config/config.yaml") | changes, ROOT)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
CARDS = [
    *((f"a protocol named {name!r}", entries("protocols.yaml", ProtocolCard, name, PROTOCOL),
       "config/protocols.yaml: entry .* is a name: letters, digits and _ . \\+ - only") for name in EVIL),
    *((f"a data set named {name!r}", entries("datasets.yaml", DatasetCard, name, DATASET),
       "config/datasets.yaml: entry .* is a name") for name in EVIL[:4]),
    ("a protocol named by a number", entries("protocols.yaml", ProtocolCard, 7, PROTOCOL), "entry 7: 7 is a name"),
    ("a convention named by a path", entries("conventions.yaml", Convention, "a/b", CONVENTION), "'a/b' is a name"),
    *((f"a recipe of {section} named by a path", recipes(section, "../x"), f"field '{section}': '../x' is a name")
      for section in ("crops", "frames", "magnification", "flow", "features", "pretraining")),
    *((f"a study named {name!r}", study(study=name), "config/config.yaml: field 'study'") for name in EVIL[:5]),
    ("a method named by a path", project(methods=["../methods/ststnet"]), "unknown name '../methods/ststnet'"),
    ("a table named by a path", project(tables=["../tables/x"]), "unknown name '../tables/x'"),
    ("aliases that grow", card(f"title: t\n{BOMB}"),
     "card.yaml, line \\d+: more than 200000 values, its aliases spelt"),
    ("an alias in itself", card("a: &a [*a]\n"), r"card.yaml, line 1: \*a stands inside of what it names"),
    ("an alias of nothing", card("a: *b\n"), "card.yaml, line 1, column 4: not valid YAML"),
    ("lists in lists", card("a: " + "[" * 5000 + "]" * 5000), "card.yaml, line 1: more than 40 levels"),
    ("lists in lists without end", card("[" * 500_000), "card.yaml"),
    ("keys in keys", card("".join(f"{' ' * n}a:\n" for n in range(900))), "card.yaml, line \\d+: more than 40 levels"),
    ("a key twice", card("a: 1\nb: {c: 1}\na: 2\n"),
     "card.yaml, line 3: key 'a' stands twice, first in line 1; keep one"),
    ("a key twice in a list", card("a:\n- b: 1\n  'b': 2\n"), "line 3: key 'b' stands twice, first in line 2"),
    ("a key twice in one line", card("a: {b: [b], c: {b: 1}, b: 2}"), "line 1: key 'b' stands twice, first in line 1"),
    ("a key once in each place", card("b: [{b: b}, {b: b}]\nc: {d: b, b: d}\n"), None),
    ("an object that runs a command", card("a: !!python/object/apply:os.system ['touch ran']"), "not valid YAML"),
    ("a number that is none", card("a: !!int x"), "card.yaml: not valid YAML"),
    ("a value of 5000 digits", card(f"a: {BIG}"), "card.yaml: not valid YAML"),
    ("a date that is none", card("a: 2024-99-99"), "card.yaml: not valid YAML"),
    ("a card of control characters", card(b"a: \x00\x01"), "card.yaml.*: not valid YAML"),
    ("a card in UTF-16", card("a: b".encode("utf-16")), "card.yaml: not a text file in UTF-8"),
    ("a card of 3 GB", sparse("card.yaml", 3 * 2**30, read_yaml), "card.yaml: 3072 MB; a card is smaller"),
    ("a title that ends a script", card("title: a </ScRiPt> b"), "card.yaml, line 1: <script, </script and <!-- would"),
    ("a title that ends it in disguise", card('title: "a \\x3c/script> b"'),
     "line 1: <script, </script and <!-- would"),
    ("a title that opens a comment", card("title: <!-- <script"), "line 1: <script, </script and <!-- would"),
    *((f"a {kind} in place of a card", in_place("card.yaml", kind, read_yaml),
     "card.yaml: (no such|expected a f|not re)")
      for kind in KINDS),
]  # fmt: skip


# files between stages


def text(name, content, read):
    return raw(name, content.encode(), read)


def _signed(record):
    """A header with a checksum that fits, whatever it says: a forger can write one."""
    text = json.dumps({"record": record, "checksums": {}})
    return {"meta": f"{zlib.crc32(text.encode()):08x} {text}"}


def pack(meta, shape=(2, 3), name="x"):
    def run(place):
        record = {"kind": "pack", "ids": ["a", "b"], "axes": ["feature"], **meta}
        record = {key: value for key, value in record.items() if value is not None}
        arrays = {name: np.zeros(shape, np.float32), "checksums": np.zeros(shape[:1], np.int64)}
        save_file(arrays, place / "p.safetensors", _signed(record))
        return read_pack(place / "p.safetensors")

    return run


class _Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def pretrained(meta, read):
    def run(place):
        save_file({"all|w": np.zeros(2)}, place / "w.safetensors", _signed(meta))
        return read(place / "w.safetensors", "samm:6")

    return run


def state(data, name="w.pth"):
    return raw(name, data, lambda path: read_state(path, "config/methods/x.yaml"))


def predictions(meta=None, **columns):
    record = {"classes": ["a", "b"], "data_source": "s", "config_hash": "c", "code_hash": "d", "device": "cpu",
              "seconds": 1, "budget": "quick"}  # fmt: skip
    frame = {"protocol": ["p"], "run": ["r"], "method": ["m"], "seed": [0], "fold": ["f"], "dataset": ["samm"],
             "subject": [6], "clip": ["c"], "onset": [1], "label": [0], "epoch": [1],
             "p0": [1.0], "p1": [0.0]}  # fmt: skip

    def run(place):
        table = pa.table(frame | columns).replace_schema_metadata(
            {"apexbench": json.dumps(record | meta if isinstance(meta, dict) else meta or record)}
        )
        pyarrow.parquet.write_table(table, place / "p.parquet")
        return read_predictions([place / "p.parquet"])

    return run


def broken_scores(change):
    def run(place):
        from apexbench.evaluation.score_files import COLUMNS as scores

        pd.DataFrame([dict.fromkeys(scores, 1) | change]).to_csv(place / "s.csv")
        return read_scores(place / "s.csv")

    return run


LOG = "casme2 sub01\n"
PROTOCOL_CSV = "dataset,subject,clip,onset,emotion,label,class,fold\n"
FILES = [
    ("a protocol's CSV that is empty", text("p.csv", "", read_protocol), "p.csv: not a protocol .*; delete the file"),
    ("a protocol's CSV without clips", text("p.csv", PROTOCOL_CSV, read_protocol), "p.csv: no clips; delete the file"),
    ("a protocol's CSV of words", text("p.csv", PROTOCOL_CSV + "samm,six,c,1,e,0,a,f\n", read_protocol),
     "p.csv: column 'subject': .*six.*; delete the file and rerun the rule 'protocol'"),
    ("a protocol's label that is none", text("p.csv", PROTOCOL_CSV + "samm,6,c,1,e,,a,f\n", read_protocol), "'label'"),
    ("a protocol's onset of 5000 digits", text("p.csv", PROTOCOL_CSV + f"samm,6,c,{BIG},e,0,a,f\n", read_protocol),
     "p.csv: column 'onset'"),
    ("a protocol's CSV that is longer than its head", text("p.csv", PROTOCOL_CSV + "1\n" + "1," * 30, read_protocol),
     "p.csv: not a protocol"),
    ("a protocol's CSV of bytes", raw("p.csv", bytes(range(256)), read_protocol), "p.csv: "),
    ("a protocol's CSV that is not there", lambda place: read_protocol(place / "p.csv"), "p.csv: no such file; rerun"),
    ("an index of bytes", raw("i.csv", bytes(range(256)), read_index), "i.csv: "),
    ("scores that are empty", text("s.csv", "", read_scores), "s.csv: not a table of scores .*; delete the file"),
    ("scores of bytes", raw("s.csv", b"\xff\xfe\0" * 99, read_scores), "s.csv: not a table of scores"),
    ("scores without columns", text("s.csv", "a,b\n1,2\n", read_scores), "s.csv: no column 'protocol'; delete"),
    ("scores of words", broken_scores({"acc": "high"}), "s.csv: a field of the wrong kind .*high.*; delete the file"),
    ("scores with a half clip", broken_scores({"n": 1.5}), "s.csv: a field of the wrong kind"),
    ("a folder in place of scores", in_place("s.csv", "folder", read_scores), "s.csv: not a table of scores"),
    ("a pack with too few ids", pack({"ids": ["a"]}), r"p.safetensors: not a whole pack \(1 ids.*\); delete it and"),
    ("a pack with an id twice", pack({"ids": ["a", "a"]}), r"not a whole pack \(2 ids, 1 of them different"),
    ("a pack without ids", pack({"ids": None}), r"not a whole pack \(no 'ids' or 'axes' in its record"),
    ("a pack whose ids are a text", pack({"ids": "ab"}), r"not a whole pack \(no 'ids'"),
    ("a pack without axes", pack({"axes": None}), r"not a whole pack \(no 'ids' or 'axes'"),
    ("a pack with too many axes", pack({"axes": ["y", "x"]}),
     r"not a whole pack \(axes \['y', 'x'\] for rows of shape"),
    ("a pack without rows", pack({}, name="y"), r"not a whole pack \(no tensor 'x'"),
    ("a pack that is one number", pack({}, shape=()), "not a whole pack"),
    ("a file whose header is 2^60 bytes", raw("a.safetensors", struct.pack("<Q", 2**60) + b"{}", read_tensors),
     "a.safetensors: damaged or not written by ApexBench"),
    ("a file whose tensor lies outside", raw("a.safetensors", struct.pack("<Q", 64) + json.dumps(
        {"x": {"dtype": "F32", "shape": [9**9], "data_offsets": [0, 4 * 9**9]}}).encode().ljust(64), read_tensors),
     "a.safetensors: damaged"),
    ("a pipe in place of tensors", in_place("a.safetensors", "pipe", read_tensors), "a.safetensors: damaged"),
    ("weights that have seen nobody", pretrained({"kind": "pretrained"}, read_seen), "does not say whom its weights"),
    ("weights that have seen a number", pretrained({"kind": "pretrained", "seen": {"all": 3}}, read_states),
     "w.safetensors: does not say whom its weights have seen; delete it and rerun"),
    ("weights whose record is a list", pretrained([1], read_seen), "w.safetensors: damaged"),
    ("weights that run a command", state(pickle.dumps(_Runs())), "w.pth: not a state dict"),
    ("weights that are empty", state(b""), "w.pth: not a state dict"),
    ("weights that are a text", state(b"x" * 9, "w.safetensors"), "w.safetensors: not a state dict"),
    ("weights that are a list", state(pickle.dumps([1, 2])), "w.pth: not a state dict"),
    ("a log that is empty", text("l.txt", "", read_log), "l.txt: no clips; expected a header"),
    ("a log of bytes", raw("l.txt", b"\xff\xfe" * 99, read_log), "l.txt: not a text file in UTF-8"),
    ("a log's clip before its header", text("l.txt", "EP02 0 0\n", read_log),
     "l.txt, line 1: a clip before any header"),
    ("a log's label of 5000 digits", text("l.txt", LOG + f"EP02 {BIG} 0\n", read_log), "l.txt, line 2: label '999"),
    ("a log's subject of 5000 digits", text("l.txt", f"casme2 sub{BIG}\n", read_log),
     "l.txt, line 1: .* is no subject"),
    ("a log's prediction that is none", text("l.txt", LOG + "EP02 0 \u00b2\n", read_log), "l.txt, line 2: prediction"),
    ("a log of four words", text("l.txt", LOG + "EP02 0 0 0\n", read_log),
     "l.txt, line 2: expected 'data set subject'"),
    ("a pipe in place of a log", in_place("l.txt", "pipe", read_log),
     "l.txt: expected a file, found a folder or a pipe"),
    ("predictions of bytes", raw("p.parquet", b"PAR1" * 9, lambda path: read_predictions([path])),
     "p.parquet: damaged"),
    ("predictions that are words", predictions(p0=["much"]), "p.parquet: column 'p0': expected numbers; delete"),
    ("predictions with a label of words", predictions(label=["a"]), "p.parquet: column 'label': expected numbers"),
    ("predictions that are no numbers", predictions(p0=[float("nan")]), "p.parquet: .*scores that are not numbers"),
    ("predictions whose classes are a number", predictions({"classes": 3}), "'classes' in its record are no list"),
    ("predictions whose record is a list", predictions([1]), "p.parquet: damaged, or not a predictions file"),
    ("predictions with a label too high", predictions(label=[9]), "p.parquet: .*unknown labels"),
    ("a pipe in place of predictions", in_place("p.parquet", "pipe", lambda path: read_predictions([path])),
     "p.parquet"),
]  # fmt: skip

CASES = [pytest.param(*case, id=case[0]) for case in (*SHEETS, *ROWS, *PICTURES, *CARDS, *FILES)]
CASES += [pytest.param(*case, id=case[0], marks=pytest.mark.slow) for case in SLOW_SHEETS]


@pytest.mark.parametrize(("name", "run", "message"), CASES)
def test_hostile_input(name, run, message, tmp_path, monkeypatch, laid_out):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    if getattr(run, "tree", ""):
        shutil.copytree(laid_out(run.tree, FEW), inside / run.tree)
    with held():
        if message is None:
            run(inside)
        else:
            with pytest.raises(InputError, match=message):
                run(inside)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"] and not (inside / "ran").exists()


def test_there_are_enough_cases():
    ids = [case.id for case in CASES]
    assert len(ids) >= 100 and [name for name in ids if ids.count(name) > 1] == []


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (BOMB, [], "config/config.yaml, line 6: more than 200000 values, its aliases spelt out"),
        ("a: " + "[" * 5000, ["--configfile", "my.yaml"], "my.yaml, line 1: more than 40 levels"),
        (
            "a: 1\nb: 2\na: 3\n",
            ["--configfiles", "config/config.yaml", "my.yaml"],
            "my.yaml, line 3: key 'a' stands twice",
        ),
        ("a: 1\na: 3\n", ["--directory", "there"], "there/config/config.yaml, line 2: key 'a' stands twice"),
        ("a: 1\n", [], ""),
    ],
    ids=["aliases that grow", "lists in lists", "a key twice", "in another folder", "sound"],
)
def test_what_snakemake_reads_is_checked_before_it_reads_it(text, words, message, tmp_path, monkeypatch):
    from snakemake.cli import get_argument_parser
    from snakemake.exceptions import WorkflowError

    monkeypatch.chdir(tmp_path)
    place = Path("there" if "there" in words else "", "config/config.yaml")
    for file in (Path("config/config.yaml"), place):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("study: s\n")
    (Path("my.yaml") if "my.yaml" in words else place).write_text(text)
    parser = get_argument_parser()
    handed = checking(lambda args, parser: "read")
    if not message:
        assert handed(parser.parse_args(words), parser) == "read"
        return
    with held(), pytest.raises(WorkflowError, match=message):
        handed(parser.parse_args(words), parser)


def test_the_command_says_so(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(BOMB)
    (tmp_path / "Snakefile").write_text('configfile: "config/config.yaml"\n')
    command, environment = Path(sys.executable).parent / "snakemake", os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([command, "-n"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "config/config.yaml, line 6: more than 200000 values" in done.stderr
