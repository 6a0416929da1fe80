"""Train the network that is interpreted, or open one that was brought along, and freeze it: models/backbone."""

from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import make_backbone
from pipeline.entry import run
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.pretraining.tasks import PRETRAINING, pretrain
from pipeline.runs import run_folder
from pipeline.tables.images import load_images


def main() -> None:
    """Make the network; train it, or go on from the last checkpoint, where its kind learns here; then freeze it."""
    params, places = load_params(), Places()
    made = make_backbone(params.backbone, load_images(places.images, "test"), params.seed)
    if (pretraining := PRETRAINING.get(params.backbone.kind)) is None:
        save_backbone(places.backbone, made)
        print(f"models/backbone: {params.backbone.network}, frozen; it gives {made.gives}")
        return
    runs = run_folder(params.machine.storage, "backbone")
    trained = pretrain(pretraining, made, params, places.images.resolve(), runs)
    save_backbone(places.backbone, trained.made, metrics=trained.metrics)
    print(f"models/backbone: {trained.summary}")


if __name__ == "__main__":
    run(main)
