"""What was there to find: the same probes on z as it is, and on the code of the closed form, the best linear T.

A concept that a linear probe hardly reads in z is not T's fault; and a trained T is worth its training where it is
better than the closed form, which needs none.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.scores.probes.matrix import ProbeMatrix, gap_resamples, probe_scores
from pipeline.scores.statistics.intervals import bootstrap_interval
from pipeline.scores.statistics.score import (
    CLOSED_FORM_GAP,
    GAP_OVER_CLOSED_FORM,
    PROBE_CLOSED_FORM,
    PROBE_GAP,
    PROBE_LATENT,
    PROBE_OWN,
    Score,
    own_over_closed_form,
)

__all__ = ["reference_scores", "whole"]

_RENAMED = {PROBE_OWN: PROBE_CLOSED_FORM, PROBE_GAP: CLOSED_FORM_GAP}


def whole(num_dims: int) -> Layout:
    """The layout of z as it is: one factor of N dimensions."""
    return Layout((RESIDUAL,), (num_dims,))


def reference_scores(
    trained: ProbeMatrix, closed_form: ProbeMatrix, latent: ProbeMatrix, layout: Layout
) -> dict[str, Score]:
    """What T's own scores are read against, by name.

    `probe/latent`: all of z. `probe/closed_form` and `closed_form/gap`: `probe/own` and `probe/gap` of the closed
    form's code. Each is a mean over concepts and, under `<name>/<concept>`, of each one. `probe/gap_over_closed_form`:
    `probe/gap` less `closed_form/gap`; `probe/own_over_closed_form/<concept>`: `probe/own/<concept>` less
    `probe/closed_form/<concept>`. Both codes are resampled by the same originals, so that the interval of a difference
    is narrower than either's own.

    Args:
        trained: linear probes of T's code.
        closed_form: of the closed form's code, of the same rows and seed.
        latent: of z in one factor (`whole`), of the same rows and seed.
        layout: the factors of both codes.
    """
    scores = _latent_scores(latent, closed_form, layout)
    for name, score in probe_scores(closed_form, layout).items():
        for own, renamed in _RENAMED.items():
            if name == own or name.startswith(f"{own}/"):
                scores[renamed + name.removeprefix(own)] = score
    gaps = [float(probe_scores(matrix, layout)[PROBE_GAP].value) for matrix in (trained, closed_form)]
    resamples = gap_resamples(trained, layout) - gap_resamples(closed_form, layout)
    scores[GAP_OVER_CLOSED_FORM] = _difference(gaps[0] - gaps[1], resamples)
    for concept in layout.concepts:
        cell = layout.index(concept), trained.concepts.index(concept)
        resamples = trained.resamples[:, *cell] - closed_form.resamples[:, *cell]
        difference = float(trained.value[cell] - closed_form.value[cell])
        scores[own_over_closed_form(concept)] = _difference(difference, resamples)
    return scores


def _latent_scores(latent: ProbeMatrix, closed_form: ProbeMatrix, layout: Layout) -> dict[str, Score]:
    """Of z, whose perfect code is that of the same labels in factors: one factor can't say them all."""
    columns = [latent.concepts.index(concept) for concept in layout.concepts]
    perfect = np.array(
        [closed_form.perfect[layout.index(concept), closed_form.concepts.index(concept)] for concept in layout.concepts]
    )
    value, resamples, chance = (
        cells[..., 0, columns] for cells in (latent.value, latent.resamples, latent.permuted.mean(axis=0))
    )
    scores = {}
    parts = {"": slice(None)} | {f"/{name}": slice(c, c + 1) for c, name in enumerate(layout.concepts)}
    for part, which in parts.items():
        number = float(value[which].mean())
        low, high = bootstrap_interval(resamples[:, which].mean(axis=-1), number)
        brackets = float(chance[which].mean()), float(perfect[which].mean())
        scores[PROBE_LATENT + part] = Score(number, low, high, *brackets, latent.details)
    return scores


def _difference(value: float, resamples: NDArray[np.float64]) -> Score:
    return Score(value, *bootstrap_interval(resamples, value))
