"""What a network gives, read as one tensor."""

from dataclasses import replace

import pytest
import torch
from refusals import refusal_of

from backbone.heads import Headed
from pipeline.backbone.head import Head, in_words
from pipeline.params import BackboneParams

IMAGES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
LOGITS = Headed().eval()(IMAGES).detach()


def given(form: str, **arguments: int) -> object:
    with torch.no_grad():
        return Headed(form, **arguments).eval()(IMAGES)


def refusal(head: Head, output: object, num: int = 4) -> str:
    return refusal_of(head, output, num)


@pytest.mark.parametrize(
    ("form", "key"),
    [
        ("tensor", ""),
        ("map", ""),
        ("dict", "logits"),
        ("output", "logits"),
        ("dataclass", "logits"),
        ("named", "logits"),
        ("tuple", "1.1"),
    ],
)
def test_logits_are_found_wherever_they_lie(form: str, key: str) -> None:
    assert torch.equal(Head(key=key)(given(form), 4), LOGITS)


def test_half_and_double_precision_become_single() -> None:
    for form, within in (("half", 1e-3), ("double", 0.0)):
        read = Head()(given(form), 4)
        assert read.dtype == torch.float32
        assert (read - LOGITS).abs().max() <= within


@pytest.mark.parametrize("form", ["tensor", "vector", "map"])
def test_one_logit_decides_against_zero(form: str) -> None:
    logit = given("vector", classes=1)
    read = Head()(given(form, classes=1), 4)
    assert torch.equal(read, torch.stack([torch.zeros(4), logit], dim=1))
    assert torch.allclose(read.softmax(dim=1)[:, 1], logit.sigmoid())


def test_the_softmax_of_probabilities_is_what_they_are() -> None:
    head = Head("probabilities")
    read = head(given("softmax"), 4)
    assert torch.allclose(read.softmax(dim=1), LOGITS.softmax(dim=1), atol=1e-7)
    one = given("sigmoid", classes=1)
    assert torch.allclose(head(one, 4).softmax(dim=1), torch.cat((1 - one, one), dim=1), atol=1e-7)
    certain = head(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 2)
    assert certain.isfinite().all()
    assert torch.allclose(certain.softmax(dim=1), torch.eye(2))


def test_values_are_rows_of_numbers() -> None:
    head = Head("values")
    assert head(torch.zeros(4), 4).shape == (4, 1)
    assert torch.equal(head(LOGITS, 4), LOGITS)
    assert head(torch.zeros(4, 2, 3, 5), 4).shape == (4, 30)
    assert refusal(head, torch.zeros(4, 64, 64)).startswith(
        "backbone.output: the network gives (4, 64, 64), 4096 values an image, accepted are 1 to 2048"
    )


def test_images_are_brought_to_one_range_and_to_three_channels() -> None:
    assert torch.equal(Head("images")(IMAGES, 4), IMAGES)
    for black, white in ((0.0, 1.0), (0.0, 255.0), (-0.5, 0.5)):
        shown = black + (IMAGES + 1) / 2 * (white - black)
        assert torch.allclose(Head("images", range=(black, white))(shown, 4), IMAGES, atol=1e-6)
    grey = Head("images")(IMAGES[:, :1], 4)
    assert torch.equal(grey, IMAGES[:, :1].expand(4, 3, 32, 32))


@pytest.mark.parametrize(
    ("form", "key", "message"),
    [
        (
            "dict",
            "",
            "backbone.output_key: it is empty, but the network gives a dict; accepted are logits (4, 3), features (4,",
        ),
        (
            "tuple",
            "",
            "backbone.output_key: it is empty, but the network gives a tuple; accepted are 0 (4, 12), 1.0 (4",
        ),
        (
            "output",
            "logit",
            "backbone.output_key: found 'logit', but the network gives a ModelOutput; accepted are logits",
        ),
        (
            "tensor",
            "logits",
            "backbone.output_key: found 'logits', but the network gives one tensor (4, 3); accepted is",
        ),
        ("nothing", "", "backbone.output: the network gives a NoneType, a tensor, or a dict, tuple or dataclass of"),
        ("classes", "", "backbone.output: the network gives torch.int64, floating-point numbers are expected"),
    ],
)
def test_what_can_not_be_read_is_one_line_with_all_that_there_is(form: str, key: str, message: str) -> None:
    assert refusal(Head(key=key), given(form)).startswith(message)


def test_of_very_many_entries_some_are_shown() -> None:
    assert refusal(Head(), [torch.zeros(4)] * 20).endswith("7 (4,) and 12 more")


def test_another_number_of_rows_is_refused() -> None:
    with torch.no_grad():
        alone = Headed("squeezed").eval()(IMAGES[:1])
    assert refusal(Head(), alone, 1) == "backbone.output: the network gives (3,) for 1 images, 1 rows are expected"
    assert "logits [B, classes], or [B, 1] or [B] of two" in refusal(Head(), torch.zeros(4, 3, 8, 8))
    assert "images (4, 1 or 3, H, W) are expected" in refusal(Head("images"), torch.zeros(4, 2, 8, 8))


def test_a_card_and_params_say_the_same() -> None:
    section = {"kind": "torch", "network": "a:b", "output": "images", "output_key": 0, "output_range": [0, 1]}
    head = Head.of(BackboneParams.model_validate(section))
    assert head == Head("images", "0", (0.0, 1.0))
    assert Head.from_card(head.to_card()) == head
    assert Head.from_card({"output": "logits"}) == Head()
    assert Head.from_card({"output": "images"}) == replace(Head(), output="images")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.zeros(1, 1000), "1000 numbers: logits of 1000 classes, probabilities or values (backbone.output)"),
        (torch.zeros(1), "1 number: a logit or probability of two classes, or a value (backbone.output)"),
        (torch.zeros(1, 1), "1 number: a logit or probability of two classes, or a value (backbone.output)"),
        (torch.zeros(1, 3, 32, 32), "3x32x32: an image (backbone.output)"),
        (torch.zeros(1, 7, 32, 32), "7x32x32: values (backbone.output)"),
        (torch.zeros(1, 5, 8), "5x8: values (backbone.output)"),
        (torch.zeros(1, 5, 1, 1), "5 numbers: logits of 5 classes, probabilities or values (backbone.output)"),
        (torch.zeros(5, 1, 8), "(5, 1, 8) for 1 images, not a row for each: it can't be used"),
        ([torch.zeros(1, 4)], "a list, of which backbone.output_key names one: 0 4"),
        (3, "an int, which holds no tensor and can't be used"),
    ],
)
def test_what_a_network_gives_in_words(output: object, words: str) -> None:
    assert in_words(output, 1) == f"the network gives {words}"
