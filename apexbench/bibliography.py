"""The references of a study as BibTeX: data sets, protocols, methods, algorithms and tools, none silently left out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata

from apexbench.code_hash import Code
from apexbench.config.files import read_entries
from apexbench.config.references import Reference
from apexbench.study import Study

_VENUE = {"article": "journal", "inproceedings": "booktitle"}
_PACKAGES = {"torch": "torch", "timm": "timm", "sklearn": "scikit-learn"}  # {what code imports: its package}
_ALWAYS = ("snakemake", "opencv-contrib-python-headless")  # the pipeline, and all that reads or crops a frame
_IMPORT = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)
_PLAIN = {
    "none",
    "all",
    "first",
    "uniform",
    "key-frames",
    "near-keys",
    "around-apex",
    "most-moving",
}  # nobody's algorithm


@dataclass
class Bibliography:
    """What a study stands on.

    Attributes
    ----------
    entries : {key: reference} that are cited, in the order of references.yaml.
    used_for : {key: what it is the reference of here}.
    unknown : what the study uses that has no reference on record, such as "data set casme-squared".
    own : cards that follow no paper: controls and baselines of this project.
    """

    entries: dict[str, Reference]
    used_for: dict[str, list[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)

    def look_up(self, kind: str, what: str, *names: str) -> None:
        """Take up the entries whose `kind` lists one of the names of something, or note that there is none."""
        keys = [key for key, its in self.entries.items() if set(getattr(its, kind)) & set(names)]
        for key in keys:
            self.used_for.setdefault(key, []).append(what)
        if not keys and what not in self.unknown:
            self.unknown.append(what)


def bibliography(study: Study) -> Bibliography:
    """Return the references of all that a study is configured to use, whether or not it was run."""
    entries = read_entries(study.root / "config", "references.yaml", Reference)
    found, project = Bibliography(entries), study.project
    for dataset in study.licensed:  # those of pre-trainings, too
        loader, people = project.loader(dataset), project.people(dataset)
        found.look_up("datasets", f"data set {dataset}", dataset, loader, people)
    for protocol in study.protocols:
        if any(protocol in its.protocols for its in entries.values()):
            found.look_up("protocols", f"protocol {protocol}", protocol)
    for name in dict.fromkeys(project.card_of[run] for run in study.runs):
        card = project.card(name)
        names = (name,) if _named(entries, name) else (card.method,)
        if card.source or _named(entries, *names):
            found.look_up("methods", f"method {name}", *names)
        else:
            found.own.append(name)
    mixings = [study.mixing(p, run) for run in study.methods for p in study.protocols]
    for mixing in dict.fromkeys(m for m in mixings if m != "none"):
        found.look_up("mixing", f"mixing {mixing}", mixing)
    for algorithm in _algorithms(study):
        found.look_up("algorithms", f"algorithm {algorithm}", algorithm)
    for package in _tools(study):
        found.look_up("tools", f"tool {package}", package)
    return found


def _named(entries: Mapping[str, Reference], *names: str) -> bool:
    return any(set(its.methods) & set(names) for its in entries.values())


def _algorithms(study: Study) -> list[str]:
    found = []
    for name in study.recipes_in_use():
        recipe = study.recipes[name].model_dump()
        found += [recipe[key] for key in ("choose", "arm", "algorithm", "extractor") if key in recipe]
        flow = (recipe.get("options") or {}).get("flow")  # of an arm that warps by flow
        found += [flow] if isinstance(flow, str) else []
    return [name for name in dict.fromkeys(found) if name not in _PLAIN]


def _tools(study: Study) -> list[str]:
    """The packages on record that the study's code imports, and that it always needs."""
    modules = sorted({kind.__module__ for kind in study.methods.values()})
    imported = {name for file in Code(study.root).files_of(*modules) for name in _IMPORT.findall(file.read_text())}
    meshes = any(crop.detector != "haar" for crop in study.recipes.crops.values())
    cropped = all(study.project.datasets[dataset].cropped or study.holds_maps(dataset) for dataset in study.datasets)
    tools = [*_ALWAYS, *(package for name, package in _PACKAGES.items() if name in imported)]
    return [*tools, "mediapipe"] if meshes and not cropped else tools


def bibtex(study: Study, found: Bibliography) -> str:
    """Return a .bib file: each entry with what it is for, and in comments what has no reference on record."""
    synthetic = [dataset for dataset, licensed in study.licensed.items() if not licensed]
    lines = [f"% References of the study {study.name}, by ApexBench: check each before it is printed."]
    if synthetic:
        lines.append(f"% Only synthetic clips in the layout of: {', '.join(synthetic)}.")
    lines += [f"% no reference known: {what}" for what in found.unknown]
    lines += [f"% follows no paper: {', '.join(found.own)}"] if found.own else []
    lines += ["", *_own_entry(), ""]
    for key, its in found.entries.items():
        if key in found.used_for:
            lines += [f"% {', '.join(found.used_for[key])}", *entry(key, its), ""]
    return "\n".join(lines)


def entry(key: str, reference: Reference) -> list[str]:
    """Return the lines of one BibTeX entry.

    >>> print(*entry("x", Reference(type="misc", title="A & B", year=2020, tools=["x"])), sep="\\n")
    @misc{x,
      title = {{A \\& B}},
      year = {2020},
      note = {not on record here: authors},
    }
    """
    notes = [f"not on record here: {', '.join(reference.absent)}"] if reference.absent else []
    notes += [reference.remark] if reference.remark else []
    version = _version(reference.tools) if reference.type == "software" else ""
    notes += ["cite as its authors ask"] if reference.type == "software" else []
    fields = {
        "author": " and ".join(reference.authors),
        "title": f"{{{_plain(reference.title)}}}" if reference.title else "",
        _VENUE.get(reference.type, "howpublished"): _plain(reference.venue),
        "year": reference.year,
        "volume": reference.volume,
        "number": reference.number,
        "pages": reference.pages,
        "version": version,
        "doi": reference.doi,
        "eprint": reference.arxiv,
        "archiveprefix": "arXiv" if reference.arxiv else "",
        "url": f"https://github.com/{reference.code}" if reference.code else "",
        "note": _plain("; ".join(notes)),
    }
    return [f"@{reference.type}{{{key},", *(f"  {name} = {{{value}}}," for name, value in fields.items() if value), "}"]


def _own_entry() -> list[str]:
    """This project's own entry."""
    return [
        "@software{apexbench,", "  author = {{the ApexBench authors}},", "  title = {{ApexBench}},",
        f"  version = {{{_version(['apexbench'])}}},", "}",
    ]  # fmt: skip


def _version(packages: Iterable[str]) -> str:
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _plain(text: str) -> str:
    return re.sub(r"([&%#_])", r"\\\1", text)
