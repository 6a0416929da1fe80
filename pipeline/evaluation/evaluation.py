"""Put the trained flow, the backbone and the judge to the test rows, and hand what comes out to `pipeline.scores`.

Probes, scores of single dimensions, swaps, responses, round trip and preservation are measured on means; likelihood,
pair correlations and total correlation on draws z = mean + scale · ε with a fixed seed, since those are what the flow
models the density of.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.evaluation.densities import densities
from pipeline.evaluation.features import features_of
from pipeline.evaluation.frechet import sampling
from pipeline.evaluation.intervention import Asked, set_values, unseen
from pipeline.evaluation.response import respond, responding
from pipeline.flow import Flow, closed_form
from pipeline.interpretation.edits import swap
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import Judge
from pipeline.pairing.moments import latent_moments
from pipeline.params import EvaluateParams
from pipeline.scores.behaviour.change import values_preservation
from pipeline.scores.behaviour.preservation import preservation, reconstruction, round_trip
from pipeline.scores.behaviour.swap import swap_score
from pipeline.scores.code_scores import FittedSeeds, fitted_scores, unconverged_line
from pipeline.scores.probes import (
    ProbeMatrix,
    matrix_scores,
    probe_matrix,
    probe_scores,
    reference_scores,
    whole,
)
from pipeline.scores.probes.models import Kind
from pipeline.scores.probes.stability import stability, with_spread
from pipeline.scores.record import Transitions
from pipeline.scores.statistics.score import (
    CLOSED_FORM_GAP,
    GAP_OVER_CLOSED_FORM,
    PROBE_CLOSED_FORM,
    PROBE_GAP,
    RECONSTRUCTION,
    ROUND_TRIP,
    Score,
    own_over_closed_form,
    probe_own,
)
from pipeline.tables.images import to_unit_range
from pipeline.tables.latents import Latents

__all__ = ["evaluate"]

Array = NDArray[Any]

PARTS = 7  # three kinds of fits and what they are read against, swaps or responses, and two more
PARTS_OF_NONE = 2  # without a concept


@torch.no_grad()
def evaluate(
    test: Rows,
    judge: Judge | None,
    train: Latents,
    params: EvaluateParams,
    seed: int,
    others: Sequence[Rows] = (),
) -> tuple[dict[str, Score], Transitions]:
    """All scores by name, those to select by first; and of a network that decides how edits move its decisions.

    A score that needs more images than there are, for so many dimensions, is left out, and a line says so. Where there
    are maps of other seeds, all that T shapes but the scores of single dimensions is measured for each of them, so that
    it has its spread over seeds; and there is `stability`.

    Args:
        test: the test split, with the network and its map.
        judge: names what an image shows; None for a backbone that draws nothing, and where nothing can be named.
        train: training latents, for the Gaussian and the closed form that the flow is compared with.
        params: how much is drawn.
        seed: the study's.
        others: the same rows by the maps of other seeds.
    """
    concepts, backbone = test.layout.concepts, test.interpretation.backbone
    draws = backbone.draws_images and (not concepts or params.features is not None)
    parts = PARTS if concepts else PARTS_OF_NONE + (not backbone.draws_images)
    begins = _announcer(test.latents.layer, parts + draws + (1 + len(others) if others else 0))
    scores, per_dimension = _label_scores(test, train, seed, begins) if concepts else ({}, {})
    measured, transitions = _edits_and_fit(test, judge, train, params, seed, begins)
    scores |= measured
    if draws:
        begins("what is drawn")
        scores |= sampling(test, train, features_of(params.features, judge, concepts), seed)
    values = []
    for other in others:
        begins(f"the flow of seed {other.interpretation.iin.seed}")
        values.append(_values(other, scores, judge, train, params, seed))
    if others:
        begins("stability")
        codes = [rows.codes.numpy() for rows in (test, *others)]
        scores = with_spread(scores, values)
        scores |= stability(codes, test.layout, test.latents.original, draw_seed(seed, "evaluate/stability"))
    test.interpretation.backbone.require_untouched()
    return scores | per_dimension, transitions


def _announcer(layer: str, parts: int) -> Callable[[str], None]:
    """What says in a line which part of the measuring begins, and how many there are."""
    numbers = count(1)
    return lambda what: print(f"evaluate {layer}  {next(numbers)}/{parts} parts  {what}", flush=True)


def _edits_and_fit(
    test: Rows,
    judge: Judge | None,
    train: Latents,
    params: EvaluateParams,
    seed: int,
    begins: Callable[[str], None],
) -> tuple[dict[str, Score], Transitions]:
    """What reads no label."""
    scores: dict[str, Score] = {}
    transitions: Transitions = {}
    if not test.interpretation.backbone.draws_images:
        begins("responses")
        chosen = responding(test.latents, params.response_images, seed)
        responses = respond(test, chosen, params.response_draws, seed)
        scores, transitions = responses.scores, responses.transitions
    elif judge is not None and test.layout.concepts:
        begins("swaps and set values")
        asked = Asked(test, judge)
        scores = _swaps(asked, params.swaps, seed) | set_values(asked, params.swaps, seed)
        scores |= unseen(asked, params.swaps, seed)
    begins("likelihood and pairs")
    scores |= densities(test, train, params.pairs, seed)
    begins("round trip and preservation")
    scores |= _round_trips(test)
    scores |= _preservation(test, seed)
    return scores, transitions


def _values(
    other: Rows, scores: Mapping[str, Score], judge: Judge | None, train: Latents, params: EvaluateParams, seed: int
) -> dict[str, float]:
    """Values of the scores that T shapes by the map of another seed, beside `scores` of the one that is kept."""
    measured: dict[str, Score] = {}
    if other.layout.concepts:
        labels = _labels(other, seed)
        codes = other.codes[labels.rows].numpy()
        linear, rbf = (labels.probed(codes, other.layout, kind) for kind in ("linear", "rbf"))
        measured = probe_scores(linear, other.layout, rbf) | matrix_scores(linear, other.layout)
    with redirect_stdout(StringIO()):  # what is left out was said of the one that is kept
        measured |= _edits_and_fit(other, judge, train, params, seed, lambda _: None)[0]
    values = {name: score.value for name, score in measured.items() if name != RECONSTRUCTION}
    if PROBE_GAP in values:
        values[GAP_OVER_CLOSED_FORM] = values[PROBE_GAP] - scores[CLOSED_FORM_GAP].value
    for concept in other.layout.concepts:
        own = values[probe_own(concept)] - scores[f"{PROBE_CLOSED_FORM}/{concept}"].value
        values[own_over_closed_form(concept)] = own
    return values


@dataclass(frozen=True)
class _Labels:
    """The rows that have a value in every concept [m], their values and originals, and the seed of all probes."""

    rows: NDArray[np.int64]
    targets: dict[str, Array]
    original: NDArray[np.int64]
    seed: int

    def probed(self, codes: Array, layout: Layout, kind: Kind = "linear") -> ProbeMatrix:
        """Probes of the rows' codes [m, N]."""
        return probe_matrix(codes, self.targets, layout, kind, self.original, self.seed)


