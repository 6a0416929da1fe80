"""Images and latents: loading of the tables into arrays; `prepare` writes images from `sources`, split and augmented.

`pipeline.data.prepare` is imported where it is needed alone, as it brings in torchvision and scikit-learn.
"""

from pipeline.data.images import Images, load_images, to_unit_range
from pipeline.data.latents import Latents, latents_sha256, load_latents

__all__ = ["Images", "Latents", "latents_sha256", "load_images", "load_latents", "to_unit_range"]
