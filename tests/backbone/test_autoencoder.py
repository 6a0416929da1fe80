import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from backbone.toys import toy_images, write_images
from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.hooks import state_sha256
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.errors import InputError
from pipeline.params import BackboneParams
from pipeline.pretraining.autoencoder import AutoencoderTask
from pipeline.tables.images import to_unit_range
from pipeline.training.task import ImagesSetup

BATCH = 6
PARTS = (slice(0, 4), slice(4, 6))  # of different size


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = toy_images(16, seed=0)
    return write_images(tmp_path_factory.mktemp("images"), train=images, val=images)


def _task(table: Path) -> AutoencoderTask:
    params = BackboneParams(num_dims=4, width=8, batch_size=BATCH)
    return AutoencoderTask(ImagesSetup(table, params, 0), torch.device("cpu"))


def _loss_and_gradient(task: AutoencoderTask, part: slice, weight: float) -> tuple[Tensor, Tensor]:
    loss, _ = task.loss(task.model, 3, part)
    gradients = torch.autograd.grad(loss * weight, list(task.model.parameters()))
    return (loss * weight).detach(), torch.cat([gradient.flatten() for gradient in gradients])


def test_shapes_and_range() -> None:
    network = Autoencoder(5, 8, seed=0)
    images = to_unit_range(toy_images(3, seed=0).pixels)
    mean, scale = network.encode(images)
    assert mean.shape == scale.shape == (3, 5)
    assert (scale > 0).all()
    reconstruction = network.decode(mean)
    assert reconstruction.shape == images.shape
    assert reconstruction.abs().max() <= 1
    noisy, _, _ = network(images, torch.zeros(3, 5))
    torch.testing.assert_close(noisy, reconstruction)


def test_an_extreme_scale_stays_finite() -> None:
    network = Autoencoder(2, 8, seed=0)
    with torch.no_grad():
        network.encoder[-1].bias[2:] = torch.tensor([1e9, -1e9])
    _, scale = network.encode(torch.zeros(1, 3, 32, 32))
    assert scale[0].tolist() == pytest.approx([math.exp(5), math.exp(-5)], rel=1e-5)


def test_weights_come_from_the_seed_and_not_from_the_global_generator() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = Autoencoder(3, 8, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    again, other = Autoencoder(3, 8, seed=1).state_dict(), Autoencoder(3, 8, seed=2).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])


def test_it_keeps_no_running_statistics() -> None:
    assert not list(Autoencoder(3, 8, seed=0).buffers())


def test_the_loss_is_half_d_log_mse_plus_kl(table: Path) -> None:
    task = _task(table)
    loss, figures = task.loss(task.model, 3, slice(0, BATCH))
    expected = 0.5 * 3 * 32 * 32 * math.log(figures["squared_error"].item()) + figures["kl_nats"].item()
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_kl_is_that_of_torchs_gaussians(table: Path) -> None:
    task = _task(table)
    seen: dict[str, Tensor] = {}

    def model(images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        reconstruction, seen["mean"], seen["scale"] = task.model(images, noise)
        return reconstruction, seen["mean"], seen["scale"]

    _, figures = task.loss(model, 0, slice(0, BATCH))  # type: ignore[arg-type]
    posterior, prior = torch.distributions.Normal(seen["mean"], seen["scale"]), torch.distributions.Normal(0, 1)
    expected = torch.distributions.kl_divergence(posterior, prior).sum(dim=1).mean()
    torch.testing.assert_close(figures["kl_nats"], expected)


def test_a_step_draws_the_same_each_time_and_another_step_differs(table: Path) -> None:
    losses = [_task(table).loss(_task(table).model, step, slice(0, BATCH))[0].item() for step in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def _as_rank(rank: int, folder: str, table: Path, found: dict[str, Tensor] | None = None) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", store, timedelta(seconds=60), rank=rank, world_size=len(PARTS))
    try:
        part = PARTS[rank]
        weight = (part.stop - part.start) * len(PARTS) / BATCH  # as the training loop weighs uneven parts
        loss, gradient = _loss_and_gradient(_task(table), part, weight)
        dist.all_reduce(loss)
        dist.all_reduce(gradient)
        if found is not None:
            found |= {"loss": loss / len(PARTS), "gradient": gradient / len(PARTS)}
    finally:
        dist.destroy_process_group()


def test_two_workers_have_the_loss_and_gradient_of_the_whole_batch(tmp_path: Path, table: Path) -> None:
    """The logarithm of a mean is no mean of logarithms: workers must agree on the error of the whole batch."""
    whole_loss, whole_gradient = _loss_and_gradient(_task(table), slice(0, BATCH), 1.0)
    other = torch.multiprocessing.get_context("spawn").Process(target=_as_rank, args=(1, str(tmp_path), table))
    other.start()
    found: dict[str, Tensor] = {}
    _as_rank(0, str(tmp_path), table, found)
    other.join(timeout=60)
    assert other.exitcode == 0
    torch.testing.assert_close(found["loss"], whole_loss, rtol=1e-5, atol=0)
    assert whole_gradient.norm() > 1
    assert (found["gradient"] - whole_gradient).norm() < 1e-4 * whole_gradient.norm()


def test_validation_is_the_squared_error_of_an_image(table: Path) -> None:
    task = _task(table)
    images = to_unit_range(toy_images(16, seed=0).pixels)
    with torch.no_grad():
        error = (task.model.decode(task.model.encode(images)[0]) - images).square().sum(dim=(1, 2, 3)).mean()
    assert task.validate()["squared_error"] == pytest.approx(error.item(), rel=1e-5)


SIDES = (16, 17, 23, 24, 28, 48, 64, 100, 127, 128)


@pytest.mark.parametrize("side", SIDES)
def test_any_side_comes_back_and_every_pixel_is_seen_and_drawn(side: int) -> None:
    network = Autoencoder(3, 8, seed=0, side=side)
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)).requires_grad_()
    mean, _ = network.encode(images)
    reconstruction = network.decode(torch.tensor([[0.0, 0.0, 0.0], [3.0, -2.0, 1.0]]))
    assert reconstruction.shape == images.shape
    (seen,) = torch.autograd.grad(mean.sum(), images)
    assert (seen.abs().amax(dim=(0, 1)) > 0).all()
    assert (reconstruction[0] != reconstruction[1]).any(dim=0).all()


