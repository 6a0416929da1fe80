from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refusal_of
from safetensors.torch import save_file
from torch import nn

from pipeline.backbone.backbone import Backbone, save_backbone
from pipeline.backbone.callable_network import from_callable
from pipeline.backbone.exported_network import from_exported
from pipeline.backbone.hook_backbone import AS_IT_IS, Preprocess
from pipeline.backbone.hooks import state_sha256
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.backbone.torchvision_network import from_torchvision, weights_classes, weights_input
from pipeline.inputs.paths import weights_file
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

TABLE = Images(
    id=np.arange(3),
    original=np.arange(3),
    pixels=np.random.default_rng(0).integers(256, size=(3, 32, 32, 3), dtype=np.uint8),
    labels={"digit": np.array([0, 1, 1]), "shape": np.array([0, 1, 1])},
    values={},
    num_categories={"digit": 10, "shape": 4},
    class_names={"shape": ["round", "square", "flat", "other"]},
)
IMAGES = to_unit_range(TABLE.pixels[:2])
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def small(classes: int = 4) -> nn.Module:
    """What a user's own file may make."""
    torch.manual_seed(classes)
    body = nn.Sequential(nn.Conv2d(3, 6, 5, 4), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(6, classes))


def no_module() -> int:
    return 3


HERE = "backbone.test_brought_networks"


def frozen(folder: Path, params: BackboneParams) -> Backbone:
    save_backbone(folder / "backbone", make_backbone(params, TABLE, seed=0))
    return load_backbone(folder / "backbone")


def test_a_callable() -> None:
    network = from_callable(f"{HERE}:small", {"classes": 5})
    assert network(IMAGES).shape == (2, 5)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("nowhere.at_all:make", {}, "backbone.network: no module 'nowhere.at_all' can be imported"),
        ("json:loads", {"s": "?"}, "backbone.network: json:loads raised JSONDecodeError: Expecting value: line 1"),
        (f"{HERE}:smal", {}, f"backbone.network: no callable 'smal' in {HERE}; nearest are small"),
        (HERE, {}, f"backbone.network: found '{HERE}', expected package.module:callable"),
        (f"{HERE}:no_module", {}, f"backbone.network: {HERE}:no_module returned an int, expected a torch.nn.Module"),
        (f"{HERE}:small", {"width": 3}, f"backbone.arguments: {HERE}:small does not take {{'width': 3}}"),
    ],
)
def test_a_callable_that_is_wrong_is_one_line(name: str, arguments: dict[str, object], message: str) -> None:
    assert refusal_of(from_callable, name, arguments).startswith(message)


