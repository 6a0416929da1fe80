"""A trained flow on disk: equal bytes, read back whole, refused where its parts do not belong together."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from extents import ball

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.files import sha256_file
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import load_iin, save_iin
from pipeline.tables.axes import AXES, Axes, write_axes

LAYOUT = Layout(("residual", "digit"), (3, 1))
METRICS = '{"step": 1, "train/pair_nats": 2.0}\n'


def trained(seed: int = 0) -> Flow:
    flow = Flow(FlowConfig(num_dims=4, num_blocks=2, width=8, seed=seed))
    flow.initialise(torch.randn(50, 4, generator=torch.Generator().manual_seed(1)))
    return flow


@pytest.fixture
def folder(tmp_path):
    save_iin(
        tmp_path / "iin", trained(), LAYOUT, {"rho": 0.9, "layer": "latent", "best_step": 1}, ball(4), metrics=METRICS
    )
    return tmp_path / "iin"


def test_it_is_read_back_whole(folder):
    iin = load_iin(folder)
    z = torch.randn(5, 4)
    for found, expected in zip(iin.flow(z), trained()(z), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(iin.transform(z), trained()(z)[0])
    assert torch.equal(iin.inverse(z), trained().inverse(z))
    assert not iin.transform(z).requires_grad
    assert iin.layout == LAYOUT
    assert (iin.rho, iin.layer, iin.best_step) == (0.9, "latent", 1)
    assert iin.card["flow"]["width"] == 8
    assert iin.card["weights_sha256"] == iin.sha256
    assert not iin.flow.training
    assert (folder / "metrics.jsonl").read_text() == METRICS


def test_what_its_card_says_is_typed_and_what_it_lacks_is_named(folder):
    cut = {"reduce": "none", "kept": [0, 2, 3, 5], "image_shape": [32, 24]}
    edit(folder, backbone_sha256="ab" * 32, cut=cut)
    iin = load_iin(folder)
    assert (iin.backbone_sha256, iin.reduce, iin.kept, iin.image_shape) == ("ab" * 32, "none", (0, 2, 3, 5), (32, 24))
    bare = replace(iin, card={})
    for name in ("backbone_sha256", "layer", "rho", "best_step", "reduce", "kept", "image_shape"):
        with pytest.raises(InputError, match=f"card of the map {iin.sha256[:12]}: no key '(cut|{name})'"):
            getattr(bare, name)


def test_equal_weights_give_equal_bytes(folder, tmp_path):
    save_iin(
        tmp_path / "again", trained(), LAYOUT, {"rho": 0.9, "layer": "latent", "best_step": 1}, ball(4), metrics=METRICS
    )
    for name in ("weights.safetensors", "card.json", "metrics.jsonl", "extent.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    save_iin(tmp_path / "other", trained(seed=1), LAYOUT, {}, ball(4), metrics="")
    assert load_iin(tmp_path / "other").sha256 != load_iin(folder).sha256


def edit(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))


def test_weights_of_another_network_are_refused(folder, tmp_path):
    save_iin(tmp_path / "other", trained(seed=1), LAYOUT, {}, ball(4), metrics="")
    (tmp_path / "other" / "weights.safetensors").replace(folder / "weights.safetensors")
    with pytest.raises(InputError, match=r"iin/weights\.safetensors: sha256 \w{12}, expected \w{12} as its card"):
        load_iin(folder)


def test_a_card_of_another_shape_is_refused(folder):
    edit(folder, flow={"num_dims": 4, "num_blocks": 3, "width": 8})
    with pytest.raises(InputError, match=r"weights\.safetensors: does not fit the network of its card") as error:
        load_iin(folder)
    assert "\n" not in str(error.value)


def test_sizes_that_do_not_sum_are_refused(folder):
    edit(folder, layout={"names": ["residual", "digit"], "sizes": [3, 2]})
    with pytest.raises(InputError, match=r"card\.json: sizes \[3, 2\] sum to 5, expected flow\.num_dims = 4"):
        load_iin(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flow": {"depths": 3}}, "no card of an interpretation network"),
        ({"layout": {"sizes": [3, 1]}}, "no key 'names'"),
        ({"layout": {"names": ["digit"], "sizes": [4]}}, "the first factor must be 'residual'"),
    ],
)
def test_a_foreign_card_is_refused(folder, change, message):
    edit(folder, **change)
    with pytest.raises(InputError, match=message):
        load_iin(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "card.json", "extent.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: not there"):
        load_iin(folder)


def test_principal_directions_come_along_and_are_those_of_the_card(folder, tmp_path):
    write_axes(tmp_path / "axes", Axes(np.zeros(6), np.eye(6)[:, :4]))
    cut = {
        "reduce": "pca 4",
        "kept": [0, 1, 2, 3],
        "image_shape": [32, 32],
        "axes_sha256": sha256_file(tmp_path / "axes"),
    }
    save_iin(tmp_path / "along", trained(), LAYOUT, {"cut": cut}, ball(4), metrics="", axes=tmp_path / "axes")
    iin = load_iin(tmp_path / "along")
    assert (iin.reduce, iin.channels, iin.cut) == ("pca 4", None, cut)
    assert np.array_equal(iin.axes.directions, np.eye(6)[:, :4])
    assert load_iin(folder).axes is None
    write_axes(tmp_path / "along" / AXES, Axes(np.ones(6), np.eye(6)[:, :4]))
    with pytest.raises(InputError, match=r"along/axes\.safetensors: sha256 \w{12}, expected \w{12} as its card says"):
        load_iin(tmp_path / "along")
    (tmp_path / "along" / AXES).unlink()
    with pytest.raises(InputError, match=r"along/axes\.safetensors: not there"):
        load_iin(tmp_path / "along")


def test_the_extent_of_its_training_latents_comes_along_and_is_that_of_the_card(folder, tmp_path):
    save_iin(tmp_path / "small", trained(), LAYOUT, {}, ball(4, 2.0), metrics="")
    z = torch.tensor([[0.0, 0, 0, 0], [0, 0, 2, 0], [1, 1, 1, 1], [3, 0, 0, -4]])
    assert load_iin(tmp_path / "small").distance(z) == pytest.approx([0, 1, 1, 2.5])
    assert load_iin(folder).distance(z).max() == pytest.approx(0.005)
    path = folder / "extent.safetensors"
    path.write_bytes((tmp_path / "small" / "extent.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"extent\.safetensors: sha256 \w{12}, expected \w{12} as its card says"):
        load_iin(folder)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"extent\.safetensors: no extent of training latents"):
        load_iin(folder)
