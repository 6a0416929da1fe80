"""Extraction: the frozen backbone's latents of all images, by Ray Data."""
