"""Train the autoencoder through Ray Train and freeze it: models/backbone."""

import json
from pathlib import Path

from pipeline.backbones import Autoencoder, ImagesSetup, autoencoder_task, save_backbone
from pipeline.config import load_params
from pipeline.entry import run
from pipeline.training.distributed import train_with_ray
from pipeline.training.fingerprint import run_folder
from pipeline.training.optimisation import train_config


def main() -> None:
    """Train, or go on from the last checkpoint, and write the frozen weights."""
    params = load_params()
    backbone = params.backbone
    config = train_config(backbone, params.seed)
    setup = ImagesSetup(Path("data/images").resolve(), backbone, params.seed)
    folder = run_folder(params.machine.storage, "backbone")
    result = train_with_ray(autoencoder_task, setup, config, params.machine, folder)
    network = Autoencoder(backbone.num_dims, backbone.width, params.seed)
    network.load_state_dict(result.model)
    held_out = json.loads(result.metrics.splitlines()[-1])["val/squared_error"]
    save_backbone(Path("models/backbone"), network, {"val_squared_error": held_out}, metrics=result.metrics)
    print(f"models/backbone: squared error of a held-out image {held_out:.4g}")


if __name__ == "__main__":
    run(main)
