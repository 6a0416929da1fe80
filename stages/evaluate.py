"""All scores of a layer on the test split: results/<layer>/scores.json, metrics.json, transitions.json."""

from pipeline.entry import layer_argument, run
from pipeline.evaluation.evaluation import evaluate
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import load_judge
from pipeline.node_copy import node_latents
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.scores.findings import findings
from pipeline.scores.record import as_summary, write_metrics, write_scores, write_transitions
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server


def main() -> None:
    """Measure, write, and put the scores beside the training in MLflow."""
    params, layer, places = load_params(), layer_argument(), Places()
    store = check_server(params.study, layer)
    interpretation = Interpretation.open(places.models.folder, layer)
    folder, sha256 = places.latents(layer), interpretation.backbone.sha256
    train, _ = node_latents(folder, params.machine, sha256)
    rows = Rows.of(interpretation, load_latents(folder, "test", sha256), load_images(places.images, "test"))
    others = rows.by_other_seeds(places.iin(layer))
    scores, transitions = evaluate(rows, load_judge(places.judge), train, params.evaluate, params.seed, others)
    write_scores(places.scores(layer), scores)
    write_metrics(places.metrics(layer), scores)
    write_transitions(places.transitions(layer), transitions)
    print(f"scores of layer {layer}, test split, 95 % intervals\n{as_summary(scores)}")
    print("".join(f"to know: {sentence}\n" for sentence in findings(scores)), end="", flush=True)
    publish(store, layer, "evaluate")


if __name__ == "__main__":
    run(main)
