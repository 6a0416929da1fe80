"""Train the network that is interpreted, or open one that was brought along, and freeze it: models/backbone."""

from pathlib import Path

from pipeline.backbone.brought import bring_backbone
from pipeline.backbone.frozen import save_backbone
from pipeline.entry import run
from pipeline.params import load_params
from pipeline.pretraining.networks import train_backbone
from pipeline.runs import run_folder
from pipeline.tables.images import load_images

IMAGES, FOLDER = Path("data/images"), Path("models/backbone")


def main() -> None:
    """Train, or go on from the last checkpoint, or open; then write the frozen weights."""
    params = load_params()
    backbone = params.backbone
    if backbone.kind in ("autoencoder", "classifier"):
        result = train_backbone(params, IMAGES.resolve(), run_folder(params.machine.storage, "backbone"))
        save_backbone(FOLDER, result.network, result.card, metrics=result.metrics)
        print(f"models/backbone: {result.summary}")
        return
    test = load_images(IMAGES, "test")
    bring_backbone(backbone, FOLDER, test, params.seed)
    print(f"models/backbone: {backbone.network}, frozen")


if __name__ == "__main__":
    run(main)
