"""Images and latents: sources, splits, augmentation, and loading of the tables into arrays."""

from pipeline.data.images import Images, load_images, to_unit_range
from pipeline.data.latents import Latents, latents_sha256, load_latents
from pipeline.data.prepare import prepare

__all__ = ["Images", "Latents", "latents_sha256", "load_images", "load_latents", "prepare", "to_unit_range"]
