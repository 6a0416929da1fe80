"""Train the network that is interpreted, or open one that was brought along, and freeze it: models/backbone.

What can't be studied of it is refused here, before anything is trained, at each of `layers`. dvc.yaml does not list
them, nor section `latents`, as they change nothing of the network; extract looks again.
"""

from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import make_backbone, require_layers
from pipeline.backbone.recognition import recognised
from pipeline.entry import run
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.pretraining.tasks import PRETRAINING, pretrain
from pipeline.runs import run_folder
from pipeline.tables.images import load_images


def main() -> None:
    """Make the network; train it, or go on from the last checkpoint, where its kind learns here; then freeze it."""
    params, places = load_params(), Places()
    images = load_images(places.images, "test")
    made = make_backbone(params.backbone, images, params.seed)
    require_layers(made, params.layers, params.latents, images)
    if (pretraining := PRETRAINING.get(params.backbone.kind)) is None:
        made, remarks = recognised(made, images)
        save_backbone(places.backbone, made)
        print(f"models/backbone: {params.backbone.network}, frozen; it gives {made.gives}", *remarks, sep="\n")
        return
    runs = run_folder(params.machine.storage, "backbone")
    trained = pretrain(pretraining, made, params, places.images.resolve(), runs)
    save_backbone(places.backbone, trained.made, metrics=trained.metrics)
    print(f"models/backbone: {trained.summary}")


if __name__ == "__main__":
    run(main)
