"""Which layers a network has: `python -m pipeline.backbone layers`.

    python -m pipeline.backbone layers                                      # of models/backbone
    python -m pipeline.backbone layers --torchvision resnet18 --size 224
    python -m pipeline.backbone layers --call package.module:function
    python -m pipeline.backbone layers --exported model.pt2 --size 32

Each line is a module by its dotted name, with the shape that it gives, and how many dimensions a flow would get from it
with `latents.reduce` mean and none; or why it can't be used.
"""

import signal
from pathlib import Path

import torch

from pipeline.backbone.cut import num_dims
from pipeline.backbone.frozen import load_backbone
from pipeline.backbone.hooks import Layer, layer_table
from pipeline.backbone.opening import from_callable, from_exported, from_torchvision
from pipeline.entry import command_parser, run
from pipeline.errors import InputError

__all__ = ["listing"]


def main() -> None:
    """Open the network, send one image through it, and print its layers."""
    parser = command_parser("python -m pipeline.backbone", __doc__)
    parser.add_argument("command", choices=["layers"])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--backbone", default="models/backbone", help="folder of a frozen backbone; the default")
    which.add_argument("--torchvision", metavar="NAME")
    which.add_argument("--call", metavar="PACKAGE.MODULE:CALLABLE")
    which.add_argument("--exported", metavar="FILE")
    parser.add_argument("--size", type=int, help="side of the image; by default 224 for torchvision, else 32")
    arguments = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends it without a word
    if arguments.torchvision:
        network = from_torchvision(arguments.torchvision, None, {})
    elif arguments.call:
        network = from_callable(arguments.call, {})
    elif arguments.exported:
        network = from_exported(Path(arguments.exported))
    else:
        backbone = load_backbone(Path(arguments.backbone))
        network = backbone.network
        if backbone.has_latent:
            print(f"latent  the one layer of kind '{backbone.card['kind']}', {backbone.card['num_dims']} dimensions")
            return
        arguments.size = arguments.size or backbone.card["input"]["size"]
    size = arguments.size or (224 if arguments.torchvision else 32)
    try:
        table = layer_table(network, torch.zeros(1, 3, size, size))
    except (RuntimeError, ValueError, AssertionError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"--size: the network does not take an image of {size}x{size} ({line})") from None
    print(listing(table))


def listing(table: list[Layer]) -> str:
    """A line a layer, in columns."""
    rows = [("layer", "module", "shape", "mean", "none")]
    for layer in table:
        if layer.shape is None:
            rows.append((layer.name, layer.kind, f"can't be used: it {layer.reason}", "", ""))
        else:
            shape = "x".join(str(size) for size in layer.shape)
            rows.append((layer.name, layer.kind, shape, _width(layer, "mean"), _width(layer, "none")))
    widths = [max(len(row[column]) for row in rows if column != 2 or row[3]) for column in range(5)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _width(layer: Layer, reduce: str) -> str:
    """Dimensions that a flow would get; a dash where it can't take them."""
    try:
        return str(num_dims(layer.shape or (), "mean" if reduce == "mean" else "none", layer.name))
    except InputError:
        return "-"


if __name__ == "__main__":
    run(main)
