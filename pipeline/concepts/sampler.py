"""The pairs of a latents table."""

from pipeline.concepts.pairs import PairSampler
from pipeline.data import Latents

__all__ = ["pair_sampler"]


def pair_sampler(latents: Latents, seed: int, purpose: str) -> PairSampler:
    """Pairs of rows of one split, graded where the study says so.

    Args:
        latents: of the split.
        seed: the study's.
        purpose: names the stream of draws.
    """
    graded = {name: latents.values[name][:, 0] / length for name, length in latents.graded.items()}
    return PairSampler(latents.labels, latents.original, seed, purpose, graded)
