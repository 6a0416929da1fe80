"""All figures of one layer, each a PNG in one folder."""

from pathlib import Path

from pipeline.backbone.frozen import Backbone
from pipeline.drawing.sheet import house_style
from pipeline.files import atomic_folder
from pipeline.interpret.curves import curves_sheet, read_curves
from pipeline.interpret.decisions import decision_sheet, example_sheet, response_sheet
from pipeline.interpret.grids import path_sheet, reconstructions, sample_sheet, swap_sheet
from pipeline.interpret.overview import matrix_sheet, overview
from pipeline.interpret.subject import subject_of
from pipeline.interpretation.iin import Iin
from pipeline.params import InterpretParams
from pipeline.scores.record import Scores, Transitions
from pipeline.tables.images import Images
from pipeline.tables.latents import Latents

__all__ = ["draw_figures"]


def draw_figures(
    folder: Path,
    *,
    iin: Iin,
    metrics: Path,
    backbone: Backbone,
    latents: Latents,
    images: Images,
    scores: Scores,
    transitions: Transitions,
    params: InterpretParams,
    seed: int,
) -> None:
    """Write the figures of a layer as PNG files.

    Of every layer `probe_matrix` and `curves`; where the network draws images `overview`, `reconstructions`,
    `swap_<factor>`, `samples_<factor>` and `path`; where it decides `responses`, `decisions` and `decision_examples`.

    Rows, donors and draws follow from the seed; the same call writes the same bytes.

    Args:
        folder: where, replaced as a whole.
        iin: the flow and its layout.
        metrics: the flow's metrics.jsonl.
        backbone: the frozen network that draws.
        latents: of the test split.
        images: of the same rows.
        scores: content of the layer's scores.json.
        transitions: content of the layer's transitions.json.
        params: sizes of the figures.
        seed: the study's.

    Raises:
        InputError: if latents, images, flow, scores and curves do not belong together, or one of them lacks something.
    """
    subject = subject_of(iin, backbone, latents, images, seed)
    curves = read_curves(metrics)
    with house_style(), atomic_folder(folder) as beside:
        if backbone.draws_images:
            overview(subject, scores, params.columns).save(beside / "overview.png")
            reconstructions(subject, params.columns).save(beside / "reconstructions.png")
            for factor in iin.layout.names:
                swap_sheet(subject, factor, params.columns).save(beside / f"swap_{factor}.png")
                sample_sheet(subject, factor, params.columns).save(beside / f"samples_{factor}.png")
            path_sheet(subject, params.path_steps).save(beside / "path.png")
        else:
            response_sheet(iin.layout, scores).save(beside / "responses.png")
            decision_sheet(iin.layout, transitions["sample"], backbone.class_names).save(beside / "decisions.png")
            example_sheet(subject, backbone.class_names).save(beside / "decision_examples.png")
        matrix_sheet(iin.layout, scores).save(beside / "probe_matrix.png")
        curves_sheet(curves).save(beside / "curves.png")
        backbone.require_untouched()
