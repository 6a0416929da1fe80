"""How disentangled a code is, in numbers: one metric a file, each with an interval, chance and a perfect value.

numpy, scipy, scikit-learn and the layout alone, so that it serves as a library for codes from anywhere.
"""

from pipeline.scores.likelihood import bits_per_dim, gaussian_nats, likelihood_scores
from pipeline.scores.pair import pair_correlation
from pipeline.scores.preservation import preservation
from pipeline.scores.probe import ProbeMatrix, gap_resamples, matrix_scores, probe_matrix, probe_scores
from pipeline.scores.response import response
from pipeline.scores.result import Score
from pipeline.scores.round_trip import round_trip
from pipeline.scores.swap import swap_score
from pipeline.scores.table import as_json, as_markdown, flat
from pipeline.scores.total_correlation import block_total_correlation

__all__ = [
    "ProbeMatrix",
    "Score",
    "as_json",
    "as_markdown",
    "bits_per_dim",
    "block_total_correlation",
    "flat",
    "gap_resamples",
    "gaussian_nats",
    "likelihood_scores",
    "matrix_scores",
    "pair_correlation",
    "preservation",
    "probe_matrix",
    "probe_scores",
    "response",
    "round_trip",
    "swap_score",
]
