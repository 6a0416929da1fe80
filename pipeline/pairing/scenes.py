"""How the rows of a stylised table belong together: an image as it was and in the styles of two sketches, a scene.

Ids say it: image i has id i times the rows of a scene, and its stylised rows the ids after it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["STYLES", "rows_of_a_scene", "scenes_of"]

STYLES = ("none", "a", "b")  # classes of a sketched concept; the last two are the names of its pictures


def rows_of_a_scene(num_sketched: int) -> int:
    """How many rows show one image: as it was, and in both styles of each sketched concept."""
    return 1 + (len(STYLES) - 1) * num_sketched


def scenes_of(
    ids: NDArray[np.int64], labels: Mapping[str, NDArray[np.int64]], sketched: Sequence[str]
) -> dict[str, NDArray[np.int64]]:
    """Sketched concept → scene of each row [n]; −1 where it is in a style of another concept.

    Args:
        ids: of the rows [n].
        labels: concept → category of each row [n].
        sketched: concepts that two sketches give.
    """
    styled = {name: labels[name] > 0 for name in sketched}
    scene = ids // rows_of_a_scene(len(sketched))
    others = {name: [rows for other, rows in styled.items() if other != name] for name in sketched}
    return {name: np.where(np.any(rows, axis=0), -1, scene) if rows else scene for name, rows in others.items()}
