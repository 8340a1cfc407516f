"""A bundle as one file: what it holds, stored in a zip as it is, and checked before anything of it is read.

Members are stored, not compressed: the bytes are then the same on every machine, whatever its zlib, and no archive
unpacks to more than it is. Names have letters, digits and `_ . + -`; what else a zip may hold (links, folders above,
names twice, members that overlap) is refused. A folder of the same files is taken for a bundle, too.
"""

import hashlib
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import Field

from apexbench.config.model import NAME, Model, validate
from apexbench.errors import InputError, of_disk
from apexbench.store.writing import atomic, new_folder

MANIFEST, CRATE = "manifest.json", "ro-crate-metadata.json"
FORMAT = "apexbench-bundle-1"
_FILES, _MANIFEST_BYTES = 200_000, 64 * 2**20
_CHUNK = 2**20
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip can have
_ANEW = "get it anew from who made it"
Entries = Mapping[str, bytes | Path]


class Listed(Model):
    """A file of a bundle."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of its bytes."""
    bytes: int = Field(ge=0)
    """How many there are."""


class Manifest(Model):
    """manifest.json: every file of a bundle but itself."""

    format: str = Field(pattern=f"^{FORMAT}$")
    """What the archive is, and how it is laid out."""
    study: str
    """Name of the study."""
    versions: dict[str, str]
    """Of what made the bundle."""
    files: dict[str, Listed]
    """{path in the bundle: its checksum}."""


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are as its manifest says. `name`: of the file that it came in, without its suffix."""

    name: str
    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Return a file's path; InputError for one that the manifest does not list."""
        if name not in self.manifest.files:
            raise InputError(f"{self.name}: no file {name} in this bundle; {_ANEW}")
        return self.folder / name


def _hash(file: BinaryIO, into: BinaryIO | None = None) -> Listed:
    found, size = hashlib.sha256(), 0
    while part := file.read(_CHUNK):
        found.update(part)
        size += len(part)
        if into is not None:
            into.write(part)
    return Listed(sha256=found.hexdigest(), bytes=size)


@contextmanager
def _reading(content: bytes | Path) -> Iterator[BinaryIO]:
    if isinstance(content, bytes):
        with tempfile.SpooledTemporaryFile(max_size=max(1, len(content) + 1)) as file:
            file.write(content)
            file.seek(0)
            yield file
    else:
        with content.open("rb") as file:
            yield file


def manifest_of(entries: Entries, study: str, versions: Mapping[str, str]) -> bytes:
    """Return manifest.json of some files, {path in the bundle: its bytes, or the file that has them}."""
    files = {}
    for name in sorted(entries):
        with _reading(entries[name]) as file:
            files[name] = _hash(file)
    its = Manifest(format=FORMAT, study=study, versions=dict(versions), files=files)
    return (json.dumps(its.model_dump(mode="json"), indent=1) + "\n").encode()


