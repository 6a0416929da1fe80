"""How T models the density of test latents: likelihood, pairs, total correlation, on draws z = mean + scale · ε."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.flow import latent_nats, pair_nats, tied_rho
from pipeline.interpretation.rows import Rows
from pipeline.pairing.sampler import pair_sampler
from pipeline.scores.fit.density import block_total_correlation, gaussian_nats, likelihood_scores
from pipeline.scores.fit.pair import pair_correlation
from pipeline.scores.statistics.score import GAUSSIAN_GAIN, Score
from pipeline.tables.latents import Latents

__all__ = ["densities"]

Measured = TypeVar("Measured")


@torch.no_grad()
def densities(test: Rows, train: Latents, num_pairs: int, seed: int) -> dict[str, Score]:
    """Likelihood of pairs and latents, correlations of pairs, and total correlation: see `evaluate`.

    Of a generator there is no gain over a Gaussian: its latents are draws of one.
    """
    iin, latents, layout = test.interpretation.iin, test.latents, test.layout
    sampler = pair_sampler(latents, seed, "evaluate/pairs")
    if alone := sampler.alone():
        print(f"test {alone}", flush=True)
    pairs = sampler.draw(0, num_pairs)
    originals = np.stack([latents.original[pairs.a], latents.original[pairs.b]], axis=1)
    members = latents.draw(_rng(seed, "evaluate/noise"), np.concatenate((pairs.a, pairs.b)))
    code, log_abs_det = iin.flow(torch.from_numpy(members))
    distance = torch.from_numpy(pairs.distance)
    strength = tied_rho(torch.from_numpy(pairs.concept), distance, layout.num_factors, iin.rho)
    code_a, code_b = code.split(num_pairs)
    log_abs_det_a, log_abs_det_b = log_abs_det.split(num_pairs)
    nats = pair_nats(code_a, code_b, log_abs_det_a, log_abs_det_b, layout, strength)

    drawn = latents.draw(_rng(seed, "evaluate/test_noise"))
    drawn_code, drawn_log_abs_det = iin.flow(torch.from_numpy(drawn))
    own = test.interpretation.draws_own_images
    if own:
        print("nll/gain_over_gaussian is left out: a generator's latents are drawn from a Gaussian", flush=True)

    def fitted() -> Iterator[NDArray[np.float32]]:
        noise = _rng(seed, "evaluate/train_noise")
        return (train.draw(noise, block) for block in train.blocks())

    scores = likelihood_scores(
        nats.numpy(),
        latent_nats(drawn_code, drawn_log_abs_det).numpy(),
        None if own else _unless_too_few(GAUSSIAN_GAIN, lambda: gaussian_nats(fitted, drawn)),
        latents.num_dims,
        draw_seed(seed, "evaluate/likelihood_intervals"),
        originals,
        latents.original,
    )
    if not layout.concepts:  # no pair shares anything, and the whole code is one factor
        return scores
    intervals = draw_seed(seed, "evaluate/pair_intervals")
    near = (pairs.distance <= 1) & (pairs.concept >= 0)  # all, where no concept is graded or sketched
    scores |= pair_correlation(
        code_a.numpy()[near], code_b.numpy()[near], pairs.concept[near], layout, intervals, groups=originals[near]
    )
    chance = draw_seed(seed, "evaluate/total_correlation")
    total = _unless_too_few(
        "block_tc", lambda: block_total_correlation(drawn_code.numpy(), layout, chance, groups=latents.original)
    )
    return scores if total is None else scores | {"block_tc": total}


def _unless_too_few(name: str, compute: Callable[[], Measured]) -> Measured | None:
    """What a score is computed from; None, with a line, where the rows are too few for a covariance of N dimensions."""
    try:
        return compute()
    except ValueError as error:  # too few rows, or a covariance without an inverse
        print(f"{name} is left out: {error}", flush=True)
        return None


def _rng(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(draw_seed(seed, purpose))
