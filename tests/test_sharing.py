"""Results that travel: what a bundle holds and keeps out, what verifying finds, what merging joins and refuses."""

import getpass
import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import small_study
import yaml

from apexbench.cli import main
from apexbench.config.protocols import ProtocolCard
from apexbench.errors import InputError
from apexbench.sharing import merge as merging
from apexbench.sharing import private
from apexbench.sharing.archive import MANIFEST, opened, write_archive
from apexbench.sharing.bundle import entries, open_study
from apexbench.sharing.clips import check_clips
from apexbench.sharing.crate import crate
from apexbench.sharing.merge import _with_inner
from apexbench.sharing.record import dataset_cards, record_in, written
from apexbench.sharing.verify import _untrained, verify

ROOT = Path(__file__).parent.parent
SUFFIXES = {".json", ".yaml", ".csv", ".parquet", ".md", ".tex", ".html"}


def _replace(where, old, new):
    """Replace a text in a file."""
    text = Path(where).read_text()
    assert old in text
    Path(where).write_text(text.replace(old, new, 1))


# the last is as its files still are: what others of the same key wrote, it wrote anew
LABS = {
    "same": {"facts": {"seconds": 99.0}},
    "two": {"methods": ["flow-svm", "shuffled-labels"], "seeds": [1], "protocols": ["samm-3", "smic-3"]},
    "one": {"methods": ["flow-svm", "ststnet"], "tables": ["leaderboard", "comparisons", "memix-samm3"]},
}


def _bundled(name, path, licence=""):
    """Write the bundle of a study as the command does, but do not verify it; return what is in it."""
    write_archive(path, entries(open_study(name), licence))
    return _members(path)


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """A folder with a bundle of each of `LABS`, and the files of the last."""
    root, before = tmp_path_factory.mktemp("labs"), Path.cwd()
    for part in ("config", "workflow", "apexbench"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "schemas"))
    os.chdir(root)
    for name, changes in LABS.items():
        small_study.make(root, name, **{"methods": ["flow-svm"], "tables": ["leaderboard"], **changes})
        _bundled(name, f"{name}.zip")
    yield root
    os.chdir(before)


@pytest.fixture
def spoil():
    """Return a function that returns a file's path after it has kept the file, to be put back at the end."""
    kept = {}

    def keep(path):
        for file in (Path(path), Path(f"{path}.seal")):
            kept[file] = file.read_bytes() if file.exists() else None
        return path

    yield keep
    for file, content in kept.items():
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)


def _zipped(path, members, **how):
    """Write a zip of {name: content} as it is asked for, without any check."""
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in members.items():
            archive.writestr(name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name), content)
    return path


def _members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _listed(members):
    """The members with a manifest that is true of them."""
    manifest = json.loads(members[MANIFEST])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in members.items()
        if name != MANIFEST
    }
    return members | {MANIFEST: json.dumps(manifest).encode()}


