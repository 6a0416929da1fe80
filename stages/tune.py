"""Choose the number of blocks and the factor sizes by Ray Tune: models/layers/<layer>/flow.yaml."""

from pipeline.entry import layer_argument, run
from pipeline.node_copy import how_read, node_latents
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.runs import run_folders
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server
from pipeline.tuning.estimate import estimate_layout, spectrum_to_try
from pipeline.tuning.flow_file import write_flow_file
from pipeline.tuning.search import sweep
from pipeline.tuning.trial import CHOOSING


def main() -> None:
    """Estimate the sizes, try flows around them, write the choice, and show the sweep in MLflow."""
    params, layer, places = load_params(), layer_argument(), Places()
    store = check_server(params.study, layer)
    latents, _ = node_latents(places.latents(layer), params.machine)  # kept, so that trials here need make no copy
    print(how_read(latents, params.machine), flush=True)
    estimate = estimate_layout(latents, params.flow, params.seed)
    spectrum = spectrum_to_try(latents, params) if params.tune.trials > 1 else None
    own, common = run_folders(params.machine.storage, "tune", layer, CHOOSING)
    choice = sweep(params, places.latents(layer), estimate, own, common / "trials", spectrum)
    write_flow_file(places.flow_file(layer), choice)
    why = f", {choice.reason}" if choice.trials else ""
    print(f"chosen for layer {layer}: {choice.candidate.words}, sizes {choice.candidate.layout}{why}")
    publish(store, layer, "tune")


if __name__ == "__main__":
    run(main)
