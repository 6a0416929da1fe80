"""Put the trained flow, the backbone and the judge to the test rows, and hand what comes out to `pipeline.scores`.

Probes, scores of single dimensions, swaps, responses, round trip and preservation are measured on means; likelihood,
pair correlations and total correlation on draws z = mean + scale · ε with a fixed seed, since those are what the flow
models the density of.
"""

from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.evaluation.response import respond, responding
from pipeline.flow import Flow, closed_form, graded_rho, latent_nats, pair_nats
from pipeline.interpretation.edits import swap
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import Judge
from pipeline.pairing.moments import latent_moments
from pipeline.pairing.sampler import pair_sampler
from pipeline.params import EvaluateParams
from pipeline.scores.behaviour.change import values_preservation
from pipeline.scores.behaviour.preservation import preservation, reconstruction, round_trip
from pipeline.scores.behaviour.swap import swap_score
from pipeline.scores.code_scores import FittedSeeds, fitted_scores, unconverged_line
from pipeline.scores.fit.density import block_total_correlation, gaussian_nats, likelihood_scores
from pipeline.scores.fit.pair import pair_correlation
from pipeline.scores.probes import probe_matrix, reference_scores, whole
from pipeline.scores.record import Transitions
from pipeline.scores.statistics.score import GAUSSIAN_GAIN, ROUND_TRIP, Score
from pipeline.tables.images import to_unit_range
from pipeline.tables.latents import Latents

__all__ = ["densities", "evaluate"]

Array = NDArray[Any]
Measured = TypeVar("Measured")

PARTS = 7  # three kinds of fits and what they are read against, swaps or responses, and two more


@torch.no_grad()
def evaluate(
    test: Rows, judge: Judge | None, train: Latents, params: EvaluateParams, seed: int
) -> tuple[dict[str, Score], Transitions]:
    """All scores by name, those to select by first; and of a network that decides how edits move its decisions.

    A score that needs more images than there are, for so many dimensions, is left out, and a line says so.

    Args:
        test: the test split, with the network and its map.
        judge: names what an image shows; None for a backbone that draws nothing.
        train: training latents, for the Gaussian and the closed form that the flow is compared with.
        params: how much is drawn.
        seed: the study's.
    """
    begins = _announcer(test.latents.layer)
    scores, per_dimension = _label_scores(test, train, seed, begins)
    transitions: Transitions = {}
    begins("swaps" if judge is not None else "responses")
    if judge is not None:
        scores |= _swaps(test, judge, params.swaps, seed)
    else:
        chosen = responding(test.latents, params.response_images, seed)
        responses = respond(test, chosen, params.response_draws, seed)
        scores, transitions = scores | responses.scores, responses.transitions
    begins("likelihood and pairs")
    scores |= densities(test, train, params.pairs, seed)
    begins("round trip and preservation")
    scores |= _round_trips(test)
    scores |= _preservation(test, seed)
    test.interpretation.backbone.require_untouched()
    return scores | per_dimension, transitions


def _announcer(layer: str) -> Callable[[str], None]:
    """What says in a line which part of the measuring begins, and how many there are."""
    numbers = count(1)
    return lambda what: print(f"evaluate {layer}  {next(numbers)}/{PARTS} parts  {what}", flush=True)


def _label_scores(
    test: Rows, train: Latents, seed: int, begins: Callable[[str], None]
) -> tuple[dict[str, Score], dict[str, Score]]:
    """Probes, and scores of single dimensions, of the rows that have a value in every concept.

    The same linear probes read z as it is, and the code of the closed form of the training latents.
    """
    latents = test.latents
    rows = latents.complete()
    if len(rows) < len(latents):
        print(
            f"scores that read labels: {len(rows)} of {len(latents)} test images have a value in every concept",
            flush=True,
        )
    targets = {name: target[rows] for name, target in latents.targets().items()}
    seeds = FittedSeeds(draw_seed(seed, "evaluate/probes"), draw_seed(seed, "evaluate/per_dimension"))
    codes, original = test.codes[rows].numpy(), latents.original[rows]
    fitted = fitted_scores(codes, targets, test.layout, original, seeds, begins=begins)
    if line := unconverged_line(fitted.probes):
        print(line, flush=True)
    begins("linear probes of z and of the closed form")
    z = test.means[rows]
    closed = closed_form(latent_moments(train), test.layout).codes(z)
    beside, latent = (
        probe_matrix(code.numpy(), targets, layout, "linear", original, seeds.probes)
        for code, layout in ((closed, test.layout), (z, whole(z.shape[1])))
    )
    return fitted.probes | reference_scores(fitted.linear, beside, latent, test.layout), fitted.per_dimension


