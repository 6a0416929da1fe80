"""Sections `flow`, `train` and `tune`: the invertible map, its optimisation, and the search for its shape."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.params.section import Section

__all__ = ["FlowParams", "TrainParams", "TuneParams"]

Positive = Annotated[float, Field(gt=0)]

Count = Annotated[int, Field(ge=1)]

Decay = Annotated[float, Field(ge=0, lt=1)]


class FlowParams(Section):
    """The flow T and its pair loss."""

    num_blocks: Count = 12
    width: Count = 64
    """Units in a hidden layer of a conditioner."""
    depth: Count = 2
    """Hidden layers of a conditioner."""
    conditioner: Literal["shared", "split"] = "shared"
    """One network for shift and log-scale of a coupling, or one for each."""
    activation: Literal["silu", "leaky_relu"] = "silu"
    mixing: Literal["rotation", "learned_rotation", "shuffle"] = "rotation"
    log_scale_bound: Positive = 2.0
    """Largest absolute log-scale of a coupling."""
    zero_init: bool = True
    """Whether a coupling starts as the identity."""
    rho: Annotated[float, Field(gt=0, lt=1)] = 0.975
    """Correlation of a shared factor within a pair."""
    sizes: Literal["estimate"] | tuple[Count, ...] = "estimate"
    """Sizes of the factors, residual first, or `estimate`."""
    size_method: Literal["correlation", "covariance"] = "correlation"
    """The paper's Eq. 10 divided by N, or the authors' code."""


class TrainParams(Section):
    """Optimisation of the flow."""

    steps: Count = 1800
    batch_size: Annotated[int, Field(ge=2)] = 256
    """Pairs a step, over all workers."""
    learning_rate: Positive = 6e-3
    schedule: Literal["cosine", "constant"] = "constant"
    """Whether the learning rate falls to 0 over the steps, or stays."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Of AdamW: decay of its first and second moment a step."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Positive | None = 5.0
    """Largest norm of the gradient; empty: none."""
    ema_decay: Decay | None = 0.995
    """A step, of the moving average of the parameters that is the trained flow; empty: the last parameters are."""
    log_every: Count = 20
    validate_every: Count = 200
    checkpoint_every: Count = 200


class TuneParams(Section):
    """Ray Tune over the number of blocks and the factor sizes around the estimate."""

    trials: Annotated[int, Field(ge=0)] = 4
    """0 passes the params on without a search."""
    steps: Count = 500
    """Training steps of each trial; there is no early stop."""
    concurrent: Count = 2
    """Trials at once, one CPU each."""
    num_blocks: Annotated[tuple[Count, ...], Field(min_length=1)] = (8, 12, 16)
    scale: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1.25, 1.5, 1.75)
    """Sizes tried for a concept, in shares of its estimate; that leans to the residual, which then keeps what leaks."""

    @field_validator("num_blocks", "scale")
    @classmethod
    def _distinct(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) != len(values):
            raise ValueError("a value is listed twice; each may be listed once")
        return values
