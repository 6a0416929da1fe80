"""Train the network that is interpreted, or open one that was brought along, and freeze it: models/backbone."""

from pathlib import Path

from pipeline.backbones import bring_backbone, save_backbone
from pipeline.backbones.trained import train_backbone
from pipeline.config import load_params
from pipeline.data import load_images
from pipeline.entry import run
from pipeline.training.fingerprint import run_folder

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
