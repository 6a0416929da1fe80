"""A kind of network is one class and one entry of a table: nobody else asks which kind a network is."""

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from imports import SOURCES
from torch import Tensor, nn

from backbone.toys import toy_images
from pipeline.backbone.backbone import Made, save_backbone
from pipeline.backbone.hook_backbone import AS_IT_IS, HookBackbone
from pipeline.backbone.kinds import KINDS, holds_backbone, load_backbone, make_backbone
from pipeline.backbone.reduction import Reduction
from pipeline.params import BackboneParams, LatentsParams, networks
from pipeline.pretraining.tasks import PRETRAINING
from pipeline.tables.images import Images, to_unit_range

IMAGES = toy_images(5, seed=0)


class Mirror(nn.Module):
    """From an image to the same image, by way of a map of its means."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.widen = nn.Conv2d(3, 6, 4, 4), nn.ConvTranspose2d(6, 3, 4, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.widen(self.narrow(images)).tanh()


class MirrorBackbone(HookBackbone):
    """A kind that the project does not have."""

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:  # noqa: ARG003
        torch.manual_seed(seed)
        return Made(Mirror(), {"kind": params.kind, "output": "images", "input": AS_IT_IS.to_card()})

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:  # noqa: ARG003
        return Mirror()


def test_a_new_kind_needs_its_class_and_its_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "mirror", MirrorBackbone)
    made = make_backbone(BackboneParams().model_copy(update={"kind": "mirror"}), IMAGES, seed=3)
    save_backbone(tmp_path / "backbone", made)
    assert holds_backbone(tmp_path / "backbone")
    backbone, images = load_backbone(tmp_path / "backbone"), to_unit_range(IMAGES.pixels)
    assert isinstance(backbone, MirrorBackbone)
    assert (backbone.draws_images, backbone.draws_own_images, backbone.names_concept) == (True, False, False)
    with torch.no_grad():
        expected = made.network(images)
    assert torch.equal(backbone.run(images), expected)
    assert backbone.require_layers(["narrow"], LatentsParams(), images) == {"narrow": Reduction("mean", "first")}
    assert backbone.layers(size=None).splitlines()[1].split() == ["narrow", "Conv2d", "6x8x8", "first", "6", "384"]
    cut = backbone.cut("narrow")
    z, scale = cut.stored_latents(IMAGES.pixels, IMAGES.original)
    assert (z.shape, scale, cut.noise) == ((5, 6), None, "jitter")
    assert torch.equal(cut.rest(images)(cut.encode(images)[0]), expected)
    rest = cut.rest(to_unit_range(IMAGES.pixels))
    assert torch.equal(rest(z), expected)
    assert not torch.allclose(rest(z + 1), expected)
    backbone.require_untouched()


def test_params_and_the_tables_know_the_same_kinds() -> None:
    assert set(networks.KINDS) == set(KINDS)
    assert set(PRETRAINING) <= set(KINDS)


OWNERS = ("pipeline.backbone.", "pipeline.params.")
OTHERS = [name for name in SOURCES if not name.startswith(OWNERS)]


def questions(source: str) -> list[str]:
    """Where a source asks which kind a network is, or of which class: a line each."""
    asked = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, comparators=others):
                asks = compares_a_kind([left, *others])
            case ast.Match(subject=subject):
                asks = names_a_kind(subject)
            case ast.Call(func=ast.Name("isinstance" | "issubclass"), args=[_, classes]):
                asks = bool(NETWORKS & {name.split(".")[-1] for name in names_in(classes)})
            case _:
                continue
        asked += [ast.unparse(node)] if asks else []
    return asked


def compares_a_kind(operands: list[ast.expr]) -> bool:
    """Whether one is the kind of a network, or a local `kind` that is compared with the name of one."""
    constants = {leaf.value for side in operands for leaf in ast.walk(side) if isinstance(leaf, ast.Constant)}
    local = "kind" in [ast.unparse(side) for side in operands]
    return any(names_a_kind(side) for side in operands) or (local and bool(constants & set(KINDS)))


def names_a_kind(operand: ast.expr) -> bool:
    """`….kind` of section `backbone` or of a network, `card["kind"]`, `card.get("kind")`."""
    match operand:
        case ast.Attribute(value=owner, attr="kind"):
            return ast.unparse(owner).split(".")[-1] in ("backbone", "section", "params", "card", "network")
        case ast.Subscript(slice=ast.Constant("kind")):
            return True
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant("kind"), *_]):
            return True
    return False


def names_in(classes: ast.expr) -> set[str]:
    return {ast.unparse(leaf) for leaf in ast.walk(classes) if isinstance(leaf, ast.Name | ast.Attribute)}


def classes_of(package: str) -> set[str]:
    """Names of the classes that the modules of a package define."""
    paths = [path for name, path in SOURCES.items() if name.startswith(f"{package}.")]
    nodes = [node for path in paths for node in ast.parse(path.read_text()).body]
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)}


NETWORKS = classes_of("pipeline.backbone")  # networks, kinds and cuts


def test_nobody_else_asks_which_kind_a_network_is() -> None:
    asked = {module: found for module in OTHERS if (found := questions(SOURCES[module].read_text()))}
    assert not asked


@pytest.mark.parametrize(
    "question",
    [
        "params.backbone.kind == 'generator'",
        "section.kind in ('autoencoder', 'classifier')",
        "backbone.card['kind'] == 'generator'",
        "card.get('kind') != 'torch'",
        "kind == 'generator'",
        "isinstance(cut, GeneratorCut)",
        "isinstance(backbone.network, (Autoencoder, generator.GeneratorBackbone))",
    ],
)
def test_a_question_would_be_seen(question: str) -> None:
    assert questions(question) == [question]
    assert not questions("array.dtype.kind == 'f' and isinstance(values, Tensor) and source == 'generator'")
