"""Train the chosen flow on pairs: models/layers/<layer>/iin."""

from pipeline.basis.curves import METRICS
from pipeline.entry import layer_argument, run
from pipeline.flow_task import FlowTask, flow_card, flow_setup, restore_flow
from pipeline.interpretation.iin import save_iin
from pipeline.pairing.moments import latent_extent
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.runs import run_folder
from pipeline.tables.axes import axes_file
from pipeline.tables.latents import load_latents
from pipeline.training.compiling import COMPILE_FROM
from pipeline.training.distributed import start_training
from pipeline.tuning.flow_file import read_flow_file


def main() -> None:
    """Train, or go on from the last checkpoint, while MLflow follows; then write the network."""
    params, layer, places = load_params(), layer_argument(), Places()
    candidate = read_flow_file(places.flow_file(layer)).candidate
    params = candidate.applied(params)
    setup, origin = flow_setup(params, places.latents(layer), candidate.layout)
    storage = run_folder(params.machine.storage, "train", layer)
    card = flow_card(setup, params.train, origin, storage)
    with start_training(FlowTask, setup, params.train, params.machine, storage, compile_from=COMPILE_FROM) as finish:
        from pipeline.tracking.store import check_server  # MLflow is imported while the workers start
        from pipeline.tracking.tracker import RunTracker

        with RunTracker(check_server(params.study, layer), layer, card, storage / METRICS):
            result = finish()
            flow = restore_flow(setup.shape, result.model)
            axes = axes_file(places.latents(layer))
            card |= {"best_step": result.step}
            extent = latent_extent(load_latents(places.latents(layer), "train"))
            save_iin(places.iin(layer), flow, candidate.layout, card, extent, metrics=result.metrics, axes=axes)


if __name__ == "__main__":
    run(main)
