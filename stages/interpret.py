"""Pictures of what each factor does: results/<layer>/figures; training curves and counterfactuals as tables."""

from pipeline.basis.curves import METRICS
from pipeline.entry import layer_argument, run
from pipeline.files import write_atomic
from pipeline.interpret.curves import curves_csv, read_curves
from pipeline.interpret.figures import Measured, draw_figures
from pipeline.interpret.subject import subject_of
from pipeline.interpret.turns import turns_of, write_turns
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.scores.record import read_scores, read_transitions
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server


def main() -> None:
    """Draw, and put the pictures beside the scores in MLflow."""
    params, layer, places = load_params(), layer_argument(), Places()
    store = check_server(params.study, layer)
    interpretation = Interpretation.open(places.models.folder, layer)
    latents = load_latents(places.latents(layer), "test", interpretation.backbone.sha256)
    rows = Rows.of(interpretation, latents, load_images(places.images, "test"))
    scores, transitions = read_scores(places.scores(layer)), read_transitions(places.transitions(layer))
    iin = interpretation.iin
    curves = read_curves(places.iin(layer) / METRICS, iin.best_step, iin.flow.config.start)
    subject = subject_of(rows, params.seed, rows.by_other_seeds(places.iin(layer)))
    turns = turns_of(subject) if interpretation.backbone.decides else None
    write_turns(places.turns(layer), subject, turns)
    draw_figures(places.figures(layer), subject, Measured(scores, transitions, turns), curves, params.interpret)
    write_atomic(places.curves_table(layer), curves_csv(curves))
    publish(store, layer, "interpret")


if __name__ == "__main__":
    run(main)
