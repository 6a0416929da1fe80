"""Data that several packages' tests read."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import DataParams


@pytest.fixture(scope="session")
def small_data() -> DataParams:
    """200 originals, two stored copies of each training image, a small palette."""
    return DataParams(max_images=200, copies=2, num_colours=8)


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory, small_data: DataParams) -> Path:
    """Folder of the images table of `small_data`; not to be written to."""
    from pipeline.data.prepare import prepare

    folder = tmp_path_factory.mktemp("small") / "images"
    prepare(small_data, 0, folder)
    return folder


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run a program in a Python of its own; gives what it prints."""

    def run(program: str, *arguments: str) -> str:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout

    return run
