"""Which axis holds the channels is found where a module or the lengths say so, and nowhere else."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from backbone import unsteady
from pipeline.backbone.backbone import Made
from pipeline.backbone.channels import Call, channels_of
from pipeline.backbone.hook_backbone import AS_IT_IS, list_layers
from pipeline.backbone.hooks import layer_table
from pipeline.backbone.kinds import require_layers
from pipeline.backbone.reduction import Reduction
from pipeline.backbone.torchvision_network import from_torchvision
from pipeline.errors import InputError
from pipeline.params import LatentsParams

from .toys import toy_images


def found(network: nn.Module, side: int = 32) -> dict[str, str | None]:
    """Of the layers with more than one axis."""
    table = layer_table(network.eval(), torch.zeros(2, 3, side, side))
    return {entry.name: entry.channels for entry in table if len(entry.shape or ()) > 1}


@pytest.mark.parametrize("side", [8, 12])
def test_modules_say_it_where_the_lengths_can_not(side: int) -> None:
    """With maps of 12x12 all three lengths are 12."""
    channels = found(unsteady.ChannelsLast(), 4 * side)
    assert channels["trunk"] == "first"
    assert {name: channels[name] for name in ("turn", "norm", "block", "act")} == dict.fromkeys(
        ("turn", "norm", "block", "act"), "last"
    )


def test_networks_of_torchvision_are_read_as_they_are() -> None:
    swin = found(from_torchvision("swin_t", None, {}), 64)
    assert {swin[f"features.{stage}"] for stage in (0, 1, 2, 3, 5)} == {"last"}
    assert (swin["norm"], swin["permute"], swin["avgpool"]) == ("last", "first", "first")
    convnext = found(from_torchvision("convnext_tiny", None, {}), 64)
    assert {convnext[f"features.{stage}"] for stage in range(8)} == {"first"}
    block = {number: convnext[f"features.1.0.block.{number}"] for number in range(7)}
    assert block == {0: "first", 1: "last", 2: "last", 3: "last", 4: "last", 5: "last", 6: "first"}
    assert {channels for name, channels in found(from_torchvision("resnet18", None, {})).items()} == {"first"}
    vit = found(from_torchvision("vit_b_16", None, {"image_size": 32}))
    assert (vit["conv_proj"], vit["encoder.layers.encoder_layer_3"], vit["encoder"]) == ("first", "last", "last")


class Bare(nn.Module):
    """Gives what it was made for, and says nothing by its class."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, images: Tensor) -> Tensor:
        return images.new_ones(len(images), *self.shape) * images.mean(dim=(1, 2, 3)).reshape(
            -1, *[1] * len(self.shape)
        )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((12, 7, 7), "first"),
        ((7, 7, 12), "last"),
        ((7, 7, 7), None),
        ((7, 8, 9), None),
        ((7, 8, 7), None),
        ((9, 5), "last"),
    ],
)
def test_without_a_word_of_a_module_two_equal_lengths_are_height_and_width(
    shape: tuple[int, ...], expected: str | None
) -> None:
    assert found(nn.Sequential(Bare(*shape)))["0"] == expected


def test_a_vector_has_no_axis_to_choose() -> None:
    (entry,) = layer_table(nn.Sequential(Bare(5)), torch.zeros(2, 3, 8, 8))
    assert (entry.shape, entry.channels) == ((5,), None)


def test_a_tensor_that_is_handed_on_keeps_its_axes() -> None:
    """Up a chain, and down a branch of it that began before the module that says it."""
    root, one, two, three = (torch.ones(2, 5, 5, 5) for _ in range(4))
    calls = [
        Call("root", Bare(5, 5, 5), None, root),
        Call("act", nn.GELU(), root, one),
        Call("drop", nn.Dropout(), root, two),
        Call("norm", nn.LayerNorm(5), one, three),
    ]
    assert channels_of(calls) == dict.fromkeys(("root", "act", "drop", "norm"), "last")
    assert channels_of([*calls, Call("conv", nn.Conv2d(5, 5, 1), one, torch.ones(2, 5, 5, 5))])["act"] is None


