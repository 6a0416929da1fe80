"""The closed form against what is known of it: canonical directions, and codes that were mixed linearly."""

import math
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from scipy.linalg import eigh, subspace_angles
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.flow import Moments, closed_form, spectra

LAYOUT = Layout(("residual", "kind", "shade"), (3, 2, 1))
SHARED = torch.tensor([0.0, 0.0, 0.0, 0.9, 0.6, 0.0], dtype=torch.float64), torch.tensor([0.0] * 5 + [0.8]).double()


def _normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _mixed(seed: int = 0) -> tuple[Moments, Tensor]:
    """Moments of latents that are a random linear map of codes whose pairs correlate by `SHARED`; and the map."""
    map_ = _normal(6, 6, seed=seed)
    pairs = torch.stack([map_.T @ torch.diag(shared) @ map_ for shared in SHARED])
    return Moments(_normal(6, seed=1), map_.T @ map_, pairs), map_


def test_it_undoes_a_linear_map_of_independent_factors() -> None:
    moments, map_ = _mixed()
    found = closed_form(moments, LAYOUT)
    code = _normal(50, 6, seed=2)
    turned = found.codes(code @ map_ + moments.mean)
    across = torch.linalg.lstsq(code, turned).solution  # [6, 6]: within factors a rotation, between them nothing
    assert (across.T @ across - torch.eye(6)).abs().max() < 1e-10
    for where in LAYOUT.slices:
        outside = torch.ones(6, dtype=torch.bool)
        outside[where] = False
        assert across[outside][:, where].abs().max() < 1e-8


def test_its_codes_are_white_and_go_back_exactly() -> None:
    moments, _ = _mixed()
    found = closed_form(moments, LAYOUT)
    assert (found.matrix.T @ moments.covariance @ found.matrix - torch.eye(6)).abs().max() < 1e-12
    z = _normal(50, 6, seed=3)
    assert (found.codes(z) @ found.inverse + found.loc - z).abs().max() < 1e-12
    assert found.log_abs_det == pytest.approx(float(torch.linalg.slogdet(found.matrix).logabsdet), abs=1e-12)


def test_of_classes_it_finds_the_canonical_directions() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(600) % 4
    z = rng.standard_normal((4, 5))[label] + rng.standard_normal((600, 5)) @ rng.standard_normal((5, 5))
    z -= z.mean(axis=0)
    means = np.stack([z[label == k].mean(axis=0) for k in range(4)])
    between, total = means.T @ means / 4, z.T @ z / 600
    expected = eigh(between, total)[1][:, ::-1][:, :3]  # Fisher's: four classes have three
    moments = Moments(*(torch.from_numpy(part) for part in (np.zeros(5), total, between[None])))
    found = closed_form(moments, Layout(("residual", "kind"), (2, 3))).matrix[:, 2:]
    assert np.rad2deg(subspace_angles(found.numpy(), expected)).max() < 1e-4


def test_the_spectrum_is_the_correlation_of_pairs_from_the_largest() -> None:
    expected = [sorted(shared.tolist(), reverse=True) for shared in SHARED]
    assert spectra(_mixed()[0]).tolist() == [pytest.approx(values, abs=1e-10) for values in expected]


def test_two_concepts_share_a_direction_between_them_and_never_take_it_twice() -> None:
    """Where both want one direction, the one that has no other gets the next best: factors stay orthogonal."""
    moments, _ = _mixed()
    same = Moments(moments.mean, moments.covariance, moments.pairs[:1].expand(2, -1, -1))
    matrix = closed_form(same, LAYOUT).matrix
    assert (matrix.T @ moments.covariance @ matrix - torch.eye(6)).abs().max() < 1e-10


def test_a_factor_larger_than_its_concept_takes_no_direction_of_another() -> None:
    """A residue of correlation draws `kind` to the direction of `shade`; it holds nothing else, so it stays there."""
    pairs = torch.stack([torch.tensor([0.9, 0.6, 0.01, -0.01, -0.01, -0.01]), torch.tensor([0, 0, 0.8, 0, 0, 0])])
    moments = Moments(torch.zeros(6).double(), torch.eye(6).double(), torch.diag_embed(pairs.double()))
    matrix = closed_form(moments, Layout(("residual", "kind", "shade"), (1, 4, 1))).matrix
    assert matrix[:, 5].abs().tolist() == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-9)
    assert matrix[:2, 1:5].square().sum(dim=1).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("seed", range(8))
