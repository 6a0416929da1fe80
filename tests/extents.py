"""An extent of training latents, for maps that were never trained."""

import numpy as np

from pipeline.tables.extent import Extent

__all__ = ["ball"]


def ball(num_dims: int, radius: float = 1000.0) -> Extent:
    """A ball around 0; one so wide that all latents lie inside, where no radius is given."""
    return Extent(np.zeros(num_dims, np.float32), np.eye(num_dims, dtype=np.float32) / np.float32(radius))
