"""references.yaml: what is known of the papers, releases and tools that a study stands on."""

from typing import Literal

from pydantic import model_validator

from apexbench.config.model import Model

_USES = ("datasets", "protocols", "methods", "mixing", "algorithms", "tools")


class Reference(Model):
    """references.yaml: an entry of a bibliography, with the facts that are on record and no others."""

    type: Literal["article", "inproceedings", "misc", "software"]
    """Of the BibTeX entry."""
    authors: tuple[str, ...] = ()
    """Family names; `others` last where not all are on record."""
    title: str = ""
    """As printed."""
    venue: str = ""
    """Journal or conference."""
    year: int | None = None
    """Of the publication."""
    volume: int | None = None
    """Of the journal."""
    number: int | None = None
    """Of the issue."""
    pages: str = ""
    """As BibTeX has them, `1--10`, or the number of an article."""
    doi: str = ""
    """Without https://doi.org/."""
    arxiv: str = ""
    """Number of the preprint."""
    code: str = ""
    """`owner/name` of the authors' repository on GitHub."""
    remark: str = ""
    """What else a reader must know; stands in `note`."""
    datasets: tuple[str, ...] = ()
    """Entries of datasets.yaml, their loaders or their people."""
    protocols: tuple[str, ...] = ()
    """Entries of protocols.yaml."""
    methods: tuple[str, ...] = ()
    """Cards of config/methods, or methods that cards name."""
    mixing: tuple[str, ...] = ()
    """Functions of methods/mixing."""
    algorithms: tuple[str, ...] = ()
    """What recipes name: flow algorithms, arms, choices of frames, extractors."""
    tools: tuple[str, ...] = ()
    """Installed packages."""

    @model_validator(mode="after")
    def _of_something(self):
        if not any(getattr(self, use) for use in _USES):
            raise ValueError(f"give one of {', '.join(_USES)}: what it is the reference of")
        return self

    @property
    def absent(self) -> list[str]:
        """What an entry of its type has, and this one has not."""
        wanted = {"software": ("title",), "misc": ("authors", "title", "year")}
        return [
            name for name in wanted.get(self.type, ("authors", "title", "venue", "year")) if not getattr(self, name)
        ]
