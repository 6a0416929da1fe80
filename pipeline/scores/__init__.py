"""How disentangled a code is, in numbers: one metric a file, each with an interval, chance and a perfect value.

numpy, scipy, scikit-learn and the layout alone, so that it serves as a library for codes from anywhere. A score is a
`Score`: `.value`, `.low`, `.high`, `.chance`, `.perfect`, `.details`. A function that measures several things at once
(`dci`, `probe_scores`, `pair_correlation`, `swap_score`, `preservation`, `response`) gives them by name; one that has
no meaning for what it is given (a code without concepts, concepts that are all constant) gives None or nothing.
"""

from pipeline.scores.code_scores import CodeScores, code_scores
from pipeline.scores.dci import dci
from pipeline.scores.explicitness import explicitness
from pipeline.scores.irs import irs
from pipeline.scores.likelihood import bits_per_dim, gaussian_nats, likelihood_scores
from pipeline.scores.mig import mig
from pipeline.scores.modularity import modularity
from pipeline.scores.pair import pair_correlation
from pipeline.scores.per_dimension import per_dimension_scores
from pipeline.scores.preservation import preservation
from pipeline.scores.probe import ProbeMatrix, gap_resamples, matrix_scores, probe_matrix, probe_scores
from pipeline.scores.response import ResponseTally, response, response_scores
from pipeline.scores.result import Score
from pipeline.scores.round_trip import round_trip
from pipeline.scores.sap import sap
from pipeline.scores.swap import swap_score
from pipeline.scores.table import as_json, as_markdown, as_text, flat
from pipeline.scores.total_correlation import block_total_correlation

__all__ = [
    "CodeScores",
    "ProbeMatrix",
    "ResponseTally",
    "Score",
    "as_json",
    "as_markdown",
    "as_text",
    "bits_per_dim",
    "block_total_correlation",
    "code_scores",
    "dci",
    "explicitness",
    "flat",
    "gap_resamples",
    "gaussian_nats",
    "irs",
    "likelihood_scores",
    "matrix_scores",
    "mig",
    "modularity",
    "pair_correlation",
    "per_dimension_scores",
    "preservation",
    "probe_matrix",
    "probe_scores",
    "response",
    "response_scores",
    "round_trip",
    "sap",
    "swap_score",
]
