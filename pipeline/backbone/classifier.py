"""A small convolutional classifier, whose stages are layers to interpret."""

from collections import OrderedDict

import torch
from torch import nn

__all__ = ["Classifier"]


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


def _stage(num_in: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU())
