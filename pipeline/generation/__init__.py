"""Images that the interpreted network draws itself, and what names their concepts."""

from pipeline.generation.source import generated_source

__all__ = ["generated_source"]
