import numpy as np
import torch

from backbone.toys import toy_images
from pipeline.backbone.classifier import Classifier
from pipeline.backbone.frozen import load_backbone, save_backbone
from pipeline.params import Optimisation
from pipeline.pretraining.classifier import ClassifierTask, class_accuracy
from pipeline.training.loop import train

CPU = torch.device("cpu")


def task(seed: int = 0, missing: int = 0) -> ClassifierTask:
    images = toy_images(200, seed=1)
    images.labels["digit"][:missing] = -1
    return ClassifierTask(images, toy_images(80, seed=2), "digit", 8, 32, seed, CPU)


def test_it_learns_its_concept() -> None:
    of = task()
    before = of.validate()["accuracy"]
    train(of, Optimisation(steps=60, batch_size=32, learning_rate=3e-3))
    assert before < 0.8 < 0.98 < of.validate()["accuracy"]
    assert class_accuracy(of.model, toy_images(80, seed=2), "digit", CPU) > 0.98


def test_images_without_a_class_are_never_drawn() -> None:
    of = task(missing=150)
    rows = [of._known[np.random.default_rng(0).integers(len(of._known), size=500)]]
    assert min(int(part.min()) for part in rows) >= 150
    loss, figures = of.loss(of.model, 0, slice(None))
    assert torch.isfinite(loss)
    assert 0 <= figures["accuracy"] <= 1


def test_parts_make_up_the_global_batch() -> None:
    of = task()
    whole = of.loss(of.model, 3, slice(None))[0]
    parts = [of.loss(of.model, 3, part)[0] for part in (slice(0, 16), slice(16, 32))]
    assert torch.allclose(whole, torch.stack(parts).mean(), atol=1e-6)


def test_what_is_loaded_is_what_was_saved(tmp_path) -> None:
    network = Classifier(7, 8, seed=3)
    save_backbone(tmp_path / "backbone", network, {"concept": "digit"}, metrics="")
    backbone = load_backbone(tmp_path / "backbone")
    images = torch.rand(2, 3, 48, 48)  # of another size, too
    with torch.no_grad():
        assert torch.equal(backbone.run(images), network(images))
    assert (backbone.concept, backbone.draws_images) == ("digit", False)


def test_what_the_layers_keep_is_watched() -> None:
    of = task()
    before = of.validate()
    train(of, Optimisation(steps=60, batch_size=32, learning_rate=3e-3))
    after = of.validate()
    for layer in ("stage1", "stage2", "stage3", "features"):
        shares = [after[f"share/{layer}/{name}"] for name in ("residual", "digit", "colour")]
        assert sum(shares) == 1
        assert min(shares) > 0
    # its class is kept and the other concept dropped, the more so the nearer a layer is to the logits
    assert after["share/features/digit"] > after["share/features/colour"] + 0.1
    assert after["share/features/digit"] > before["share/features/digit"]
    assert "share/head/digit" not in after, "two numbers are too few for three factors"
