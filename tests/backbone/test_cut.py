import numpy as np
import pytest
import torch
from torch import Tensor, nn

from backbone import unsteady
from pipeline.backbone.classifier import Classifier
from pipeline.backbone.hook_backbone import AS_IT_IS, HookCut
from pipeline.backbone.hooks import capture, replace
from pipeline.backbone.reduction import Reduction, to_vector

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
CPU = torch.device("cpu")


class Skip(nn.Module):
    """A path that passes `layer` by, so that only the recipient's image can tell the output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.around, self.head = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 5, 3), nn.Linear(5, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head((self.layer(images) + self.around(images).relu()).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    return Classifier(10, 8, seed=0).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def skip() -> nn.Module:
    torch.manual_seed(0)
    return Skip().eval().requires_grad_(False)


def cut(
    network: nn.Module, layer: str, how: str = "mean", kept: list[int] | None = None, channels: str | None = None
) -> HookCut:
    return HookCut(network, layer, Reduction(how, channels), None if kept is None else np.array(kept), AS_IT_IS, CPU)


@pytest.mark.parametrize("reduce", ["mean", "none"])
@pytest.mark.parametrize("layer", ["stage1", "stage2", "stage3", "stage3.2", "features", "features.2", "head"])
def test_its_own_latent_gives_the_untouched_output_bit_for_bit(classifier: nn.Module, layer: str, reduce: str) -> None:
    there = cut(classifier, layer, reduce)
    z, scale = there.encode(IMAGES)
    assert scale is None
    assert torch.equal(there.rest(IMAGES)(z), classifier(IMAGES))


@pytest.mark.parametrize("layer", ["stage2", "features"])
def test_the_rest_of_a_chain_is_what_a_replaced_forward_gives(classifier: nn.Module, layer: str) -> None:
    """The modules before the layer are left out of it."""
    found, _ = capture(classifier, layer, IMAGES)
    other = found + torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    z = to_vector(other, Reduction("none"))
    assert torch.equal(cut(classifier, layer, "none").rest(IMAGES)(z), replace(classifier, layer, IMAGES, other))


def test_what_passes_the_layer_by_is_the_recipients(skip: nn.Module) -> None:
    layer = cut(skip, "layer")
    z, _ = layer.encode(IMAGES)
    swapped = layer.rest(IMAGES)(z.flip(0))
    assert not torch.allclose(swapped, skip(IMAGES.flip(0)), atol=1e-3)
    added = (z.flip(0) - z) @ skip.get_parameter("head.weight").T  # the head is linear in the layer's channel means
    assert torch.allclose(swapped, skip(IMAGES) + added, atol=1e-5)


def test_numbers_that_stay_out_of_the_flow_are_the_recipients(skip: nn.Module) -> None:
    every, some = cut(skip, "layer"), cut(skip, "layer", kept=[1, 4])
    z, _ = every.encode(IMAGES)
    edited = z.clone()
    edited[:, [1, 4]] += 1
    assert torch.equal(some.rest(IMAGES)(edited[:, [1, 4]]), every.rest(IMAGES)(edited))
    assert torch.equal(some.rest(IMAGES)(z[:, [1, 4]]), skip(IMAGES))
    assert torch.equal(some.encode(IMAGES)[0], z[:, [1, 4]])  # G takes what E gives


def test_many_edits_of_the_same_recipients_do_not_disturb_each_other(classifier: nn.Module) -> None:
    layer = cut(classifier, "stage1")
    z, _ = layer.encode(IMAGES)
    run, kept = layer.rest(IMAGES), z.clone()
    first = run(z + 1)
    run(z - 2)
    assert torch.equal(run(z + 1), first)
    assert torch.equal(z, kept)
    assert not torch.equal(first, classifier(IMAGES))


@pytest.mark.parametrize("layer", ["trunk", "features"])
@pytest.mark.parametrize("network", [unsteady.Autocast(), *map(unsteady.Precise, ("bfloat16", "float16", "float64"))])
def test_a_layer_of_another_precision_is_cast_and_cast_back(network: nn.Module, layer: str) -> None:
    network = network.eval().requires_grad_(False)
    for how in ("mean", "none"):
        there = cut(network, layer, how)
        z, _ = there.encode(IMAGES)
        back = there.rest(IMAGES)(z)
        assert (z.dtype, back.dtype) == (torch.float32, torch.float32)
        assert torch.equal(back, network(IMAGES))
        rounded = there.rest(IMAGES)(z * (1 + 1e-6))
        assert torch.allclose(rounded, back, atol=1e-4), "what a flow rounds is less than the layer shows"
        assert (there.rest(IMAGES)(z + 1) - back).abs().max() > 1e-2


def test_channels_that_are_last_are_moved_as_a_whole() -> None:
    network = unsteady.ChannelsLast().eval().requires_grad_(False)
    there = cut(network, "sum", channels="last")
    z, _ = there.encode(IMAGES)
    assert z.shape == (3, 12)
    assert torch.equal(there.rest(IMAGES)(z), network(IMAGES))
    moved = z + torch.eye(12)[3]
    expected = network(IMAGES) + network.get_parameter("head.weight")[:, 3]  # the head is linear in the means
    assert torch.allclose(there.rest(IMAGES)(moved), expected, atol=1e-5)


def test_one_token_is_edited_and_the_others_are_the_recipients() -> None:
    network = unsteady.Tokens().eval().requires_grad_(False)
    there = cut(network, "block", "token 0", channels="last")
    z, _ = there.encode(IMAGES)
    found, _ = capture(network, "block", IMAGES)
    assert torch.equal(z, found[:, 0])
    assert torch.equal(there.rest(IMAGES)(z), network(IMAGES))
    changed = found.clone()
    changed[:, 0] += 1
    assert torch.equal(there.rest(IMAGES)(z + 1), replace(network, "block", IMAGES, changed))
    assert not torch.allclose(there.rest(IMAGES)(z + 1), network(IMAGES), atol=1e-3)


def test_principal_directions_and_what_is_kept_of_them() -> None:
    network = unsteady.ChannelsLast().eval().requires_grad_(False)
    directions = torch.linalg.qr(torch.randn(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    axes = (torch.zeros(12, dtype=torch.float64), directions)
    there = HookCut(network, "sum", Reduction("pca 3", "last", axes), np.array([0, 2]), AS_IT_IS, CPU)
    z, _ = there.encode(IMAGES)
    assert z.shape == (3, 2)
    assert torch.equal(there.rest(IMAGES)(z), network(IMAGES))
    along = directions[:, 2].float() @ network.get_parameter("head.weight").T
    assert torch.allclose(there.rest(IMAGES)(z + torch.tensor([0.0, 1.0])), network(IMAGES) + along, atol=1e-5)
