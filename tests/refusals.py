"""What a wrong input ends in: one line."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import InputError

__all__ = ["refusal_of"]


def refusal_of(function: Callable[..., Any], *arguments: object, **named: object) -> str:
    """The one line with which a call refuses its input."""
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)
