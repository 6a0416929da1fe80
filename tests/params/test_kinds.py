"""The kinds of networks, as section `backbone` knows them: a line in `KINDS`."""

import pytest
from pydantic import ValidationError

from pipeline.backbone import kinds
from pipeline.params import Params
from pipeline.params.networks import KINDS, BackboneParams, Traits

# kind: whether it has a latent, and whether it gives images where backbone.output is logits, and images (None: refused)
EXPECTED = {
    "autoencoder": (True, True, True),
    "classifier": (False, False, None),
    "torch": (False, False, True),
    "torchvision": (False, False, True),
    "exported": (False, False, True),
    "generator": (True, True, True),
}


def test_each_kind_has_its_network():
    assert list(KINDS) == list(kinds.KINDS)


def section(kind: str, **changes: object) -> BackboneParams:
    return BackboneParams.model_validate({"kind": kind, "network": "a:b", "concept": "digit", **changes})


def test_what_each_kind_is_like():
    assert {
        kind: (
            section(kind).has_latent,
            section(kind, output="logits").draws_images,
            None if kind == "classifier" else section(kind, output="images").draws_images,
        )
        for kind in KINDS
    } == EXPECTED


def test_what_each_kind_needs():
    for kind in ("torch", "torchvision", "exported", "generator"):
        with pytest.raises(ValidationError, match=f"backbone.network: kind '{kind}' needs one, such as"):
            section(kind, network=None)
    with pytest.raises(ValidationError, match=r"backbone\.concept: kind 'classifier' needs the concept"):
        section("classifier", concept=None)
    assert section("autoencoder", network=None, concept=None).network is None


def test_a_further_kind_is_a_line_in_the_table(monkeypatch):
    with pytest.raises(ValidationError, match="'exported' or 'generator'"):
        section("diffusion")
    monkeypatch.setitem(KINDS, "diffusion", Traits(latent=True, images=True, network="unet.pt2"))
    assert section("diffusion").draws_images
    assert Params(backbone=section("diffusion", concept=None)).layers == ("latent",)
    with pytest.raises(ValidationError, match=r"kind 'diffusion' needs one, such as unet\.pt2"):
        section("diffusion", network=None)
    with pytest.raises(ValidationError, match=r"backbone\.kind 'diffusion' has one layer"):
        Params(backbone=section("diffusion"), layers=("stage2",))
    with pytest.raises(ValidationError, match="'generator' or 'diffusion'"):
        section("gan")
