"""Where images come from, one file a source; `data.source` chooses."""

from pipeline.data.sources.colormnist import ColorMnist

__all__ = ["ColorMnist"]
