"""An export as a folder: whole or not there, and never over anything."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apexbench.errors import InputError
from apexbench.export import find
from apexbench.export.clips import Clip
from apexbench.store.writing import new_folder

RECORD = "apexbench-export.json"  # at the top of every export: what it is and what of


def write_export(layout: str, clips: Sequence[Clip], folder: Path, order: str, record: Mapping[str, Any]) -> None:
    """Write all clips into a new folder, which is there only when it is whole, and `record` beside them.

    Raises InputError if the folder is there and not empty, if the maps have not the size that the program reads, or if
    two clips would be one file.
    """
    module = find(layout)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        whose = "holds an earlier export" if (folder / RECORD).is_file() else "is not empty, and not ours"
        raise InputError(f"{folder}: {whose}: nothing is written over it; delete it, or name another with -o")
    side = clips[0].flow.shape[-1]
    if module.SIDE not in (None, side):
        raise InputError(
            f"layout {layout!r}: its program reads maps of {module.SIDE} px, these have {side}; name a flow recipe of "
            f"config/recipes.yaml with map: {module.SIDE}, such as tvl1-28"
        )
    stems = [clip.stem.lower() for clip in clips]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice:
        raise InputError(f"layout {layout!r}: two clips would be {twice!r}; it tells clips by subject and name only")
    with new_folder(folder) as part:
        module.write(clips, part, order)
        (part / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