class Turned(nn.LayerNorm):
    """As torchvision's LayerNorm2d: over the first axis, though its class stems from one of the last."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def test_a_norm_that_turns_the_axes_says_nothing() -> None:
    network = nn.Sequential(Bare(7, 7, 7), Turned(7))
    assert found(network) == {"0": None, "1": None}


CARD = {"kind": "torch", "network": "mine:make", "output": "logits", "input": AS_IT_IS.to_card()}


def reduction(make: Callable[[], nn.Module], layer: str, **latents: object) -> Reduction:
    made = Made(make().eval(), CARD)
    return require_layers(made, [layer], LatentsParams.model_validate(latents), toy_images(4, seed=0))[layer]


def uncertain() -> nn.Module:
    return nn.Sequential(Bare(7, 8, 9), nn.Flatten(), nn.Linear(504, 3))


def test_the_key_says_what_is_not_certain() -> None:
    with pytest.raises(InputError) as caught:
        reduction(uncertain, "0")
    assert str(caught.value) == (
        "latents.channels: layer '0' gives shape (7, 8, 9), of which it is not certain what the channels are; accepted "
        "are 'first', as (C, H, W), and 'last', as (H, W, C)"
    )
    assert reduction(uncertain, "0", channels="first") == Reduction("mean", "first")
    assert reduction(uncertain, "0", channels="last") == Reduction("mean", "last")
    assert reduction(uncertain, "0", reduce="none") == Reduction("none"), "all numbers, whatever they are"
    directions = {"pca": 9, "of": "none"}
    assert reduction(uncertain, "0", reduce=directions) == Reduction("pca 9 of none"), "of all numbers, too"
    assert reduction(uncertain, "2", channels="last") == Reduction("mean"), "a vector"
    assert reduction(unsteady.ChannelsLast, "block") == Reduction("mean", "last")
    assert reduction(unsteady.ChannelsLast, "block", channels="first") == Reduction("mean", "first"), "the key decides"


def test_the_list_shows_what_is_taken_for_channels() -> None:
    lines = [line.split() for line in list_layers(unsteady.ChannelsLast().eval(), 32).splitlines()]
    assert lines[0] == ["layer", "module", "shape", "channels", "mean", "none"]
    assert ["trunk", "Conv2d", "12x8x8", "first", "12", "768"] in lines
    assert ["block", "Linear", "8x8x12", "last", "12", "768"] in lines
    assert ["head", "Linear", "3", "3", "3"] in lines
    shown = [line.split() for line in list_layers(uncertain(), 32).splitlines()]
    assert ["0", "Bare", "7x8x9", "not", "certain", "-", "504"] in shown


class Tokens(nn.Module):
    """A map of 12x8x8, 64 tokens of 80 numbers, and so wide a vector that no flow takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.mix = nn.Conv2d(3, 12, 4, 4), nn.Linear(12, 80)
        self.flat, self.head = nn.Flatten(), nn.Linear(5120, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.flat(self.mix(self.trunk(images).flatten(2).transpose(1, 2))))
        return logits


def test_the_list_has_a_column_of_one_token_where_a_layer_gives_tokens_and_says_what_a_dash_is() -> None:
    *rows, legend, dash, _ = list_layers(Tokens().eval(), 32).splitlines()
    assert rows[0].split() == ["layer", "module", "shape", "channels", "mean", "none", "token", "0"]
    assert [row.split() for row in rows[1:]] == [
        ["trunk", "Conv2d", "12x8x8", "first", "12", "768"],
        ["mix", "Linear", "64x80", "last", "80", "-", "80"],
        ["flat", "Flatten", "5120", "-", "-"],
        ["head", "Linear", "3", "3", "3"],
    ]
    assert legend.startswith("mean, none, token 0: the numbers that a flow gets by latents.reduce; by {pca: 32}")
    assert dash == "-: it can get none: they are not 2 to 4,096, or it is not certain what the channels are"
    assert "token" not in list_layers(uncertain(), 32)
