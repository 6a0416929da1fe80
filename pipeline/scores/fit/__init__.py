"""How well codes fit the model that the flow is trained under: likelihood, alike pairs, independent factors."""

from pipeline.scores.fit.density import bits_per_dim, block_total_correlation, gaussian_nats, likelihood_scores
from pipeline.scores.fit.pair import SharedPairs, pair_correlation, shared_pairs

__all__ = [
    "SharedPairs",
    "bits_per_dim",
    "block_total_correlation",
    "gaussian_nats",
    "likelihood_scores",
    "pair_correlation",
    "shared_pairs",
]
