"""What a person gives `python -m pipeline.backbone layers`, and what is printed."""

import pytest
from refusals import refusal_of

from pipeline.backbone.__main__ import layers, parser

HERE = "backbone.generators"


def options(*given: str) -> str:
    """What `python -m pipeline.backbone layers` prints."""
    return layers(parser().parse_args(["layers", *given]))


def test_the_layer_of_a_generator_is_listed_by_its_number_of_dimensions() -> None:
    call = ("--call", f"{HERE}:Convolved")
    assert options(*call, "--num-dims", "6") == (
        "latent  the one layer of kind 'generator', 6 dimensions, taken as [B, 6, 1, 1]\n"
        "the network gives images of 16x16"
    )
    assert refusal_of(options, *call).endswith("; of a generator, which takes none, give --num-dims")
    assert refusal_of(options, *call, "--num-dims", "1") == "--num-dims: found 1, accepted are 2 to 4096"
    assert refusal_of(options, "--torchvision", "resnet18", "--num-dims", "6") == (
        "--num-dims: is of a generator, which --call or --exported names"
    )


@pytest.mark.parametrize(
    "text", ["{in_features: 3072, out_features: 5, bias: false}", '{"out_features": 5, "in_features": 3072}']
)
def test_a_network_is_listed_with_its_arguments(text: str) -> None:
    listed = options("--call", "backbone.generators:flat_linear", "--arguments", text)
    assert listed.splitlines()[-1].startswith("the network gives 5 numbers: logits of 5 classes")


@pytest.mark.parametrize("text", ["[3]", "{depth: [1]}", "{1: 2}", "depth"])
def test_arguments_that_are_no_mapping_of_plain_values_are_one_line(text: str) -> None:
    assert refusal_of(options, "--call", "backbone.generators:flat_linear", "--arguments", text).startswith(
        f"--arguments: found {text}, expected a mapping from names to texts, numbers or booleans"
    )
