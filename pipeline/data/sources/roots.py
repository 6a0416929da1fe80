"""Where torchvision's data sets lie: a root that the user names, or a folder to download them to."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import DATA_ROOT
from pipeline.errors import InputError

__all__ = ["Roots"]


@dataclass(frozen=True)
class Roots:
    """Places to look at.

    Attributes:
        given: `machine.data_root`; None: the environment variable IIN_DATA_ROOT, if it is set.
        downloads: where torchvision puts what is in no root.
    """

    given: str | None
    downloads: Path

    def resolve(self, path: str | None) -> str | None:
        """A relative path that is not there is one in the root; others are as they are."""
        root = self.given or os.environ.get(DATA_ROOT)
        if path is None or root is None or "://" in path or Path(path).is_absolute() or Path(path).exists():
            return path
        return str(Path(root, path))

    def open(self, make: Callable[..., Any], **arguments: Any) -> Any:
        """A torchvision data set, from the given root, or downloaded where there is none.

        Args:
            make: its class, or a function, called with `root`, `download` and the arguments.
            arguments: what else it takes.

        Raises:
            InputError: it is not in the root, or can't be downloaded; the line says how to give it.
        """
        root = self.given or os.environ.get(DATA_ROOT)
        try:
            if root is not None:
                return make(root=root, download=False, **arguments)
            return make(root=str(self.downloads), download=True, **arguments)
        except (RuntimeError, OSError) as error:
            where = f"{root}: not there" if root else f"{self.downloads}: can't be downloaded"
            line = " ".join(str(error).split())[:120]
            raise InputError(
                f"{getattr(make, '__name__', 'data set')}: {where} ({line}); torchvision's layout is expected in "
                f"machine.data_root or the folder that {DATA_ROOT} names; where neither is set it is downloaded"
            ) from None
