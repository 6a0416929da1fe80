"""What the networks that a person brings have in common: a trial before one is taken.

A network is run once, and what it gives is compared with what it should.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.backbone.backbone import Made
from pipeline.backbone.class_names import names_of_classes
from pipeline.backbone.head import Head
from pipeline.backbone.hook_backbone import Preprocess
from pipeline.errors import InputError, one_line
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

__all__ = ["expected_input", "require_range", "run_once", "trial_images", "tried"]


_TRIED = 2  # images
_OVERSHOOT = 0.25  # by which images without an activation may leave their range, in halves of it
_SUM_ERROR = 1e-3  # of probabilities, by rounding
_RANGES = ((-1.0, 1.0), (0.0, 1.0))  # that networks are usually trained on


def expected_input(params: BackboneParams, usual: Preprocess) -> Preprocess:
    """What a network expects of an image.

    Args:
        params: section `backbone`.
        usual: what its kind expects, where `backbone.input` does not say.
    """
    given, grey = params.input, params.input.channels == 1
    mean, std = ((0.5,), (0.5,)) if grey else (usual.mean, usual.std)
    return Preprocess(given.size or usual.size, given.mean or mean, given.std or std)


def trial_images(images: Images) -> Tensor:
    """The images [2, 3, H, W] in [−1, 1] that a network is tried on."""
    return to_unit_range(images.pixels[:_TRIED])


@torch.no_grad()
def run_once(network: nn.Module, inputs: Tensor, params: BackboneParams) -> Any:
    """What a network gives; one line where it does not take the inputs.

    Raises:
        InputError: it does not.
    """
    try:
        return network(inputs)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        what, key = ("latents", "num_dims") if params.has_latent else ("images", "input")
        raise InputError(
            f"backbone: '{params.network}' does not take {what} {tuple(inputs.shape)} ({one_line(error, 200)}); see "
            f"backbone.{key}"
        ) from None


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
    preprocess, head, shown = expected_input(params, usual), Head.of(params), trial_images(images)
    card: dict[str, Any] = {
        "kind": params.kind,
        "network": params.network if exported is None else None,
        "arguments": dict(params.arguments),
        **head.to_card(),
        "concept": params.concept,
        "input": preprocess.to_card(),
    }
    output = run_once(network, preprocess(shown), params)
    read = head(output, len(shown))
    if not read.isfinite().all():
        raise InputError("backbone.output: the network gives numbers that are not finite")
    if head.output == "images":
        gives = _reconstruct(head, output, shown)
    elif head.output == "values":
        gives = f"{read.shape[1]} value{'s' * (read.shape[1] > 1)}"
    else:
        _require_classes(head, read, params.concept, images.num_categories)
        if names := names_of_classes(params, images, read.shape[1]):
            card["class_names"] = names
        gives = _decides(head, head.pick(output), read)
    return Made(network, card, exported, f"{gives}{preprocess.said_of(shown)}")


def _require_classes(head: Head, read: Tensor, concept: str | None, num_categories: dict[str, int]) -> None:
    num = read.shape[1]
    if concept in num_categories and num != num_categories[concept]:
        raise InputError(
            f"backbone.concept: '{concept}' has {num_categories[concept]} categories, the network {num} classes"
        )
    shares = read.exp() if head.output == "probabilities" else read
    are_shares = bool((shares >= 0).all() and ((shares.sum(dim=1) - 1).abs() <= _SUM_ERROR).all())
    if head.output == "probabilities" and not are_shares:
        raise InputError(
            "backbone.output: found 'probabilities', but what the network gives is not of 0 to 1, or does not sum to 1 "
            "over the classes"
        )
    if head.output == "logits" and are_shares:
        raise InputError(
            "backbone.output: found 'logits', but what the network gives is of 0 to 1 and sums to 1 over the classes; "
            "accepted is 'probabilities'"
        )


def _decides(head: Head, given: Tensor, read: Tensor) -> str:
    """What a network that decides gives, in words."""
    if given[0].numel() > 1:
        return f"{head.output} of {read.shape[1]} classes"
    if head.output == "probabilities":
        return "the probability of the second of two classes"
    doubt = "; if it is of 0 to 1 always, it is no logit: see backbone.output"
    within = bool(((given >= 0) & (given <= 1)).all())
    return f"a logit, above 0 for the second of two classes{doubt if within else ''}"


def _reconstruct(head: Head, output: Any, images: Tensor) -> str:
    """What a network that draws gives, in words; refused where it can't be images in the range that is said."""
    given, read = head.pick(output).float(), head(output, len(images))
    if read.shape != images.shape:
        raise InputError(
            f"backbone.output: the network gives {tuple(given.shape)}, images {tuple(images.shape)} are expected"
        )
    require_range(head, given, "the network", _OVERSHOOT)
    variance = float(images.var()) or 1.0

    def error(of: Head) -> float:
        return float((of(output, len(images)) - images).square().mean()) / variance

    off = error(head)
    for limits in _RANGES:
        if error(Head("images", head.key, limits)) < min(1.0, off / 2):
            raise InputError(
                f"backbone.output_range: found {list(head.range)}, but what the network gives, {_limits(given)}, is "
                f"nearer to the images as {list(limits)}; backbone.input.mean and std say what it is given"
            )
    far = ", no nearer than plain grey: see backbone.input and backbone.output_range" if off >= 1 else ""
    return f"images of {_limits(given)}, whose squared error is {off:.2g} of the images' variance{far}"


def require_range(head: Head, given: Tensor, name: str, overshoot: float) -> None:
    """Refuse images that leave their range.

    Args:
        head: says it.
        given: as the network gives them.
        name: of the network, for an error.
        overshoot: by how much they may leave it, in halves of it.

    Raises:
        InputError: they do.
    """
    black, white = head.range
    room = overshoot * (white - black) / 2
    if not (float(given.min()) >= black - room and float(given.max()) <= white + room):  # NaN is neither
        expected = f"{black:g} to {white:g}".replace("-", "−")
        raise InputError(
            f"backbone: {name} gives values of {_limits(given)}, expected are {expected}; see backbone.output_range"
        )


def _limits(given: Tensor) -> str:
    return f"{float(given.min()):.3g} to {float(given.max()):.3g}".replace("-", "−")
