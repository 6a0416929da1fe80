import pytest
import torch

from pipeline.basis.layout import Layout
from pipeline.interpretation.edits import swap

LAYOUT = Layout.of(["digit", "colour"], [3, 2, 4])


@pytest.mark.parametrize("factor", LAYOUT.names)
def test_only_the_named_factor_is_the_donors(factor: str) -> None:
    recipient, donor = torch.randn(2, 5, LAYOUT.num_dims, generator=torch.Generator().manual_seed(0))
    before = recipient.clone(), donor.clone()
    codes = swap(factor, donor)(recipient, LAYOUT)
    for name in LAYOUT.names:
        source = donor if name == factor else recipient
        assert torch.equal(codes[:, LAYOUT.slice(name)], source[:, LAYOUT.slice(name)]), name
    assert torch.equal(recipient, before[0])
    assert torch.equal(donor, before[1])


def test_swapping_back_is_exact() -> None:
    recipient, donor = torch.randn(2, 5, LAYOUT.num_dims, generator=torch.Generator().manual_seed(1))
    there = swap("digit", donor)(recipient, LAYOUT)
    assert not torch.equal(there, recipient)
    assert torch.equal(swap("digit", recipient)(there, LAYOUT), recipient)


def test_unknown_factor_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no factor is named 'shape'; the factors are residual, digit, colour"):
        swap("shape", torch.zeros(1, 9))(torch.zeros(1, 9), LAYOUT)


@pytest.mark.parametrize(("recipient", "donor"), [((2, 9), (1, 9)), ((9,), (9,)), ((2, 8), (2, 8))])
def test_shapes_that_would_broadcast_are_refused(recipient: tuple[int, ...], donor: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        swap("digit", torch.zeros(donor))(torch.zeros(recipient), LAYOUT)
