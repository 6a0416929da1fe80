"""Choose the number of blocks and the factor sizes by Ray Tune: models/layers/<layer>/flow.yaml."""

from dataclasses import replace
from pathlib import Path

from pipeline.entry import layer_argument, run
from pipeline.flow_task import flow_config
from pipeline.params import load_params
from pipeline.runs import run_folder
from pipeline.tables.latents import load_latents
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server
from pipeline.training.optimisation import train_config
from pipeline.tuning.estimate import estimate_layout
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
    print(f"chosen for layer {layer}: {choice.num_blocks} blocks, sizes {choice.layout}")
    publish(store, layer, "tune")


if __name__ == "__main__":
    run(main)
