"""How disentangled a code is, in numbers: each with an interval, chance and a perfect value.

    from pipeline.scores.code_scores import code_scores      all that codes and concepts alone tell
    from pipeline.scores.probes import probe_matrix, probe_scores, matrix_scores
    from pipeline.scores.fit import pair_correlation, likelihood_scores, gaussian_nats, block_total_correlation
    from pipeline.scores.behaviour import swap_score, response, preservation, round_trip
    from pipeline.scores.literature import dci, explicitness, irs, mig, modularity, sap
    from pipeline.scores.statistics.score import Score       what each of them gives
    from pipeline.scores.record import read_scores           scores.json, as a table of these

A room holds what belongs together: probes, fit and behaviour say which flow is better; literature is there to compare
with others, and nothing is ranked by it; statistics is what all rest on. This file imports nothing, so that who needs
a probe alone loads no other score.
"""
