"""Train the network of the magnification arm `magnet`."""

import argparse
from pathlib import Path

from apexbench.errors import InputError

HELP = "train the network of the magnification arm magnet, on no clip"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help=".safetensors file to write")
    parser.add_argument(
        "--steps", type=int, default=4000, help="of 4 pictures of 64 px; default 4000, about 25 minutes"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bfloat16", action="store_true", help="faster on processors that have it")
    parser.add_argument("--device", default="cpu", help="torch's name; default cpu")


def run(wanted: argparse.Namespace) -> int:
    """Train MagNet on procedural scenes and write it in half precision, with the command in the file's record."""
    import logging

    import torch

    from apexbench.frames.magnet.training import train
    from apexbench.store.tensors import write_tensors

    weights, steps, seed, bfloat16 = wanted.weights, wanted.steps, wanted.seed, wanted.bfloat16
    if steps < 1 or weights.suffix != ".safetensors":
        raise InputError("train-magnet: expected a file named .safetensors, and --steps 1 or more")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    model = train(steps, seed, bfloat16=bfloat16, device=wanted.device)
    command = f"apexbench train-magnet {weights} --steps {steps} --seed {seed}{' --bfloat16' if bfloat16 else ''}"
    record = {"kind": "magnet", "command": command, "device": wanted.device, "torch": torch.__version__}
    write_tensors(weights, {name: x.cpu().half().numpy() for name, x in model.state_dict().items()}, record)
    print(f"{weights}: {weights.stat().st_size / 1e6:.1f} MB")
    return 0
