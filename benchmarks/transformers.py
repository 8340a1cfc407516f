"""Training step of MixMeFormer against the bare networks, timm's ViT-B/16 and ResNet-18 up to layer3, both ways.

Our step is one of the real loop: clips gathered and augmented on the device, MEMix, forward pass with attention, labels
by it, loss, backward pass, Adam. The clips are noise; time does not depend on what they show. Steps of the variants
alternate. Also: bfloat16 and torch.compile against float32, and what the forward pass keeps for the backward pass.

    python benchmarks/transformers.py                       # a GPU if there is one; minutes on a CPU
    python benchmarks/transformers.py --batch 8 --steps 3   # a look
    python benchmarks/transformers.py --compile             # with torch.compile, some minutes more
    python benchmarks/transformers.py --bfloat16            # on a CPU too
"""

import argparse
import resource
from collections.abc import Callable, Iterator

import numpy as np
import torch
from timing import alternate, medians, name_of, peak_of

from apexbench.methods import Fold, create
from apexbench.methods.deep import Clips, epochs
from apexbench.torchvision_shim import ensure_torchvision
from apexbench.training.run import train_fold

CLASSES, SIDE = 5, 224
FLOPS = 3 * 2 * (16.8e9 + 1.4e9)  # of a training step and clip: ViT-B/16 and ResNet-18 to layer3, 2 per multiply-add


def _clips(count: int, side: int = SIDE) -> tuple[dict, np.ndarray]:
    rng = np.random.default_rng(0)
    flow = rng.standard_normal((count, 3, side, side)).astype(np.float16)
    frames = rng.integers(0, 256, (count, 2, 3, side, side), dtype=np.uint8)
    return {"flow": flow, "frames": frames, "id": np.arange(count)}, rng.integers(0, CLASSES, count)


def bare(batch: int, device: str, precision: str) -> Callable[[], None]:
    """Return a function that runs the two networks of timm forward and backward once, on tensors of the device."""
    ensure_torchvision()
    import timm

    vit = timm.create_model("vit_base_patch16_224", in_chans=2, num_classes=CLASSES).to(device)
    resnet = timm.create_model("resnet18", features_only=True, out_indices=(3,)).to(device)
    flow, onset = (torch.randn(batch, channels, SIDE, SIDE, device=device) for channels in (2, 3))

    def step():
        for network in (vit, resnet):
            network.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = vit(flow).square().mean() + resnet(onset)[0].square().mean()
        loss.backward()

    return step


def ours(batch: int, device: str, **options) -> Callable[[], None]:
    """Return a function that runs one step of the loop: an epoch of as many clips as a batch has."""
    inputs, labels = _clips(batch)
    method = create("mixmeformer", CLASSES, epochs=10**6, batch_size=batch, **options)
    steps: Iterator = epochs(method, inputs, labels, Fold(0, device))
    return lambda: next(steps)


def kept(batch: int, device: str, **options) -> float:
    """Return the MB that a forward pass keeps for its backward pass, parameters aside."""
    method = create("mixmeformer", CLASSES, **options)
    model = method.build().to(device)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    inputs, _ = _clips(batch)
    method.fit(inputs)
    tensors = Clips(method, inputs, device=device).batch(np.arange(batch))
    sizes: dict[int, int] = {}

    def pack(x):
        storage = x.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x), method.autocast(device):
        output = model(**tensors, attention=True)
    assert output is not None
    return sum(sizes.values()) / 2**20


def equality(device: str, compiled: bool) -> dict[str, float]:
    """Return how far scores after two epochs lie from those of plain float32, as a part of the largest score."""
    sizes = {"image_size": 64, "vit": {"embed_dim": 96, "depth": 4, "num_heads": 4}, "epochs": 2, "batch_size": 8}
    (train, labels), (test, _) = _clips(32, 64), _clips(8, 64)
    variants = {"bfloat16": {"precision": "bfloat16"}} | ({"compiled": {"compile": True}} if compiled else {})
    scores = {
        name: train_fold(create("mixmeformer", CLASSES, **sizes, **options), train, labels, test, 0, device)
        for name, options in {"": {}, **variants}.items()
    }
    plain = scores.pop("")
    return {name: float(np.abs(other - plain).max() / np.abs(plain).max()) for name, other in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=34)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument(
        "--bfloat16", action="store_true", help="on a CPU too; without its instructions, minutes a step"
    )
    wanted = parser.parse_args()
    device, batch = wanted.device, wanted.batch
    cpu = device == "cpu"
    name = name_of(device)
    print(
        f"| MixMeFormer, batch {batch}, {SIDE} px, {name} | step | clips/s | of the bare networks' |\n|:--|--:|--:|--:|"
    )
    for precision in ("float32", "bfloat16") if not cpu or wanted.bfloat16 else ("float32",):
        half = {"precision": precision}
        variants = {"bare": bare(batch, device, precision), "ours": ours(batch, device, **half)}
        variants["ours, no mixing"] = ours(batch, device, mixing="none", augmentation="none", **half)
        if wanted.compile:
            variants["ours, compiled"] = ours(batch, device, compile=True, **half)
        seconds = medians(alternate(variants, wanted.steps, device))
        for variant, value in seconds.items():
            part = f"{value / seconds['bare']:.2f}"
            print(f"| {precision}: {variant} | {value * 1e3:.0f} ms | {batch / value:.1f} | {part} |", flush=True)
        peak = peak_of(name)
        if peak and precision == "bfloat16":
            print(f"| part of the bfloat16 peak | {FLOPS * batch / seconds['ours'] / peak:.0%} | | |")
        del variants
    print(f"\n| kept for the backward pass, batch {batch} | MB |\n|:--|--:|")
    for precision in ("float32", "bfloat16"):
        print(f"| {precision} | {kept(batch, device, precision=precision):.0f} |")
    if cpu:
        print(f"| the process's peak | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} |")
    else:
        print(f"| the device's peak | {torch.cuda.max_memory_allocated() / 2**20:.0f} |")
    print("\n| difference from plain float32, small network, two epochs | part of the largest score |")
    print("|:--|--:|")
    for variant, part in equality(device, wanted.compile).items():
        print(f"| {variant} | {part:.1e} |")


if __name__ == "__main__":
    main()
