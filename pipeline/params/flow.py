"""Sections `flow`, `train` and `tune`: the invertible map, its optimisation, and the search for its shape."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.basis.flow_shape import FlowShape
from pipeline.errors import InputError
from pipeline.params.section import Count, Decay, Optimisation, Positive, Section

__all__ = ["FlowParams", "Precision", "TrainParams", "TuneParams", "require_mixing"]

Precision = Literal["highest", "tf32", "bfloat16"]

_MOST_ROTATED = 2048  # dimensions: one rotation in float64 holds 32 MiB then, and a flow has one a block


class FlowParams(Section, FlowShape):  # type: ignore[misc]  # its config freezes it, which mypy does not see
    """The flow T, with the keys, defaults and checks of `FlowShape`, and its pair loss."""

    rho: Annotated[float, Field(gt=0, lt=1)] = 0.975
    """Correlation of a shared factor within a pair."""
    sizes: Literal["estimate", "spectrum"] | tuple[Count, ...] = "estimate"
    """Sizes of the factors, residual first; `estimate`, by how alike pairs are; or `spectrum`, by the number of
    directions along which they are alike."""
    size_method: Literal["correlation", "covariance"] = "correlation"
    """The paper's Eq. 10 divided by N, or the authors' code."""

    @model_validator(mode="after")
    def _shape_is_possible(self) -> "FlowParams":
        self.__post_init__()
        return self


class TrainParams(Optimisation):
    """Optimisation of the flow."""

    steps: Count = 1800
    batch_size: Annotated[int, Field(ge=2)] = 256
    """Pairs a step, over all workers."""
    learning_rate: Positive = 6e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    ema_decay: Decay | None = 0.995
    input_noise: Annotated[float, Field(ge=0)] = 0.25
    """Standard deviation of the noise that is added to whitened latents, in training alone."""
    patience: Count | None = 5
    """Validations in a row that win nothing after which training ends; empty: it takes all its steps."""
    seeds: Count = 1
    """Flows that are trained as one program, of seeds `seed`, `seed + 1`, …; validation rows choose the one to keep."""
    precision: Precision = "highest"
    """Of the products in training: float32, TF32 on a GPU that has it, or bfloat16 in the conditioners alone. All that
    is measured or written is float32."""


class TuneParams(Section):
    """Ray Tune over the shape of the flow, its optimisation and the factor sizes around the estimate."""

    trials: Annotated[int, Field(ge=0)] = 4
    """Flows to try, at most; 0 passes the params on without a search."""
    minutes: Positive | None = None
    """After so many no further generation of flows begins; empty: all trials are taken."""
    steps: Count = 500
    """Training steps of each trial that is not stopped early."""
    concurrent: Count = 2
    """Packs of trials at once, one CPU each."""
    search: Literal["random", "grid", "tpe"] = "random"
    """Combinations drawn at random; all in order; or by Optuna's TPE, which learns from the generations before."""
    generation: Count | None = None
    """Flows that are drawn and compared together; empty: all, or 16 where `tpe` or `minutes` needs several."""
    num_blocks: Annotated[tuple[Count, ...], Field(min_length=1)] = (8, 12, 16)
    width: tuple[Count, ...] = ()
    """Of this and the next three the values to try beside the params' own; empty: it is not searched."""
    learning_rate: tuple[Positive, ...] = ()
    rho: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    weight_decay: tuple[Annotated[float, Field(ge=0)], ...] = ()
    sizes: Literal["scale", "simplex"] | tuple[tuple[Count, ...], ...] = "scale"
    """Sizes to try: shares of the estimate; any that sum to N; or these lists, residual first."""
    scale: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1.25, 1.5, 1.75)
    """Sizes tried for a concept, in shares of its estimate; that leans to the residual, which then keeps what leaks."""
    early_stopping: Literal["none", "halving"] = "none"
    """Successive halving: at each rung the best of a generation go on."""
    reduction: Annotated[int, Field(ge=2)] = 3
    """One of so many goes on at a rung, for so many times the steps."""
    least: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the steps that the first rung has at least."""

    @field_validator("sizes", mode="before")
    @classmethod
    def _lists_as_tuples(cls, value: Any) -> Any:
        lists = isinstance(value, list | tuple)
        return tuple(tuple(item) if isinstance(item, list) else item for item in value) if lists else value

    @field_validator("num_blocks", "width", "learning_rate", "rho", "weight_decay", "sizes", "scale")
    @classmethod
    def _distinct(cls, values: Any) -> Any:
        if isinstance(values, tuple) and len(set(values)) != len(values):
            raise ValueError("a value is listed twice; each may be listed once")
        return values

    @model_validator(mode="after")
    def _search_is_possible(self) -> "TuneParams":
        if self.sizes == ():
            raise ValueError("tune.sizes: found [], accepted are scale, simplex, or lists of sizes, one at least")
        if self.search == "grid" and self.sizes == "simplex":
            raise ValueError(
                "tune.sizes: found 'simplex', but tune.search is 'grid', and there are too many sizes for that; "
                "accepted are scale or lists of sizes"
            )
        if self.early_stopping == "halving" and self.least * self.reduction > 1:
            raise ValueError(
                f"tune.least: found {self.least}, which leaves no rung below all steps; accepted with "
                f"tune.reduction = {self.reduction} are shares up to {1 / self.reduction:.3g}"
            )
        return self

    @property
    def rungs(self) -> tuple[int, ...]:
        """Steps at which flows are compared, the last of them all steps."""
        rungs, share = [self.steps], 1.0 / self.reduction
        while self.early_stopping == "halving" and share >= self.least and round(self.steps * share) >= 1:
            rungs.append(round(self.steps * share))
            share /= self.reduction
        return tuple(sorted(set(rungs)))

    @property
    def at_once(self) -> int:
        """Flows in a generation at most."""
        learns = self.search == "tpe" or self.minutes is not None
        return self.generation or (min(self.trials, 16) if learns else self.trials)


def require_mixing(mixing: str, num_dims: int, what: str) -> None:
    """Refuse rotations of so many dimensions that they would fill the memory.

    Args:
        mixing: as section `flow` has it.
        num_dims: N.
        what: whose N it is, for an error.

    Raises:
        InputError: a line that names flow.mixing.
    """
    if mixing != "shuffle" and num_dims > _MOST_ROTATED:
        raise InputError(
            f"flow.mixing: found '{mixing}' of {num_dims} dimensions ({what}), which takes up to {_MOST_ROTATED}; "
            "accepted above is shuffle"
        )
