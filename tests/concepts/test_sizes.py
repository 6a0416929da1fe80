import numpy as np
import pytest

from pipeline.concepts import concept_scores, factor_sizes, sizes_from_scores


@pytest.mark.parametrize(
    ("scores", "num_dims", "sizes"),
    [
        ([1.0, 0.68, 0.01], 64, (31, 22, 11)),  # the paper's classifier
        ([1.0, 0.08, 0.34], 64, (34, 13, 17)),  # the paper's autoencoder
        ([1.0], 64, (64,)),  # no concept
        ([1.0, 0.5, -0.3], 3, (1, 1, 1)),  # as many factors as dimensions
        ([1.0, -1.0, -1.0, -1.0, -1.0], 5, (1, 1, 1, 1, 1)),
        ([0.0, 0.0], 3, (2, 1)),  # the rest goes to the residual
        ([1.0, 9.0, -9.0], 8, (1, 6, 1)),  # while the residual has none, the largest concept gives
        ([1.0, 800.0], 8, (1, 7)),  # no overflow
    ],
)
def test_sizes_from_scores(scores: list[float], num_dims: int, sizes: tuple[int, ...]) -> None:
    assert sizes_from_scores(scores, num_dims) == sizes


def test_sizes_always_sum_to_n_and_leave_none_empty() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        num_factors = int(rng.integers(1, 9))
        num_dims = int(rng.integers(num_factors, 70))
        sizes = sizes_from_scores([1.0, *rng.normal(scale=2, size=num_factors - 1)], num_dims)
        assert sum(sizes) == num_dims
        assert min(sizes) >= 1
        assert all(isinstance(size, int) for size in sizes)


def test_more_factors_than_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="3 factors need at least as many dimensions, found 2"):
        sizes_from_scores([1.0, 0.5, 0.5], 2)


def _pairs(shared: list[int], num_dims: int = 10, each: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents in which a pair of concept k agrees in its first shared[k] dimensions, and nowhere else."""
    rng = np.random.default_rng(0)
    scale, shift = np.linspace(0.1, 5, num_dims), np.linspace(-3, 30, num_dims)
    parts = []
    for count in shared:
        a, b = rng.standard_normal((2, each, num_dims))
        b[:, :count] = a[:, :count]
        parts.append((scale * a + shift, scale * b + shift))
    a, b = (np.concatenate(part) for part in zip(*parts, strict=True))
    concept = np.repeat(np.arange(1, len(shared) + 1), each)
    order = rng.permutation(len(concept))
    return a[order], b[order], concept[order]


def test_correlation_is_the_share_of_dimensions_that_a_pair_shares() -> None:
    scores = concept_scores(*_pairs([7, 2, 0]), 3, "correlation")
    assert scores == pytest.approx([0.7, 0.2, 0.0], abs=0.01)


def test_correlation_does_not_depend_on_scale_and_shift() -> None:
    a, b, concept = _pairs([4, 1], each=500)
    scale, shift = np.logspace(-2, 2, 10), np.arange(10)
    moved = concept_scores(scale * a + shift, scale * b + shift, concept, 2)
    assert moved == pytest.approx(concept_scores(a, b, concept, 2), abs=1e-9)


def test_correlation_agrees_with_numpys() -> None:
    a, b, concept = _pairs([5, 3], each=300)
    for number, score in enumerate(concept_scores(a, b, concept, 2), start=1):
        mine = concept == number
        expected = np.mean([np.corrcoef(a[mine, i], b[mine, i])[0, 1] for i in range(a.shape[1])])
        assert score == pytest.approx(expected, abs=1e-12)


def test_covariance_is_the_released_codes() -> None:
    a, b, concept = _pairs([5, 3], each=300)
    total = sum(np.cov(np.r_[a[:, i], b[:, i]], ddof=0) for i in range(a.shape[1]))
    for number, score in enumerate(concept_scores(a, b, concept, 2, "covariance"), start=1):
        mine = concept == number
        # with each pair in both orders the two members have one mean, and numpy's covariance is about it
        both = np.r_[a[mine], b[mine]], np.r_[b[mine], a[mine]]
        expected = sum(np.cov(both[0][:, i], both[1][:, i], ddof=0)[0, 1] for i in range(a.shape[1]))
        assert score == pytest.approx(expected / total, rel=1e-10)


@pytest.mark.parametrize("method", ["correlation", "covariance"])
def test_constant_dimensions_count_as_0(method: str) -> None:
    a, b, concept = _pairs([10], each=400)
    a[:, 5:] = b[:, 5:] = np.float32(0.1) * np.arange(1, 6)
    scores = concept_scores(a.astype(np.float32), b.astype(np.float32), concept, 1, method)
    # half of the dimensions agree; covariance weighs by variance, of which constants have none
    assert scores == pytest.approx([0.5 if method == "correlation" else 1.0], abs=0.02)


@pytest.mark.parametrize("method", ["correlation", "covariance"])
def test_a_code_that_is_constant_everywhere_scores_0(method: str) -> None:
    same = np.full((50, 4), 0.1, np.float32)
    assert concept_scores(same, same, np.ones(50, np.int64), 1, method) == [0.0]


def test_factor_sizes_put_the_scores_through_the_softmax() -> None:
    a, b, concept = _pairs([7, 0], each=2000)
    weights = np.exp([1.0, 0.7, 0.0])
    expected = np.floor(10 * weights / weights.sum())
    assert factor_sizes(a, b, concept, 2) == (10 - int(expected[1:].sum()), int(expected[1]), int(expected[2]))
    assert sum(factor_sizes(a.astype(np.float32), b.astype(np.float32), concept, 2, "covariance")) == 10
