"""Train the network that names the concepts of an image: models/judge."""

from pipeline.entry import run
from pipeline.judge.network import JudgeNet, heads_of, save_judge, save_no_judge
from pipeline.judge.task import JudgeTask
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.runs import run_folder
from pipeline.tables.images import load_images
from pipeline.training.distributed import train_on_workers
from pipeline.training.task import ImagesSetup


def main() -> None:
    """Train, or go on from the last checkpoint, and measure the judge on the test images."""
    params, places = load_params(), Places()
    if not params.backbone.draws_images:
        save_no_judge(places.judge, "the backbone gives logits")
        print(f"models/judge: none, as it names what an image shows, and the backbone gives {params.backbone.gives}")
        return
    test = load_images(places.images, "test", named=True)
    if not test.labels:
        save_no_judge(places.judge, "there is no concept, and the images have no classes of their own")
        print("models/judge: none, as there is no concept, and the images have no classes of their own")
        return
    judge = params.judge
    setup = ImagesSetup(places.images.resolve(), judge, params.seed)
    result = train_on_workers(JudgeTask, setup, judge, params.machine, run_folder(params.machine.storage, "judge"))
    network = JudgeNet(heads_of(test), judge.width, params.seed)
    network.load_state_dict(result.model)
    accuracy = save_judge(places.judge, network, judge.width, test, metrics=result.metrics)
    print(f"models/judge: held-out accuracy {', '.join(f'{name} {value:.3f}' for name, value in accuracy.items())}")


if __name__ == "__main__":
    run(main)
