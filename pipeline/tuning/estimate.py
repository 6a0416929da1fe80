"""The layout that a sweep starts from: sizes as params state them, or found from pairs of training latents."""

from dataclasses import replace

import numpy as np
import torch

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import Moments, spectra, whiten
from pipeline.pairing.moments import node_moments
from pipeline.pairing.sampler import pair_sampler
from pipeline.pairing.sizes import constant_dims, factor_sizes
from pipeline.params import FlowParams, Params, require_mixing
from pipeline.scores.statistics.originals import original_index, permuted_rows, stratified_rows
from pipeline.tables.latents import Latents
from pipeline.tuning.sampler import scaled_sizes

__all__ = ["estimate_layout", "spectrum_to_try"]

NUM_PERMUTATIONS = 19  # the largest of so many is exceeded by one in twenty
PERMUTED_ROWS = 20_000  # of more the permutations take long, and their floor is far below that of the next line
LEAST = 0.05  # correlation: of many rows less than that is certain, too, but a factor gains nothing by it
MOST_TRIED = 768  # dimensions: of 20,000 rows their floors take 40 s of one core, those of 1,024 80 s
NUM_PAIRS = 20_000  # standard error of a mean correlation over 32 dimensions about .002


def estimate_layout(latents: Latents, params: FlowParams, seed: int) -> Layout:
    """Layout of `params.sizes`: those that it states, by the spectrum, or by `factor_sizes` over 20,000 pairs of draws.

    Without a concept the residual has them all. By the spectrum a concept gets as many dimensions as there are
    directions of the white latents along which its pairs correlate by more than .05, and by more than they do along any
    direction where whole originals were permuted (19 times: a level of 5 %); the residual gets the rest, and at least
    one. By `factor_sizes`, z = mean + scale · ε, and what is constant over these draws is named in a line.

    Args:
        latents: of the training split.
        params: section `flow`.
        seed: the study's.

    Raises:
        InputError: the params' sizes do not sum to the number of dimensions, these are too many for `flow.mixing`, or
            what `factor_sizes` refuses; or no direction of a concept stands above those of permuted originals.
    """
    concepts = tuple(latents.labels)
    require_mixing(params.mixing, latents.num_dims, f"layer {latents.layer}")
    if not concepts and not isinstance(params.sizes, tuple):
        return Layout.of((), (latents.num_dims,))
    if params.sizes == "spectrum":
        moments = node_moments(latents)
        try:
            return Layout.of(concepts, _spectrum_sizes(latents, moments, seed))
        except InputError as error:
            raise InputError(f"flow.sizes: found spectrum, but {error}; accepted here are estimate or a list") from None
    if params.sizes != "estimate":
        if sum(params.sizes) != latents.num_dims:
            raise InputError(
                f"flow.sizes: {list(params.sizes)} sum to {sum(params.sizes)}, but layer "
                f"{latents.layer} gives the flow {latents.num_dims} dimensions"
            )
        return Layout.of(concepts, params.sizes)
    pairs = pair_sampler(latents, seed, "estimate/pairs").draw(0, NUM_PAIRS).near()
    rng = np.random.default_rng(draw_seed(seed, "estimate/noise"))
    member_a, member_b = (latents.draw(rng, rows) for rows in (pairs.a, pairs.b))
    if constant := constant_dims(member_a, member_b):
        numbers = ", ".join(str(dim) for dim in constant)
        print(
            f"latents of layer {latents.layer}: {len(constant)} of {latents.num_dims} dimensions are constant, their "
            f"places are the residual's: {numbers}",
            flush=True,
        )
    sizes = factor_sizes(member_a, member_b, pairs.concept, len(concepts), params.size_method)
    return Layout.of(concepts, sizes)


def spectrum_to_try(latents: Latents, params: Params) -> Layout | None:
    """Layout by the spectrum, which a sweep around the estimate tries as well.

    None where there is none, or of more than 768 dimensions; a line says it. None, too, where sizes to try are listed,
    and where there is no concept.

    Args:
        latents: of the training split.
        params: all sections.
    """
    if not latents.labels or params.flow.sizes != "estimate" or isinstance(params.tune.sizes, tuple):
        return None
    if latents.num_dims > MOST_TRIED:
        print(
            f"sizes by the spectrum are not tried, as layer {latents.layer} gives the flow {latents.num_dims} "
            f"dimensions, and above {MOST_TRIED} they can take minutes; flow.sizes: spectrum takes them all the same",
            flush=True,
        )
        return None
    try:
        return Layout.of(tuple(latents.labels), _spectrum_sizes(latents, node_moments(latents), params.seed))
    except InputError as error:
        print(f"sizes by the spectrum are not tried: {error}", flush=True)
        return None


def _spectrum_sizes(latents: Latents, moments: Moments, seed: int) -> tuple[int, ...]:
    """Sizes, residual first; each concept's spectrum and its floor are printed.

    Raises:
        InputError: a concept has no direction above its floor, as a clause.
    """
    found, floor = spectra(moments), _floors(latents, moments, seed).clamp(min=LEAST)
    sizes = (found > floor[:, None]).sum(dim=1).tolist()
    for name, size, values, limit in zip(latents.labels, sizes, found, floor, strict=True):
        if not size:
            raise InputError(
                f"pairs of '{name}' correlate by {values[0]:.2f} at most along the directions of layer "
                f"{latents.layer}, which is not above the {limit:.2f} of shuffled ones: it does not hold it, or not "
                "linearly"
            )
        shown = " ".join(f"{value:.2f}" for value in values[: size + 1].tolist())
        print(f"spectrum of '{name}': {shown}; above the floor of {limit:.2f} are {size}", flush=True)
    return scaled_sizes((latents.num_dims - sum(sizes), *sizes), [1.0] * len(sizes))


def _floors(latents: Latents, moments: Moments, seed: int) -> torch.Tensor:
    """The largest correlation of each concept's pairs [K] over 19 permutations of whole originals."""
    seed = draw_seed(seed, "spectrum")
    rows = stratified_rows([], original_index(latents.original, len(latents)), PERMUTED_ROWS, seed)
    index, largest = original_index(latents.original[rows], len(rows)), []
    rng = np.random.default_rng(seed)
    white = (latents.mean[rows] - moments.mean.numpy()) @ whiten(moments.covariance)[0].numpy()
    for _ in range(NUM_PERMUTATIONS):
        source = rows[permuted_rows(index, rng)]
        labels = {name: column[source] for name, column in latents.labels.items()}
        values = {name: column[source] for name, column in latents.values.items()}
        shuffled = replace(latents, id=latents.id[rows], original=latents.original[rows], labels=labels, values=values)
        pairs = torch.from_numpy(pair_sampler(shuffled, 0, "moments").second_moments(white))
        largest.append(torch.linalg.eigvalsh(pairs)[:, -1])
    return torch.stack(largest).amax(dim=0)