def test_a_torchvision_model_is_the_same_for_the_same_seed() -> None:
    first, again, other = (from_torchvision("squeezenet1_1", None, {"num_classes": 7}, seed) for seed in (0, 0, 1))
    assert state_sha256(first) == state_sha256(again) != state_sha256(other)
    assert first(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    assert "nearest are resnet18" in refusal_of(from_torchvision, "resnet17", None, {})
    of_another = refusal_of(from_torchvision, "resnet18", "ResNet34_Weights.IMAGENET1K_V1", {})
    assert of_another.startswith(
        "backbone.weights: no weights 'ResNet34_Weights.IMAGENET1K_V1' of resnet18, nor a file"
    )
    message = refusal_of(from_torchvision, "resnet18", "IMAGENET", {})
    assert message.startswith("backbone.weights: no weights 'IMAGENET' of resnet18, nor a file of that name; accepted")
    assert message.endswith("are DEFAULT, IMAGENET1K_V1")
    assert refusal_of(from_torchvision, "resnet18", None, {"depth": 3}).startswith(
        "backbone.arguments: resnet18 does not"
    )


def test_an_exported_file(tmp_path: Path) -> None:
    network = small().eval()
    batch = torch.export.Dim("batch")
    torch.export.save(torch.export.export(network, (IMAGES,), dynamic_shapes=({0: batch},)), tmp_path / "net.pt2")
    opened = from_exported(tmp_path / "net.pt2")
    assert torch.equal(opened(IMAGES), network(IMAGES))
    assert {"0", "0.0", "2"} <= {name for name, _ in opened.named_modules()}
    (tmp_path / "no.pt2").write_bytes(b"PK no exported program")
    assert refusal_of(from_exported, tmp_path / "no.pt2").startswith(f"{tmp_path / 'no.pt2'}: no exported program")
    assert refusal_of(from_exported, tmp_path / "gone.pt2").startswith(f"{tmp_path / 'gone.pt2'}: not there")


class Maker:
    @classmethod
    def make(cls) -> nn.Module:
        return small(3)


def test_a_method_of_a_class_and_weights_inside_a_package() -> None:
    assert from_callable(f"{HERE}:Maker.make", {})(IMAGES).shape == (2, 3)
    assert weights_file("backbone:toys.py") == Path(__file__).with_name("toys.py")
    assert weights_file("folder/w.pt") == Path("folder/w.pt")
    assert (
        refusal_of(weights_file, "no_such:w.pt") == "backbone.weights: no_such:w.pt: no package 'no_such' is installed"
    )


def test_preprocessing_is_torchvisions() -> None:
    from torchvision.transforms import v2

    expected = v2.Compose([v2.Resize(48, antialias=True), v2.Normalize(MEAN, STD)])((IMAGES + 1) / 2)
    assert torch.allclose(Preprocess(48, MEAN, STD)(IMAGES), expected, atol=1e-5)
    assert AS_IT_IS(IMAGES) is IMAGES


def test_a_network_of_grey_images_gets_what_pillow_makes_of_them() -> None:
    from PIL import Image

    grey = np.stack([np.asarray(Image.fromarray(pixels).convert("L")) for pixels in TABLE.pixels[:2]])
    found = Preprocess(None, (0.5,), (0.5,))(IMAGES)
    assert found.shape == (2, 1, 32, 32)
    assert np.abs(((found[:, 0] + 1) * 127.5).numpy() - grey).max() <= 1
    assert torch.allclose(Preprocess(None, (0.2,), (0.4,))(IMAGES), ((found + 1) / 2 - 0.2) / 0.4, atol=1e-6)


def test_a_network_that_was_brought_is_frozen_as_it_is(tmp_path: Path) -> None:
    save_file(small().state_dict(), tmp_path / "w.safetensors")
    params = BackboneParams(kind="torch", network=f"{HERE}:small", weights=str(tmp_path / "w.safetensors"))
    backbone = frozen(tmp_path, params)
    assert torch.equal(backbone.run(IMAGES), small().eval()(IMAGES))
    assert not backbone.draws_images
    assert backbone.class_names is None
    backbone.require_untouched()


def test_classes_go_by_the_names_of_their_concept(tmp_path: Path) -> None:
    params = BackboneParams(kind="torch", network=f"{HERE}:small", concept="shape")
    assert frozen(tmp_path, params).class_names == ["round", "square", "flat", "other"]


def test_classes_of_torchvisions_weights_go_by_its_names(tmp_path: Path) -> None:
    params = BackboneParams(kind="torchvision", network="resnet18", weights="DEFAULT")
    names = weights_classes(params)
    assert names is not None
    assert (len(names), names[:2]) == (1000, ["tench", "goldfish"])
    full = params.model_copy(update={"weights": "ResNet18_Weights.IMAGENET1K_V1"})
    assert weights_classes(full) == names
    assert weights_classes(params.model_copy(update={"weights": str(tmp_path / "w.pt")})) is None
    assert weights_classes(params.model_copy(update={"weights": None})) is None
    assert weights_classes(params.model_copy(update={"concept": "digit"})) is None


def test_a_torchvision_network_of_ones_own_weights_gets_images_of_their_own_size(tmp_path: Path) -> None:
    network = from_torchvision("squeezenet1_1", None, {"num_classes": 3}, seed=5)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    params = BackboneParams(kind="torchvision", network="squeezenet1_1", arguments={"num_classes": 3})
    expected = network((IMAGES / 2 + 0.5 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None])
    for weights in (None, str(tmp_path / "w.safetensors")):
        backbone = frozen(tmp_path, params.model_copy(update={"weights": weights}))
        assert backbone.card["input"] == {"size": None, "mean": list(MEAN), "std": list(STD)}
    assert torch.allclose(backbone.run(IMAGES), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "weights", "size", "mean"),
    [
        ("resnet18", "DEFAULT", 224, MEAN),
        ("resnet18", "ResNet18_Weights.IMAGENET1K_V1", 224, MEAN),
        ("efficientnet_b3", "IMAGENET1K_V1", 300, MEAN),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", 384, MEAN),
        ("vgg16", "IMAGENET1K_FEATURES", 224, (0.48235, 0.45882, 0.40784)),
        ("deeplabv3_resnet50", "DEFAULT", 224, MEAN),
        ("raft_small", "DEFAULT", 224, MEAN),
    ],
)
def test_weights_of_torchvisions_own_get_what_they_were_trained_on(
    network: str, weights: str, size: int, mean: tuple[float, ...]
) -> None:
    found = weights_input(BackboneParams(kind="torchvision", network=network, weights=weights))
    assert (found.size, found.mean) == (size, mean)


