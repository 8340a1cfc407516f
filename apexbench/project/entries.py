"""The files of config/ that hold many entries, and the settings: each read and checked by itself."""

import os
from collections.abc import Mapping
from pathlib import Path

from apexbench.config.datasets import DatasetCard
from apexbench.config.files import read_entries, read_repairs
from apexbench.config.model import read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.recipes import Recipes
from apexbench.config.settings import Settings
from apexbench.config.studies import CONFIG
from apexbench.config.tables import Convention, Paper
from apexbench.errors import InputError, nearest


class Entries:
    """Settings, data sets, protocols, repairs, conventions, papers and recipes."""

    def __init__(self, settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None):
        """Read all; `origin` is {key of the settings: its file} where that is not config.yaml."""
        self.root = Path(root)
        self.folder = self.root / "config"
        self.origin = dict(origin or {})
        self.settings: Settings = validate(Settings, settings, Path(CONFIG), self.origin)
        self.datasets: dict[str, DatasetCard] = read_entries(self.folder, "datasets.yaml", DatasetCard)
        self.protocols: dict[str, ProtocolCard] = read_entries(self.folder, "protocols.yaml", ProtocolCard)
        self.repairs = read_repairs(self.root)
        self.conventions: dict[str, Convention] = read_entries(self.folder, "conventions.yaml", Convention)
        self.papers: dict[str, Paper] = read_entries(self.folder, "papers.yaml", Paper)
        self.recipes: Recipes = validate(Recipes, read_yaml(self.folder / "recipes.yaml"), Path("config/recipes.yaml"))
        self._stems: dict[str, list[str]] = {}

    def set_in(self, key: str) -> str:
        """Return where a key of the settings has its value from, for messages."""
        return self.origin.get(key, CONFIG)

    def names(self, folder: str) -> list[str]:
        """Return the names of all cards of `methods` or of `tables`, in the study or not."""
        if folder not in self._stems:
            self._stems[folder] = sorted(path.stem for path in (self.folder / folder).glob("*.yaml"))
        return self._stems[folder]

    @staticmethod
    def _known(file: str, field: str, name: str | None, known) -> None:
        if name is not None and name not in known:
            raise InputError(f"{file}: field {field!r}: unknown name {name!r}; {nearest(name, known)}")

    @property
    def studied(self) -> tuple[str, ...]:
        """The protocols under which anything is trained: the study's, then those of its tables."""
        return self.settings.protocols + self.settings.table_protocols

    def used_datasets(self) -> list[str]:
        """Return the data sets that the configured protocols read."""
        return sorted({d for name in self.studied for d in self.protocols[name].datasets})

    def size_of(self, recipe: str) -> int | None:
        """Return the side in px of the pictures or maps that a recipe gives; None for features."""
        return None if recipe in self.recipes.features else self.recipes.size(recipe)
