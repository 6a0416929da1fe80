"""Choose the number of blocks and the factor sizes by Ray Tune: models/layers/<layer>/flow.yaml."""

from dataclasses import replace
from pathlib import Path

from pipeline.concepts import estimate_layout
from pipeline.config import load_params
from pipeline.data import load_latents
from pipeline.entry import layer_argument, run
from pipeline.tracking import check_server, publish
from pipeline.training.fingerprint import run_folder
from pipeline.training.flow_setup import flow_config
from pipeline.training.optimisation import train_config
from pipeline.tuning.flow_file import write_flow_file
from pipeline.tuning.search import SweepConfig, sweep


def main() -> None:
    """Estimate the sizes, try flows around them, write the choice, and show the sweep in MLflow."""
    params, layer = load_params(), layer_argument()
    store = check_server(params.study, layer)
    folder = Path("data/latents") / layer
    latents = load_latents(folder, "train")
    config = SweepConfig(
        latents=str(folder.resolve()),
        flow=flow_config(params.flow, latents.num_dims, params.seed),
        estimate=estimate_layout(latents, params.flow, params.seed),
        rho=params.flow.rho,
        train=replace(train_config(params.train, params.seed), steps=params.tune.steps),
        tune=params.tune,
    )
    choice = sweep(config, params.machine, run_folder(params.machine.storage, "tune", layer))
    write_flow_file(Path("models/layers") / layer / "flow.yaml", choice)
    sizes = ", ".join(f"{name} {size}" for name, size in zip(choice.layout.names, choice.layout.sizes, strict=True))
    print(f"chosen for layer {layer}: {choice.num_blocks} blocks, sizes {sizes}")
    publish(store, layer, "tune")


if __name__ == "__main__":
    run(main)
