"""The clips of an export: labels of a protocol, maps of a pack, and every name in the spelling of released programs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from apexbench.clips import read_index
from apexbench.config.datasets import DatasetCard
from apexbench.config.files import read_cards
from apexbench.config.model import read_yaml, validate
from apexbench.config.protocols import ProtocolCard
from apexbench.config.recipes import Recipes
from apexbench.config.studies import CONFIG
from apexbench.errors import InputError, nearest
from apexbench.evaluation.megc_log import OFFICIAL, official_clip
from apexbench.protocols import read_protocol
from apexbench.store.packs import pack_hash, read_pack

EMOTIONS = ("negative", "positive", "surprise")  # labels 0, 1, 2 of every layout
PARTS = ("casme2", "smic", "samm")  # in the order of STSTNet's list of subjects
_SUBJECTS = {"casme2": "sub{:02d}", "smic": "s{:02d}", "samm": "{:03d}"}
_FRAMES = {"casme2": "img{frame}", "smic": "image{frame}", "samm": "{subject:03d}_{frame:05d}"}


@dataclass(frozen=True)
class Clip:
    """One clip, in the spelling of the files that circulate.

    Attributes
    ----------
    part : casme2, smic or samm.
    subject : `sub01`, `s01` or `006`, which is its fold, too.
    name : as on the official list of MEGC2019: `EP02_01f`, `s01_ne_01`, `006_1_2`.
    label : 0 negative, 1 positive, 2 surprise.
    onset, apex : names of these frames without suffix, as the releases have them; SAMM's numbers with five digits.
    flow : (3, H, W) u, v in px and strain, as in the pack; of given flow maps as given, in 0..1.
    puzzle : (3, H, W) the same of two strips of the face, if asked for.
    face : (H, W, 3) the apex, uint8 RGB, if asked for.
    """

    part: str
    subject: str
    name: str
    label: int
    onset: str
    apex: str
    flow: np.ndarray
    puzzle: np.ndarray | None = None
    face: np.ndarray | None = None

    @property
    def stem(self) -> str:
        return f"{self.subject}_{self.name}"

    @property
    def face_file(self) -> str:
        """What HTNet's list calls the face: of SMIC with the subject unpadded inside, `s01_s1_ne_01.jpg`."""
        name = re.sub(r"^s0*(\d+)_", r"s\1_", self.name) if self.part == "smic" else self.name
        return f"{self.subject}_{name}.jpg"


def subjects_of(clips: Sequence[Clip]) -> list[str]:
    """Return the subjects, each once, in the order of the clips."""
    return list(dict.fromkeys(clip.subject for clip in clips))


