"""Extraction: run the frozen backbone's encoder over the images table and store its latents."""

from pipeline.latents.extract import extract

__all__ = ["extract"]
