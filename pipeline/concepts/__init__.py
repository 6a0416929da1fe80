"""Pairs that share a concept, and how many dimensions each factor gets."""

from pipeline.concepts.estimate import estimate_layout
from pipeline.concepts.pairs import Pairs, PairSampler
from pipeline.concepts.sampler import pair_sampler
from pipeline.concepts.sizes import SizeMethod, concept_scores, constant_dims, factor_sizes, sizes_from_scores

__all__ = [
    "PairSampler",
    "Pairs",
    "SizeMethod",
    "concept_scores",
    "constant_dims",
    "estimate_layout",
    "factor_sizes",
    "pair_sampler",
    "sizes_from_scores",
]
