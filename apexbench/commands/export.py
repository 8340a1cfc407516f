"""A study's flow maps for released programs of other authors."""

import argparse
from pathlib import Path

from apexbench.errors import InputError

HELP = "write flow maps as the released programs of STSTNet, HTNet, RCN, Dual-ATME and IncepTR read them"


def arguments(parser: argparse.ArgumentParser) -> None:
    from apexbench.export import LAYOUTS

    parser.add_argument("layout", metavar="LAYOUT", help=", ".join(LAYOUTS))
    parser.add_argument("--protocol", default="megc2019", help="whose clips and labels; default megc2019")
    parser.add_argument("--dataset", action="append", default=[], help="only this data set of it; repeat for more")
    parser.add_argument("--recipe", default="tvl1-28", help="flow recipe; default tvl1-28")
    parser.add_argument("--faces", default="", metavar="RECIPE", help="of htnet: faces from these key frames, too")
    parser.add_argument("--puzzle", default="", metavar="RECIPE", help="of dual-atme: flow of brows above mouth")
    parser.add_argument("--channel-order", default="rgb-uvs", help="rgb-uvs (default: red is u) or bgr-uvs (blue is u)")
    parser.add_argument("-o", "--output", type=Path, help="new folder; default results/exports/<protocol>-<layout>")


def run(wanted: argparse.Namespace) -> int:
    """Write the export, and print what it holds and what the program still lacks."""
    from apexbench.errors import nearest
    from apexbench.export import find
    from apexbench.export.clips import Source
    from apexbench.export.folder import write_export
    from apexbench.export.pictures import ORDERS

    module, order = find(wanted.layout), wanted.channel_order
    if order not in ORDERS:
        raise InputError(f"--channel-order: unknown order {order!r}; {nearest(order, ORDERS)}")
    extras = {what: getattr(wanted, what) for what in ("faces", "puzzle")}
    for what, recipe in extras.items():
        if recipe and what not in module.EXTRAS:
            raise InputError(f"--{what}: the layout {wanted.layout!r} has no place for it")
    source = Source(wanted.protocol, list(dict.fromkeys(wanted.dataset)))
    clips = source.clips(wanted.recipe, **extras)
    record = {
        "layout": wanted.layout,
        "channel_order": order,
        "scaling": "each channel of each clip from its least to its greatest value",
        **source.record({"flow": wanted.recipe, **extras}),
    }
    output = wanted.output or Path("results/exports") / f"{wanted.protocol}-{wanted.layout}"
    write_export(wanted.layout, clips, output, order, record)
    known = source.card.expected_clips if len(source.datasets) == len(source.card.datasets) else None
    wish = f" of {known} on the official list" if known else ""
    print(f"{output}: {record['clips']} clips{wish}, {record['subjects']} subjects")
    synthetic = sorted(dataset for dataset, its in record["datasets"].items() if its["synthetic"])
    if synthetic:
        print(f"synthetic clips, which say nothing about real data: {', '.join(synthetic)}")
    if len(synthetic) < len(record["datasets"]):
        print("made of your copy of licensed clips: pass none of it on")
    print("".join(f"{text}\n" for what, text in module.EXTRAS.items() if not extras[what]), end="")
    return 0
