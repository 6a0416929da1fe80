"""Which layers a network has: `python -m pipeline.backbone layers`.

    python -m pipeline.backbone layers                                      # of models/backbone
    python -m pipeline.backbone layers --torchvision resnet18 --size 224
    python -m pipeline.backbone layers --call package.module:function --arguments "{depth: 4}"
    python -m pipeline.backbone layers --exported model.pt2 --size 32 --channels 1
    python -m pipeline.backbone layers --call package.module:Generator --num-dims 128

Each line is a module by its dotted name, with the shape that it gives, which axis is taken for the channels, and how
many dimensions a flow would get from it with `latents.reduce` mean, none and token 0; or why it can't be used. The last
line says what the network gives: of several outputs `backbone.output_key` names one. A generator takes `--num-dims`
numbers in place of an image, and has one layer.
"""

import argparse
import signal
from collections.abc import Mapping
from pathlib import Path

from pipeline.backbone.callable_network import from_callable
from pipeline.backbone.exported_network import from_exported
from pipeline.backbone.generator import describe_generator
from pipeline.backbone.hook_backbone import list_layers
from pipeline.backbone.kinds import load_backbone
from pipeline.backbone.torchvision_network import USUAL_SIZE, from_torchvision
from pipeline.entry import command_parser, run
from pipeline.errors import InputError
from pipeline.files import parse_yaml
from pipeline.params import BackboneParams
from pipeline.places import Places

Arguments = dict[str, str | int | float | bool]


def main() -> None:
    """Open the network, send one image through it, and print its layers."""
    options = parser().parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends it without a word
    print(layers(options))


def parser() -> argparse.ArgumentParser:
    """What a person may type."""
    parser = command_parser("python -m pipeline.backbone", __doc__)
    parser.add_argument("command", choices=["layers"])
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--backbone", default=Places().backbone, type=Path, help="folder of a frozen backbone; the default"
    )
    which.add_argument("--torchvision", metavar="NAME")
    which.add_argument("--call", metavar="PACKAGE.MODULE:CALLABLE")
    which.add_argument("--exported", metavar="FILE")
    parser.add_argument("--arguments", default="{}", metavar="YAML", help="of the callable or of torchvision's model")
    parser.add_argument("--size", type=int, help="side of the image; by default 224 for torchvision, else 32")
    parser.add_argument("--channels", type=int, choices=[1, 3], default=3, help="1 for a network of grey images")
    parser.add_argument("--num-dims", type=int, metavar="N", help="of a generator, from N numbers to images")
    return parser


def layers(options: argparse.Namespace) -> str:
    """What is printed.

    Raises:
        InputError: the network can't be opened, or takes no such images or numbers.
    """
    given = _arguments(options.arguments)
    if options.num_dims is not None:
        return _generator(options, given)
    if options.torchvision:
        network = from_torchvision(options.torchvision, None, given)
        return list_layers(network, options.size or USUAL_SIZE, options.channels)
    if options.call:
        return list_layers(from_callable(options.call, given), options.size or 32, options.channels)
    if options.exported:
        return list_layers(from_exported(Path(options.exported)), options.size or 32, options.channels)
    return load_backbone(options.backbone).layers(options.size)


def _generator(options: argparse.Namespace, given: Arguments) -> str:
    network = options.call or options.exported
    if network is None:
        raise InputError("--num-dims: is of a generator, which --call or --exported names")
    if not 2 <= options.num_dims <= 4096:
        raise InputError(f"--num-dims: found {options.num_dims}, accepted are 2 to 4096")
    section = BackboneParams(kind="generator", network=network, arguments=given, num_dims=options.num_dims)
    return describe_generator(section)


def _arguments(text: str) -> Arguments:
    """Keyword arguments from YAML, as params.yaml has them; JSON is YAML, too."""
    content = parse_yaml(text.encode(), "--arguments")
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, str | int | float) for name, value in content.items()
    ):
        raise InputError(
            f"--arguments: found {text}, expected a mapping from names to texts, numbers or booleans, such as "
            '"{depth: 4, act: relu}"'
        )
    return dict(content)


if __name__ == "__main__":
    run(main)
