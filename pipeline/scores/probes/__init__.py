"""What a reader finds in each factor."""

from pipeline.scores.probes.matrix import ProbeMatrix, gap_resamples, matrix_scores, probe_matrix, probe_scores

__all__ = ["ProbeMatrix", "gap_resamples", "matrix_scores", "probe_matrix", "probe_scores"]
