import pytest
import torch

from pipeline.backbone.reduction import from_vector, num_dims, to_vector
from pipeline.errors import InputError

SHAPES = {"vector": (4, 7), "map": (4, 5, 3, 3), "tokens": (4, 6, 5)}


def outputs(kind: str) -> torch.Tensor:
    return torch.randn(SHAPES[kind], generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("reduce", ["mean", "none"])
@pytest.mark.parametrize("kind", SHAPES)
def test_the_whole_layer_is_recovered_bit_for_bit_from_its_own_vector(kind: str, reduce: str) -> None:
    output = outputs(kind)
    z = to_vector(output, reduce)
    assert z.shape == (4, num_dims(tuple(output.shape[1:]), reduce, "layer"))
    assert torch.equal(from_vector(z, output, reduce), output)


@pytest.mark.parametrize("kind", SHAPES)
def test_another_vector_gives_a_layer_that_has_it(kind: str) -> None:
    output, z = outputs(kind), torch.randn(4, 7 if kind == "vector" else 5)
    edited = from_vector(z, output, "mean")
    assert edited.shape == output.shape
    assert torch.allclose(to_vector(edited, "mean"), z, atol=1e-6)
    if kind != "vector":  # what deviates from the mean is the recipient's
        positions = (2, 3) if kind == "map" else (1,)
        moved = edited - edited.mean(dim=positions, keepdim=True)
        assert torch.allclose(moved, output - output.mean(dim=positions, keepdim=True), atol=1e-6)


def test_one_number_moved_moves_its_channel_alone() -> None:
    output = outputs("map")
    z = to_vector(output, "mean")
    z[:, 2] += 1
    edited = from_vector(z, output, "mean")
    assert torch.allclose(edited[:, 2], output[:, 2] + 1, atol=1e-6)
    others = [0, 1, 3, 4]
    assert torch.equal(edited[:, others], output[:, others])


def test_the_vector_is_no_view_of_the_layer() -> None:
    for kind in SHAPES:
        output = outputs(kind)
        kept = output.clone()
        to_vector(output, "none").zero_()
        assert torch.equal(output, kept)


@pytest.mark.parametrize(
    ("shape", "reduce", "message"),
    [
        ((64, 8, 8), "none", r"'none' gives layer 'a' of shape \(64, 8, 8\) 4096 dimensions, accepted are 2 to 2048; "
         "'mean' would give 64"),
        ((3000,), "none", r"3000 dimensions, accepted are 2 to 2048$"),
        ((1, 9, 9), "mean", "1 dimensions, accepted are 2 to 2048"),
        ((2, 3, 4, 5), "mean", r"layers: 'a' gives shape \(2, 3, 4, 5\); accepted are \(C\), \(C, H, W\) and tokens"),
    ],
)  # fmt: skip
def test_what_a_flow_can_not_take_is_refused(shape: tuple[int, ...], reduce: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        num_dims(shape, reduce, "a")


@pytest.mark.parametrize(("shape", "reduce", "expected"), [((2,), "none", 2), ((2048,), "mean", 2048),
                                                           ((7, 3, 3), "none", 63), ((4, 9), "mean", 9)])  # fmt: skip
def test_any_width_from_2_to_2048(shape: tuple[int, ...], reduce: str, expected: int) -> None:
    assert num_dims(shape, reduce, "a") == expected
