"""The examples in docstrings do what they say."""

import doctest
import importlib

from imports import SOURCES


def test_examples() -> None:
    names = [name for name, path in SOURCES.items() if ">>>" in path.read_text()]
    assert names
    results = {name: doctest.testmod(importlib.import_module(name), optionflags=doctest.REPORT_NDIFF) for name in names}
    assert [name for name, result in results.items() if result.failed or not result.attempted] == []
