"""Our flow in other libraries: the same map with the same number of parameters, each from its own ready-made layers.

A block is ActNorm, an affine coupling of the second half on the first, one of the first on the second, and a fixed
permutation. A conditioner is a network of two hidden layers with SiLU; log-scale = 2 tanh(raw / 2), which each library
takes as 4 σ(raw) − 2: FrEIA's own bound, and where a library has another, its coupling takes this one from here. Where
one orders outputs or halves otherwise, `_copy` reorders the weights, so that the mathematics is equal and each
library's layout stays its own.
"""

import copy
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import FrEIA.framework
import FrEIA.modules
import normflows.flows
import torch
import zuko
from nflows.transforms import ActNorm, AffineCouplingTransform, CompositeTransform, Permutation
from torch import Tensor, nn
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.lazy import LazyComposedTransform, UnconditionalTransform

from pipeline.flow import AffineCoupling, Flow, Shuffle
from pipeline.training.parameters import FlatModel

__all__ = ["LIBRARIES", "Subject", "require_equal", "subject"]


@dataclass(frozen=True)
class Subject:
    """A flow to be timed.

    Attributes:
        module: holds the parameters.
        forward: latents [B, N] to (codes [B, N], log|det| [B]).
        inverse: codes to latents.
        traced: whether it is compiled as a graph of tensors, as our training compiles a flow.
        dims: where a library works on other positions, position of each of its dimensions in ours.
    """

    module: nn.Module
    forward: Callable[[Tensor], tuple[Tensor, Tensor]]
    inverse: Callable[[Tensor], Tensor]
    _: KW_ONLY
    traced: bool = False
    dims: Tensor | None = None


def subject(library: str, flow: Flow, device: torch.device) -> Subject:
    """The flow as `library` builds it, with the weights of `flow` (N even, shuffles, conditioners of depth 2).

    Args:
        library: one of `LIBRARIES`.
        flow: on the CPU; it stays as it is.
        device: where the subject works.
    """
    one = LIBRARIES[library](copy.deepcopy(flow).to(device) if library == "ours" else flow)
    one.module.to(device)
    return one


def _ours(flow: Flow) -> Subject:
    model = FlatModel(flow)
    return Subject(model, model, flow.inverse, traced=True)


def _blocks(flow: Flow) -> list[tuple[Any, AffineCoupling, AffineCoupling, Shuffle]]:
    layers = iter(flow.layers)
    return list(zip(layers, layers, layers, layers, strict=True))  # type: ignore[arg-type]


def _mlp(num_in: int, width: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_in, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, num_out)
    )


@torch.no_grad()
def _copy(coupling: AffineCoupling, network: nn.Module, order: Tensor) -> None:
    """Weights of a conditioner; the outputs of the last layer in `order`."""
    ours = [layer for layer in coupling.conditioners[0].modules() if isinstance(layer, nn.Linear)]
    theirs = [layer for layer in network.modules() if isinstance(layer, nn.Linear) or type(layer).__name__ == "Linear"]
    for one, other in zip(ours, theirs, strict=True):
        for name in ("weight", "bias"):
            value = getattr(one, name)
            getattr(other, name).copy_(value[order] if one is ours[-1] else value)


