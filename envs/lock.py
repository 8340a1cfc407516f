"""Write the lock from the environment that runs this, and the conda file from the lock.

.venv/bin/python envs/lock.py            # after a change of dependencies in pyproject.toml
.venv/bin/python envs/lock.py --conda    # only the conda file, from the lock as it is
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
APART = {"apexbench", "mediapipe", "pip", "wheel"}
CLUSTER = "snakemake-executor-plugin-slurm=="


def pins(path: Path) -> list[str]:
    """Return the name==version lines of a lock."""
    return [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]


def conda(requirements: list[str]) -> str:
    """Return the conda environment with the same versions; mediapipe comes by apexbench.post-deploy.sh."""
    lines = [
        "# The versions of requirements.lock for --sdm conda; written by envs/lock.py, held in step by a test.",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        "  - pip:",
        *[f"      - {pin}" for pin in requirements],
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    lock = HERE / "requirements.lock"
    if "--conda" not in sys.argv:
        listing = subprocess.run(
            [sys.executable, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
        ).stdout
        found = [line.split("+")[0] for line in listing.splitlines() if line.split("==")[0].lower() not in APART]
        if any(line.startswith(CLUSTER) for line in found):
            sys.exit("this environment holds cluster.lock too (make setup-cluster): lock from one without")
        head = [line for line in lock.read_text().splitlines() if line.startswith("#")]
        lock.write_text("\n".join(head + sorted(found, key=str.lower)) + "\n")
    (HERE / "apexbench.yaml").write_text(conda(pins(lock)))


if __name__ == "__main__":
    main()
