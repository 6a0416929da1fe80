import pytest
import torch

from pipeline.backbone.reduction import Reduction, from_vector, num_dims, to_vector
from pipeline.errors import InputError

SHAPES = {"vector": (4, 7), "map": (4, 5, 3, 3), "turned": (4, 3, 3, 5), "tokens": (4, 6, 5), "columns": (4, 5, 6)}
CHANNELS = {"vector": None, "map": "first", "turned": "last", "tokens": "last", "columns": "first"}
POSITIONS = {"map": (2, 3), "turned": (1, 2), "tokens": (1,), "columns": (2,)}
TYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def outputs(kind: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(SHAPES[kind], generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def reduction(kind: str, how: str = "mean") -> Reduction:
    return Reduction(how, CHANNELS[kind])


def hows(kind: str) -> list[str]:
    return ["mean", "none", *(["token 0", "token 4"] if len(SHAPES[kind]) == 3 else [])]


CASES = [(kind, how) for kind in SHAPES for how in hows(kind)]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("kind", "how"), CASES)
def test_the_whole_layer_is_recovered_bit_for_bit_from_its_own_vector(kind: str, how: str, dtype: torch.dtype) -> None:
    output = outputs(kind, dtype)
    z = to_vector(output, reduction(kind, how))
    assert z.dtype == torch.float32
    assert z.shape == (4, num_dims(tuple(output.shape[1:]), reduction(kind, how), "layer"))
    again = from_vector(z, output, reduction(kind, how))
    assert again.dtype == dtype
    assert torch.equal(again, output)


@pytest.mark.parametrize("kind", ["vector", "map", "tokens"])
def test_rounding_of_a_map_there_and_back_is_lost_in_half_precision(kind: str) -> None:
    """What a flow maps there and back is off by 1e-6, less than bfloat16 shows."""
    output = outputs(kind, torch.bfloat16)
    z = to_vector(output, reduction(kind, "none"))
    assert torch.equal(from_vector(z * (1 + 1e-6), output, reduction(kind, "none")), output)


@pytest.mark.parametrize("kind", SHAPES)
def test_another_vector_gives_a_layer_that_has_it(kind: str) -> None:
    output, z = outputs(kind), torch.randn(4, 7 if kind == "vector" else 5)
    edited = from_vector(z, output, reduction(kind))
    assert edited.shape == output.shape
    assert torch.allclose(to_vector(edited, reduction(kind)), z, atol=1e-6)
    if kind != "vector":  # what deviates from the mean is the recipient's
        positions = POSITIONS[kind]
        moved = edited - edited.mean(dim=positions, keepdim=True)
        assert torch.allclose(moved, output - output.mean(dim=positions, keepdim=True), atol=1e-6)


def test_one_number_moved_moves_its_channel_alone() -> None:
    output = outputs("map")
    z = to_vector(output, reduction("map"))
    z[:, 2] += 1
    edited = from_vector(z, output, reduction("map"))
    assert torch.allclose(edited[:, 2], output[:, 2] + 1, atol=1e-6)
    others = [0, 1, 3, 4]
    assert torch.equal(edited[:, others], output[:, others])


@pytest.mark.parametrize("kind", ["tokens", "columns"])
def test_one_token_changes_alone(kind: str) -> None:
    output, z = outputs(kind), torch.randn(4, 5)
    edited = from_vector(z, output, reduction(kind, "token 2"))
    tokens, before = (whole if kind == "tokens" else whole.transpose(1, 2) for whole in (edited, output))
    assert torch.equal(tokens[:, 2], z)
    others = [0, 1, 3, 4, 5]
    assert torch.equal(tokens[:, others], before[:, others])
    assert torch.equal(output, outputs(kind)), "the recipient's is not written to"


def test_along_principal_directions_the_rest_is_the_recipients() -> None:
    output = outputs("turned")
    directions = torch.linalg.qr(torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    along = Reduction("pca 2", "last", (torch.full((5,), 0.3, dtype=torch.float64), directions))
    z, means = to_vector(output, along), to_vector(output, reduction("turned"))
    assert torch.allclose(z.double(), (means - 0.3).double() @ directions, atol=1e-6)
    assert torch.equal(from_vector(z, output, along), output)
    moved = from_vector(z + torch.tensor([1.0, 0.0]), output, along)
    assert torch.allclose(moved - output, directions[:, 0].float().expand_as(output), atol=1e-6)
    half = output.bfloat16()
    assert torch.equal(from_vector(to_vector(half, along), half, along), half)
    assert torch.equal(to_vector(output, Reduction("pca 2", "last")), means), "before the directions are known"


def test_principal_directions_of_all_numbers_move_single_positions_of_a_map() -> None:
    output = outputs("map")
    num = output[0].numel()
    directions = torch.linalg.qr(torch.randn(num, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[
        0
    ]
    along = Reduction("pca 3 of none", None, (torch.full((num,), 0.3, dtype=torch.float64), directions))
    z, flat = to_vector(output, along), output.flatten(1)
    assert torch.allclose(z.double(), (flat - 0.3).double() @ directions, atol=1e-6)
    assert torch.equal(from_vector(z, output, along), output)
    moved = from_vector(z + torch.tensor([0.0, 2.0, 0.0]), output, along)
    assert torch.allclose((moved - output).flatten(1), 2 * directions[:, 1].float().expand_as(flat), atol=1e-5)
    assert torch.equal(to_vector(output, Reduction("pca 3 of none")), flat), "before the directions are known"


def test_the_vector_is_no_view_of_the_layer() -> None:
    for kind, how in CASES:
        output = outputs(kind)
        kept = output.clone()
        to_vector(output, reduction(kind, how)).zero_()
        assert torch.equal(output, kept)


@pytest.mark.parametrize(
    ("shape", "how", "channels", "message"),
    [
        ((65, 8, 8), "none", None, r"'none' gives layer 'a' of shape \(65, 8, 8\) 4160 dimensions, accepted are 2 to "
         "4096; 'mean' gives one a channel"),
        ((5000,), "none", None, r"5000 dimensions, accepted are 2 to 4096$"),
        ((1, 9, 9), "mean", "first", "1 dimensions, accepted are 2 to 4096"),
        ((2, 3, 4, 5), "mean", "first", r"layers: 'a' gives shape \(2, 3, 4, 5\); accepted are \(C\), \(C, H, W\) and"),
        ((7, 8, 9), "mean", None, r"latents.channels: layer 'a' gives shape \(7, 8, 9\), of which it is not certain"),
        ((7, 9), "token 7", "last", r"found 'token 7', but layer 'a' of shape \(7, 9\) has 7 tokens"),
        ((7, 9), "token 9", "first", r"found 'token 9', but layer 'a' of shape \(7, 9\) has 9 tokens"),
        ((7,), "token 0", None, r"'token 0' is of tokens \(L, C\), but layer 'a' gives shape \(7,\)"),
        ((7, 9, 9), "pca 8", "first", r"found 'pca 8', but layer 'a' of shape \(7, 9, 9\) has 7 directions at most"),
        ((2, 2, 2), "pca 9 of none", None, r"found 'pca 9 of none', but layer 'a' .* has 8 directions at most"),
        ((65, 8, 8), "pca 9 of none", None, "4160 dimensions, accepted are 2 to 4096; 'mean' gives one a channel"),
    ],
)  # fmt: skip
def test_what_a_flow_can_not_take_is_refused(
    shape: tuple[int, ...], how: str, channels: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        num_dims(shape, Reduction(how, channels), "a")


@pytest.mark.parametrize(("shape", "how", "channels", "expected"), [
    ((2,), "none", None, 2), ((4096,), "mean", None, 4096), ((7, 3, 3), "none", None, 63), ((4, 9), "mean", "last", 9),
    ((4, 9), "mean", "first", 4), ((7, 7, 192), "mean", "last", 192), ((4, 9), "token 3", "last", 9),
    ((4, 9), "token 8", "first", 4), ((64, 8, 8), "none", None, 4096), ((64, 8, 8), "pca 5", "first", 5),
    ((4, 8, 8), "pca 200 of none", None, 200),
])  # fmt: skip
def test_any_width_from_2_to_4096(shape: tuple[int, ...], how: str, channels: str | None, expected: int) -> None:
    assert num_dims(shape, Reduction(how, channels), "a") == expected
