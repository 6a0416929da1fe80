"""Data that several packages' tests read."""

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
    from pipeline.data import prepare

    folder = tmp_path_factory.mktemp("small") / "images"
    prepare(small_data, 0, folder)
    return folder
