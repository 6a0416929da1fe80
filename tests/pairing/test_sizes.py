import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.pairing.sizes import SizeMethod, concept_scores, constant_dims, factor_sizes, sizes_from_scores


@pytest.mark.parametrize(
    ("scores", "num_dims", "sizes"),
    [
        ([1.0, 0.68, 0.01], 64, (31, 22, 11)),  # the paper's classifier
        ([1.0, 0.08, 0.34], 64, (34, 13, 17)),  # the released code's autoencoder
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


def test_both_estimators_are_their_sums_written_out() -> None:
    a, b, concept = _pairs([3, 1], num_dims=4, each=7)
    members = [*a.tolist(), *b.tolist()]
    for number in (1, 2):
        rows = [row for row in range(14) if concept[row] == number]
        correlations, covariances, variances = [], [], []
        for i in range(4):
            mean_a, mean_b = (sum(part[row, i] for row in rows) / 7 for part in (a, b))
            product = sum((a[row, i] - mean_a) * (b[row, i] - mean_b) for row in rows)
            squares = [sum((p[row, i] - m) ** 2 for row in rows) for p, m in ((a, mean_a), (b, mean_b))]
            correlations.append(product / (squares[0] * squares[1]) ** 0.5)
            both = (mean_a + mean_b) / 2
            covariances.append(sum((a[row, i] - both) * (b[row, i] - both) for row in rows) / 7)
            mean = sum(member[i] for member in members) / 28
            variances.append(sum((member[i] - mean) ** 2 for member in members) / 28)
        assert concept_scores(a, b, concept, 2)[number - 1] == pytest.approx(sum(correlations) / 4, abs=1e-12)
        found = concept_scores(a, b, concept, 2, "covariance")[number - 1]
        assert found == pytest.approx(sum(covariances) / sum(variances), abs=1e-12)


CONSTANTS = np.array([0.1, -3.7, 1e-8, 0.0, 1e6], np.float32)


def _with_constants(part: np.ndarray) -> np.ndarray:
    """[P, N + 5] of [P, N]: the constants at 0, 2, 4, … 8."""
    return np.insert(part.astype(np.float32), range(5), CONSTANTS, axis=1)


@pytest.mark.parametrize("method", ["correlation", "covariance"])
def test_constant_dimensions_change_no_score_and_their_places_are_the_residuals(method: SizeMethod) -> None:
    a, b, concept = (part[:3001] for part in _pairs([7, 3], each=2000))
    a, b = a.astype(np.float32), b.astype(np.float32)
    more_a, more_b = _with_constants(a), _with_constants(b)
    assert constant_dims(a, b) == ()
    assert constant_dims(more_a, more_b) == (0, 2, 4, 6, 8)
    assert concept_scores(more_a, more_b, concept, 2, method) == concept_scores(a, b, concept, 2, method)
    residual, *concepts = factor_sizes(a, b, concept, 2, method)
    assert factor_sizes(more_a, more_b, concept, 2, method) == (residual + 5, *concepts)


def test_a_dimension_is_constant_when_it_is_over_both_members() -> None:
    a = np.array([[1.0, 2.0, 0.1], [1.0, 2.0, 0.1]])
    assert constant_dims(a) == (0, 1, 2)
    assert constant_dims(a, np.array([[1.0, 3.0, 0.1]])) == (0, 2)
    assert constant_dims(a, np.array([[1.0, 2.0, np.nextafter(0.1, 1)]])) == (0, 1)
    assert constant_dims(a[:0]) == ()


def test_a_dimension_that_is_constant_over_one_concepts_pairs_has_no_correlation_there() -> None:
    a, b, concept = _pairs([10, 10], each=400)
    a[concept == 1, :4] = b[concept == 1, :4] = 0.1
    assert concept_scores(a, b, concept, 2) == pytest.approx([0.6, 1.0], abs=1e-9)
    assert constant_dims(a, b) == ()


@pytest.mark.parametrize("method", ["correlation", "covariance"])
def test_a_code_that_is_constant_everywhere_scores_0(method: SizeMethod) -> None:
    same = np.full((50, 4), 0.1, np.float32)
    assert concept_scores(same, same, np.ones(50, np.int64), 1, method) == [0.0]


def test_factor_sizes_put_the_scores_through_the_softmax() -> None:
    a, b, concept = _pairs([7, 0], each=2000)
    weights = np.exp([1.0, 0.7, 0.0])
    expected = np.floor(10 * weights / weights.sum())
    assert factor_sizes(a, b, concept, 2) == (10 - int(expected[1:].sum()), int(expected[1]), int(expected[2]))
    assert sum(factor_sizes(a.astype(np.float32), b.astype(np.float32), concept, 2, "covariance")) == 10


@pytest.mark.parametrize("method", ["correlation", "covariance"])
def test_without_a_concept_everything_is_the_residuals(method: SizeMethod) -> None:
    none = np.empty((0, 12), np.float32)
    assert factor_sizes(none, none, np.empty(0, np.int64), 0, method) == (12,)


@pytest.mark.parametrize("method", ["correlation", "covariance"])
@pytest.mark.parametrize(("num_dims", "sizes"), [(64, (24, *[1] * 40)), (41, (1, *[1] * 40))])
def test_forty_concepts_get_one_dimension_each(method: SizeMethod, num_dims: int, sizes: tuple[int, ...]) -> None:
    assert factor_sizes(*_pairs([1] * 40, num_dims, each=50), 40, method) == sizes


def test_forty_concepts_in_a_large_latent_get_their_shares() -> None:
    a, b, concept = _pairs([1] * 39 + [1000], 1000, each=20)
    weights = np.exp([1.0, *concept_scores(a, b, concept, 40)])
    floors = np.floor(1000 * weights / weights.sum()).astype(int)[1:]
    sizes = factor_sizes(a, b, concept, 40)
    assert sizes == (1000 - floors.sum(), *floors)
    assert sizes[40] > 2 * sizes[1] > 20


def test_fewer_dimensions_than_factors_are_refused() -> None:
    with pytest.raises(InputError, match=r"^41 factors need at least as many dimensions, found 40$"):
        factor_sizes(*_pairs([1] * 40, 40, each=5), 40)
    a, b, concept = _pairs([1] * 3, 4, each=5)
    a[:, 2] = b[:, 2] = 1.0
    with pytest.raises(InputError, match=r"^4 factors need at least as many dimensions that vary, found 3 of 4$"):
        factor_sizes(a, b, concept, 3)


def test_what_says_nothing_is_refused_in_one_line() -> None:
    a, b, concept = _pairs([3, 2, 1], each=20)
    with pytest.raises(InputError, match=r"found 'covarience', accepted are 'correlation' and 'covariance'$"):
        factor_sizes(a, b, concept, 3, "covarience")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^concept 4: shared by 0 of the pairs, expected at least 2$"):
        factor_sizes(a, b, concept, 4)
    alone = np.where((concept == 2) & (np.cumsum(concept == 2) > 1), 1, concept)
    with pytest.raises(InputError, match=r"^concept 2: shared by 1 of the pairs, expected at least 2$"):
        factor_sizes(a, b, alone, 3)
    with pytest.raises(InputError, match=r"^concept 3: found in a pair, accepted are 1 to 2$"):
        factor_sizes(a, b, concept, 2)
    b[7, 4] = np.nan
    with pytest.raises(InputError, match=r"^latents: found a number that is not finite in dimension 4$"):
        factor_sizes(a, b, concept, 3)