def _halves(num_dims: int) -> Tensor:
    """Order of dimensions with the halves exchanged."""
    return torch.cat([torch.arange(num_dims // 2, num_dims), torch.arange(num_dims // 2)])


def _freia(flow: Flow) -> Subject:
    """FrEIA's coupling moves the first half first, so it works on exchanged halves."""
    num_dims, width = flow.config.num_dims, flow.config.width
    swap = _halves(num_dims)
    inn = FrEIA.framework.SequenceINN(num_dims)
    for norm, first, second, shuffle in _blocks(flow):
        inn.append(FrEIA.modules.ActNorm)
        inn.append(
            FrEIA.modules.GLOWCouplingBlock,
            subnet_constructor=lambda num_in, num_out: _mlp(num_in, width, num_out),
            clamp=2.0,
            clamp_activation="SIGMOID",
        )
        inn.append(FrEIA.modules.PermuteRandom, seed=0)
        their_norm, coupling, permute = inn.module_list[-3:]
        their_norm.init_on_next_batch = False
        with torch.no_grad():
            their_norm.scale.copy_(norm.log_scale[swap][None])
            their_norm.bias.copy_((norm.log_scale.exp() * norm.loc)[swap][None])
            permute.perm.copy_(swap[shuffle.order[swap]])
            permute.perm_inv.copy_(torch.argsort(permute.perm))
        _copy(first, coupling.subnet2, swap)
        _copy(second, coupling.subnet1, swap)
    return Subject(inn, inn, lambda code: inn(code, rev=True, jac=False)[0], dims=swap)


class _Interleaved(nn.Module):
    """A conditioner as normflows wants it: shift and bounded log-scale in turn."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        loc, raw = self.network(x).chunk(2, dim=1)
        return torch.stack([loc, 4 * torch.sigmoid(raw) - 2], dim=2).flatten(1)


def _normflows(flow: Flow) -> Subject:
    num_dims, width = flow.config.num_dims, flow.config.width
    layers: list[nn.Module] = []
    for norm, first, second, shuffle in _blocks(flow):
        affine = normflows.flows.AffineConstFlow(num_dims)  # its ActNorm once initialised
        with torch.no_grad():
            affine.s.copy_(norm.log_scale[None])
            affine.t.copy_((norm.log_scale.exp() * norm.loc)[None])
        layers.append(affine)
        for coupling, mode in ((first, "channel"), (second, "channel_inv")):
            network = _mlp(num_dims // 2, width, num_dims)
            _copy(coupling, network, torch.arange(num_dims))
            layers.append(normflows.flows.AffineCouplingBlock(_Interleaved(network), split_mode=mode))
        permute = normflows.flows.Permute(num_dims)
        permute.perm.copy_(shuffle.order)
        permute.inv_perm.copy_(shuffle.inverse_order)
        layers.append(permute)
    model = normflows.NormalizingFlow(None, layers)
    return Subject(model, model.forward_and_log_det, model.inverse)


class _NflowsCoupling(AffineCouplingTransform):  # type: ignore[misc]
    """nflows' own scale is a sigmoid of the network's output."""

    def _scale_and_shift(self, transform_params: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = transform_params.chunk(2, dim=1)
        return (4 * torch.sigmoid(raw) - 2).exp(), shift


class _WithContext(nn.Module):
    """A network with the second argument that nflows passes to one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, _context: Tensor | None) -> Tensor:
        return self.network(x)  # type: ignore[no-any-return]


def _nflows(flow: Flow) -> Subject:
    num_dims, width = flow.config.num_dims, flow.config.width
    mask = (torch.arange(num_dims) >= num_dims // 2).int()
    layers: list[nn.Module] = []
    for norm, first, second, shuffle in _blocks(flow):
        their_norm = ActNorm(num_dims)
        with torch.no_grad():
            their_norm.log_scale.copy_(norm.log_scale)
            their_norm.shift.copy_(norm.log_scale.exp() * norm.loc)
        layers.append(their_norm)
        for coupling, moved in ((first, mask), (second, 1 - mask)):
            network = _mlp(num_dims // 2, width, num_dims)
            _copy(coupling, network, torch.arange(num_dims))
            layers.append(_NflowsCoupling(moved, lambda _in, _out, network=network: _WithContext(network)))
        layers.append(Permutation(shuffle.order.clone()))
    model = CompositeTransform(layers).eval()  # its ActNorm asks a tensor whether to initialise while training
    return Subject(model, model, lambda code: model.inverse(code)[0])


class _Affine(zuko.transforms.MonotonicAffineTransform):  # type: ignore[misc]
    """x · exp(log_scale) + shift; zuko's own bounds the log-scale by another function."""

    def __init__(self, shift: Tensor, log_scale: Tensor) -> None:
        torch.distributions.Transform.__init__(self)
        self.shift, self.log_scale = shift, log_scale
        self.scale = log_scale.exp()


def _bounded_affine(shift: Tensor, raw: Tensor) -> _Affine:
    return _Affine(shift, 4 * torch.sigmoid(raw) - 2)


def _norm_affine(shift: Tensor, log_scale: Tensor) -> Any:
    return zuko.transforms.DependentTransform(_Affine(shift, log_scale), 1)


def _zuko(flow: Flow) -> Subject:
    num_dims, width = flow.config.num_dims, flow.config.width
    constant = torch.arange(num_dims) < num_dims // 2
    in_turn = torch.arange(num_dims).view(2, -1).T.flatten()  # shift and log-scale of a dimension side by side
    layers: list[nn.Module] = []
    for norm, first, second, shuffle in _blocks(flow):
        shift = (norm.log_scale.exp() * norm.loc).detach().clone()
        layers.append(UnconditionalTransform(_norm_affine, shift, norm.log_scale.detach().clone()))
        for coupling, mask in ((first, constant), (second, ~constant)):
            layer = GeneralCouplingTransform(
                num_dims, mask=mask, univariate=_bounded_affine, hidden_features=(width, width), activation=nn.SiLU
            )
            _copy(coupling, layer.hyper, in_turn)
            layers.append(layer)
        layers.append(UnconditionalTransform(zuko.transforms.PermutationTransform, shuffle.order.clone(), buffer=True))
    model = LazyComposedTransform(*layers)
    return Subject(model, lambda z: model().call_and_ladj(z), lambda code: model().inv(code))


LIBRARIES: dict[str, Callable[[Flow], Subject]] = {
    "ours": _ours,
    "FrEIA": _freia,
    "normflows": _normflows,
    "nflows": _nflows,
    "zuko": _zuko,
}


@torch.no_grad()
def require_equal(flow: Flow, one: Subject, z: Tensor) -> None:
    """Refuse to time a flow that is another function, inverse or size than ours.

    Raises:
        AssertionError: outputs, log-determinants or inverses differ by more than 1e-4, or the parameter counts differ.
    """
    code, log_abs_det = copy.deepcopy(flow).to(z.device)(z)
    dims = torch.arange(z.shape[1]) if one.dims is None else one.dims
    found, found_log_abs_det = one.forward(z[:, dims])
    torch.testing.assert_close(found[:, torch.argsort(dims)], code, rtol=0, atol=1e-4)
    torch.testing.assert_close(found_log_abs_det, log_abs_det, rtol=0, atol=1e-4)
    torch.testing.assert_close(one.inverse(found), z[:, dims], rtol=0, atol=1e-4)
    trained = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (one.module, flow)]
    assert trained[0] == trained[1], f"{trained[0]} parameters, ours has {trained[1]}"
