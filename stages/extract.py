"""The backbone's latents of all images, through Ray Data: data/latents/<layer>."""

from pipeline.cluster import start_ray
from pipeline.entry import layer_argument, run
from pipeline.extract.encoder import LatentsSetup
from pipeline.extract.extraction import extract
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.runs import run_folder


def main() -> None:
    """Encode every image by the frozen backbone, or those that a killed start has left."""
    params, layer, places = load_params(), layer_argument(), Places()
    setup = LatentsSetup(places.images, places.backbone, layer, params.latents)
    runs = run_folder(params.machine.storage, "extract", layer)
    with start_ray(params.machine) as worker:
        extract(setup, places.latents(layer), runs, params.machine, worker)


if __name__ == "__main__":
    run(main)