@pytest.mark.parametrize(("side", "halvings"), [(16, 2), (28, 3), (32, 3), (48, 4), (64, 4), (100, 5), (128, 5)])
def test_the_depth_follows_from_the_side(side: int, halvings: int) -> None:
    network = Autoencoder(3, 8, seed=0, side=side)
    down = [layer for layer in network.encoder if isinstance(layer, nn.Conv2d)]
    up = [layer for layer in network.decoder if isinstance(layer, nn.ConvTranspose2d)]
    assert len(down) == len(up) == halvings
    assert [layer.out_channels for layer in down] == [8, 16, 32, 32, 32][:halvings]


def test_at_32_pixels_the_network_is_the_one_that_studies_have_weights_of() -> None:
    network = Autoencoder(4, 8, seed=0)
    assert list(network.state_dict())[:3] == ["encoder.0.weight", "encoder.0.bias", "encoder.2.weight"]
    assert state_sha256(network) == "1c13a9572ba25b200da60a61d944455cb9241862dfcb2159934d230b445cb04c"
    assert AutoencoderBackbone.made(network).card == {
        "kind": "autoencoder", "num_dims": 4, "width": 8, "output": "images"
    }  # fmt: skip


def test_the_side_is_read_back_from_the_card(tmp_path: Path) -> None:
    network = Autoencoder(4, 8, seed=0, side=28)
    save_backbone(tmp_path / "backbone", AutoencoderBackbone.made(network))
    images = torch.zeros(1, 3, 28, 28)
    assert load_backbone(tmp_path / "backbone").run(images).shape == images.shape


@pytest.mark.parametrize("side", [28, 48])
def test_it_trains_on_images_of_any_side(side: int, tmp_path: Path) -> None:
    images = toy_images(8, seed=0, side=side)
    task = _task(write_images(tmp_path, train=images, val=images))
    loss, _ = task.loss(task.model, 0, slice(0, BATCH))
    assert torch.isfinite(loss)
    made = make_backbone(BackboneParams(num_dims=4, width=8), images, seed=0)
    made.network.load_state_dict(task.model.state_dict())  # as its training ends


@pytest.mark.parametrize(("height", "width"), [(15, 15), (129, 129), (32, 40), (8, 8)])
def test_images_that_it_does_not_take_are_refused_by_the_key(height: int, width: int) -> None:
    images = replace(toy_images(2, seed=0), pixels=np.zeros((2, height, width, 3), np.uint8))
    with pytest.raises(InputError) as caught:
        make_backbone(BackboneParams(), images, seed=0)
    assert str(caught.value) == (
        f"data.image_size: the images have {width}x{height} pixels; backbone.kind 'autoencoder' takes squares of 16 to "
        "128 pixels: name such a side, to which images of your own are cut and resized"
    )
