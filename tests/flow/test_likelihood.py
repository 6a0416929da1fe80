"""Nats against the density of the joint Gaussian of both members of a pair, through an affine map."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from pipeline.basis.layout import Layout
from pipeline.flow import (
    changed_rho,
    graded_rho,
    latent_nats,
    membership,
    pair_nats,
    shared_rho,
    stacked_pair_nats,
    tied_rho,
)

LAYOUT = Layout.of(["digit", "colour"], [3, 1, 2])
N = LAYOUT.num_dims
PAIRS = 7


def _normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


MATRIX = _normal(N, N, seed=0) + 2 * torch.eye(N, dtype=torch.float64)
SHIFT = _normal(N, seed=1)
LOG_ABS_DET = torch.linalg.slogdet(MATRIX).logabsdet.expand(PAIRS)
Z_A, Z_B = _normal(2, PAIRS, N, seed=2)


def _transform(z: Tensor) -> Tensor:
    return z @ MATRIX.T + SHIFT


def _joint_nats(rho: Tensor) -> Tensor:
    """−log p(zᵃ, zᵇ), where codes are N(0, 1) and correlate by `rho` [P, K + 1], as one Gaussian in 2N dimensions."""
    inverse = torch.linalg.inv(MATRIX)
    back = torch.block_diag(inverse, inverse)
    mean = -back @ torch.cat((SHIFT, SHIFT))
    nats = []
    for r, z_a, z_b in zip(rho, Z_A, Z_B, strict=True):
        eye = torch.eye(N, dtype=torch.float64)
        cross = torch.diag(torch.cat([r[k].expand(size) for k, size in enumerate(LAYOUT.sizes)]))
        code = torch.cat((torch.cat((eye, cross), 1), torch.cat((cross, eye), 1)))
        nats.append(-MultivariateNormal(mean, back @ code @ back.T).log_prob(torch.cat((z_a, z_b))))
    return torch.stack(nats)


def _pair_nats(rho: Tensor) -> Tensor:
    return pair_nats(_transform(Z_A), _transform(Z_B), LOG_ABS_DET, LOG_ABS_DET, LAYOUT, rho)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.975])
def test_one_shared_factor(rho: float) -> None:
    concept = torch.arange(PAIRS) % 3
    by_pair = shared_rho(concept, 3, rho)
    torch.testing.assert_close(_pair_nats(by_pair), _joint_nats(by_pair))


def test_graded_similarity_of_every_factor() -> None:
    rho = torch.rand(PAIRS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 0.99
    torch.testing.assert_close(_pair_nats(rho), _joint_nats(rho))


def test_without_correlation_a_pair_costs_what_its_members_cost() -> None:
    rho = torch.zeros(PAIRS, 3, dtype=torch.float64)
    alone = latent_nats(_transform(Z_A), LOG_ABS_DET) + latent_nats(_transform(Z_B), LOG_ABS_DET)
    torch.testing.assert_close(_pair_nats(rho), alone)


def test_latent_nats_are_the_gaussians() -> None:
    inverse = torch.linalg.inv(MATRIX)
    density = MultivariateNormal(-inverse @ SHIFT, inverse @ inverse.T)
    torch.testing.assert_close(latent_nats(_transform(Z_A), LOG_ABS_DET), -density.log_prob(Z_A))


def test_with_no_concept_the_residual_is_the_whole_code() -> None:
    layout = Layout.of([], [N])
    rho = shared_rho(torch.zeros(PAIRS, dtype=torch.int64), 1, 0.9)
    nats = pair_nats(_transform(Z_A), _transform(Z_B), LOG_ABS_DET, LOG_ABS_DET, layout, rho)
    alone = latent_nats(_transform(Z_A), LOG_ABS_DET) + latent_nats(_transform(Z_B), LOG_ABS_DET)
    torch.testing.assert_close(nats, alone)


def test_a_shared_factor_that_agrees_is_cheaper_than_one_that_does_not() -> None:
    code = _normal(1, N, seed=4)
    other = code.clone()
    other[:, LAYOUT.slice("digit")] *= -1
    none = torch.zeros(1, dtype=torch.float64)
    rho = shared_rho(torch.tensor([1]), 3, 0.9)
    assert pair_nats(code, code, none, none, LAYOUT, rho) < pair_nats(code, other, none, none, LAYOUT, rho)


def test_shared_rho_never_shares_the_residual() -> None:
    expected = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]]
    assert shared_rho(torch.tensor([0, 1, 2]), 3, 0.5).tolist() == expected


def test_a_change_in_one_factor_shares_all_else() -> None:
    expected = [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    assert changed_rho(torch.tensor([0, 1, 2]), 3, 0.5).tolist() == expected


def test_nats_of_float64_codes_are_exact_to_rounding() -> None:
    """Against r and 1 − r² written out; rounded to float32, .975 alone would move them by 1e-3."""
    r, variance = 0.975, 1 - 0.975**2
    code_a, code_b = 5 * _normal(2, PAIRS, N, seed=5)
    none = torch.zeros(PAIRS, dtype=torch.float64)
    found = pair_nats(code_a, code_b, none, none, LAYOUT, changed_rho(torch.full((PAIRS,), 1), 3, r))
    expected = []
    for a, b in zip(code_a.tolist(), code_b.tolist(), strict=True):
        nats = N * math.log(2 * math.pi) + sum(0.5 * x**2 for x in a)
        for dim, (x, y) in enumerate(zip(a, b, strict=True)):
            changed = LAYOUT.slice("digit").start <= dim < LAYOUT.slice("digit").stop
            nats += 0.5 * y**2 if changed else 0.5 * ((y - r * x) ** 2 / variance + math.log(variance))
        expected.append(nats)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-13, atol=0)


@pytest.mark.parametrize("concept", [1, 2])
def test_nats_of_all_but_one(concept: int) -> None:
    rho = changed_rho(torch.full((PAIRS,), concept), 3, 0.9)
    torch.testing.assert_close(_pair_nats(rho), _joint_nats(rho))


def test_graded_rho_falls_with_the_distance() -> None:
    concept, distance = torch.tensor([1, 1, 2, 2, 0]), torch.tensor([0.0, 0.5, 0.5, 50.0, 0.0])
    rho = graded_rho(concept, distance, 3, 0.8, 0.5)
    at_length = 0.8 * math.exp(-0.5)
    expected = [[0, 0.8, 0], [0, at_length, 0], [0, 0, at_length], [0, 0, 0], [0, 0, 0]]
    torch.testing.assert_close(rho, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("length", [0.0, -1.0, math.nan])
def test_an_impossible_length_is_refused(length: float) -> None:
    with pytest.raises(ValueError, match="length must be above 0"):
        graded_rho(torch.tensor([1]), torch.tensor([0.0]), 2, 0.5, length)


@pytest.mark.parametrize("rho", [-0.1, 1.0, math.nan])
def test_an_impossible_rho_is_refused(rho: float) -> None:
    with pytest.raises(ValueError, match=r"rho must lie in \[0, 1\)"):
        shared_rho(torch.tensor([1]), 2, rho)


def test_nats_of_a_stack_are_those_of_each_flow_whose_factors_are_of_other_sizes() -> None:
    layouts = [Layout(("residual", "digit", "colour"), sizes) for sizes in ((1, 2, 5), (6, 1, 1), (2, 4, 2))]
    generator = torch.Generator().manual_seed(0)
    code_a, code_b = torch.randn(2, 3, 40, 8, generator=generator)
    log_abs_det_a, log_abs_det_b = torch.randn(2, 3, 40, generator=generator)
    rho = torch.rand(3, 40, 3, generator=generator, dtype=torch.float64) * (torch.arange(40) % 3 > 0)[:, None] * 0.9999
    factors = torch.stack([membership(layout) for layout in layouts])
    assert factors[0].tolist() == [[1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1, 1]]
    found = stacked_pair_nats(code_a, code_b, log_abs_det_a, log_abs_det_b, factors, rho)
    for index, layout in enumerate(layouts):
        alone = pair_nats(code_a[index], code_b[index], log_abs_det_a[index], log_abs_det_b[index], layout, rho[index])
        torch.testing.assert_close(found[index], alone, rtol=1e-5, atol=1e-4)


def test_pairs_of_all_kinds_are_tied_as_their_kind_is() -> None:
    concept, distance = torch.tensor([1, -2, 0, 2]), torch.tensor([0.0, 0.0, 0.0, 1.0])
    rho = tied_rho(concept, distance, 3, 0.8)
    assert rho[:3].tolist() == [[0, 0.8, 0], [0.8, 0.8, 0], [0, 0, 0]]
    assert rho[3].tolist() == pytest.approx([0, 0, 0.8 * math.exp(-0.5)])
