"""Every draw is a function of (seed, purpose, step), never of a sampler's state.

So the pairs of step t are the same for one worker or eight, and a resumed run draws what an uninterrupted one drew.
"""

import hashlib

__all__ = ["draw_seed"]


def draw_seed(seed: int, purpose: str, step: int = 0) -> int:
    """Seed of one draw, in [0, 2⁶³), for `torch.Generator.manual_seed` or `numpy.random.default_rng`.

    Args:
        seed: the study's seed.
        purpose: what is drawn, for example "train/pairs"; different purposes are independent.
        step: number of the draw within its purpose.

    Example:
        >>> draw_seed(0, "pairs", 1) == draw_seed(0, "pairs", 1), draw_seed(0, "pairs", 1) == draw_seed(0, "pairs", 2)
        (True, False)
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
