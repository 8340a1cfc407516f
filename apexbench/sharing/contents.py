"""What every bundle has beside its results: its record, those of its trainings, the RO-Crate and the manifest."""

import platform
from importlib.metadata import version
from pathlib import Path

from apexbench.sharing.archive import CRATE, MANIFEST, manifest_of
from apexbench.sharing.crate import crate
from apexbench.sharing.private import check_private, giveaways
from apexbench.sharing.record import STUDY, Record, record_in, written

RECORDS, SETTINGS = "records.json", "study.yaml"


def finished(files: dict[str, bytes | Path], record: Record) -> dict[str, bytes | Path]:
    """Return files with their record, the records of trainings, the RO-Crate and the manifest.

    Raises InputError for what tells of this machine or its user.
    """
    files[STUDY] = written(record)
    files[RECORDS] = written({name: record_in(files[name]) for name in sorted(files) if _is_run(name)})
    texts = list(giveaways().items())
    for name, content in files.items():
        check_private(name, content if isinstance(content, bytes) else content.read_bytes(), texts)
    versions, protocols = versions_here(), ", ".join(record.protocols)
    says = f"{len(record.methods)} runs under {protocols}, budget {record.budget}, seeds {list(record.seeds)}; "
    real = (
        f"real clips: {', '.join(record.real)}" if record.real else "synthetic clips: numbers say nothing of real data"
    )
    sizes = {name: len(x) if isinstance(x, bytes) else x.stat().st_size for name, x in files.items()}
    files[CRATE] = crate(
        name=f"ApexBench study {record.name}",
        description=f"Results of facial micro-expression recognition: {says}{real}",
        date=record.date,
        licence=record.licence,
        sizes=sizes | {MANIFEST: None},  # which lists this file, too
        version=versions["apexbench"],
        sources=record.sources,
    )
    files[MANIFEST] = manifest_of(files, record.name, versions)
    return files


def _is_run(name: str) -> bool:
    return name.startswith("predictions/") and name.endswith(".parquet")


def versions_here() -> dict[str, str]:
    """Return the versions of what makes scores and tables."""
    libraries = {name: version(name) for name in ("apexbench", "numpy", "pandas", "pyarrow", "scipy")}
    return {"python": platform.python_version(), **libraries}