def test_that_images_are_resized_is_said() -> None:
    def gives(**of_input: object) -> str:
        section = {"kind": "torch", "network": f"{HERE}:small", "input": of_input}
        return make_backbone(BackboneParams.model_validate(section), TABLE, 0).gives

    said = "logits of 4 classes; images of 32x32 are resized to 48x48: backbone.input.size"
    assert (gives(size=48), gives(size=32), gives()) == (said, "logits of 4 classes", "logits of 4 classes")


def test_an_exported_network_is_copied(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch")
    program = torch.export.export(small().eval(), (IMAGES,), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "net.pt2")
    params = BackboneParams(kind="exported", network=str(tmp_path / "net.pt2"))
    save_backbone(tmp_path / "backbone", make_backbone(params, TABLE, seed=0))
    (tmp_path / "net.pt2").unlink()
    backbone = load_backbone(tmp_path / "backbone")
    assert torch.equal(backbone.run(IMAGES), small().eval()(IMAGES))
    cut = backbone.cut("0.1")
    z, scale = cut.encode(IMAGES)
    assert (z.shape, scale) == ((2, 6), None)
    assert torch.equal(cut.rest(IMAGES)(z), backbone.run(IMAGES))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "images"}, "backbone.output: the network gives (2, 4), images (2, 1 or 3, H, W) are expected"),
        ({"concept": "digit"}, "backbone.concept: 'digit' has 10 categories, the network 4 classes"),
        ({"input": {"size": 2}}, f"backbone: '{HERE}:small' does not take images (2, 3, 2, 2)"),
    ],
)
def test_a_network_that_gives_something_else_is_refused(changes: dict[str, object], message: str) -> None:
    params = BackboneParams.model_validate({"kind": "torch", "network": f"{HERE}:small", **changes})
    assert refusal_of(make_backbone, params, TABLE, 0).startswith(message)


@pytest.mark.parametrize("weights", ["IMAGENET1K_V1", "ResNet18_Weights.IMAGENET1K_V1"])
def test_torchvisions_weights_go_by_either_name(monkeypatch: pytest.MonkeyPatch, weights: str) -> None:
    import torchvision

    asked: list[str] = []
    monkeypatch.setattr(
        torchvision.models, "get_model", lambda _, weights: asked.append(weights) or torch.nn.Identity()
    )
    from_torchvision("resnet18", weights, {})
    assert asked == ["IMAGENET1K_V1"]
