import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from backbone.toys import toy_images
from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import Backbone, Made, save_backbone
from pipeline.backbone.kinds import KINDS, load_backbone
from pipeline.errors import InputError
from pipeline.files import sha256_file
from pipeline.tables.images import to_unit_range

IMAGES = to_unit_range(toy_images(4, seed=0).pixels)


def _made() -> Made:
    made = AutoencoderBackbone.made(Autoencoder(3, 8, seed=0))
    return replace(made, card={"val_squared_error": 7.1} | made.card)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_backbone(tmp_path / "backbone", _made(), metrics='{"step": 1}\n')
    return tmp_path / "backbone"


def _hash(backbone: Backbone) -> str:
    digest = hashlib.sha256()
    tensors = [*backbone.network.named_parameters(), *backbone.network.named_buffers()]
    for name, tensor in tensors:
        digest.update(name.encode() + tensor.detach().numpy().tobytes())
    return digest.hexdigest()


def test_the_folder_holds_weights_card_and_curves(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "metrics.jsonl", "weights.safetensors"]
    backbone = load_backbone(folder)
    assert backbone.card == {
        "val_squared_error": 7.1,
        "kind": "autoencoder",
        "num_dims": 3,
        "width": 8,
        "output": "images",
        "weights_sha256": backbone.sha256,
    }
    assert backbone.sha256 == sha256_file(folder / "weights.safetensors")
    assert (folder / "metrics.jsonl").read_text() == '{"step": 1}\n'


def test_what_is_loaded_is_what_was_saved(folder: Path) -> None:
    network, backbone = Autoencoder(3, 8, seed=0), load_backbone(folder)
    with torch.no_grad():
        cut = backbone.cut("latent")
        for found, expected in zip(cut.encode(IMAGES), network.encode(IMAGES), strict=True):
            assert torch.equal(found, expected)
        assert torch.equal(cut.rest(IMAGES)(torch.ones(2, 3)), network.decode(torch.ones(2, 3)))
        assert torch.equal(backbone.run(IMAGES), network.decode(network.encode(IMAGES)[0]))


def test_equal_weights_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    save_backbone(tmp_path / "again", _made(), metrics='{"step": 1}\n')
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_nothing_changes_a_weight_or_a_buffer(folder: Path) -> None:
    backbone = load_backbone(folder)
    before = _hash(backbone)
    assert not backbone.network.training
    assert not any(parameter.requires_grad for parameter in backbone.network.parameters())

    cut = backbone.cut("latent")
    mean, scale = cut.encode(IMAGES)
    images = cut.rest(IMAGES)(mean + scale)
    for output in (mean, scale, images):
        with pytest.raises(RuntimeError, match="does not require grad"):
            output.sum().backward()

    z = torch.zeros(2, 3, requires_grad=True)
    cut.rest(IMAGES)(z).sum().backward()  # it reaches z alone
    assert z.grad is not None
    assert all(parameter.grad is None for parameter in backbone.network.parameters())
    torch.optim.AdamW(backbone.network.parameters(), lr=1.0, weight_decay=0.5).step()

    assert _hash(backbone) == before
    backbone.require_untouched()
    assert sha256_file(folder / "weights.safetensors") == backbone.sha256


def test_the_hash_would_see_a_change(folder: Path) -> None:
    backbone = load_backbone(folder)
    before = _hash(backbone)
    with torch.no_grad():
        backbone.network.decoder[0].bias[0] += 1e-6
    assert _hash(backbone) != before
    with pytest.raises(InputError, match="weights or buffers changed while it ran"):
        backbone.require_untouched()


def _edit_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "card.json").read_text()) | changes
    (folder / "card.json").write_text(json.dumps({key: value for key, value in card.items() if value is not None}))


def test_weights_that_are_not_the_cards_are_refused(folder: Path, tmp_path: Path) -> None:
    save_backbone(tmp_path / "other", AutoencoderBackbone.made(Autoencoder(3, 8, seed=1)))
    (tmp_path / "other" / "weights.safetensors").replace(folder / "weights.safetensors")
    with pytest.raises(InputError, match=r"weights\.safetensors: sha256 \w{12}, expected \w{12} as its card says"):
        load_backbone(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_dims": None}, r"card\.json: no card of a backbone \(no key 'num_dims'\)"),
        ({"kind": "diffusion"}, rf"card\.json: kind: found 'diffusion', accepted are {', '.join(KINDS)}$"),
        ({"width": "wide"}, r"card\.json: no card of a backbone"),
        ({"width": 3}, r"card\.json: no card of a backbone"),
        ({"num_dims": 4}, r"weights\.safetensors: does not fit the network of its card"),
        ({"weights_sha256": None}, r"card\.json: no card of a backbone \(no key 'weights_sha256'\)"),
    ],
)
def test_a_card_of_another_network_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    _edit_card(folder, **changes)
    with pytest.raises(InputError, match=message) as caught:
        load_backbone(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: not there; run `dvc repro`"):
        load_backbone(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"weights\.safetensors: sha256"):
        load_backbone(folder)
    _edit_card(folder, weights_sha256=sha256_file(path))
    with pytest.raises(InputError, match=r"weights\.safetensors: does not fit the network of its card"):
        load_backbone(folder)
