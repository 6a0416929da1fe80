"""Train the chosen flow on pairs: models/layers/<layer>/iin."""

from pipeline.basis.curves import METRICS
from pipeline.entry import layer_argument, run
from pipeline.flow_seeds import flow_card, save_flows, start_flows
from pipeline.flow_task import flow_setup
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.runs import run_folder
from pipeline.tuning.flow_file import read_flow_file


def main() -> None:
    """Train, or go on from the last checkpoint, while MLflow follows; then write the network."""
    params, layer, places = load_params(), layer_argument(), Places()
    candidate = read_flow_file(places.flow_file(layer)).candidate
    params = candidate.applied(params)
    setup, origin, train = flow_setup(params, places.latents(layer), candidate.layout)
    storage = run_folder(params.machine.storage, "train", layer)
    card = flow_card(setup, params.train, origin, storage)
    with start_flows(setup, params.train, params.machine, storage) as finish:
        from pipeline.tracking.store import check_server  # MLflow is imported while the workers start
        from pipeline.tracking.tracker import RunTracker

        with RunTracker(check_server(params.study, layer), layer, card, storage / METRICS):
            save_flows(places.iin(layer), finish(), card, storage, train)


if __name__ == "__main__":
    run(main)
