"""The tiny study, run twice from nothing, once disturbed: made once for all test processes, and never written to."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from pipeline.tracking.store import quieten_mlflow

from .project import Done, Project, finish, in_mid_training


@dataclass(frozen=True)
class Repro:
    """A project and its first `dvc repro`."""

    project: Project
    done: Done

    @property
    def path(self) -> Path:
        return self.project.path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first waits for the study."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(3000))


@pytest.fixture(scope="session", autouse=True)
def _quiet_mlflow() -> None:
    """As the stages have it, for tests that read what the stages sent."""
    quieten_mlflow()


@pytest.fixture(scope="session")
def cold_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repro, Repro]:
    """Two clones, each after `dvc repro` from nothing; both ran at once, and the second lost a worker in training."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "end_to_end"
    folder.mkdir(exist_ok=True)
    record = folder / "done.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first process makes them, the others wait
        if not record.exists():
            projects = [Project.clone(folder / name) for name in ("study", "again")]
            processes = [project.start("dvc", "repro") for project in projects]
            with in_mid_training(projects[1], processes[1]) as training:
                training.worker.kill()
                record.write_text(json.dumps([asdict(finish(process)) for process in processes]))
    first, second = (Done(**done) for done in json.loads(record.read_text()))
    return Repro(Project(folder / "study"), first), Repro(Project(folder / "again"), second)


@pytest.fixture(scope="session")
def study(cold_runs: tuple[Repro, Repro]) -> Repro:
    """The first of the two; only read."""
    assert cold_runs[0].done.code == 0, f"{cold_runs[0].done.out}\n{cold_runs[0].done.err}"
    return cold_runs[0]


@pytest.fixture(scope="session")
def again(cold_runs: tuple[Repro, Repro]) -> Repro:
    """The second of the two, whose worker was killed; only read."""
    assert cold_runs[1].done.code == 0, f"{cold_runs[1].done.out}\n{cold_runs[1].done.err}"
    return cold_runs[1]


@pytest.fixture
def copy(study: Repro, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A copy of the study that a test may change, with an MLflow experiment `iin-<name of the test>`."""
    folder = tmp_path / "Jörg (2)"  # as people's folders are called
    yield study.project.copy(folder, study=request.node.originalname.replace("_", "-"))
    shutil.rmtree(folder)


@pytest.fixture
def untrained(copy: Project) -> Project:
    """The same, as if the flow had never been trained."""
    copy.forget("train@latent", "models/layers/latent/iin")
    return copy


@pytest.fixture
def same_iin(study: Repro) -> Callable[[Project], None]:
    """Assert that a project's flow is the study's, byte for byte, with its curves."""

    def check(project: Project) -> None:
        folder = "models/layers/latent/iin"
        assert project.files(folder) == study.project.files(folder)

    return check
