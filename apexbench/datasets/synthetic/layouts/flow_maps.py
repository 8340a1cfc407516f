"""Precomputed flow: small pictures instead of frames, as two public code bases lay them out."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from apexbench.datasets.synthetic.layouts.base import MINI, Clip, Layout

_LABELS = ("negative", "positive", "surprise")
_PARTS = ("casme2", "samm", "smic")
PER_PART = 1000  # in a folder of all parts, subjects of SAMM count from 1001, of SMIC from 2001


class FlowMaps(Layout):
    """A flat folder of 28 x 28 pictures `sub01_EP02_01f .png`, with a blank before the suffix, and one CSV.

    R, G, B are u, v and strain, each stretched to 0..255 for itself. With a `part` the folder holds one data set only.
    """

    emotions = _LABELS
    maps = True
    sizes: ClassVar = {"mini": MINI, "full": MINI}  # of the faces whose flow is drawn

    def __init__(self, part: str = ""):
        self.part = part

    def name(self, rng: np.random.Generator, subject: int, emotion: str, serial: int, index: int) -> str:
        part, who = self._whose(subject)
        if part == "smic":
            return f"s{who:02d}_{('ne', 'po', 'sur')[_LABELS.index(emotion)]}_{serial + 1:02d}"
        return f"{who:03d}_{1 + index % 7}_{1 + index // 7}" if part == "samm" else f"EP{1 + index:02d}_01f"

    def pictures(self, clip: Clip, clips: Sequence[Clip]) -> Iterable[str]:
        """Where the picture of a clip lies below the root."""
        yield f"STSNet_whole_norm_u_v_os/{self.person(clip)}_{clip.name} .png"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        header = ["dataset", "sub", "filename_o", "label", "apex", "imagename", "sub_filename"]
        with (root / "combined_3_class2_for_optical_flow.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for clip in clips:
                part, who = self._whose(clip.subject)
                short = clip.name.replace(f"s{who:02d}", f"s{who}") if part == "smic" else clip.name
                person, label = self.person(clip), _LABELS.index(clip.emotion)
                writer.writerow([part, person, clip.name, label, "", f"{person}_{short}.jpg", ""])

    def person(self, clip: Clip) -> str:
        """The subject as the pictures' names have it."""
        part, who = self._whose(clip.subject)
        return {"casme2": f"sub{who:02d}", "samm": f"{who:03d}", "smic": f"s{who:02d}"}[part]

    def _whose(self, subject: int) -> tuple[str, int]:
        return (self.part, subject) if self.part else (_PARTS[subject // PER_PART], subject % PER_PART)


class FlowMapsLoso(FlowMaps):
    """The same pictures once for each fold: norm_u_v_os/sub01/u_test/0/sub01_EP02_01f .png, others in u_train."""

    release = "flow-maps"

    def pictures(self, clip: Clip, clips: Sequence[Clip]) -> Iterable[str]:
        own, label = self.person(clip), _LABELS.index(clip.emotion)
        for person in sorted({self.person(other) for other in clips}):
            side = "u_test" if person == own else "u_train"
            yield f"norm_u_v_os/{person}/{side}/{label}/{own}_{clip.name} .png"

    def write_sheet(self, root: Path, clips: list[Clip]) -> None:
        people = sorted({self.person(clip) for clip in clips})
        (root / "video442subName.txt").write_text("".join(f"{person}\n" for person in people))