def _says(capsys, *arguments):
    """The status of a command, and what it printed."""
    status = main([*map(str, arguments)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out + err


# what a bundle holds


def test_a_bundle_has_all_that_scores_are_made_of_and_no_picture(labs):
    members = _members("two.zip")
    assert {Path(name).suffix for name in members} <= SUFFIXES
    study = json.loads(members["study.json"])
    assert list(study["protocols"]) == ["samm-3", "smic-3"] and study["seeds"] == [1]
    files = [name for its in study["protocols"].values() for names in its["runs"].values() for name in names]
    assert len(files) == 4 and all(members[name].startswith(b"PAR1") for name in files)
    records = json.loads(members["records.json"])
    assert sorted(records) == sorted(files) and records[files[0]]["versions"]["numpy"] == np.__version__
    assert yaml.safe_load(members["cards/methods/flow-svm.yaml"])["method"] == "flow-svm"
    assert set(yaml.safe_load(members["config/datasets.yaml"])) == {"samm", "smic-hs"}
    recipes = yaml.safe_load(members["config/recipes.yaml"])
    assert list(recipes["flow"]) == ["tvl1-28"] and list(recipes["frames"]) == ["onset-apex-192"]
    assert yaml.safe_load(members["study.yaml"])["study"] == "two"
    assert {"scores/samm-3.csv", "comparisons/smic-3.csv", "tables/leaderboard.md"} < set(members)
    clips = pd.read_csv(io.BytesIO(members["protocols/samm-3.csv"]))
    assert clips["emotion"].isna().all() and clips["label"].notna().all(), "labels are numbers of classes only"
    manifest = json.loads(members[MANIFEST])["files"]
    assert set(manifest) == set(members) - {MANIFEST}
    assert all(manifest[name]["sha256"] == hashlib.sha256(members[name]).hexdigest() for name in manifest)


def test_the_same_study_gives_the_same_bytes(labs, tmp_path):
    _bundled("one", tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == Path("one.zip").read_bytes()
    with zipfile.ZipFile("one.zip") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


def _named(value):
    """Every identifier that stands somewhere in JSON-LD."""
    for key, inner in value.items() if isinstance(value, dict) else []:
        yield from [inner] if key == "@id" else _named(inner)
    for inner in value if isinstance(value, list) else []:
        yield from _named(inner)


def test_the_crate_is_one(labs):
    members = _members("one.zip")
    crate = json.loads(members["ro-crate-metadata.json"])
    assert crate["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"]), "each is described once"
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset" and root["name"] and "synthetic clips" in root["description"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    parts = [part["@id"] for part in root["hasPart"]]
    assert sorted(parts) == sorted(set(members) - {"ro-crate-metadata.json"})
    assert all(entities[part]["@type"] == "File" and entities[part]["encodingFormat"] for part in parts)
    assert int(entities["study.json"]["contentSize"]) == len(members["study.json"])
    assert set(_named(crate["@graph"])) - set(entities) == {"https://w3id.org/ro/crate/1.1"}, "what is named is there"


# what it keeps out


def test_paths_of_the_machine_stay_at_home_and_the_licence_is_named(labs, tmp_path, capsys, spoil):
    (path,) = Path("results/runs/samm-3/flow-svm").glob("*/seed0/*.parquet")
    small_study.with_record(spoil(path), hyper_parameters={"weights": {"file": "/home/someone/vit.pth"}})
    _replace(spoil("results/one/study.yaml"), "data: data", "data: /srv/licensed/copies")
    address = "https://spdx.org/licenses/CC-BY-4.0"
    members = _bundled("one", tmp_path / "p.zip", address)
    everything = b"".join(members.values())
    assert b"/home/someone" not in everything and b"/srv/licensed" not in everything
    assert yaml.safe_load(members["study.yaml"])["data"] == "copies" and b'"vit.pth"' in members["records.json"]
    crate = {entity["@id"]: entity for entity in json.loads(members["ro-crate-metadata.json"])["@graph"]}
    assert crate["./"]["license"] == {"@id": address} and address in crate
    status, said = _says(capsys, "bundle", "one", "--licence", "CC-BY")
    assert status == 1 and "--licence 'CC-BY': expected its address" in said


def test_what_is_left_of_the_machine_is_refused(labs, tmp_path, capsys, monkeypatch, spoil):
    monkeypatch.setattr(private.platform, "node", lambda: "host-17")
    _replace(spoil("results/one/tables/leaderboard.md"), "# Leaderboard", "# Leaderboard of host-17")
    status, said = _says(capsys, "bundle", "one", "-o", tmp_path / "n.zip")
    assert status == 1 and "tables/leaderboard.md, line 1: holds 'host-17', the machine" in said
    assert not (tmp_path / "n.zip").exists()
    assert {str(Path.cwd()), f"{getpass.getuser()}@host-17"} < set(private.giveaways())


# what is refused


def test_an_unfinished_study_is_refused(labs, tmp_path, capsys, spoil):
    (lost,) = Path("results/runs/samm-3/ststnet").glob("*/seed0/*.parquet")
    Path(spoil(lost)).unlink()
    status, said = _says(capsys, "bundle", "one", "-o", tmp_path / "u.zip")
    assert status == 1 and f"no {lost}" in said
    assert "snakemake --cores 2 --configfile results/one/study.yaml" in said
    status, said = _says(capsys, "bundle", "oen")
    assert status == 1 and "study 'oen' was not run here; did you mean 'one'?" in said


def test_stale_scores_are_refused(labs, tmp_path, capsys, spoil):
    path = spoil("results/one/scores/samm-3.csv")
    rows = pd.read_csv(path)
    rows.assign(uar=rows["uar"].where(rows["rule"] != "last", 0.25)).to_csv(path, index=False)
    status, said = _says(capsys, "bundle", "one", "-o", tmp_path / "s.zip")
    assert status == 1 and "scores/samm-3.csv, flow-svm / last, uar: 0.25 in the bundle, 0." in said
    assert list(tmp_path.iterdir()) == [], "nothing is left"


# verifying


def test_what_is_as_it_was_is_equal(labs, capsys, tmp_path):
    shutil.unpack_archive("same.zip", tmp_path / "folder")
    for place in ("same.zip", tmp_path / "folder"):
        status, said = _says(capsys, "verify", place)
        assert status == 0 and re.search(r"equal: \d{4,5} cells of scores under samm-3 \(1 trainings", said)
        assert "protocol samm-3, by its official counts: clips: expected 51, found 22; " in said


def test_forged_scores_are_found_though_the_checksums_are_true(labs, tmp_path, capsys):
    forged = {
        "scores/samm-3.csv": lambda rows: rows[rows["rule"] != "inner"].assign(uf1=rows["uf1"] + 0.001)[1:],
        "comparisons/samm-3.csv": lambda rows: rows.assign(p_holm=0.01),
        "tables/leaderboard.csv": lambda rows: rows.assign(honest=0.9).drop(columns="null"),
    }
    members = _members("one.zip")
    for file, change in forged.items():
        members[file] = change(pd.read_csv(io.BytesIO(members[file]))).to_csv(index=False).encode()
    with opened(_zipped(tmp_path / "f.zip", _listed(members))) as bundle:
        found = "\n".join(map(str, verify(bundle).differences))
    assert "scores/samm-3.csv, flow-svm / last: nothing in the bundle, a row from its predictions" in found
    assert re.search(r"scores/samm-3.csv, null-model / fold-oracle, uf1: 0\.\d+ in the bundle, 0\.\d+ from", found)
    assert re.search(r"comparisons/samm-3.csv, .* / uf1, p_holm: 0.01 in the bundle", found)
    assert "tables/leaderboard.csv, STSTNet / samm-3 uf1, honest: 0.9 in the bundle" in found
    assert "tables/leaderboard.csv, null: nothing in the bundle, a column" in found
    status, said = _says(capsys, "verify", tmp_path / "f.zip")
    assert status == 1 and re.search(r"\d+ of \d+ cells of scores .* differ\n  scores/samm-3", said)
    assert re.search(r"\n  and \d+ more\n", said)


def test_forged_predictions_are_found(labs, tmp_path, capsys):
    members = _members("one.zip")
    name = next(name for name in members if name.startswith("predictions/samm-3/flow-svm"))
    (tmp_path / "p.parquet").write_bytes(members[name])
    frame = pd.read_parquet(tmp_path / "p.parquet")
    frame[["p0", "p1", "p2"]] = np.eye(3, dtype=np.float32)[frame["label"]]
    small_study.rewrite(tmp_path / "p.parquet", frame)
    forged = _listed(members | {name: (tmp_path / "p.parquet").read_bytes()})
    status, said = _says(capsys, "verify", _zipped(tmp_path / "f.zip", forged))
    assert status == 1 and "flow-svm / last, acc: " in said and "1.0" in said
    small_study.rewrite(tmp_path / "p.parquet", frame.assign(label=(frame["label"] + 1) % 3))
    forged = _listed(members | {name: (tmp_path / "p.parquet").read_bytes()})
    status, said = _says(capsys, "verify", _zipped(tmp_path / "g.zip", forged))
    assert status == 1 and "g: predictions/samm-3/flow-svm" in said and "has another label in the protocol's" in said


def test_every_form_of_a_table_is_compared_and_what_is_not_is_named(labs, tmp_path, capsys):
    members = _members("one.zip")
    for form in ("md", "tex", "html"):
        name = f"tables/leaderboard.{form}"
        members[name] = members[name].replace(b"STSTNet", b"Forged\x1b[2J", 1)
    members["tables/more.md"] = b"| all fine |"
    forged = _json(members, "study.json", lambda study: study["tables"].pop("comparisons"))
    status, said = _says(capsys, "verify", _zipped(tmp_path / "f.zip", forged))
    assert status == 1 and "\x1b" not in said
    for form in ("md", "tex", "html"):
        assert re.search(
            rf"tables/leaderboard\.{form}, line \d+: .*Forged\\x1b\[2J.* in the bundle, .*STSTNet", said
        ), said
    assert "tables/comparisons.csv: a table in the bundle, nothing from its predictions" in said
    (unchecked,) = re.findall("not checked, since no predictions make it: (.*)", said)
    assert {"tables/more.md", "tables/comparisons.md"} < set(unchecked.split(", "))
    assert "the hours on a GPU below tables" in unchecked


def test_what_is_noted_of_seeds_and_folds():
    files = {"run": ("predictions/p/run/k/seed0/folds0-1.parquet",)}
    record = SimpleNamespace(protocols={"p": SimpleNamespace(runs=files)}, seeds=(0, 3))
    assert _untrained(record) == ["no predictions of seed 3"]
    assert _untrained(SimpleNamespace(protocols=record.protocols, seeds=(0,))) == []


@pytest.mark.parametrize(
    ("split", "fold", "message"),
    [
        ("k-fold", ["part:1", "part:1", "part:2"], None),
        ("k-fold", ["part:1", "part:2", "part:2"], "line 2: subject 1 of samm stands in several folds"),
        (
            "k-fold",
            ["part:1", "part:1", "part:9"],
            "line 4: clip casme2/2/c/1: fold 'part:9', which the split k-fold does",
        ),
        ("leave-one-dataset-out", ["samm", "samm", "casme2"], None),
        ("leave-one-dataset-out", ["samm", "samm", "samm"], "line 4: clip casme2/2/c/1: fold 'samm'"),
    ],
)
def test_folds_are_those_of_the_split(tmp_path, split, fold, message):
    facts = {"datasets": ("samm", "casme2"), "label_set": "x", "classes": {"a": ["a"], "b": ["b"]}, "title": "t"}
    card = ProtocolCard(**facts, split=split, **({"folds": 2} if split == "k-fold" else {}))
    table = pd.DataFrame({"dataset": ["samm", "samm", "casme2"], "subject": [1, 1, 2], "clip": [*"abc"], "onset": 1})
    table = table.assign(emotion="", label=[0, 1, 0], fold=fold, **{"class": ["a", "b", "a"]})
    table.to_csv(tmp_path / "p.csv", index=False)
    bundle = SimpleNamespace(name="b", folder=tmp_path, path=lambda name: tmp_path / "p.csv")
    if message is None:
        assert len(check_clips(bundle, "p", SimpleNamespace(card=card))) == 3
        return
    with pytest.raises(InputError) as caught:
        check_clips(bundle, "p", SimpleNamespace(card=card))
    assert message in str(caught.value)


def test_messages_name_the_bundle_not_a_folder_of_the_moment(labs, tmp_path):
    forged = _put("config/datasets.yaml", b"a: " + b"[" * 100)(_members("one.zip"))
    with opened(_zipped(tmp_path / "d.zip", forged)) as bundle:
        with pytest.raises(InputError, match=r"^d: config/datasets\.yaml, line 1: more than 40 levels") as caught:
            dataset_cards(bundle)
        assert str(bundle.folder) not in str(caught.value)


def test_a_file_of_any_kind_stands_in_the_crate():
    sizes = {"published/x.txt": 3}
    graph = json.loads(crate("n", "d", "2026-01-01", "", sizes, "1"))["@graph"]
    assert graph[-1]["@id"] == "published/x.txt" and graph[-1]["encodingFormat"] == "application/octet-stream"


def test_epochs_without_number_are_refused(labs, tmp_path, capsys):
    """The null model would be drawn for as many."""
    members = _members("same.zip")
    name = next(name for name in members if name.startswith("predictions/"))
    (tmp_path / "p.parquet").write_bytes(members[name])
    frame = pd.read_parquet(tmp_path / "p.parquet")
    small_study.rewrite(tmp_path / "p.parquet", frame.assign(epoch=frame["epoch"] * 10**9))
    forged = _listed(members | {name: (tmp_path / "p.parquet").read_bytes()})
    status, said = _says(capsys, "verify", _zipped(tmp_path / "f.zip", forged))
    assert status == 1 and "epoch 2000000000; at most 10000 are scored" in said


def test_records_are_those_of_the_predictions(labs, tmp_path, capsys):
    members = _members("one.zip")
    forged = _listed(members | {"records.json": members["records.json"].replace(b'"seconds": 1.5', b'"seconds": 1.0')})
    status, said = _says(capsys, "verify", _zipped(tmp_path / "r.zip", forged))
    assert status == 1 and "records.json is not what the predictions say of themselves" in said


# hostile archives


def _link(name="tables/link.md"):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def _json(members, name, change):
    value = json.loads(members[name])
    change(value)
    return _listed(members | {name: json.dumps(value).encode()})


def _without(members, name):
    return {other: content for other, content in members.items() if other != name}


def _study(change):
    """What changes study.json, its checksum with it."""
    return lambda members: _json(members, "study.json", change)


def _put(name, content):
    """What puts other bytes into a file, its checksum with it."""
    return lambda members: _listed(members | {name: content})


def _table(change):
    """What changes the lines of the protocol's table, its checksum with it."""
    name = "protocols/samm-3.csv"
    return lambda members: _put(name, b"\n".join(change(members[name].splitlines())) + b"\n")(members)


def _predictions(members, run, change):
    """The members, with other rows in the predictions of a run."""
    name = next(name for name in members if name.startswith(f"predictions/samm-3/{run}"))
    Path("changed.parquet").write_bytes(members[name])
    small_study.rewrite("changed.parquet", change(pd.read_parquet("changed.parquet")))
    return _listed(members | {name: Path("changed.parquet").read_bytes()})


def _recorded(members, **changes):
    """The members, with other facts in the record of every training."""
    records = {}
    for name in sorted(name for name in members if name.startswith("predictions/")):
        Path("changed.parquet").write_bytes(members[name])
        small_study.rewrite("changed.parquet", pd.read_parquet("changed.parquet"), **changes)
        members = members | {name: Path("changed.parquet").read_bytes()}
        records[name] = record_in(members[name])
    return _listed(members | {"records.json": written(records)})


def _many_classes(study):
    names = {f"c{number}": [f"c{number}"] for number in range(101)}
    study["protocols"][ONE]["card"].update(classes=names, expected_classes=None, expected_subjects={})


BOMB = b"a: &a [x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n + 1, n + 1, b",".join([b"*%c" % n] * 8)) for n in range(97, 110)
)
ONE = "samm-3"
HOSTILE = {
    "a path above": (lambda m: m | {"../evil.md": b"x"}, "a file called '../evil.md', which no bundle has"),
    "a path from the root": (lambda m: m | {"/tmp/evil.md": b"x"}, "a file called '/tmp/evil.md'"),
    "a path of Windows": (lambda m: m | {"tables\\evil.md": b"x"}, "a file called "),
    "a hidden file": (lambda m: m | {"tables/.evil": b"x"}, "a file called 'tables/.evil'"),
    "a link": (lambda m: m | {_link(): b"/etc/passwd"}, "tables/link.md is a link or no file"),
    "a file more": (lambda m: m | {"tables/more.md": b"x"}, "tables/more.md is not in manifest.json"),
    "a file less": (lambda m: _without(m, "study.yaml"), "study.yaml is in manifest.json, and not there"),
    "a changed file": (lambda m: m | {"study.yaml": b"x"}, "study.yaml is not as it was written: 1 bytes, SHA-256"),
    "no manifest": (lambda m: _without(m, MANIFEST), "no manifest.json in it; expected what"),
    "a manifest that is none": (lambda m: m | {MANIFEST: b"{" * 9}, "manifest.json is no JSON"),
    "a deep manifest": (lambda m: m | {MANIFEST: b"[" * 10**6}, "manifest.json is no JSON"),
    "another manifest": (lambda m: m | {MANIFEST: b'{"files": []}'}, "manifest.json: field 'format': missing"),
    "a manifest with a path above": (
        lambda m: m | {MANIFEST: m[MANIFEST].replace(b'"study.yaml"', b'"../../x.yaml"')},
        "a file called '../../x.yaml'",
    ),
    "predictions elsewhere": (
        _study(lambda s: s["protocols"][ONE]["runs"].update(ststnet=["../x.parquet"])),
        "no file ../x.parquet in this bundle",
    ),
    "a protocol that is a path": (
        _study(lambda s: s["protocols"].update({"../x": s["protocols"][ONE]})),
        "'../x' is a name",
    ),
    "a run without a card": (_study(lambda s: s.update(methods=[*s["methods"], "x"])), "'x' has to stand here and in"),
    "a run that is no run": (_study(lambda s: s["compared"].update({"": ["nobody"]})), "'nobody' has to stand here"),
    "a reference that is no run": (_study(lambda s: s["compared"].update(t=["nobody"])), "'nobody' has to stand here"),
    "classes without number": (_study(_many_classes), "card.classes': more than 100"),
    "a table of no protocol": (
        _study(lambda s: s["tables"].update(leaderboard=["x"])),
        "'tables.leaderboard': 'x' is no",
    ),
    "a score that there is not": (
        lambda m: _put(
            "cards/tables/leaderboard.yaml", m["cards/tables/leaderboard.yaml"].replace(b"uf1: uf1", b"x: y")
        )(m),
        "unknown score 'y'",
    ),
    "a table of other data sets": (
        _put("config/datasets.yaml", b"samm: {title: x}"),
        "config/datasets.yaml: samm: field",
    ),
    "printed numbers that are none": (_put("published/memix.csv", b"a,b\n1,2\n"), "published/memix.csv: no column"),
    "a YAML bomb": (_put("cards/methods/ststnet.yaml", BOMB), "more than 200000 values"),
    "scores that are none": (_put("scores/samm-3.csv", b'"'), "scores/samm-3.csv: not a table"),
    "clips that are none": (_put("protocols/samm-3.csv", b"a\n1\n"), "no column 'dataset'"),
    "predictions that are none": (
        lambda m: _put(next(name for name in m if name.startswith("predictions/")), b"PAR1")(m),
        ".parquet: a damaged predictions file",
    ),
    "another format": (
        lambda m: m | {MANIFEST: m[MANIFEST].replace(b"bundle-1", b"bundle-2")},
        "a bundle of the format 'apexbench-bundle-2'; this version reads apexbench-bundle-1: take the version",
    ),
    "names that differ in case": (_put("Tables/more.md", b"x"), "Tables differ in case only, which no bundle has"),
    "synthetic clips that are called real": (
        _study(lambda s: (s.update(real=["samm"]), s["protocols"][ONE].update(source="licensed"))),
        "'protocols.samm-3.source': licensed, but predictions/samm-3/",
    ),
    "real data sets under a synthetic source": (
        _study(lambda s: s.update(real=["samm"])),
        "'protocols.samm-3.source': 'synthetic', but 'real' has samm",
    ),
    "a licensed source of no real data set": (
        _study(lambda s: s["protocols"][ONE].update(source="licensed")),
        "'protocols.samm-3.source': 'licensed', but 'real' has no data set",
    ),
    "real clips that are called synthetic": (
        lambda m: _recorded(m, data_source="licensed"),
        "'protocols.samm-3.source': synthetic, but predictions/samm-3/",
    ),
    "another key": (
        _study(lambda s: s["protocols"][ONE]["keys"].update(ststnet="0" * 12)),
        "'protocols.samm-3.keys.ststnet': '000000000000', but there is predictions/samm-3/ststnet/",
    ),
    "no keys": (_study(lambda s: s["protocols"][ONE].update(keys={})), ".keys': no key of run 'flow-svm'"),
    "other seeds": (_study(lambda s: s.update(seeds=[1, 2])), "'seeds': 1, 2, but there is predictions/samm-3/"),
    "another budget": (_study(lambda s: s.update(budget="paper")), "'budget': paper, but predictions/samm-3/"),
    "predictions of another run": (
        _study(lambda s: s["protocols"][ONE]["runs"].update(ststnet=s["protocols"][ONE]["runs"]["flow-svm"])),
        "'protocols.samm-3.runs.ststnet': predictions/samm-3/flow-svm/",
    ),
    "seeds that are not those of the path": (
        lambda m: _predictions(m, "ststnet", lambda frame: frame.assign(seed=5)),
        "has predictions of other seeds than 0",
    ),
    "a clip twice": (_table(lambda rows: [*rows, rows[-1]]), "line 24: clip samm/11/011_1_5/105 stands twice"),
    "a person in two folds": (
        _table(lambda rows: [rows[0], rows[1].replace(b"samm:6", b"samm:7"), *rows[2:]]),
        "line 2: clip samm/6/06_1_0/100: fold 'samm:7', which the split loso does not give",
    ),
    "a label of no class": (
        _table(lambda rows: [rows[0], re.sub(rb",\d,(\w+),samm:6", rb",7,\1,samm:6", rows[1]), *rows[2:]]),
        "line 2: clip samm/6/06_1_0/100: label 7, which no class has",
    ),
    "a label of another class": (
        _table(lambda rows: [rows[0], re.sub(rb",\d,\w+,samm:6", b",0,surprise,samm:6", rows[1]), *rows[2:]]),
        "line 2: clip samm/6/06_1_0/100: label 0, and class 'surprise'",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_end_in_a_message(labs, tmp_path, capsys, kind):
    change, message = HOSTILE[kind]
    (tmp_path / "inside").mkdir()
    path = _zipped(tmp_path / "inside/h.zip", change(_members("one.zip")))
    status, said = _says(capsys, "verify", path)
    assert status == 1 and message in said, said
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["h.zip"], "nothing is written beside"


def test_nothing_unpacks_to_more_than_it_is(labs, tmp_path, capsys):
    members = _members("one.zip")
    bomb = _listed(members | {"tables/big.md": b" " * 10**7})
    path = _zipped(tmp_path / "bomb.zip", {n: x for n, x in bomb.items() if n != "tables/big.md"})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tables/big.md", b" " * 10**7)
    status, said = _says(capsys, "verify", path)
    assert status == 1 and "tables/big.md is compressed or encrypted, and in a bundle nothing is" in said
    # members that overlap: the directory names one of them many times
    path = _zipped(tmp_path / "overlap.zip", {"a.md": b"x" * 10**6})
    data = path.read_bytes()
    start = data.index(b"PK\1\2")
    entry, end = data[start : data.index(b"PK\5\6")], data[data.index(b"PK\5\6") :]
    entries = b"".join(entry.replace(b"a.md", b"%c.md" % name) for name in range(97, 117))
    end = end[:8] + (20).to_bytes(2, "little") * 2 + len(entries).to_bytes(4, "little") + end[16:]
    path.write_bytes(data[:start] + entries + end)
    status, said = _says(capsys, "verify", path)
    assert status == 1 and "would be 20000000 bytes when unpacked, more than it has" in said


def test_what_is_no_bundle(labs, tmp_path, capsys):
    (tmp_path / "x.zip").write_bytes(b"PK\3\4 or not")
    assert "no zip that can be read" in _says(capsys, "verify", tmp_path / "x.zip")[1]
    assert "no such file" in _says(capsys, "verify", tmp_path / "none.zip")[1]
    assert "no manifest.json in it; expected a bundle" in _says(capsys, "verify", tmp_path)[1]
    os.mkfifo(tmp_path / "pipe")
    assert "expected a file, found a pipe" in _says(capsys, "verify", tmp_path / "pipe")[1]
    cut = Path("one.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(cut[: len(cut) // 2])
    assert "no zip that can be read" in _says(capsys, "verify", tmp_path / "cut.zip")[1]
    shutil.unpack_archive("one.zip", tmp_path / "folder")
    (tmp_path / "folder/tables/leaderboard.md").unlink()
    (tmp_path / "folder/tables/leaderboard.md").symlink_to("/etc/passwd")
    assert "tables/leaderboard.md is a link" in _says(capsys, "verify", tmp_path / "folder")[1]


# merging


def test_runs_of_several_labs_stand_in_one_table(labs, capsys):
    status, said = _says(capsys, "merge", "one.zip", "same.zip", "two.zip", "-o", "results/joint")
    assert status == 0 and "5 trainings; 1 in several bundles" in said
    assert "tables leaderboard, comparisons, memix-samm3" in said
    scores = pd.read_csv("results/joint/scores/samm-3.csv").set_index(["run", "rule"])
    assert scores.loc[("flow-svm", "last"), "seeds"] == 2 and scores.loc[("ststnet", "last"), "seeds"] == 1
    alone = [pd.read_csv(f"results/{name}/scores/samm-3.csv").set_index(["run", "rule"]) for name in ("one", "two")]
    mean = np.mean([frame.loc[("flow-svm", "last"), "uf1"] for frame in alone])
    assert scores.loc[("flow-svm", "last"), "uf1"] == pytest.approx(mean, abs=2e-6)
    there = pd.read_csv("results/joint/scores/smic-3.csv").set_index(["run", "rule"])
    assert there.loc[("ststnet", "last"), ["status", "note"]].tolist() == ["skipped", "not in two"]
    origins = pd.read_csv("results/joint/tables/leaderboard.csv").groupby("row")["origin"].first()
    assert origins["STSTNet"] == "one" and origins["shuffled labels (control)"] == "two"
    assert "| STSTNet <sub>one</sub> |" in Path("results/joint/tables/leaderboard.md").read_text()
    assert "STSTNet" in Path("results/joint/tables/memix-samm3.md").read_text()
    assert main(["verify", "results/joint"]) == 0
    status, said = _says(capsys, "merge", "one.zip", "two.zip", "-o", "results/joint")
    assert status == 1 and "results/joint: is there already, and is not empty" in said


def test_an_input_is_not_written_over(labs, tmp_path, capsys):
    path = shutil.copy("same.zip", tmp_path / "same.zip")
    status, said = _says(capsys, "merge", path, "two.zip", "-o", path)
    assert status == 1 and "same.zip: is there already, and is not empty" in said
    assert Path(path).read_bytes() == Path("same.zip").read_bytes()


def test_no_bundle_loses_its_name(labs, tmp_path):
    with ExitStack() as stack:
        bundles = []
        for place in ("x.zip", "a/x.zip", "b/x-2.zip", "c/X.zip"):
            (tmp_path / place).parent.mkdir(exist_ok=True)
            shutil.copy("same.zip", tmp_path / place)
            bundles.append(stack.enter_context(opened(tmp_path / place)))
        assert [source.name for source in merging._named(bundles)] == ["x", "x-3", "x-2", "X-4"]


def test_a_data_set_is_real_in_all_bundles_or_in_none(labs, tmp_path, capsys):
    def only_smic(study):
        study["protocols"] = {"smic-3": study["protocols"]["smic-3"]}
        study["tables"] = {table: ["smic-3"] for table in study["tables"]}

    real = _json(_licensed(_members("two.zip")), "study.json", only_smic)
    status, said = _says(capsys, "merge", _zipped(tmp_path / "r.zip", real), "one.zip", "-o", tmp_path / "m")
    assert status == 1 and "data set 'samm': real clips in r, synthetic in one; merge those of one kind" in said


@pytest.mark.parametrize("field", ["params", "on", "budgets", "inputs"])
def test_a_run_is_one_method_in_all_bundles(labs, tmp_path, capsys, field):
    members, name = _members("two.zip"), "cards/methods/flow-svm.yaml"
    card = yaml.safe_load(members[name])
    more = {"params": {"c": 7}, "on": {"smic-3": {"params": {"c": 7}}}, "budgets": {"quick": {"params": {"c": 7}}}}
    card[field] = card.get(field, {}) | more.get(field, {"flow": "another"})
    other = _zipped(tmp_path / "o.zip", _put(name, yaml.safe_dump(card).encode())(members))
    status, said = _says(capsys, "merge", "one.zip", other, "-o", tmp_path / "m")
    assert status == 1 and f"run 'flow-svm': field '{field}' of its card differs in one and o; rename" in said


def test_inner_predictions_are_taken_from_whoever_has_them():
    def source(key, **inner):
        scored = SimpleNamespace(keys={"run": key}, inner=inner)
        return SimpleNamespace(record=SimpleNamespace(protocols={"p": scored}, seeds=(0, 1)))

    none, some, other = source("a"), source("a", run=("inner2-folds0-7.parquet",)), source("b", run=("x",))
    assert _with_inner("run", "p", [(none, [0, 1])], [none, other, some]) == [(some, [0]), (some, [1])]
    assert _with_inner("run", "p", [(none, [0])], [none, other]) == []


def test_what_is_merged_can_be_merged_again(labs, tmp_path):
    assert main(["merge", "same.zip", "same.zip", "-o", str(tmp_path / "twice.zip")]) == 0
    assert main(["merge", str(tmp_path / "twice.zip"), "two.zip", "-o", str(tmp_path / "all.zip")]) == 0
    members = _members(tmp_path / "all.zip")
    studies = {name for name in members if name.startswith("studies/")}
    assert studies == {"studies/twice-same.yaml", "studies/twice-same-2.yaml", "studies/two.yaml"}
    origins = json.loads(members["study.json"])["protocols"]["samm-3"]["origins"]
    assert origins == {"flow-svm": "twice: same, two", "shuffled-labels": "two"}
    crate = {entity["@id"]: entity for entity in json.loads(members["ro-crate-metadata.json"])["@graph"]}
    assert [crate[based["@id"]]["name"] for based in crate["./"]["isBasedOn"]] == ["twice", "two"]


def _other_scores(members):
    """The same run with another score of one clip, and another device."""
    name = next(name for name in members if name.startswith("predictions/samm-3/flow-svm"))
    Path("other.parquet").write_bytes(members[name])
    frame = pd.read_parquet("other.parquet")
    frame.loc[frame.index[-1], "p0"] += 0.5
    small_study.rewrite("other.parquet", frame, device="another")
    return _listed(members | {name: Path("other.parquet").read_bytes()})


def _other_key(members):
    """Another seed of a run with another key, which stands in the paths of its predictions, too."""
    key = json.loads(members["study.json"])["protocols"]["samm-3"]["keys"]["flow-svm"]
    changed = {
        name.replace(key, "0" * 12): content if name.endswith(".parquet") else content.replace(key.encode(), b"0" * 12)
        for name, content in members.items()
    }
    return _listed(changed)


def _licensed(members):
    """The members, said to be of real clips in every place that says so."""

    def change(study):
        study.update(real=["samm", "smic-hs"])
        for its in study["protocols"].values():
            its.update(source="licensed")

    return _recorded(_json(members, "study.json", change), data_source="licensed")


def _other_label(members):
    table = members["protocols/samm-3.csv"]
    line = next(line for line in table.splitlines() if b"09_1_1" in line)
    other = line.replace(b",2,surprise,", b",1,positive,")
    assert other != line
    return _listed(members | {"protocols/samm-3.csv": table.replace(line, other)})


@pytest.mark.parametrize(
    ("other", "change", "message"),
    [
        (
            "same",
            _other_label,
            "'samm-3' of one and o: clip samm/9/09_1_1/101, label: 'surprise' (2) and 'positive' (1)",
        ),
        (
            "same",
            _other_scores,
            "run 'flow-svm' under 'samm-3', seed 0: one and o have different predictions (first at",
        ),
        ("same", _other_scores, "clip samm/11/011_1_5/105, epoch 2); their records differ in device; leave the run"),
        ("two", _other_key, ", o 000000000000, so that their seeds are not of one run; rename its card in one of"),
    ],
)
def test_what_does_not_fit_is_refused(labs, tmp_path, capsys, other, change, message):
    path = _zipped(tmp_path / "o.zip", change(_members(f"{other}.zip")))
    status, said = _says(capsys, "merge", "one.zip", path, "-o", tmp_path / "m")
    assert status == 1 and message in said and not (tmp_path / "m").exists(), said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["card"].update(split="k-fold", folds=5), "field 'split' differs: loso and k-fold"),
        (lambda s: s["card"].update(slices={"part": ["samm"]}), "field 'slices' differs: {} and {'part': ('samm',)}"),
        (None, "field 'source' differs: synthetic and licensed"),
        (
            lambda s: s["card"].update(classes=dict(reversed(s["card"]["classes"].items())), expected_classes=None,
                                       expected_subjects={}), "field 'classes' differs",
        ),
    ],
)  # fmt: skip
def test_protocols_are_compared_field_by_field(labs, tmp_path, capsys, change, message):
    other = _members("same.zip")
    if change is None:
        other = _licensed(other)
    else:
        other = _json(other, "study.json", lambda study: change(study["protocols"]["samm-3"]))
    status, said = _says(capsys, "merge", "one.zip", _zipped(tmp_path / "o.zip", other), "-o", tmp_path / "m")
    assert status == 1 and f"protocol 'samm-3' of one and o: {message}" in said


def test_a_clip_that_one_lacks_is_named(labs, tmp_path, capsys):
    members = _members("same.zip")
    rows = members["protocols/samm-3.csv"].splitlines(keepends=True)
    other = _listed(members | {"protocols/samm-3.csv": b"".join(rows[:3] + rows[4:])})
    status, said = _says(capsys, "merge", "one.zip", _zipped(tmp_path / "o.zip", other), "-o", tmp_path / "m")
    assert status == 1 and "22 and 21 clips; samm/6/06_1_2/102 is only in the first" in said


def test_one_bundle_is_none_too_few(labs, capsys):
    assert "merge: one bundle; name two or more" in _says(capsys, "merge", "one.zip", "-o", "m")[1]


# start


def test_neither_torch_nor_snakemake_is_wanted(labs, tmp_path):
    """Bundles are made where the study is; they are verified and merged anywhere, without clips."""
    code = """
import os, sys
from apexbench.cli import main
elsewhere = sys.argv[1]
def heavy():
    return sorted({"torch", "snakemake", "sklearn", "numba", "cv2"} & set(sys.modules))
here = os.getcwd()
os.chdir(elsewhere)
assert main(["verify", f"{here}/same.zip"]) == 0
import apexbench.sharing.merge
assert heavy() == [], heavy()
os.chdir(here)
assert main(["bundle", "one", "-o", f"{elsewhere}/x.zip"]) == 0
assert set(heavy()) <= {"cv2"}, heavy()
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
