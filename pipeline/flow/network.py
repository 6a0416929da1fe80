"""The flow T: the closed form, then blocks of ActNorm, two affine couplings (one a half) and mixing."""

import copy

import torch
from torch import Tensor, nn

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.flow.actnorm import ActNorm, require_rows
from pipeline.flow.closed_form import ClosedForm, Moments, Whitening, closed_form
from pipeline.flow.config import FlowConfig
from pipeline.flow.coupling import AffineCoupling
from pipeline.flow.mixing import MIXINGS

__all__ = ["Flow"]


class Flow(nn.Module):
    """T, a bijection between latents z [B, N] and codes z̃ [B, N].

    With `start` "closed_form" its first layer is a fixed linear map, and the blocks begin as the identity; with
    "random", the paper's, there are the blocks alone, and their ActNorms begin from data.

    References:
        A Disentangling Invertible Interpretation Network for Explaining Latent Representations
        (Esser, Rombach, Ommer, CVPR 2020), section 3.1 and appendix.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(config.seed)
        with torch.random.fork_rng(devices=[]):  # the layers' own initialisation draws from the global generator
            torch.manual_seed(config.seed)
            first = [Whitening(config.num_dims)] if config.start == "closed_form" else []
            blocks = [layer for _ in range(config.num_blocks) for layer in _block(config, generator)]
            self.layers = nn.ModuleList([*first, *blocks])

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map latents z [B, N] to (codes [B, N], log|det T′(z)| [B])."""
        log_abs_det = z.new_zeros(z.shape[0])
        for layer in self.layers:
            z, change = layer(z)
            log_abs_det = log_abs_det + change
        return z, log_abs_det

    def inverse(self, code: Tensor) -> Tensor:
        """Map codes [B, N] back to latents [B, N]."""
        for layer in reversed(self.layers):
            code = layer.inverse(code)  # type: ignore[operator]
        return code

    @torch.no_grad()
    def initialise(self, z: Tensor) -> None:
        """Begin from the batch z [B, N], B ≥ 2; on every worker from the same one.

        The closed form of rows without pairs makes them white; a random start sets every ActNorm in one pass.
        """
        if self.config.start == "closed_form":
            require_rows(z)
            rows = z.double()
            moments = Moments(rows.mean(dim=0), torch.cov(rows.T, correction=0), rows.new_zeros(0, *[z.shape[1]] * 2))
            self.start_as(closed_form(moments, Layout((RESIDUAL,), (z.shape[1],))))
            return
        for layer in self.layers:
            if isinstance(layer, ActNorm):
                layer.initialise(z)
            z, _ = layer(z)

    @torch.no_grad()
    def start_as(self, form: ClosedForm) -> None:
        """Begin as a linear map: T(z) = `form.codes(z)`, whatever the mixings, as the first layer turns theirs back."""
        first = self.layers[0]
        assert isinstance(first, Whitening)
        turn = torch.eye(self.config.num_dims, dtype=torch.float64, device=first.loc.device)
        for layer in self.layers[1:]:
            if isinstance(layer, ActNorm):
                layer.start_as_identity()
            elif not isinstance(layer, AffineCoupling):
                turn, _ = copy.deepcopy(layer).double()(turn)
        first.start_as(form, turn.T)


def _block(config: FlowConfig, generator: torch.Generator) -> list[nn.Module]:
    return [
        ActNorm(config.num_dims),
        AffineCoupling(config, swap=False),
        AffineCoupling(config, swap=True),
        MIXINGS[config.mixing](config.num_dims, generator),
    ]
