"""Pictures of what each factor does: results/<layer>/figures, and the training curves as a table."""

from pathlib import Path

from pipeline.backbone.frozen import load_backbone
from pipeline.entry import layer_argument, run
from pipeline.files import write_atomic
from pipeline.interpret.curves import curves_csv, read_curves
from pipeline.interpret.figures import draw_figures
from pipeline.interpretation.iin import load_iin
from pipeline.params import load_params
from pipeline.scores.record import read_scores, read_transitions
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server


def main() -> None:
    """Draw, and put the pictures beside the scores in MLflow."""
    params, layer = load_params(), layer_argument()
    store = check_server(params.study, layer)
    results, backbone = Path("results") / layer, load_backbone(Path("models/backbone"))
    iin = Path("models/layers") / layer / "iin"
    draw_figures(
        results / "figures",
        iin=load_iin(iin),
        metrics=iin / "metrics.jsonl",
        backbone=backbone,
        latents=load_latents(Path("data/latents") / layer, "test", backbone.sha256),
        images=load_images(Path("data/images"), "test"),
        scores=read_scores(results / "scores.json"),
        transitions=read_transitions(results / "transitions.json"),
        params=params.interpret,
        seed=params.seed,
    )
    write_atomic(results / "curves.csv", curves_csv(read_curves(iin / "metrics.jsonl")))
    publish(store, layer, "interpret")


if __name__ == "__main__":
    run(main)
