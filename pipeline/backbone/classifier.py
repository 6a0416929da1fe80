"""Kind `classifier`: a small convolutional classifier that is trained here, whose stages are layers to interpret."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.backbone.backbone import Made
from pipeline.backbone.class_names import names_of_classes
from pipeline.backbone.hook_backbone import AS_IT_IS, HookBackbone
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["Classifier", "ClassifierBackbone"]


class Classifier(nn.Sequential):
    """Three convolutional stages `stage1` to `stage3`, a vector of `features` and a linear `head`.

    Group normalisation only: a network that keeps running statistics would learn other weights on more workers. Images
    of any size at least 8x8 go in; at 32x32 the stages give maps of 16x16, 8x8 and 4x4.

    Args:
        num_classes: of the logits.
        width: channels of the first convolution; the deeper ones have twice and four times as many.
        seed: of the initial weights.
    """

    def __init__(self, num_classes: int, width: int, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(
                OrderedDict(
                    stage1=_stage(3, width),
                    stage2=_stage(width, 2 * width),
                    stage3=_stage(2 * width, 4 * width),
                    features=nn.Sequential(
                        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64 * width, 4 * width), nn.SiLU()
                    ),
                    head=nn.Linear(4 * width, num_classes),
                )
            )
        self.num_classes, self.width = num_classes, width


class ClassifierBackbone(HookBackbone):
    """A frozen classifier of one concept."""

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:
        """Random weights, which its training replaces."""
        assert params.concept is not None  # as its section has been checked
        network = Classifier(images.num_categories[params.concept], params.width, seed)
        return cls.made(network, params.concept, names_of_classes(params, images, network.num_classes))

    @classmethod
    def made(cls, network: Classifier, concept: str | None, class_names: list[str] | None = None) -> Made:
        """A classifier, and what its card says of it.

        Args:
            network: with any weights.
            concept: whose categories its classes are.
            class_names: what they are called, where that is known.
        """
        card: dict[str, Any] = {"concept": concept}
        if class_names:
            card["class_names"] = class_names
        shape = {"num_classes": network.num_classes, "width": network.width}
        return Made(network, {**card, "kind": "classifier", **shape, "output": "logits", "input": AS_IT_IS.to_card()})

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:  # noqa: ARG003
        """A classifier of the card's shape."""
        return Classifier(card["num_classes"], card["width"], seed=0)


def _stage(num_in: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU())