def _swaps(test: Rows, judge: Judge, num: int, seed: int) -> dict[str, Score]:
    """Swap each factor between random test rows of different originals, decode, and ask the judge."""
    layout, original = test.layout, test.latents.original
    rng = np.random.default_rng(draw_seed(seed, "evaluate/swaps"))
    recipient, donor = rng.integers(len(original), size=(2, num))
    different = original[recipient] != original[donor]
    recipient, donor = recipient[different], donor[different]
    shown = judge.name(test.outputs_of_latents(test.means))
    swapped = {}
    for factor in layout.names:
        edit = swap(factor, test.codes[donor])
        edited = test.interpretation.edit(test.codes[recipient], edit)
        swapped[factor] = _only(judge.name(test.outputs(edited, recipient)), layout)
    references = [_only({name: value[rows] for name, value in shown.items()}, layout) for rows in (recipient, donor)]
    groups = np.stack([original[recipient], original[donor]], axis=1)
    intervals = draw_seed(seed, "evaluate/swap_intervals")
    return swap_score(references[0], references[1], swapped, layout, intervals, groups)


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
    strength = graded_rho(torch.from_numpy(pairs.concept), distance, layout.num_factors, iin.rho, 1.0)
    code_a, code_b = code.split(num_pairs)
    log_abs_det_a, log_abs_det_b = log_abs_det.split(num_pairs)
    nats = pair_nats(code_a, code_b, log_abs_det_a, log_abs_det_b, layout, strength)

    drawn = latents.draw(_rng(seed, "evaluate/test_noise"))
    drawn_code, drawn_log_abs_det = iin.flow(torch.from_numpy(drawn))
    own = test.interpretation.draws_own_images
    if own:
        print("nll/gain_over_gaussian is left out: a generator's latents are drawn from a Gaussian", flush=True)
    fitted = train.draw(_rng(seed, "evaluate/train_noise"))
    scores = likelihood_scores(
        nats.numpy(),
        latent_nats(drawn_code, drawn_log_abs_det).numpy(),
        None if own else _unless_too_few(GAUSSIAN_GAIN, lambda: gaussian_nats(fitted, drawn)),
        latents.num_dims,
        draw_seed(seed, "evaluate/likelihood_intervals"),
        originals,
        latents.original,
    )
    intervals = draw_seed(seed, "evaluate/pair_intervals")
    near = pairs.distance <= 1  # all, where no concept is graded
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


def _round_trips(test: Rows) -> dict[str, Score]:
    """T⁻¹(T(z)) of all test rows in float32, as it is used, and in float64, as a check of the mathematics."""
    flow, means = test.interpretation.iin.flow, test.means
    flow64 = Flow(flow.config)
    flow64.load_state_dict(flow.state_dict())
    flow64 = flow64.double().eval()
    back = {
        ROUND_TRIP: (means, flow.inverse(flow(means)[0])),
        "roundtrip/max_float64": (means.double(), flow64.inverse(flow64(means.double())[0])),
    }
    return {name: round_trip(there.numpy(), again.numpy()) for name, (there, again) in back.items()}


def _preservation(test: Rows, seed: int) -> dict[str, Score]:
    backbone, images = test.interpretation.backbone, test.images
    before, after = test.outputs_of_latents(test.means).numpy(), test.outputs(test.codes).numpy()
    draws, groups = draw_seed(seed, "evaluate/preservation"), test.latents.original
    if not (backbone.draws_images or backbone.decides):
        return values_preservation(before, after, draws, groups)
    if backbone.draws_images:
        pixels = to_unit_range(images.pixels).numpy()
        scores = preservation(before, after, pixels, draws, groups)
        own = test.interpretation.draws_own_images  # of which nothing is lost
        return scores if own else scores | reconstruction(before, pixels, draws, groups)
    truth = backbone.true_classes(images)
    return preservation(before, after, truth, draws, groups, backbone.class_names)


def _only(judged: dict[str, Array], layout: Layout) -> dict[str, Array]:
    return {concept: judged[concept] for concept in layout.concepts}


def _rng(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(draw_seed(seed, purpose))