def _labels(test: Rows, seed: int) -> _Labels:
    latents, rows = test.latents, test.latents.complete()
    targets = {name: target[rows] for name, target in latents.targets().items()}
    return _Labels(rows, targets, latents.original[rows], draw_seed(seed, "evaluate/probes"))


def _label_scores(
    test: Rows, train: Latents, seed: int, begins: Callable[[str], None]
) -> tuple[dict[str, Score], dict[str, Score]]:
    """Probes, and scores of single dimensions, of the rows that have a value in every concept.

    The same linear probes read z as it is, and the code of the closed form of the training latents.
    """
    labels = _labels(test, seed)
    if len(labels.rows) < len(test.latents):
        print(
            f"scores that read labels: {len(labels.rows)} of {len(test.latents)} test images have a value in every "
            "concept",
            flush=True,
        )
    seeds = FittedSeeds(labels.seed, draw_seed(seed, "evaluate/per_dimension"))
    codes = test.codes[labels.rows].numpy()
    fitted = fitted_scores(codes, labels.targets, test.layout, labels.original, seeds, begins=begins)
    if line := unconverged_line(fitted.probes):
        print(line, flush=True)
    begins("linear probes of z and of the closed form")
    z = test.means[labels.rows]
    closed = closed_form(latent_moments(train), test.layout).codes(z)
    beside, latent = (
        labels.probed(code.numpy(), layout) for code, layout in ((closed, test.layout), (z, whole(z.shape[1])))
    )
    return fitted.probes | reference_scores(fitted.linear, beside, latent, test.layout), fitted.per_dimension


def _swaps(asked: Asked, num: int, seed: int) -> dict[str, Score]:
    """Swap each factor between random test rows of different originals, decode, and ask the judge."""
    test, judge, shown = asked.test, asked.judge, asked.shown
    layout, original = test.layout, test.latents.original
    rng = np.random.default_rng(draw_seed(seed, "evaluate/swaps"))
    recipient, donor = rng.integers(len(original), size=(2, num))
    recipient, donor = asked.apart(recipient, donor)
    swapped = {}
    for factor in layout.names:
        edit = swap(factor, test.codes[donor])
        edited = test.interpretation.edit(test.codes[recipient], edit)
        swapped[factor] = _only(judge.name(test.outputs(edited, recipient)), layout)
    references = [_only({name: value[rows] for name, value in shown.items()}, layout) for rows in (recipient, donor)]
    groups = np.stack([original[recipient], original[donor]], axis=1)
    intervals = draw_seed(seed, "evaluate/swap_intervals")
    return swap_score(references[0], references[1], swapped, layout, intervals, groups)


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
