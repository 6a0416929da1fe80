"""Train the chosen flow on pairs through Ray Train: models/layers/<layer>/iin."""

from pathlib import Path

from pipeline.basis.curves import METRICS
from pipeline.entry import layer_argument, run
from pipeline.flow_task import FlowTask, flow_card, flow_setup, restore_flow
from pipeline.interpretation.iin import save_iin
from pipeline.params import load_params
from pipeline.runs import run_folder
from pipeline.tracking.store import check_server
from pipeline.tracking.tracker import RunTracker
from pipeline.training.compiling import COMPILE_FROM
from pipeline.training.distributed import train_with_ray
from pipeline.training.optimisation import train_config
from pipeline.tuning.flow_file import read_flow_file


def main() -> None:
    """Train, or go on from the last checkpoint, while MLflow follows; then write the network."""
    params, layer = load_params(), layer_argument()
    store = check_server(params.study, layer)
    choice = read_flow_file(Path("models/layers") / layer / "flow.yaml")
    setup, origin = flow_setup(params, Path("data/latents") / layer, choice.num_blocks, choice.layout)
    storage = run_folder(params.machine.storage, "train", layer)
    card = flow_card(setup, params.train, origin, storage)
    with RunTracker(store, layer, card, storage / METRICS):
        result = train_with_ray(
            FlowTask, setup, train_config(params.train, params.seed), params.machine, storage, compile_from=COMPILE_FROM
        )
        flow = restore_flow(setup.flow, result.model)
        save_iin(Path("models/layers") / layer / "iin", flow, choice.layout, card, metrics=result.metrics)


if __name__ == "__main__":
    run(main)
