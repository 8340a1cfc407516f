"""What recipes read that they should not know, or measure by what has made it: apart from the recipes' models.

Their code is no part of any hash.
"""

from typing import Any


def reads_action_units(crop: Any) -> bool:
    """Tell whether a crop recipe reads what is known of a clip only once it is annotated: its action units."""
    return crop.region == "action-units"


def warps_by(magnification: Any, algorithm: str) -> bool:
    """Tell whether a magnification's arm moves pixels by this flow, which then measures its own."""
    return magnification.arm == "flow-warp" and magnification.options.get("flow") == algorithm
