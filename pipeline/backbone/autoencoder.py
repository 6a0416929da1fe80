"""A convolutional variational autoencoder with the optimal-sigma loss."""

import torch
from torch import Tensor, nn

__all__ = ["Autoencoder"]

LOG_VARIANCE_BOUND = 10.0


class Autoencoder(nn.Module):
    """Encoder to mean and scale of a latent of N numbers, decoder back to a 32x32 RGB image in [−1, 1].

    Group normalisation only: a network that keeps running statistics would learn other weights on more workers.

    Args:
        num_dims: N.
        width: channels of the first convolution.
        seed: of the initial weights.
    """

    def __init__(self, num_dims: int, width: int, seed: int) -> None:
        super().__init__()
        self.num_dims, self.width = num_dims, width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv2d(3, width, 4, 2, 1),  # 16x16
                nn.SiLU(),
                *_down(width, 2 * width),  # 8x8
                *_down(2 * width, 4 * width),  # 4x4
                nn.Flatten(),
                nn.Linear(64 * width, 2 * num_dims),
            )
            self.decoder = nn.Sequential(
                nn.Linear(num_dims, 64 * width),
                nn.Unflatten(1, (4 * width, 4, 4)),
                nn.SiLU(),
                *_up(4 * width, 2 * width),
                *_up(2 * width, width),
                nn.ConvTranspose2d(width, 3, 4, 2, 1),
                nn.Tanh(),
            )

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, 32, 32] in [−1, 1] to (mean [B, N], scale [B, N])."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, (0.5 * log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)).exp()

    def decode(self, z: Tensor) -> Tensor:
        """Latents [B, N] to images [B, 3, 32, 32] in [−1, 1]."""
        images: Tensor = self.decoder(z)
        return images

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images [B, 3, 32, 32] and noise ε [B, N] to (reconstructions, mean [B, N], scale [B, N])."""
        mean, scale = self.encode(images)
        return self.decode(mean + scale * noise), mean, scale


def _down(num_in: int, num_out: int) -> list[nn.Module]:
    return [nn.Conv2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU()]


def _up(num_in: int, num_out: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU()]
