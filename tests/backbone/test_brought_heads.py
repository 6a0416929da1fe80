"""Networks of many heads, and of many makes, from section `backbone` to what a cut of them gives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refusal_of
from safetensors.torch import save_file

from backbone.heads import Headed, sequential
from pipeline.backbone.backbone import Backbone, save_backbone
from pipeline.backbone.callable_network import from_callable
from pipeline.backbone.hook_backbone import Preprocess, list_layers
from pipeline.backbone.hooks import state_sha256
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

TABLE = Images(
    id=np.arange(3),
    original=np.arange(3),
    pixels=np.random.default_rng(0).integers(256, size=(3, 32, 32, 3), dtype=np.uint8),
    labels={"digit": np.array([0, 1, 1])},
    values={},
    num_categories={"digit": 10},
)
IMAGES = to_unit_range(TABLE.pixels[:2])


def frozen(folder: Path, params: BackboneParams) -> Backbone:
    save_backbone(folder / "backbone", make_backbone(params, TABLE, seed=0))
    return load_backbone(folder / "backbone")


HEADS = "backbone.heads"


def headed(form: str, classes: int = 3, channels: int = 3, **section: Any) -> BackboneParams:
    arguments = {"form": form, "classes": classes, "channels": channels}
    return BackboneParams.model_validate(
        {"kind": "torch", "network": f"{HEADS}:Headed", "arguments": arguments, **section}
    )


@pytest.mark.parametrize(
    ("params", "decides", "gives"),
    [
        (headed("tensor"), True, "logits of 3 classes"),
        (headed("tensor", classes=1), True, "a logit, above 0 for the second of two classes"),
        (headed("vector", classes=1), True, "a logit, above 0 for the second of two classes"),
        (headed("softmax", output="probabilities"), True, "probabilities of 3 classes"),
        (headed("sigmoid", classes=1, output="probabilities"), True, "the probability of the second of two classes"),
        (headed("dict", output_key="logits"), True, "logits of 3 classes"),
        (headed("dict", output="values", output_key="features"), False, "12 values"),
        (headed("tuple", output="values", output_key=0), False, "12 values"),
        (headed("dataclass", output="values", output_key="hidden.1"), False, "12 values"),
        (headed("vector", output="values"), False, "1 value"),
        (headed("half"), True, "logits of 3 classes"),
    ],
    ids=lambda value: value.arguments["form"] if isinstance(value, BackboneParams) else None,
)
def test_every_forward_of_any_head_ends_in_the_same_numbers(
    tmp_path: Path, params: BackboneParams, decides: bool, gives: str
) -> None:
    made = make_backbone(params, TABLE, seed=0)
    assert made.gives.startswith(gives)
    save_backbone(tmp_path / "backbone", made)
    backbone = load_backbone(tmp_path / "backbone")
    assert (backbone.decides, backbone.draws_images) == (decides, False)
    output = backbone.run(IMAGES)
    assert output.dtype == torch.float32
    for layer in ("trunk", "trunk.0", *(["head"] if decides else [])):
        cut = backbone.cut(layer)
        z, _ = cut.encode(IMAGES)
        assert torch.equal(cut.rest(IMAGES)(z), output)
        assert not torch.allclose(cut.rest(IMAGES)(1 - 2 * z), output)


def test_two_classes_of_one_logit_are_named_by_a_concept(tmp_path: Path) -> None:
    table = replace(TABLE, num_categories={"digit": 2}, class_names={"digit": ["no", "yes"]})
    params = headed("vector", classes=1, concept="digit")
    save_backbone(tmp_path / "backbone", make_backbone(params, table, seed=0))
    backbone = load_backbone(tmp_path / "backbone")
    with torch.no_grad():
        expected = (Headed("vector", 1).eval()(IMAGES) > 0).long()
    assert backbone.name(IMAGES)["digit"].tolist() == expected.tolist()
    assert backbone.class_names == ["no", "yes"]
    assert "'digit' has 10 categories, the network 2 classes" in refusal_of(make_backbone, params, TABLE, 0)


def test_classes_of_any_network_go_by_the_names_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    assert frozen(tmp_path, headed("tensor", class_names=str(tmp_path / "labels.txt"))).class_names == ["a", "b", "c"]
    params = BackboneParams(
        kind="torchvision", network="squeezenet1_1", weights=None, arguments={"num_classes": 3},
        class_names=str(tmp_path / "labels.txt"),
    )  # fmt: skip
    assert make_backbone(params, TABLE, 0).card["class_names"] == ["a", "b", "c"]
    message = refusal_of(make_backbone, headed("tensor", 4, class_names=str(tmp_path / "labels.txt")), TABLE, 0)
    assert message == f"backbone.class_names: {tmp_path / 'labels.txt'} has 3 names, the network 4 classes"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (headed("softmax"), "backbone.output: found 'logits', but what the network gives is of 0 to 1 and sums to 1"),
        (
            headed("tensor", output="probabilities"),
            "backbone.output: found 'probabilities', but what the network gives",
        ),
        (headed("negative", 1, output="probabilities"), "backbone.output: found 'probabilities', but what the network"),
        (headed("nan"), "backbone.output: the network gives numbers that are not finite"),
        (
            headed("dict"),
            "backbone.output_key: it is empty, but the network gives a dict; accepted are logits (2, 3), f",
        ),
        (headed("tensor", channels=1), f"backbone: '{HEADS}:Headed' does not take images (2, 3, 32, 32) (Given groups"),
    ],
    ids=["softmax", "no softmax", "no sigmoid", "nan", "dict", "grey"],
)
def test_a_head_that_is_not_what_is_said_is_one_line(params: BackboneParams, message: str) -> None:
    assert refusal_of(make_backbone, params, TABLE, 0).startswith(message)


def test_one_number_of_0_to_1_is_said_to_be_no_sure_logit() -> None:
    gives = make_backbone(headed("sigmoid", classes=1), TABLE, 0).gives
    assert gives.endswith("if it is of 0 to 1 always, it is no logit: see backbone.output")


def test_a_network_of_grey_images(tmp_path: Path) -> None:
    backbone = frozen(tmp_path, headed("tensor", channels=1, input={"channels": 1}))
    assert backbone.card["input"] == {"size": None, "mean": [0.5], "std": [0.5]}
    grey = Preprocess(None, (0.5,), (0.5,))(IMAGES)
    with torch.no_grad():
        assert torch.equal(backbone.run(IMAGES), Headed(channels=1).eval()(grey))
    assert backbone.layers(None).splitlines()[-1].startswith("the network gives 3 numbers: logits of 3 classes")


def test_the_layers_end_with_what_the_network_gives() -> None:
    assert list_layers(Headed("dict").eval(), 32).splitlines()[-1] == (
        "the network gives a dict, of which backbone.output_key names one: logits 3, features 12"
    )
    message = refusal_of(list_layers, Headed().eval(), 32, 1)
    assert message.startswith("--size, --channels: the network does not take 3 images of 1x32x32 (Given groups=1")


def drawing(black: float, white: float, gain: float = 0.9, **section: Any) -> BackboneParams:
    arguments = {"black": black, "white": white, "gain": gain}
    return BackboneParams.model_validate(
        {
            "kind": "torch",
            "network": f"{HEADS}:autoencoder",
            "output": "images",
            "arguments": arguments,
            **section,
        }
    )


UNIT = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def test_an_autoencoder_of_any_range_gives_the_same_pictures(tmp_path: Path) -> None:
    for number, (black, white, given) in enumerate(((-1, 1, {}), (0, 1, UNIT), (-0.5, 0.5, {"std": [1, 1, 1]}))):
        params = drawing(black, white, output_range=[black, white], input=given)
        made = make_backbone(params, TABLE, 0)
        assert "whose squared error is 0.01 of the images' variance" in made.gives
        save_backbone(tmp_path / str(number), made)
        backbone = load_backbone(tmp_path / str(number))
        assert backbone.draws_images
        assert torch.allclose(backbone.run(IMAGES), 0.9 * IMAGES, atol=1e-5)
        cut = backbone.cut("same")
        assert torch.allclose(cut.rest(IMAGES)(cut.encode(IMAGES)[0]), 0.9 * IMAGES, atol=1e-5)


def test_a_range_that_is_not_said_is_one_line() -> None:
    unit = refusal_of(make_backbone, drawing(0, 1, input=UNIT), TABLE, 0)
    assert unit.startswith("backbone.output_range: found [-1.0, 1.0], but what the network gives, 0.0")
    assert "is nearer to the images as [0.0, 1.0]" in unit
    levels = drawing(0, 255, input={"mean": [0, 0, 0], "std": [1 / 255] * 3})
    assert "gives values of 12.8 to 242, expected are −1 to 1; see backbone.output_range" in refusal_of(
        make_backbone, levels, TABLE, 0
    )
    assert "expected are 0 to 1" in refusal_of(make_backbone, drawing(-1, 1, output_range=[0, 1]), TABLE, 0)


def test_an_autoencoder_that_reconstructs_nothing_is_said() -> None:
    assert make_backbone(drawing(-1, 1, gain=-0.9), TABLE, 0).gives.endswith(
        "no nearer than plain grey: see backbone.input and backbone.output_range"
    )


def test_lazy_layers_take_their_shape_from_the_first_images(tmp_path: Path) -> None:
    params = BackboneParams(kind="torch", network=f"{HEADS}:Lazy")
    first, again, other = (make_backbone(params, TABLE, seed).network for seed in (0, 0, 1))
    assert state_sha256(first) == state_sha256(again) != state_sha256(other)
    assert not any(parameter.requires_grad for parameter in first.parameters())
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    backbone = frozen(tmp_path, params.model_copy(update={"weights": str(tmp_path / "w.safetensors")}))
    with torch.no_grad():
        assert torch.equal(backbone.run(IMAGES), other(IMAGES))
    backbone.require_untouched()
    assert (
        list_layers(from_callable(f"{HEADS}:Lazy", {}), 32).splitlines()[-1].startswith("the network gives 3 numbers")
    )
    unused = params.model_copy(update={"arguments": {"unused": True}})
    message = refusal_of(make_backbone, unused, TABLE, 0)
    assert message == f"backbone.network: 'unused.weight' of {HEADS}:Lazy has no shape, as no forward reaches it"


@pytest.mark.parametrize("name", ["parallel", "compiled"])
def test_what_wraps_a_network_is_taken_off(tmp_path: Path, name: str) -> None:
    backbone = frozen(tmp_path, BackboneParams(kind="torch", network=f"{HEADS}:{name}"))
    plain = sequential().eval()
    with torch.no_grad():
        assert torch.equal(backbone.run(IMAGES), plain(IMAGES))
    assert [entry for entry, _ in backbone.network.named_modules()] == [entry for entry, _ in plain.named_modules()]
    for layer in ("0.0", "0", "2"):
        cut = backbone.cut(layer)
        z, _ = cut.encode(IMAGES)
        assert torch.equal(cut.rest(IMAGES)(z), backbone.run(IMAGES))
        assert not torch.allclose(cut.rest(IMAGES)(z + 1), backbone.run(IMAGES))
