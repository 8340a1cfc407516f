"""The READMEs of a study: its own, and of the study that is shown the project's."""

from typing import Any

from apexbench.study.checked import dumped
from apexbench.study.figures import Figures


class Readme(Figures):
    """What the rule `readme` asks."""

    def readme_inputs(self) -> dict[str, list[str]]:
        """Return what the study's README is made of: its tables as pages, frames and short forms."""
        sources = self.readme_sources()
        return {what: list(sources[what].values()) for what in ("pages", "frames", "short", "pictures", "words")}

    def readme_sources(self) -> dict[str, Any]:
        """Return what the stage `readme` is told."""
        folder, tables = f"results/{self.name}/tables", self.tables
        about = f"Study `{self.name}`, budget {self.settings.budget}"
        seeds = f"{len(self.settings.seeds)} seed{'s' * (len(self.settings.seeds) > 1)}"
        return {
            "about": f"{about}, {seeds}. Written by the pipeline: edit nothing here.",
            "cards": {name: dumped(card) for name, card in tables.items()},
            "synthetic": {name: self._synthetic(name) for name in tables},
            "papers": {name: dumped(paper) for name, paper in self.project.papers.items()},
            "pages": {name: f"{folder}/{name}.md" for name in tables},
            "frames": {name: f"{folder}/{name}.csv" for name in tables},
            "short": {name: f"{folder}/short/{name}.md" for name in tables},
            "pictures": self._official_null("official-null.svg"),
            "words": self._official_null("official-null", ".md"),
        }

    def _official_null(self, name: str, suffix: str = "") -> dict[str, str]:
        """Return {name: file} of the figure that the project's README shows, or of its sentence."""
        shown = self.settings.writes_readme and self.shows_official_null()
        return {name: f"results/{self.name}/figures/{name}{suffix}"} if shown else {}

    def shown_readme(self) -> list[str]:
        """Return the README that the study rewrites beside its own, if it is the one that is shown."""
        return [str(self.project.root / "README.md")] if self.settings.writes_readme else []

    def _synthetic(self, table: str) -> bool:
        """Whether a table has scores of synthetic clips."""
        protocols = [self.project.protocols[protocol] for protocol in self.table_protocols(table)]
        return any(not self.licensed[dataset] for protocol in protocols for dataset in protocol.datasets)
