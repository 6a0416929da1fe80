"""Put the trained flow, the backbone and the judge to the test rows, and hand what comes out to `pipeline.scores`.

Probes, scores of single dimensions, swaps, responses, round trip and preservation are measured on means; likelihood,
pair correlations and total correlation on draws z = mean + scale · ε with a fixed seed, since those are what the flow
models the density of.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.backbone.cut import Split, outputs
from pipeline.backbone.frozen import Backbone
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.evaluation.response import respond
from pipeline.flow import Flow, graded_rho, latent_nats, pair_nats
from pipeline.interpretation.edits import swap
from pipeline.interpretation.iin import Iin
from pipeline.judge.network import Judge
from pipeline.pairing.pairs import pair_sampler
from pipeline.params import EvaluateParams
from pipeline.scores.behaviour.preservation import preservation, round_trip
from pipeline.scores.behaviour.swap import swap_score
from pipeline.scores.fit.density import block_total_correlation, gaussian_nats, likelihood_scores
from pipeline.scores.fit.pair import pair_correlation
from pipeline.scores.literature.per_dimension import per_dimension_scores
from pipeline.scores.probes.matrix import matrix_scores, probe_matrix, probe_scores
from pipeline.scores.record import Transitions
from pipeline.scores.statistics.score import Score
from pipeline.tables.images import Images, to_unit_range
from pipeline.tables.latents import Latents

__all__ = ["evaluate"]

Array = NDArray[Any]


@torch.no_grad()
def evaluate(
    iin: Iin,
    backbone: Backbone,
    judge: Judge | None,
    train: Latents,
    test: Latents,
    images: Images,
    params: EvaluateParams,
    seed: int,
) -> tuple[dict[str, Score], Transitions]:
    """All scores by name, those to select by first; and of a classifier how edits move its decisions.

    Args:
        iin: the trained network.
        backbone: the frozen network that gave the latents.
        judge: names what an image shows; None for a backbone that gives logits.
        train: training latents, for the Gaussian that the flow is compared with.
        test: test latents.
        images: test images, the same rows.
        params: how much is drawn.
        seed: the study's.

    Raises:
        InputError: the test split has too few images to estimate a covariance of N dimensions from.
    """
    flow, layout = iin.flow, iin.layout
    if len(test) <= 2 * layout.num_dims:
        raise InputError(
            f"test split: {len(test)} images are too few for {layout.num_dims} dimensions; more than "
            f"{2 * layout.num_dims} are needed: see data.test_share, backbone.num_dims and latents.reduce"
        )
    mean = torch.from_numpy(test.mean)
    code, _ = flow(mean)
    split = backbone.at(test.layer, test.reduce, test.kept)
    rows, targets = _complete(test)
    of, original = code[rows].numpy(), test.original[rows]
    scores = _probes(of, targets, original, layout, draw_seed(seed, "evaluate/probes"))
    single = draw_seed(seed, "evaluate/per_dimension")
    per_dimension = per_dimension_scores(of, targets, groups=original, seed=single)
    transitions: Transitions = {}
    if judge is not None:
        scores |= _swaps(code, flow, layout, split, judge, test, images, params.swaps, seed)
    else:
        shown = slice(params.response_images)
        responses = respond(
            code[shown], flow, layout, split, images.pixels[shown], test.original[shown], params.response_draws, seed
        )
        scores, transitions = scores | responses.scores, responses.transitions
    scores |= _densities(flow, layout, float(iin.card["rho"]), train, test, params.pairs, seed)
    scores |= _round_trips(iin, mean)
    scores |= _preservation(backbone, split, mean, flow.inverse(code), test, images, seed)
    backbone.require_untouched()
    return scores | per_dimension, transitions


def _preservation(
    backbone: Backbone, split: Split, mean: Tensor, back: Tensor, test: Latents, images: Images, seed: int
) -> dict[str, Score]:
    found, found_back = (outputs(split, z, images.pixels) for z in (mean, back))
    if backbone.draws_images:
        truth: Array | None = to_unit_range(images.pixels).numpy()
    else:
        truth = None if backbone.concept is None else images.labels[backbone.concept]
    draws = draw_seed(seed, "evaluate/preservation")
    return preservation(found.numpy(), found_back.numpy(), truth, draws, groups=test.original)


def _complete(test: Latents) -> tuple[NDArray[np.int64], dict[str, Array]]:
    """Rows of which every concept is known, as scores that read labels need them, and what they show."""
    rows = np.flatnonzero(np.all([labels >= 0 for labels in test.labels.values()], axis=0))
    if len(rows) < len(test):
        print(
            f"scores that read labels: {len(rows)} of {len(test)} test images have a value in every concept", flush=True
        )
    if len(rows) <= 2 * test.num_dims:
        raise InputError(
            f"test split: {len(rows)} images have a value in every concept, more than {2 * test.num_dims} are needed "
            f"for {test.num_dims} dimensions"
        )
    return rows, {name: target[rows] for name, target in test.targets().items()}


def _probes(code: Array, targets: dict[str, Array], original: Array, layout: Layout, seed: int) -> dict[str, Score]:
    matrices = {
        kind: probe_matrix(code, targets, layout, kind, groups=original, seed=seed) for kind in ("linear", "rbf")
    }
    return probe_scores(matrices["linear"], layout, matrices["rbf"]) | matrix_scores(matrices["linear"], layout)


def _swaps(
    code: Tensor,
    flow: Flow,
    layout: Layout,
    split: Split,
    judge: Judge,
    test: Latents,
    images: Images,
    num: int,
    seed: int,
) -> dict[str, Score]:
    """Swap each factor between random test rows of different originals, decode, and ask the judge."""
    rng = np.random.default_rng(draw_seed(seed, "evaluate/swaps"))
    recipient, donor = rng.integers(len(test), size=(2, num))
    different = test.original[recipient] != test.original[donor]
    recipient, donor = torch.from_numpy(recipient[different]), torch.from_numpy(donor[different])
    seen = judge.name(outputs(split, torch.from_numpy(test.mean), images.pixels))
    swapped = {}
    for factor in layout.names:
        latents = flow.inverse(swap(code[recipient], code[donor], layout, factor))
        swapped[factor] = _only(judge.name(outputs(split, latents, images.pixels, recipient.numpy())), layout)
    references = [
        _only({name: value[rows.numpy()] for name, value in seen.items()}, layout) for rows in (recipient, donor)
    ]
    groups = np.stack([test.original[recipient.numpy()], test.original[donor.numpy()]], axis=1)
    intervals = draw_seed(seed, "evaluate/swap_intervals")
    return swap_score(references[0], references[1], swapped, layout, intervals, groups)


def _densities(
    flow: Flow, layout: Layout, rho: float, train: Latents, test: Latents, num_pairs: int, seed: int
) -> dict[str, Score]:
    sampler = pair_sampler(test, seed, "evaluate/pairs")
    if alone := sampler.alone():
        print(f"test {alone}", flush=True)
    pairs = sampler.draw(0, num_pairs)
    originals = np.stack([test.original[pairs.a], test.original[pairs.b]], axis=1)
    noise = _noise(seed, "evaluate/noise", 2 * num_pairs, test.num_dims)
    rows = np.concatenate((pairs.a, pairs.b))
    code, log_abs_det = flow(torch.from_numpy(test.mean[rows] + test.scale[rows] * noise))
    distance = torch.from_numpy(pairs.distance)
    strength = graded_rho(torch.from_numpy(pairs.concept), distance, layout.num_factors, rho, 1.0)
    code_a, code_b = code.split(num_pairs)
    log_abs_det_a, log_abs_det_b = log_abs_det.split(num_pairs)
    nats = pair_nats(code_a, code_b, log_abs_det_a, log_abs_det_b, layout, strength)

    drawn = {
        name: latents.mean + latents.scale * _noise(seed, f"evaluate/{name}_noise", len(latents), latents.num_dims)
        for name, latents in (("train", train), ("test", test))
    }
    test_code, test_log_abs_det = flow(torch.from_numpy(drawn["test"]))
    scores = likelihood_scores(
        nats.numpy(),
        latent_nats(test_code, test_log_abs_det).numpy(),
        gaussian_nats(drawn["train"], drawn["test"]),
        test.num_dims,
        draw_seed(seed, "evaluate/likelihood_intervals"),
        originals,
        test.original,
    )
    intervals = draw_seed(seed, "evaluate/pair_intervals")
    near = pairs.distance <= 1  # all, where no concept is graded
    scores |= pair_correlation(
        code_a.numpy()[near], code_b.numpy()[near], pairs.concept[near], layout, intervals, groups=originals[near]
    )
    chance = draw_seed(seed, "evaluate/total_correlation")
    scores["block_tc"] = block_total_correlation(test_code.numpy(), layout, chance, groups=test.original)
    return scores


def _round_trips(iin: Iin, mean: Tensor) -> dict[str, Score]:
    """T⁻¹(T(z)) of all test rows in float32, as it is used, and in float64, as a check of the mathematics."""
    flow64 = Flow(iin.flow.config)
    flow64.load_state_dict(iin.flow.state_dict())
    flow64 = flow64.double().eval()
    back = {
        "roundtrip/max": (mean, iin.flow.inverse(iin.flow(mean)[0])),
        "roundtrip/max_float64": (mean.double(), flow64.inverse(flow64(mean.double())[0])),
    }
    return {name: round_trip(there.numpy(), again.numpy()) for name, (there, again) in back.items()}


def _only(judged: dict[str, Array], layout: Layout) -> dict[str, Array]:
    return {concept: judged[concept] for concept in layout.concepts}


def _noise(seed: int, purpose: str, rows: int, num_dims: int) -> NDArray[np.float32]:
    return np.random.default_rng(draw_seed(seed, purpose)).standard_normal((rows, num_dims), dtype=np.float32)
