"""Who is seen in clips that lie in folders of classes: known by name, before anything is read."""

import re
from collections.abc import Iterable

# names of clips that say who is seen: of UCF101 (v_Archery_g01_c02), CK+ (S005_001), Oulu-CASIA (P001); what is added
# to the number keeps those of one release apart from another's
_NAMED = (
    (re.compile(r"v_\w+_g(\d+)_c\d+", re.IGNORECASE), 0),
    (re.compile(r"S(\d{3})_\d{3}", re.IGNORECASE), 0),
    (re.compile(r"P(\d{3})(?:[_-].*)?", re.IGNORECASE), 1000),
)
NAMELESS = 10_001  # the first clip whose name does not say; later ones count on


def persons(clips: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return {(class, clip): number of its person} of clips in folders of classes.

    The number is the one in the clip's name, if that is as UCF101 (its groups), CK+ or Oulu-CASIA (1000 added) name
    them. Any other clip shows a person of its own, from 10001 up in the order of the names.

    >>> persons([("fear", "S005_001"), ("fear", "P001"), ("bow", "v_Bow_g07_c02"), ("bow", "b"), ("bow", "a")]).values()
    dict_values([10001, 10002, 7, 1001, 5])
    """
    found, nameless = {}, NAMELESS
    for label, clip in sorted(clips):
        named = ((pattern.fullmatch(clip), more) for pattern, more in _NAMED)
        number = next((int(match[1]) + more for match, more in named if match), None)
        if number is None:
            number, nameless = nameless, nameless + 1
        found[label, clip] = number
    return found
