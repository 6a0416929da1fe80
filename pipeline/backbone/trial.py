"""The trial of a network that a person brings: it is run once, and what it gives is compared with what it should."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pipeline.backbone.backbone import Made
from pipeline.backbone.hook_backbone import Preprocess
from pipeline.errors import InputError, one_line
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

__all__ = ["tried"]

_TRIED = 2  # images


def tried(
    network: nn.Module, params: BackboneParams, images: Images, usual: Preprocess, exported: Path | None = None
) -> Made:
    """The network with its card, once it has given what section `backbone` says.

    Args:
        network: in eval mode, with its weights.
        params: section `backbone`.
        images: some of the images table; the first two are sent through it.
        usual: what its kind expects of an image, where section `backbone.input` does not say.
        exported: the file that it was read from; None: the card says what it is made from.

    Raises:
        InputError: it does not take the images, or gives something else.
    """
    given = params.input
    preprocess = Preprocess(given.size or usual.size, given.mean or usual.mean, given.std or usual.std)
    card: dict[str, Any] = {
        "kind": params.kind,
        "network": params.network if exported is None else None,
        "arguments": dict(params.arguments),
        "output": "images" if params.draws_images else "logits",
        "concept": params.concept,
        "input": preprocess.to_card(),
    }
    pixels = to_unit_range(images.pixels[:_TRIED])
    inputs = preprocess(pixels)
    try:
        output = network(inputs)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise InputError(
            f"backbone: '{card['network'] or params.kind}' does not take images {tuple(inputs.shape)} "
            f"({one_line(error, 200)}); see backbone.input.size"
        ) from None
    if not isinstance(output, Tensor):
        raise InputError(f"backbone: the network gives a {type(output).__name__}, one tensor is expected")
    if params.draws_images:
        _require_images(output, pixels)
    else:
        _require_logits(output, params.concept, images.num_categories)
    if params.concept is not None and (names := images.class_names.get(params.concept)):
        card["class_names"] = names
    return Made(network, card, exported)


def _require_images(output: Tensor, images: Tensor) -> None:
    if output.shape != images.shape:
        raise InputError(
            f"backbone.output: the network gives {tuple(output.shape)}, images {tuple(images.shape)} are expected"
        )


def _require_logits(output: Tensor, concept: str | None, num_categories: dict[str, int]) -> None:
    if output.ndim != 2 or output.shape[1] < 2:
        raise InputError(f"backbone.output: the network gives {tuple(output.shape)}, logits [B, classes] are expected")
    if concept in num_categories and output.shape[1] != num_categories[concept]:
        raise InputError(
            f"backbone.concept: '{concept}' has {num_categories[concept]} categories, the network {output.shape[1]} "
            "classes"
        )
