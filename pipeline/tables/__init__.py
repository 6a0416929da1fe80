"""The tables on disk, and their rows as arrays: images and latents."""
