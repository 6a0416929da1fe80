"""Make a trained network readable: an invertible map from its hidden vector to named factors, and back.

from pipeline import Interpretation, swap

iin = Interpretation.open("models", layer="latent")
codes = iin.codes(images)
edited = iin.edit(codes, swap("digit", donors))
pictures = iin.outputs(edited, images)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.basis.layout import Layout
    from pipeline.interpretation.edits import move, path, sample, swap, walk
    from pipeline.interpretation.interpretation import Interpretation

__all__ = ["Interpretation", "Layout", "move", "path", "sample", "swap", "walk"]


def __getattr__(name: str) -> Any:
    """Read what the package offers when it is first asked for: `import pipeline` alone stays light (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    homes = {"Interpretation": "interpretation.interpretation", "Layout": "basis.layout"}
    return getattr(import_module(f"{__name__}.{homes.get(name, 'interpretation.edits')}"), name)
