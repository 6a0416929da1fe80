"""Data that several packages' tests read."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import torch

from pipeline.params import DataParams

# Files and folders that take longest, started first: the last worker process would else wait for one of them alone.
# The first makes the study that all of end_to_end waits for; what needs no study fills the other processes meanwhile.
# A process is given its next file when two tests are left to it, so that a file of one or two long tests would have
# the next one wait behind it: one of many short tests stands between.
LONG = (
    "end_to_end/test_training",
    "training/test_distributed",
    "training/test_compiling",
    "extract/test_resume",
    "tuning/test_search",
    "tuning/test_course",
    "interpret/test_decisions",
    "end_to_end/test_classifier",
    "prepare/test_sources",
    "end_to_end/test_brought",
    "flow/test_contract",
    "end_to_end/test_generator",
    "backbone/test_hooks",
    "end_to_end/test_studies",
    "scores/test_probe_traps",
    "end_to_end/test_grain",
    "scores/test_probe",
    "infra",
    "end_to_end",
    "extract",
    "training",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first; in their own order otherwise."""
    items.sort(key=lambda item: _rank(item.path.relative_to(Path(__file__).parent).as_posix()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What needs a GPU waits for a machine that has one."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """A served model puts its own copy of the code first on `sys.path`; the next test's processes get the project's."""
    before = list(sys.path)
    try:
        return (yield)
    finally:
        sys.path[:] = before


def _rank(path: str) -> int:
    return next((rank for rank, name in enumerate(LONG) if path.startswith(name)), len(LONG))


@pytest.fixture(scope="session")
def small_data() -> DataParams:
    """200 originals, two stored copies of each training image, a small palette."""
    return DataParams(max_images=200, copies=2, num_colours=8)


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory, small_data: DataParams) -> Path:
    """Folder of the images table of `small_data`; not to be written to."""
    from pipeline.prepare.images import prepare

    folder = tmp_path_factory.mktemp("small") / "images"
    prepare(small_data, 0, folder)
    return folder


@pytest.fixture(scope="module")
def importable() -> Iterator[None]:
    """Other processes can import the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        yield


@pytest.fixture(scope="session")
def s3_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3 server that has bucket `iin`: one a process, which opens a store but once."""
    from servers import bucket, s3_server

    with s3_server(tmp_path_factory.mktemp("s3") / "log") as address:
        bucket(address)
        yield address


@pytest.fixture(scope="module")
def s3(s3_address: str) -> Iterator[str]:
    """Address of the S3 server, to which the environment's variables point."""
    from servers import S3_KEYS

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**S3_KEYS, "AWS_ENDPOINT_URL": s3_address}.items():
            patch.setenv(name, value)
        yield s3_address


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run a program in a Python of its own; gives what it prints."""

    def run(program: str, *arguments: str) -> str:
        command = [sys.executable, "-c", program, *arguments]
        paths = os.pathsep.join(path for path in sys.path if path)  # those of the tests, too
        environment = os.environ | {"PYTHONPATH": paths}
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600, env=environment)
        return done.stdout

    return run
