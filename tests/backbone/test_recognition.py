"""Whether a network that was brought along is right about the images is measured and said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from backbone.toys import toy_images
from pipeline.backbone.backbone import Made
from pipeline.backbone.kinds import backbone_of, make_backbone
from pipeline.backbone.recognition import recognised
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

HERE = "backbone.test_recognition"
TEST = toy_images(400, seed=0)


class Brighter(nn.Module):
    """Right about `digit`: class 1 where the upper half is brighter; of images of one size, on a scale of [−1, 1]."""

    def __init__(self, order: int = 1, classes: int = 2) -> None:
        super().__init__()
        self.order, self.classes = order, classes

    def forward(self, images: Tensor) -> Tensor:
        brighter = images[:, :, :16].mean(dim=(1, 2, 3)) - images[:, :, 16:32].mean(dim=(1, 2, 3))
        logits = torch.stack((-brighter, brighter), dim=1).roll(self.order - 1, dims=1)
        return torch.cat((logits, logits.new_full((len(images), self.classes - 2), -9)), dim=1)


class Blind(nn.Module):
    """Says class 1 of any image."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack((0 * images[:, 0, 0, 0], 7 + 0 * images[:, 0, 0, 0]), dim=1)


def made(network: str = "Brighter", images: Images = TEST, **section: object) -> tuple[Made, list[str]]:
    params = BackboneParams.model_validate(
        {"kind": "torch", "network": f"{HERE}:{network}", "concept": "digit", **section}
    )
    return recognised(make_backbone(params, images, 0), images)


def test_a_network_that_is_right_is_said_to_be() -> None:
    network, lines = made()
    assert lines == ["balanced accuracy of 'digit' on 400 test images 1.000, chance is 0.500"]
    assert network.card["test_accuracy"] == 1


@pytest.mark.parametrize(("names", "right"), [("dark light", 0), ("light dark", 1), ("hell dunkel", 0)])
def test_classes_in_another_order_than_the_concepts_go_by_their_names(tmp_path: Path, names: str, right: int) -> None:
    """Brighter images are class 0 of the network and the second one of the concept; other names say nothing."""
    (tmp_path / "names.txt").write_text("\n".join(names.split()))
    labels = TEST.labels | {"digit": np.r_[-1, 0, 1, TEST.labels["digit"][3:]]}
    images = replace(TEST, labels=labels, class_names={"digit": ["dark", "light"]})
    section = {"arguments": {"order": 2}, "class_names": str(tmp_path / "names.txt")}
    network, lines = made(images=images, **section)
    assert (network.card["test_accuracy"] > 0.9, len(lines)) == (bool(right), 1 if right else 3)
    classes = backbone_of(network).true_classes(images)
    assert classes is not None
    assert classes[:3].tolist() == ([-1, 1, 0] if right else [-1, 0, 1])


def test_classes_count_alike_and_images_without_one_not_at_all() -> None:
    labels = np.where(TEST.labels["digit"] == 1, 1, 0)
    labels[:50] = -1
    labels[np.flatnonzero(labels == 0)[:60]] = 1  # which the network calls 0
    ones = (labels == 1).sum()
    network, lines = made(images=replace(TEST, labels=TEST.labels | {"digit": labels}))
    assert network.card["test_accuracy"] == pytest.approx((1 + (ones - 60) / ones) / 2)
    assert lines[0].startswith("balanced accuracy of 'digit' on 350 test images 0.")
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("network", "section"),
    [("Blind", {}), ("Brighter", {"input": {"size": 96}})],
    ids=["one class alone", "another size than it was trained on"],
)
def test_a_network_that_is_hardly_better_than_chance_is_warned_of(network: str, section: dict[str, object]) -> None:
    _, lines = made(network, **section)
    assert lines[1:] == [
        "warning: that is hardly better than chance; is backbone.input (size, mean, std) what the network was trained "
        "on, and are its weights the trained ones?"
    ]


@pytest.mark.parametrize(
    ("images", "right", "warned"), [(400, 216, True), (400, 224, False), (8, 7, False), (8, 6, True)]
)
def test_how_near_to_chance_is_too_near(images: int, right: int, warned: bool) -> None:
    """Either .05 above one half, or two standard deviations of a coin that is thrown for each image."""
    labels = np.arange(images) % 2
    pixels = np.zeros((images, 32, 32, 3), np.uint8)
    upper = np.where(np.arange(images) < right, labels, 1 - labels)  # which the network calls 1 if it is bright
    pixels[upper == 1, :16], pixels[upper == 0, 16:] = 255, 255
    table = replace(toy_images(images, seed=0), pixels=pixels, labels={"digit": labels})
    network, lines = made(images=table)
    assert network.card["test_accuracy"] == pytest.approx(right / images, abs=1e-6)
    assert any("hardly better" in line for line in lines) == warned


def test_another_order_of_the_classes_is_told_from_a_network_that_sees_nothing() -> None:
    _, lines = made(arguments={"order": 2})
    assert lines[0].endswith("0.000, chance is 0.500")
    assert lines[2:] == [
        "warning: with its classes in another order it would be 1.000: are they numbered in 'digit' as they are in the "
        "network?"
    ]


def test_a_class_that_no_test_image_shows_is_left_out() -> None:
    images = replace(TEST, num_categories={"digit": 5, "colour": 2})
    network, lines = made(images=images, arguments={"classes": 5})
    assert (network.card["test_accuracy"], len(lines)) == (1, 1)


def test_many_images_are_drawn_from_and_other_networks_left_alone() -> None:
    many = toy_images(1200, seed=1, side=32)
    assert made(images=many)[1] == ["balanced accuracy of 'digit' on 1,000 test images 1.000, chance is 0.500"]
    for section in ({"concept": None}, {"concept": None, "output": "values"}):
        network, lines = made(**section)
        assert (lines, "test_accuracy" in network.card) == ([], False)
