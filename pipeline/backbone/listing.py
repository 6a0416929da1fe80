"""The layers of a network for a person: a line each, with what a flow would get of it, or why it can't be used."""

import torch
from torch import nn

from pipeline.backbone.cut import Reduce, num_dims
from pipeline.backbone.hooks import Layer, layer_table
from pipeline.errors import InputError, one_line

__all__ = ["list_layers"]


def list_layers(network: nn.Module, size: int) -> str:
    """Each module by its dotted name, its class, the shape that it gives, and its dimensions under `latents.reduce`.

    Args:
        network: in eval mode.
        size: side of the black image that is sent through it.

    Raises:
        InputError: it does not take such an image.
    """
    try:
        table = layer_table(network, torch.zeros(1, 3, size, size))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"--size: the network does not take an image of {size}x{size} ({one_line(error, 200)})"
        ) from None
    rows = [("layer", "module", "shape", "mean", "none")]
    for layer in table:
        if layer.shape is None:
            rows.append((layer.name, layer.module, f"can't be used: it {layer.reason}", "", ""))
        else:
            shape = "x".join(str(length) for length in layer.shape)
            rows.append((layer.name, layer.module, shape, _width(layer, "mean"), _width(layer, "none")))
    widths = [max(len(row[column]) for row in rows if column != 2 or row[3]) for column in range(5)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _width(layer: Layer, reduce: Reduce) -> str:
    """Dimensions that a flow would get; a dash where it can't take them."""
    try:
        return str(num_dims(layer.shape or (), reduce, layer.name))
    except InputError:
        return "-"
