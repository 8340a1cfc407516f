"""The metadata of a bundle for those who do not know ApexBench: an RO-Crate 1.1, as JSON-LD.

https://w3id.org/ro/crate/1.1: a descriptor, a root that is a Dataset with name, description, date and licence, and each
file as a part of it. Archives such as Zenodo and WorkflowHub read it.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

SPEC = "https://w3id.org/ro/crate/1.1"
NO_LICENCE = "#no-licence"
_KINDS = {
    ".json": "application/json", ".yaml": "application/yaml", ".csv": "text/csv", ".md": "text/markdown",
    ".tex": "application/x-tex", ".html": "text/html", ".parquet": "application/vnd.apache.parquet",
}  # fmt: skip
_FOLDERS = {
    "predictions": "Scores of each class, for each test clip after each epoch; the record of the training as metadata",
    "scores": "Scores of each run by selection rule, and of the null model",
    "comparisons": "Paired comparisons between runs",
    "protocols": "Clips, labels and folds",
    "tables": "Tables",
    "cards": "Configuration of methods and tables",
    "config": "Data sets, protocols and recipes that the study reads",
    "studies": "Settings of the studies that were merged",
    "published": "Numbers that papers print, as tables show them",
}


def crate(
    name: str, description: str, date: str, licence: str, sizes: Mapping[str, int | None], version: str,
    sources: Iterable[str] = (),
) -> bytes:  # fmt: skip
    """Return ro-crate-metadata.json.

    Parameters
    ----------
    date : of the results, YYYY-MM-DD.
    licence : its address, or "" where none is given.
    sizes : {path in the bundle: bytes, None where they are not known yet}.
    version : of ApexBench.
    sources : names of the bundles that it was merged from.
    """
    root: dict[str, Any] = {
        "@id": "./", "@type": "Dataset", "name": name, "description": description, "datePublished": date,
        "license": {"@id": licence or NO_LICENCE},
        "hasPart": [{"@id": path} for path in sorted(sizes)], "mentions": {"@id": "#apexbench"},
    }  # fmt: skip
    based = [{"@id": f"#bundle-{number}", "@type": "CreativeWork", "name": s} for number, s in enumerate(sources, 1)]
    if based:
        root["isBasedOn"] = [{"@id": entity["@id"]} for entity in based]
    graph = [
        {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "conformsTo": {"@id": SPEC}, "about": {"@id": "./"}},
        root,
        _licence(licence),
        {"@id": "#apexbench", "@type": "SoftwareApplication", "name": "ApexBench", "version": version},
        *based,
        *(_file(path, sizes[path]) for path in sorted(sizes)),
    ]
    text = json.dumps({"@context": f"{SPEC}/context", "@graph": graph}, indent=1, ensure_ascii=False)
    return f"{text}\n".encode()


def _licence(licence: str) -> dict[str, str]:
    if licence:
        return {"@id": licence, "@type": "CreativeWork", "name": licence, "description": "Licence of these results"}
    says = "No licence is given: ask who made these results"
    return {"@id": NO_LICENCE, "@type": "CreativeWork", "name": "not stated", "description": says}


def _file(path: str, size: int | None) -> dict[str, Any]:
    folder, kind = path.partition("/")[0], _KINDS.get(PurePosixPath(path).suffix, "application/octet-stream")
    entity = {"@id": path, "@type": "File", "name": path, "encodingFormat": kind}
    entity |= {"contentSize": str(size)} if size is not None else {}
    return entity | ({"description": _FOLDERS[folder]} if folder in _FOLDERS else {})
