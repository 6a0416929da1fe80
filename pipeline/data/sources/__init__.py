"""Where images come from, one file a source; `data.source` chooses."""

from pipeline.data.sources.choose import open_source
from pipeline.data.sources.colormnist import ColorMnist
from pipeline.data.sources.roots import Roots
from pipeline.data.sources.source import Rendered, Source

__all__ = ["ColorMnist", "Rendered", "Roots", "Source", "open_source"]
