"""The backbone's latents of all images, through Ray Data: data/latents/<layer>."""

from pipeline.cluster import start_ray
from pipeline.entry import layer_argument, run
from pipeline.extract.extraction import extract
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.runs import run_folder


def main() -> None:
    """Encode every image by the frozen backbone, or those that a killed start has left."""
    params, layer, places = load_params(), layer_argument(), Places()
    with start_ray(params.machine) as worker:
        extract(
            places.images,
            places.backbone,
            places.latents(layer),
            layer=layer,
            params=params.latents,
            machine=params.machine,
            worker=worker,
            run_folder=run_folder(params.machine.storage, "extract", layer),
        )


if __name__ == "__main__":
    run(main)
