"""All figures of one layer, each a PNG in one folder."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pipeline.basis.layout import file_name
from pipeline.drawing.sheet import house_style
from pipeline.files import atomic_folder
from pipeline.interpret.curves import Curves, curves_sheet
from pipeline.interpret.decisions import decision_sheet, edited_images, example_sheet, response_sheet
from pipeline.interpret.embeddings import embedding_sheet, pairs_sheet
from pipeline.interpret.grids import path_sheet, reconstructions, sample_sheet, swap_sheet
from pipeline.interpret.overview import matrix_sheet, overview
from pipeline.interpret.plain import directions_sheet, drawn_sheet
from pipeline.interpret.subject import Subject
from pipeline.interpret.turns import Turns, turns_sheet
from pipeline.params import InterpretParams
from pipeline.scores.record import Scores, Transitions

__all__ = ["Measured", "draw_figures"]


@dataclass(frozen=True)
class Measured:
    """What is known of a layer before it is drawn.

    Attributes:
        scores: content of its scores.json.
        transitions: content of its transitions.json.
        turns: the smallest moves that turn a decision; None: of a network that decides nothing, or has no gradient.
    """

    scores: Scores
    transitions: Transitions
    turns: Turns | None = None


def draw_figures(folder: Path, subject: Subject, measured: Measured, curves: Curves, params: InterpretParams) -> None:
    """Write the figures of a layer as PNG files.

    Of every layer `curves`, and where there is a concept `probe_matrix`, `embeddings` and `pairs`; where the network
    draws images `overview`, `swap_<factor>`, `samples_<factor>` and `path`, and where these are not its own draws alone
    `reconstructions`; of any other `responses`, and where it decides `decisions`, `decision_examples` and, where the
    network has a gradient, `counterfactuals`. Without a concept `drawn` and `directions` stand in for overview, swaps
    and samples.

    Rows, donors and draws follow from the subject's seed; the same call writes the same bytes.

    Args:
        folder: where, replaced as a whole.
        subject: network, map and test rows of the layer.
        measured: what is known of the layer.
        curves: of the flow's training.
        params: sizes of the figures.

    Raises:
        InputError: if a score is missing, or the network changed while it was drawn from.
    """
    layout, backbone, scores = subject.layout, subject.rows.interpretation.backbone, measured.scores
    shown = [*layout.names, *(backbone.class_names or ()), *chain(*subject.rows.latents.class_names.values())]
    with house_style(shown), atomic_folder(folder) as beside:
        if backbone.draws_images:
            if not layout.concepts:
                drawn_sheet(subject, params.columns).save(beside / "drawn.png")
                directions_sheet(subject).save(beside / "directions.png")
            else:
                overview(subject, scores, params.columns).save(beside / "overview.png")
            if not backbone.draws_own_images:
                reconstructions(subject, params.columns).save(beside / "reconstructions.png")
            for factor in layout.names if layout.concepts else ():
                swap_sheet(subject, factor, params.columns).save(beside / f"swap_{file_name(factor)}.png")
                sample_sheet(subject, factor, params.columns).save(beside / f"samples_{file_name(factor)}.png")
            path_sheet(subject, params.path_steps).save(beside / "path.png")
        else:
            response_sheet(layout, scores, decides=backbone.decides).save(beside / "responses.png")
        if backbone.decides:
            edited = edited_images(layout, scores)
            decision_sheet(layout, measured.transitions["sample"], edited, backbone.class_names).save(
                beside / "decisions.png"
            )
            example_sheet(subject, backbone.class_names).save(beside / "decision_examples.png")
        if measured.turns is not None:
            turns_sheet(subject, measured.turns, backbone.class_names).save(beside / "counterfactuals.png")
        if layout.concepts:
            matrix_sheet(layout, scores).save(beside / "probe_matrix.png")
            embedding_sheet(subject).save(beside / "embeddings.png")
            pairs_sheet(subject).save(beside / "pairs.png")
        curves_sheet(curves, shared=bool(layout.concepts)).save(beside / "curves.png")
        backbone.require_untouched()
