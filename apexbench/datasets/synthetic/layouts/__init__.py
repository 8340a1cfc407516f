"""How each release lies on disk: folders, frame names, frame numbers and the annotation sheet.

A layout names clips, says where a frame goes, puts in the faults on record and writes the sheet; it knows nothing of
how frames are rendered. To add a data set, write one class and put it into LAYOUTS.
"""

from apexbench.datasets.synthetic.layouts.base import Clip, Layout, Size
from apexbench.datasets.synthetic.layouts.casme import (
    Casme,
    Casme2,
    Casme2Cropped,
    Casme2Of2019,
    Casme3A,
    Casme3AOf1,
    Casme3C,
    CasmeSquared,
)
from apexbench.datasets.synthetic.layouts.class_folders import Actions, Macro
from apexbench.datasets.synthetic.layouts.dfme import Dfme
from apexbench.datasets.synthetic.layouts.flow_maps import FlowMaps, FlowMapsLoso
from apexbench.datasets.synthetic.layouts.fourdme import FourDme
from apexbench.datasets.synthetic.layouts.mmew import Mmew, MmewSubjectFirst
from apexbench.datasets.synthetic.layouts.samm import Samm
from apexbench.datasets.synthetic.layouts.smic import Smic, SmicCropped, SmicHsE, SmicNir, SmicVis

__all__ = ["LAYOUTS", "Clip", "Layout", "Size"]

LAYOUTS: dict[str, Layout] = {
    "casme": Casme(),
    "casme2": Casme2(),
    "casme2-2019": Casme2Of2019(),
    "casme2-cropped": Casme2Cropped(),
    "casme-squared": CasmeSquared(),
    "casme3a": Casme3A(),
    "casme3a-v1": Casme3AOf1(),
    "casme3c": Casme3C(),
    "samm": Samm(),
    "smic-hs": Smic(),
    "smic-hs-cropped": SmicCropped(),
    "smic-vis": SmicVis(),
    "smic-nir": SmicNir(),
    "smic-hs-e": SmicHsE(),
    "mmew": Mmew(),
    "mmew-subject-first": MmewSubjectFirst(),
    "4dme": FourDme(),
    "dfme": Dfme(),
    "actions": Actions(),
    "macro": Macro(),
    "flow-maps": FlowMaps(),
    "flow-maps-loso": FlowMapsLoso(),
    "casme2-flow": FlowMaps("casme2"),
    "samm-flow": FlowMaps("samm"),
    "smic-hs-flow": FlowMaps("smic"),
}
