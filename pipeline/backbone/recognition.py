"""How often a network that was brought along is right about the images of the study.

A wrong size, scale or order of the classes breaks nothing: the network answers all the same. What it says of images
whose class is known shows it, before anything is trained on its answers.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pipeline.backbone.backbone import Backbone, Made
from pipeline.backbone.kinds import backbone_of
from pipeline.progress import Progress
from pipeline.tables.images import Images, to_unit_range

__all__ = ["recognised"]

_MOST = 1000  # images, which are enough to tell it from chance
_BATCH = 50
_NEAR = 0.1  # of the way from chance to 1, or
_DEVIATIONS = 2  # standard ones above chance, up to which a network sees hardly anything
_GAIN = 0.1  # by which another order of the classes must be better to be spoken of


def recognised(made: Made, images: Images) -> tuple[Made, list[str]]:
    """Measure a network whose classes are those of a concept.

    Args:
        made: of `make_backbone`, on the CPU; any other network comes back as it is.
        images: the test rows, of which at most 1,000 go through the network, spread evenly.

    Returns:
        The same with `test_accuracy` in its card: the balanced accuracy, over the images whose class is known; and
        lines for a person, the first with that number, others with what is likely wrong.
    """
    backbone = backbone_of(made)
    concept = backbone.concept
    if concept is None or not backbone.decides:
        return made, []
    labels = backbone.true_classes(images)
    assert labels is not None  # as it has a concept
    known = np.flatnonzero(labels >= 0)
    if len(known) == 0:
        return made, []
    rows = known[np.unique(np.linspace(0, len(known) - 1, _MOST).astype(np.intp))]
    named = torch.cat(list(_named(backbone, images, rows)))
    shares, counts = _confusion(labels[rows], named.numpy(), images.num_categories[concept])
    accuracy, chance = float(shares.trace() / len(counts)), 1 / len(counts)
    noise = float(np.sqrt((chance * (1 - chance) / counts).sum()) / len(counts))
    lines = [f"balanced accuracy of '{concept}' on {len(rows):,} test images {accuracy:.3f}, chance is {chance:.3f}"]
    if accuracy < min(1.0, chance + max(_NEAR * (1 - chance), _DEVIATIONS * noise)):
        lines.append(
            "warning: that is hardly better than chance; is backbone.input (size, mean, std) what the network was "
            "trained on, and are its weights the trained ones?"
        )
    reordered = _best_order(shares)
    if reordered > accuracy + _GAIN:
        lines.append(
            f"warning: with its classes in another order it would be {reordered:.3f}: are they numbered in "
            f"'{concept}' as they are in the network?"
        )
    return dataclasses.replace(made, card=made.card | {"test_accuracy": accuracy}), lines


def _named(backbone: Backbone, images: Images, rows: NDArray[np.int64]) -> Iterator[Tensor]:
    """The class that the network says of rows, a part of them at a time, with a line of progress."""
    progress, done = Progress("backbone", len(rows), unit="image"), 0
    for batch in np.array_split(rows, len(rows) // _BATCH + 1):
        yield backbone.run(to_unit_range(images.pixels[batch])).argmax(dim=1)
        done += len(batch)
        progress.update(done)


def _confusion(
    labels: NDArray[np.int64], named: NDArray[np.int64], num_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Share [P, K] of the images of a class that are called each class, and images [P]; of the P that occur.

    The columns begin with those P, in the same order.
    """
    table = np.zeros((num_classes, num_classes))
    np.add.at(table, (labels, named), 1)
    counts = table.sum(axis=1)
    occur = counts > 0
    table = np.concatenate((table[:, occur], table[:, ~occur]), axis=1)[occur]
    return table / counts[occur, None], counts[occur].astype(np.int64)


def _best_order(shares: NDArray[np.float64]) -> float:
    """The balanced accuracy if each class went by the name that makes all of them right most often."""
    found, called = linear_sum_assignment(shares, maximize=True)
    return float(shares[found, called].mean())
