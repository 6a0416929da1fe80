"""The layout that a sweep starts from: sizes as params state them, or estimated from pairs of training latents."""

import numpy as np

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.pairing.pairs import pair_sampler
from pipeline.pairing.sizes import constant_dims, factor_sizes
from pipeline.params import FlowParams, require_mixing
from pipeline.tables.latents import Latents

__all__ = ["estimate_layout"]

NUM_PAIRS = 20_000  # standard error of a mean correlation over 32 dimensions about .002


def estimate_layout(latents: Latents, params: FlowParams, seed: int) -> Layout:
    """Layout of `params.sizes`, or by `factor_sizes` over 20,000 pairs of draws z = mean + scale · ε.

    Dimensions that are constant over these draws are named in one line.

    Args:
        latents: of the training split.
        params: section `flow`.
        seed: the study's.

    Raises:
        InputError: the params' sizes do not sum to the number of dimensions, these are too many for `flow.mixing`, or
            what `factor_sizes` refuses.
    """
    concepts = tuple(latents.labels)
    require_mixing(params.mixing, latents.num_dims, f"layer {latents.layer}")
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
