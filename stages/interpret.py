"""Pictures of what each factor does: results/<layer>/figures, and the training curves as a table."""

from pathlib import Path

from pipeline.backbones import load_backbone
from pipeline.config import load_params
from pipeline.data import load_images, load_latents
from pipeline.entry import layer_argument, run
from pipeline.files import read_json, write_atomic
from pipeline.interpret.curves import curves_csv, read_curves
from pipeline.interpret.figures import draw_figures
from pipeline.tracking import check_server, publish
from pipeline.training.artifact import load_iin


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
        scores=read_json(results / "scores.json"),
        transitions=read_json(results / "transitions.json"),
        params=params.interpret,
        seed=params.seed,
    )
    write_atomic(results / "curves.csv", curves_csv(read_curves(iin / "metrics.jsonl")))
    publish(store, layer, "interpret")


if __name__ == "__main__":
    run(main)
