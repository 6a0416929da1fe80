from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pipeline.backbone.autoencoder import Autoencoder
from pipeline.backbone.classifier import Classifier
from pipeline.backbone.hooks import capture, capture_all, layer_table, replace, require_layer, state_sha256
from pipeline.backbone.torchvision_network import from_torchvision
from pipeline.errors import InputError
from pipeline.judge.network import JudgeNet


class Odd(nn.Module):
    """One module of every sort that can't be used, and an activation that overwrites what a layer gave."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.overwrite = nn.ReLU(inplace=True)
        self.twice = nn.Dropout()
        self.several = nn.LSTM(6, 6, batch_first=True)
        self.unused = nn.Linear(6, 6)
        self.last = nn.Linear(6, 3)
        self.register_buffer("offset", torch.ones(3), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.overwrite(self.first(inputs))
        hidden = self.twice(self.twice(hidden))
        hidden, _ = self.several(hidden[:, None])
        return self.last(hidden[:, 0]) + self.offset


class Reconstruction(nn.Module):
    """An autoencoder from image to image, without noise."""

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.decode(self.network.encode(images)[0])


class JudgedFirst(nn.Module):
    """A judge's first answer: of its dict, one tensor."""

    def __init__(self, judge: JudgeNet) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, images: Tensor) -> Tensor:
        return self.judge(images)["digit"]


def frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False)


@pytest.fixture
def odd() -> nn.Module:
    torch.manual_seed(0)
    return frozen(Odd())


INPUTS = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))

# network, side of its images, how many of its modules can be captured and replaced, and of the others why not
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, int, dict[str, int]]] = {
    "resnet18": (lambda: from_torchvision("resnet18", None, {}), 64, 59, {"runs 2 times in one forward": 8}),
    "vit_b_16": (
        lambda: from_torchvision("vit_b_16", None, {"image_size": 32}),
        32,
        127,
        {"returns a tuple of 2": 12, "is never reached": 12},
    ),
    "autoencoder": (lambda: frozen(Reconstruction(Autoencoder(6, 8, seed=0))), 32, 23, {"is never reached": 1}),
    "classifier": (lambda: frozen(Classifier(10, 8, seed=0)), 32, 18, {}),
    "judge": (
        lambda: frozen(JudgedFirst(JudgeNet({"digit": 10, "colour": 3}, 8, seed=0))),
        32,
        15,
        {"returns a dict": 1, "is never reached": 1},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_module_is_captured_and_replaced_bit_for_bit_or_refused_with_the_reason(name: str) -> None:
    make, side, num_used, reasons = NETWORKS[name]
    network = make()
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        untouched = network(images)
    before = state_sha256(network)
    table = layer_table(network, images)
    assert len(table) == sum(1 for _ in network.modules()) - 1
    for layer in table:
        if layer.reason:
            with pytest.raises(InputError, match=f"'{layer.name}' can't be used, as it {layer.reason}"):
                capture(network, layer.name, images)
            continue
        found, output = capture(network, layer.name, images)
        assert tuple(found.shape[1:]) == layer.shape
        assert torch.equal(output, untouched)
        assert torch.equal(replace(network, layer.name, images, found), untouched)
    assert Counter(layer.reason for layer in table if layer.reason) == reasons
    assert sum(not layer.reason for layer in table) == num_used
    assert state_sha256(network) == before
    assert all(not module._forward_hooks for module in network.modules())


def test_a_replaced_layer_changes_what_follows_and_nothing_else(odd: nn.Module) -> None:
    found, _ = capture(odd, "last", INPUTS)
    assert torch.equal(replace(odd, "last", INPUTS, found + 2), found + 2 + 1)
    assert torch.equal(odd(INPUTS), found + 1)


def test_a_capture_is_a_clone_that_an_activation_in_place_does_not_overwrite(odd: nn.Module) -> None:
    found, output = capture(odd, "first", INPUTS)
    assert torch.equal(found, odd.get_submodule("first")(INPUTS))
    assert (found < 0).any()
    kept = found.clone()
    assert torch.equal(replace(odd, "first", INPUTS, found), output)
    assert torch.equal(found, kept)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("lst", "layers: no layer 'lst' in the network; nearest are last; list them with python -m pipeline.backbone"),
        ("", "layers: no layer '' in the network; it has 6"),
        ("twice", "layers: 'twice' can't be used, as it runs 2 times in one forward"),
        ("several", "layers: 'several' can't be used, as it returns a tuple of 2"),
        ("unused", "layers: 'unused' can't be used, as it is never reached"),
    ],
)
def test_what_can_not_be_used_is_one_line(odd: nn.Module, layer: str, message: str) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: require_layer(odd, layer, layer_table(odd, INPUTS)),
        lambda: capture(odd, layer, INPUTS),
        lambda: replace(odd, layer, INPUTS, torch.zeros(5, 6)),
    )
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
    assert all(not module._forward_hooks for module in odd.modules())


def test_a_module_with_two_names_goes_by_both() -> None:
    shared = nn.Linear(4, 4)
    network = frozen(nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)}))
    network.forward = lambda inputs: network["b"](inputs)  # type: ignore[method-assign]
    assert [layer.name for layer in layer_table(network, INPUTS)] == ["a", "b"]
    assert require_layer(network, "b.0", layer_table(network, INPUTS)).shape == (4,)
    found, output = capture(network, "b.0", INPUTS)
    assert torch.equal(found, output)


def test_a_value_of_another_shape_is_refused(odd: nn.Module) -> None:
    with pytest.raises(
        ValueError, match=r"found torch.float32 \(5, 5\), expected torch.float32 \(5, 6\), as layer 'first'"
    ):
        replace(odd, "first", INPUTS, torch.zeros(5, 5))
    assert all(not module._forward_hooks for module in odd.modules())


def test_the_hash_sees_every_weight_and_buffer(odd: nn.Module) -> None:
    before = state_sha256(odd)
    for tensor in (odd.get_parameter("first.bias"), odd.get_buffer("offset")):
        tensor[0] += 1
        assert state_sha256(odd) != before
        tensor[0] -= 1
    assert state_sha256(odd) == before


def test_several_layers_are_captured_in_one_forward(odd: nn.Module) -> None:
    found, output = capture_all(odd, ["last", "first"], INPUTS)
    assert torch.equal(output, odd(INPUTS))
    for layer, value in found.items():
        assert torch.equal(value, capture(odd, layer, INPUTS)[0])
    with pytest.raises(InputError, match="'twice' can't be used, as it runs 2 times"):
        capture_all(odd, ["last", "twice"], INPUTS)


def test_a_table_says_of_what_type_a_layer_is(odd: nn.Module) -> None:
    types = {layer.name: layer.dtype for layer in layer_table(odd.bfloat16(), INPUTS.bfloat16())}
    assert (types["first"], types["twice"]) == (torch.bfloat16, None)