def test_directions_that_several_concepts_want_are_shared_out_nearly_as_well_as_can_be(seed: int) -> None:
    """Spectra along the same directions make it a problem of assignment, whose optimum is known."""
    layout = Layout.of(("a", "b", "c"), (3, 4, 2, 3))
    turn = torch.linalg.qr(_normal(12, 12, seed=seed)).Q
    correlations = _normal(3, 12, seed=seed + 100) / 3
    pairs = turn @ torch.diag_embed(correlations) @ turn.T
    matrix = closed_form(Moments(torch.zeros(12).double(), torch.eye(12).double(), pairs), layout).matrix
    kept = [matrix[:, where] for where in layout.slices[1:]]
    found = sum(float(torch.trace(basis.T @ of @ basis)) for basis, of in zip(kept, pairs, strict=True))
    gains = np.repeat(np.vstack([np.zeros(12), correlations.numpy()]), layout.sizes, axis=0)
    rows, columns = linear_sum_assignment(gains, maximize=True)
    best = gains[rows, columns].sum()
    assert 0.97 * best < found < best + 1e-9


def test_without_a_concept_it_whitens() -> None:
    moments, _ = _mixed()
    alone = Moments(moments.mean, moments.covariance, moments.pairs[:0])
    matrix = closed_form(alone, Layout(("residual",), (6,))).matrix
    assert (matrix.T @ moments.covariance @ matrix - torch.eye(6)).abs().max() < 1e-10


def test_a_direction_without_variance_is_not_blown_up() -> None:
    covariance = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    moments = Moments(torch.zeros(3).double(), covariance, torch.diag(torch.tensor([0.0, 0.0, 0.9])).double()[None])
    found = closed_form(moments, Layout(("residual", "kind"), (2, 1)))
    assert found.matrix.abs().max() == pytest.approx(500)  # 1 / sqrt(2) / sqrt(2e-6)
    z = _normal(10, 3, seed=0)
    assert (found.codes(z) @ found.inverse - z).abs().max() < 1e-12


@pytest.mark.parametrize("variances", [[4.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
def test_constant_dimensions_keep_their_scale(variances: list[float]) -> None:
    covariance = torch.diag(torch.tensor(variances, dtype=torch.float64))
    moments = Moments(torch.ones(3).double(), covariance, covariance.new_zeros(0, 3, 3))
    found = closed_form(moments, Layout(("residual",), (3,)))
    scales = torch.linalg.svdvals(found.matrix).tolist()
    assert scales == pytest.approx(sorted((v**-0.5 if v else 1.0 for v in variances), reverse=True), rel=1e-12)
    assert (found.matrix @ found.inverse - torch.eye(3)).abs().max() < 1e-12


def test_mirrored_latents_give_mirrored_codes_at_most() -> None:
    moments, _ = _mixed()
    mirror = torch.diag(torch.tensor([1.0, -1, 1, -1, 1, -1], dtype=torch.float64))
    turned = Moments(moments.mean @ mirror, mirror @ moments.covariance @ mirror, mirror @ moments.pairs @ mirror)
    z = _normal(20, 6, seed=4)
    ours, theirs = closed_form(moments, LAYOUT).codes(z), closed_form(turned, LAYOUT).codes(z @ mirror)
    concepts = slice(LAYOUT.sizes[0], None)
    assert (ours[:, concepts].abs() - theirs[:, concepts].abs()).abs().max() < 1e-8


def test_of_a_wide_layer_it_ends_where_more_rounds_win_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 rows in 60 dimensions: among directions that no concept wants it would crawl on for all its rounds."""
    module = sys.modules["pipeline.flow.closed_form"]
    label = np.stack([np.arange(300) % 3, np.arange(300) // 3 % 4])
    z = _normal(300, 60, seed=0)
    z += 2 * (_normal(3, 60, seed=1)[label[0]] + _normal(4, 60, seed=2)[label[1]])
    z -= z.mean(dim=0)
    members = [torch.from_numpy(row[:, None] == row[None, :]).double().fill_diagonal_(0) for row in label]
    pairs = torch.stack([z.T @ (same / same.sum()) @ z for same in members])
    moments, layout = (
        Moments(torch.zeros(60).double(), z.T @ z / 300, pairs),
        Layout(("residual", "a", "b"), (30, 15, 15)),
    )
    num_eigh, wins, descending = [], [], module._descending
    for won in (module._WON, -math.inf):
        monkeypatch.setattr(module, "_WON", won)
        counted = Mock(wraps=descending)
        monkeypatch.setattr(module, "_descending", counted)
        matrix = closed_form(moments, layout).matrix
        num_eigh.append(counted.call_count)
        own = [matrix[:, where] for where in layout.slices[1:]]
        wins.append(sum(float(torch.trace(u.T @ s @ u)) for u, s in zip(own, pairs, strict=True)))
    assert num_eigh[0] < num_eigh[1] / 2
    assert wins[0] == pytest.approx(wins[1], rel=1e-4)
