"""The training of a variational autoencoder, by the optimal-sigma loss."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.backbone.autoencoder import Autoencoder
from pipeline.basis.curves import last_value
from pipeline.basis.draws import draw_seed
from pipeline.params import BackboneParams
from pipeline.tables.images import load_images, to_unit_range
from pipeline.training.task import ImagesSetup

__all__ = ["AutoencoderTask"]


class AutoencoderTask:
    """Trains an autoencoder by D/2 · log MSE + KL, in nats an image (a `pipeline.training.Task`).

    With the decoder's variance at its optimum (one for all pixels of a batch, the mean squared error) the Gaussian
    likelihood is D/2 · log MSE up to a constant, so that no weight between the two terms needs to be chosen.

    Args:
        setup: where the images are, and section `backbone`.
        device: of the network.

    References:
        Simple and Effective VAE Training with Calibrated Decoders (Rybkin, Daniilidis, Levine, 2021), section 3.3.
    """

    def __init__(self, setup: ImagesSetup[BackboneParams], device: torch.device) -> None:
        params = setup.params
        weights = draw_seed(setup.seed, "backbone/weights")
        self._train = torch.from_numpy(load_images(setup.images, "train").pixels)
        side = self._train.shape[1]
        self.model: Autoencoder = Autoencoder(params.num_dims, params.width, weights, side).to(device)
        self._val = to_unit_range(load_images(setup.images, "val").pixels)
        self._batch_size, self._seed, self._device = params.batch_size, setup.seed, device

    def initialise(self) -> None:
        """Nothing is initialised from data."""

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss over a part of the global batch of a step, in nats an image."""
        generator = torch.Generator().manual_seed(draw_seed(self._seed, "backbone/batch", step))
        rows = torch.randint(len(self._train), (self._batch_size,), generator=generator)[part]
        noise = torch.randn(self._batch_size, self.model.num_dims, generator=generator)[part]
        images = to_unit_range(self._train[rows]).to(self._device)
        reconstruction, mean, scale = model(images, noise.to(self._device))
        squared_error = (reconstruction - images).square().mean()
        kl = 0.5 * (mean.square() + scale.square() - 1 - 2 * scale.log()).sum(dim=1).mean()
        everywhere = _mean_over_workers(squared_error, len(images))
        # the logarithm's tangent at the whole batch's error: the same value and gradient for any number of workers
        log_error = everywhere.log() + (squared_error - squared_error.detach()) / everywhere
        loss = 0.5 * images[0].numel() * log_error + kl
        return loss, {"loss": loss, "squared_error": squared_error, "kl_nats": kl}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Squared error of reconstructions from the mean: sum over an image, mean over validation images."""
        total = 0.0
        for images in self._val.split(250):
            images = images.to(self._device)
            mean, _ = self.model.encode(images)
            total += (self.model.decode(mean) - images).square().sum().item()
        return {"squared_error": total / len(self._val)}

    @staticmethod
    def measured(curves: str, params: BackboneParams) -> tuple[dict[str, Any], str]:  # noqa: ARG004
        """What the last point of the curves, the text of their file, says: for the card and in words."""
        error = last_value(curves, "val/squared_error")
        return {"val_squared_error": error}, f"squared error of a held-out image {error:.4g}"


def _mean_over_workers(value: Tensor, weight: int) -> Tensor:
    """Mean of a worker's mean over `weight` examples, over the examples of all workers; without gradient."""
    total = torch.stack((value.detach() * weight, value.new_tensor(float(weight))))
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return total[0] / total[1]
