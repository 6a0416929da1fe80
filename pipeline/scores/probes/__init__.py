"""What a reader finds in each factor."""

from pipeline.scores.probes.matrix import ProbeMatrix, gap_resamples, matrix_scores, probe_matrix, probe_scores
from pipeline.scores.probes.reference import reference_scores, whole

__all__ = [
    "ProbeMatrix",
    "gap_resamples",
    "matrix_scores",
    "probe_matrix",
    "probe_scores",
    "reference_scores",
    "whole",
]
