"""One page that says all of a layer to a stranger: reports/<layer>.html."""

from pipeline.basis.curves import METRICS, finished_entries
from pipeline.comparison.layers import read_comparison
from pipeline.entry import layer_argument, run
from pipeline.files import write_atomic
from pipeline.interpret.curves import read_curves
from pipeline.interpret.subject import subject_of
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import load_judge
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.report.page import Measured, report
from pipeline.scores.record import read_scores, read_transitions
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server
from pipeline.tuning.flow_file import read_flow_file


def main() -> None:
    """Write the page, and put it beside the pictures in MLflow."""
    params, layer, places = load_params(), layer_argument(), Places()
    store = check_server(params.study, layer)
    interpretation = Interpretation.open(places.models.folder, layer)
    latents = load_latents(places.latents(layer), "test", interpretation.backbone.sha256)
    subject = subject_of(Rows.of(interpretation, latents, load_images(places.images, "test")), params.seed)
    iin = interpretation.iin
    curves = read_curves(places.iin(layer) / METRICS, iin.best_step, iin.flow.config.start)
    scores, transitions = read_scores(places.scores(layer)), read_transitions(places.transitions(layer))
    choice, learning = read_flow_file(places.flow_file(layer)), finished_entries(places.backbone / METRICS)
    measured = Measured(scores, transitions, curves, *read_comparison(places.comparison), choice, learning)
    write_atomic(places.report(layer), report(subject, load_judge(places.judge), measured))
    publish(store, layer, "report")


if __name__ == "__main__":
    run(main)
