"""Which layers a network has: `python -m pipeline.backbone layers`.

    python -m pipeline.backbone layers                                      # of models/backbone
    python -m pipeline.backbone layers --torchvision resnet18 --size 224
    python -m pipeline.backbone layers --call package.module:function
    python -m pipeline.backbone layers --exported model.pt2 --size 32 --channels 1

Each line is a module by its dotted name, with the shape that it gives, which axis is taken for the channels, and how
many dimensions a flow would get from it with `latents.reduce` mean and none; or why it can't be used. The last line
says what the network gives: of several outputs `backbone.output_key` names one.
"""

import argparse
import signal
from pathlib import Path

from pipeline.backbone.callable_network import from_callable
from pipeline.backbone.exported_network import from_exported
from pipeline.backbone.hook_backbone import list_layers
from pipeline.backbone.kinds import load_backbone
from pipeline.backbone.torchvision_network import USUAL_SIZE, from_torchvision
from pipeline.entry import command_parser, run
from pipeline.places import Places


def main() -> None:
    """Open the network, send one image through it, and print its layers."""
    parser = command_parser("python -m pipeline.backbone", __doc__)
    parser.add_argument("command", choices=["layers"])
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--backbone", default=Places().backbone, type=Path, help="folder of a frozen backbone; the default"
    )
    which.add_argument("--torchvision", metavar="NAME")
    which.add_argument("--call", metavar="PACKAGE.MODULE:CALLABLE")
    which.add_argument("--exported", metavar="FILE")
    parser.add_argument("--size", type=int, help="side of the image; by default 224 for torchvision, else 32")
    parser.add_argument("--channels", type=int, choices=[1, 3], default=3, help="1 for a network of grey images")
    arguments = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends it without a word
    print(_layers(arguments))


def _layers(arguments: argparse.Namespace) -> str:
    if arguments.torchvision:
        network = from_torchvision(arguments.torchvision, None, {})
        return list_layers(network, arguments.size or USUAL_SIZE, arguments.channels)
    if arguments.call:
        return list_layers(from_callable(arguments.call, {}), arguments.size or 32, arguments.channels)
    if arguments.exported:
        return list_layers(from_exported(Path(arguments.exported)), arguments.size or 32, arguments.channels)
    return load_backbone(arguments.backbone).layers(arguments.size)


if __name__ == "__main__":
    run(main)