def write_archive(path: str | os.PathLike, entries: Entries) -> None:
    """Write files as one zip: the same files give the same bytes."""
    with atomic(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            member = zipfile.ZipInfo(name, _TIME)
            member.create_system, member.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            with _reading(entries[name]) as file, archive.open(member, "w", force_zip64=True) as into:
                while block := file.read(_CHUNK):
                    into.write(block)


def check_new(path: Path) -> None:
    """Raise InputError if there is anything at a path but an empty folder."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: is there already, and is not empty; delete it, or give another name")


def write_folder(path: Path, entries: Entries) -> None:
    """Write files into a new folder; InputError if there is anything in it."""
    check_new(path)
    with new_folder(path) as part:
        for name, content in entries.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            with _reading(content) as file, (part / name).open("wb") as into:
                while block := file.read(_CHUNK):
                    into.write(block)


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[Bundle]:
    """Yield a bundle whose files are as its manifest says: an archive unpacked for the time being, a folder in place.

    Raises InputError, naming file and fault, for what is no bundle, for what is not as it was written, and for names,
    links and sizes that a bundle does not have.
    """
    path = Path(path)
    if path.is_dir():
        yield _folder(path)
        return
    with tempfile.TemporaryDirectory(prefix="apexbench-bundle-") as folder:
        yield Bundle(path.stem, Path(folder), _unpacked(path, Path(folder)))


def _unpacked(path: Path, folder: Path) -> Manifest:
    """Unpack an archive into a folder, each file checked; return its manifest."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected a file, found a pipe or a device")
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            manifest = _manifest(archive, members, path)
            _compare(path, members, manifest)
            for name, listed in manifest.files.items():
                _unpack(archive, members[name], listed, folder, path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(of_disk(error) or f"{path}: not readable ({error.strerror or error})") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: no zip that can be read ({error}); {_ANEW}") from None
    return manifest


def _check_path(name: str, path: Path) -> None:
    parts = PurePosixPath(name).parts
    if not parts or "/".join(parts) != name or len(name) > 300 or not all(NAME.fullmatch(part) for part in parts):
        raise InputError(f"{path}: a file called {name[:80]!r}, which no bundle has; {_ANEW}")


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by name, those that are folders left out."""
    found: dict[str, zipfile.ZipInfo] = {}
    listed = archive.infolist()
    if len(listed) > _FILES:
        raise InputError(f"{path}: {len(listed)} files; a bundle has {_FILES} at most")
    for member in listed:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if member.is_dir() and not member.file_size:
            _check_path(member.filename.rstrip("/"), path)
            continue
        _check_path(member.filename, path)
        if kind not in (0, stat.S_IFREG):
            raise InputError(f"{path}: {member.filename} is a link or no file; {_ANEW}")
        if member.filename in found:
            raise InputError(f"{path}: two files {member.filename}; {_ANEW}")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise InputError(
                f"{path}: {member.filename} is compressed or encrypted, and in a bundle nothing is; unpack it, and "
                f"name the folder"
            )
        found[member.filename] = member
    if (size := sum(member.file_size for member in found.values())) > path.stat().st_size:
        raise InputError(f"{path}: would be {size} bytes when unpacked, more than it has; {_ANEW}")
    return found


def _manifest(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], path: Path) -> Manifest:
    if MANIFEST not in members:
        raise InputError(f"{path}: no {MANIFEST} in it; expected what `apexbench bundle` writes")
    if members[MANIFEST].file_size > _MANIFEST_BYTES:
        raise InputError(f"{path}: {MANIFEST} has more than {_MANIFEST_BYTES >> 20} MB; {_ANEW}")
    return _parsed(archive.read(members[MANIFEST]), path)


def _parsed(content: bytes, path: Path) -> Manifest:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {MANIFEST} is no JSON ({error}); {_ANEW}") from None
    theirs = value.get("format") if isinstance(value, dict) else None
    if isinstance(theirs, str) and theirs != FORMAT and theirs.startswith(FORMAT.rstrip("1")):
        raise InputError(
            f"{path}: a bundle of the format {theirs[:40]!r}; this version reads {FORMAT}: take the version of "
            f"ApexBench that made it, which {MANIFEST} names"
        )
    its = validate(Manifest, value, Path(f"{path}: {MANIFEST}"))
    for name in its.files:
        _check_path(name, path)
    _check_case(its.files, path)
    return its


def _check_case(names: Iterable[str], path: Path) -> None:
    """Raise InputError for files or folders whose names differ in case only: on some disks these are one."""
    known: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            other = known.setdefault(part.lower(), part)
            if other != part:
                raise InputError(f"{path}: {other} and {part} differ in case only, which no bundle has; {_ANEW}")


def _compare(path: Path, found, manifest: Manifest) -> None:
    """Raise InputError for a file that is not listed, or is listed and not there."""
    if surplus := sorted(set(found) - set(manifest.files) - {MANIFEST}):
        raise InputError(f"{path}: {surplus[0]} is not in {MANIFEST}; {_ANEW}")
    if lost := sorted(set(manifest.files) - set(found)):
        raise InputError(f"{path}: {lost[0]} is in {MANIFEST}, and not there; {_ANEW}")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, listed: Listed, folder: Path, path: Path) -> None:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as file, target.open("wb") as into:
        _same(_hash(file, into), listed, member.filename, path)


def _same(found: Listed, listed: Listed, name: str, path: Path) -> None:
    if found != listed:
        what = f"{found.bytes} bytes, SHA-256 {found.sha256[:12]}"
        wanted = f"{listed.bytes} bytes, {listed.sha256[:12]}"
        raise InputError(f"{path}: {name} is not as it was written: {what}, where {MANIFEST} has {wanted}; {_ANEW}")


def _folder(path: Path) -> Bundle:
    """A folder of a bundle's files, which `merge` writes, or someone has unpacked."""
    found: dict[str, Path] = {}
    for place, folders, files in os.walk(path):
        for name in [*folders, *files]:
            file = Path(place, name)
            relative = file.relative_to(path).as_posix()
            if file.is_symlink() or not (file.is_dir() or file.is_file()):
                raise InputError(f"{path}: {relative} is a link or no file; {_ANEW}")
            if len(found) > _FILES:
                raise InputError(f"{path}: more than {_FILES} files; a bundle has fewer")
            if file.is_file():
                found[relative] = file
    if MANIFEST not in found:
        raise InputError(f"{path}: no {MANIFEST} in it; expected a bundle, or the folder that `apexbench merge` makes")
    if found[MANIFEST].stat().st_size > _MANIFEST_BYTES:
        raise InputError(f"{path}: {MANIFEST} has more than {_MANIFEST_BYTES >> 20} MB; {_ANEW}")
    manifest = _parsed(found[MANIFEST].read_bytes(), path)
    _compare(path, found, manifest)
    for name, listed in manifest.files.items():
        with found[name].open("rb") as file:
            _same(_hash(file), listed, name, path)
    return Bundle(path.resolve().name, path, manifest)