class Source:
    """The results that an export is made of. Paths are relative to the working directory.

    Raises InputError for names that there are not, for a protocol whose classes or folds the layouts cannot say, for
    data sets that they have no names for, and for results that are not there: with the command that makes them.
    """

    def __init__(self, protocol: str, datasets: Sequence[str] = ()):
        self.cards, protocols = read_cards(Path())
        if protocol not in protocols:
            raise InputError(f"unknown protocol {protocol!r}; {nearest(protocol, protocols)}")
        self.protocol, self.card = protocol, protocols[protocol]
        self.recipes: Recipes = validate(Recipes, read_yaml(Path("config/recipes.yaml")), Path("config/recipes.yaml"))
        for dataset in datasets:
            if dataset not in self.card.datasets:
                raise InputError(
                    f"protocol {protocol!r} has no data set {dataset!r}; {nearest(dataset, self.card.datasets)}"
                )
        self.datasets = tuple(datasets) or self.card.datasets
        self._check()

    def _check(self) -> None:
        card: ProtocolCard = self.card
        if tuple(card.classes) != EMOTIONS or card.split != "loso":
            raise InputError(
                f"protocol {self.protocol!r} has the classes {', '.join(card.classes)} and the split {card.split}; the "
                f"layouts have {', '.join(EMOTIONS)}, and one fold for each subject, as megc2019"
            )
        for dataset in self.datasets:
            if self._listed(dataset) not in OFFICIAL:
                raise InputError(
                    f"data set {dataset!r}: the layouts have no names for its clips; {nearest(dataset, OFFICIAL)}"
                )

    def _listed(self, dataset: str) -> str:
        """The data set by whose name the official list has the clips: of another reading of a release, the release."""
        card: DatasetCard = self.cards[dataset]
        return dataset if dataset in OFFICIAL or not card.loader else card.loader

    def part(self, dataset: str) -> str:
        return OFFICIAL[self._listed(dataset)][0]

    def _pack(self, dataset: str, recipe: str) -> Path:
        return Path(f"results/packs/{dataset}/{recipe}.safetensors")

    def check_recipe(self, recipe: str, section: str) -> None:
        """Raise InputError if a recipe is not of a section of recipes.yaml."""
        known = getattr(self.recipes, section)
        if recipe not in known:
            raise InputError(f"config/recipes.yaml has no {section} recipe {recipe!r}; {nearest(recipe, known)}")

    def require(self, recipes: Sequence[str]) -> None:
        """Raise InputError with the command that makes them if a pack or the protocol's table is not there."""
        files = [Path(f"results/protocols/{self.protocol}.csv")]
        files += [self._pack(dataset, recipe) for dataset in self.datasets for recipe in recipes]
        missing = [str(path) for path in files if not path.is_file()]
        if missing:
            studied = (read_yaml(Path(CONFIG)) or {}).get("protocols", ())
            setting = (
                "" if self.protocol in studied else f" --config 'protocols=[\"{self.protocol}\"]' 'leave_out={{}}'"
            )
            raise InputError(
                f"{missing[0]}: not made yet; make it with: snakemake --cores 2 {' '.join(missing)}{setting}"
            )

    def clips(self, recipe: str, faces: str = "", puzzle: str = "") -> list[Clip]:
        """Return all clips, by part, subject and name.

        recipe, puzzle : flow recipes of one map for each clip.
        faces : frames recipe of onset and apex.
        """
        for name, section in ((recipe, "flow"), (puzzle, "flow"), (faces, "frames")):
            if name:
                self.check_recipe(name, section)
        self.require([name for name in (recipe, puzzle, faces) if name])
        clips = []
        for dataset, table in self.table.groupby("dataset", sort=False):
            ids = table["id"].tolist()
            arrays = {"flow": self._rows(dataset, recipe, ids, ("motion", "y", "x"))}
            if puzzle:
                arrays["puzzle"] = self._rows(dataset, puzzle, ids, ("motion", "y", "x"))
            if faces:
                arrays["face"] = self._rows(dataset, faces, ids, ("key", "colour", "y", "x"))[:, 1].transpose(
                    0, 2, 3, 1
                )
            for row, its in enumerate(table.itertuples()):
                clip = self._named(dataset, its, arrays["flow"][row])
                clips.append(replace(clip, **{name: x[row] for name, x in arrays.items()}))
        return sorted(clips, key=lambda clip: (PARTS.index(clip.part), clip.subject, clip.name))

    @cached_property
    def table(self) -> pd.DataFrame:
        """The protocol's rows of the data sets, with apex and its source from their indexes."""
        table = read_protocol(f"results/protocols/{self.protocol}.csv")
        table = table[table["dataset"].isin(self.datasets)]
        if table.empty:
            raise InputError(f"protocol {self.protocol!r}: no clip of {', '.join(self.datasets)}")
        indexes = pd.concat([read_index(f"results/index/{dataset}.csv") for dataset in self.datasets])
        keys = ["dataset", "subject", "clip", "onset"]
        return table.merge(indexes[[*keys, "apex", "apex_source", "label_set"]], on=keys, validate="one_to_one")

    def _named(self, dataset: str, row: Any, flow: np.ndarray) -> Clip:
        part = self.part(dataset)
        onset, apex = (_FRAMES[part].format(subject=row.subject, frame=frame) for frame in (row.onset, row.apex))
        name = official_clip(self._listed(dataset), row.clip)
        return Clip(part, _SUBJECTS[part].format(row.subject), name, row.label, onset, apex, flow)

    def _rows(self, dataset: str, recipe: str, ids: Sequence[str], axes: tuple[str, ...]) -> np.ndarray:
        pack = read_pack(self._pack(dataset, recipe))
        if pack.axes != axes:
            raise InputError(
                f"recipe {recipe!r} gives {', '.join(pack.axes)} for each clip; here {', '.join(axes)} are wanted"
            )
        missing = sorted(set(ids) - set(pack.ids))
        if missing:
            raise InputError(
                f"{pack.path}: {len(missing)} clips of protocol {self.protocol!r} are not in it, such as {missing[0]}; "
                f"see the logs of the rule 'faces'"
            )
        return pack.read(pack.rows(ids))

    def record(self, recipes: Mapping[str, str]) -> dict[str, Any]:
        """Return what an export tells of itself: protocol, data, recipes {what: name}, and the packs' hashes."""
        table, used = self.table, {what: name for what, name in recipes.items() if name}
        return {
            "protocol": self.protocol,
            "clips": len(table),
            "subjects": int(table.groupby(["dataset", "subject"]).ngroups),
            "classes": {c: int((table["label"] == number).sum()) for number, c in enumerate(EMOTIONS)},
            "datasets": {
                dataset: {
                    "label_set": sorted(set(rows["label_set"])),
                    "synthetic": bool(rows["label_set"].str.startswith("synthetic").any()),
                    "apex": rows["apex_source"].value_counts().to_dict(),
                    "packs": {name: pack_hash(self._pack(dataset, name)) for name in used.values()},
                }
                for dataset, rows in table.groupby("dataset")
            },
            "recipes": {what: {"name": name, **self.recipes.chain(name)} for what, name in used.items()},
        }
