"""The configuration of a study, as it is run, beside its results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from apexbench.store.writing import atomic

HEAD = "# The study as it was last run, written by ApexBench: `apexbench run` and `apexbench report` read it.\n"


def save_study(*, settings: Mapping[str, Any], output: str) -> None:
    """Write all settings as YAML, a file that --configfile takes."""
    with atomic(Path(output)) as part:
        part.write_text(HEAD + yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True))
