"""What every section of params.yaml has in common: frozen, typed, and no key that nobody reads."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["Section"]


class Section(BaseModel):
    """Base of a section: unknown keys and infinite numbers are refused, values cannot change after reading.

    Types are strict: `true` is no 1 and `"5"` no 5, though 1 is 1.0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _list_as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value  # YAML has lists alone
