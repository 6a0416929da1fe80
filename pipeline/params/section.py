"""What sections of params.yaml have in common: frozen, typed, no key that nobody reads; and a network's training."""

import os
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

__all__ = ["Count", "Decay", "Optimisation", "PathName", "Positive", "Section"]

Positive = Annotated[float, Field(gt=0)]

Count = Annotated[int, Field(ge=1)]

Decay = Annotated[float, Field(ge=0, lt=1)]

PathName = Annotated[str, AfterValidator(os.path.expanduser)]  # a path, or what may be one: `~` is the home folder


class Section(BaseModel):
    """Base of a section: unknown keys and infinite numbers are refused, values cannot change after reading.

    Types are strict: `true` is no 1 and `"5"` no 5, though 1 is 1.0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _list_as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value  # YAML has lists alone

    def changed(self, **values: Any) -> Self:
        """The same section with other values, checked like one that was read.

        Raises:
            ValidationError: a key is none of the section's, or its value is impossible.
        """
        return type(self).model_validate({**dict(self), **values})


class Optimisation(Section):
    """Training of a network by AdamW: what sections `backbone`, `judge` and `train` say, and the engine takes."""

    steps: Count
    batch_size: Annotated[int, Field(ge=2)]
    """Examples (of a flow: pairs) a step, over all workers."""
    learning_rate: Positive
    """At its highest."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Whether the learning rate falls to 0 over the steps, as half a cosine, or stays."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Of AdamW: decay of its first and second moment a step."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Positive | None = 5.0
    """Largest norm of the gradient; empty: none."""
    ema_decay: Decay | None = None
    """A step, of the moving average of the parameters that is the trained network; empty: the last parameters are."""
    log_every: Count = 20
    """Steps between two points of a training curve."""
    validate_every: Count = 200
    """Steps between two points of a validation curve; the last step is always one."""
    checkpoint_every: Count = 200
    """Steps between two checkpoints; the last step always leaves one."""
