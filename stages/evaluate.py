"""All scores of a layer on the test split: results/<layer>/scores.json, metrics.json, transitions.json."""

from pathlib import Path

from pipeline.backbone.frozen import load_backbone
from pipeline.entry import layer_argument, run
from pipeline.evaluation.evaluation import evaluate
from pipeline.interpretation.iin import load_iin
from pipeline.judge.network import load_judge
from pipeline.params import load_params
from pipeline.scores.record import as_summary, write_metrics, write_scores, write_transitions
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server


def main() -> None:
    """Measure, write, and put the scores beside the training in MLflow."""
    params, layer = load_params(), layer_argument()
    store = check_server(params.study, layer)
    backbone, judge = load_backbone(Path("models/backbone")), load_judge(Path("models/judge"))
    folder, results = Path("data/latents") / layer, Path("results") / layer
    train, test = (load_latents(folder, split, backbone.sha256) for split in ("train", "test"))
    iin = load_iin(Path("models/layers") / layer / "iin")
    scores, transitions = evaluate(
        iin, backbone, judge, train, test, load_images(Path("data/images"), "test"), params.evaluate, params.seed
    )
    write_scores(results / "scores.json", scores)
    write_metrics(results / "metrics.json", scores)
    write_transitions(results / "transitions.json", transitions)
    print(f"scores of layer {layer}, test split, 95 % intervals\n{as_summary(scores)}")
    publish(store, layer, "evaluate")


if __name__ == "__main__":
    run(main)
