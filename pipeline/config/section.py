"""What every section of params.yaml has in common: frozen, typed, and no key that nobody reads."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """Base of a section: unknown keys and infinite numbers are refused, values cannot change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
