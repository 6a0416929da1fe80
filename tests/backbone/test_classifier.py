from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backbone.toys import toy_images, write_images
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.errors import InputError
from pipeline.params import BackboneParams, Optimisation, Params
from pipeline.pretraining import tasks
from pipeline.pretraining.classifier import ClassifierTask, class_accuracy
from pipeline.training.distributed import Result
from pipeline.training.loop import train
from pipeline.training.task import ImagesSetup

CPU = torch.device("cpu")


def make_task(folder: Path, missing: int = 0) -> ClassifierTask:
    images = toy_images(200, seed=1)
    images.labels["digit"][:missing] = -1
    write_images(folder, train=images, val=toy_images(80, seed=2))
    params = BackboneParams(kind="classifier", concept="digit", width=8, batch_size=32)
    return ClassifierTask(ImagesSetup(folder, params, 0), CPU)


def test_it_learns_its_concept(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    before = task.validate()["accuracy"]
    train(task, Optimisation(steps=60, batch_size=32, learning_rate=3e-3))
    assert before < 0.8 < 0.98 < task.validate()["accuracy"]
    assert class_accuracy(task.model, toy_images(80, seed=2), "digit", CPU) > 0.98


def test_images_without_a_class_are_never_drawn(tmp_path: Path) -> None:
    task = make_task(tmp_path, missing=150)
    rows = [task._labelled[np.random.default_rng(0).integers(len(task._labelled), size=500)]]
    assert min(int(part.min()) for part in rows) >= 150
    loss, figures = task.loss(task.model, 0, slice(None))
    assert torch.isfinite(loss)
    assert 0 <= figures["accuracy"] <= 1


def test_parts_make_up_the_global_batch(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    whole = task.loss(task.model, 3, slice(None))[0]
    parts = [task.loss(task.model, 3, part)[0] for part in (slice(0, 16), slice(16, 32))]
    assert torch.allclose(whole, torch.stack(parts).mean(), atol=1e-6)


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    network = Classifier(7, 8, seed=3)
    save_backbone(tmp_path / "backbone", ClassifierBackbone.made(network, "digit", list("abcdefg")))
    backbone = load_backbone(tmp_path / "backbone")
    for shape in ((16, 16), (128, 128), (20, 36), (48, 48)):  # of any size, too
        images = torch.rand(2, 3, *shape)
        with torch.no_grad():
            assert torch.equal(backbone.run(images), network(images))
    with torch.no_grad():
        assert backbone.name(images)["digit"].tolist() == network(images).argmax(dim=1).tolist()
    assert (backbone.concept, backbone.draws_images, backbone.names_concept) == ("digit", False, True)
    assert backbone.class_names == list("abcdefg")


def test_a_training_that_diverges_between_two_points_of_its_curve_is_one_line(tmp_path: Path) -> None:
    params = Optimisation(steps=30, batch_size=32, learning_rate=1e30, log_every=30, validate_every=5)
    with pytest.raises(InputError, match=r"^training diverged: share/\w+/residual is nan at step 5; accepted are "):
        train(make_task(tmp_path), params)


def test_what_the_layers_keep_is_watched(tmp_path: Path) -> None:
    task = make_task(tmp_path)
    before = task.validate()
    train(task, Optimisation(steps=60, batch_size=32, learning_rate=3e-3))
    after = task.validate()
    for layer in ("stage1", "stage2", "stage3", "features"):
        shares = [after[f"share/{layer}/{name}"] for name in ("residual", "digit", "colour")]
        assert sum(shares) == 1
        assert min(shares) > 0
    # its class is kept and the other concept dropped, the more so the nearer a layer is to the logits
    assert after["share/features/digit"] > after["share/features/colour"] + 0.1
    assert after["share/features/digit"] > before["share/features/digit"]
    assert "share/head/digit" not in after, "two numbers are too few for three factors"


def test_its_layers_are_watched_by_the_pairs_that_train_the_map(tmp_path: Path) -> None:
    """Of a graded concept hardly two rows share a value, and of a sketched one images as they were share nothing."""
    images = toy_images(240, seed=2)
    row = np.arange(len(images))
    images.labels.update(colour=row, round=row % 3)
    images = replace(images, original=row // 3, graded={"colour": 0.2}, sketches=("round",))
    images = replace(images, num_categories={"digit": 2, "colour": len(row), "round": 3})
    write_images(tmp_path, train=images, val=images)
    params = BackboneParams(kind="classifier", concept="digit", width=8, batch_size=32)
    task = ClassifierTask(ImagesSetup(tmp_path, params, 0), CPU)
    pairs = task._pairs
    assert set(pairs.concept.tolist()) == {1, 2, 3}
    a, b = (images.values["colour"][rows[pairs.concept == 2], 0] for rows in (pairs.a, pairs.b))
    assert np.abs(a - b).max() <= 0.2 + 1e-6
    styles = images.labels["round"][pairs.a[pairs.concept == 3]]
    assert set(styles.tolist()) == {1, 2}
    assert task.validate()["share/features/colour"] > 0


def test_the_card_of_a_trained_network_says_what_was_measured_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = BackboneParams(kind="classifier", concept="digit", width=8, steps=120)
    trained = Classifier(2, 8, seed=7)
    asked: list[Optimisation] = []

    def train_on_workers(_task: object, _setup: object, config: Optimisation, *_others: object) -> Result:
        asked.append(config)
        metrics = '{"step": 60, "val/accuracy": 0.5}\n{"step": 120, "val/accuracy": 0.75}\n'
        return Result(trained.state_dict(), 120, metrics, tmp_path)

    monkeypatch.setattr(tasks, "train_on_workers", train_on_workers)
    made = make_backbone(section, toy_images(2, seed=0), seed=0)
    params = Params().model_copy(update={"backbone": section})
    done = tasks.pretrain(tasks.PRETRAINING["classifier"], made, params, tmp_path, tmp_path)
    assert asked == [section]
    assert list(done.made.card) == ["concept", "val_accuracy", "kind", "num_classes", "width", "output", "input"]
    assert (done.made.card["val_accuracy"], done.made.card["num_classes"]) == (0.75, 2)
    assert done.summary == "balanced accuracy of 'digit' on held-out images 0.750"
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in done.made.network.state_dict().items())
