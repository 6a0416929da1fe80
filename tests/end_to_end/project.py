"""A project in a folder of its own: a git clone of this working tree with a tiny study, and commands run in it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from imports import ROOT
from PIL import Image
from ruamel.yaml import YAML

from pipeline.files import sha256_file

__all__ = [
    "IDENTITY",
    "OUTPUTS",
    "STAGES",
    "STEPS",
    "Done",
    "Project",
    "Training",
    "finish",
    "in_mid_training",
    "write_images",
]

PATIENCE = 1500.0  # seconds; a loaded machine takes ten times as long as an idle one
STEPS = 300  # of the flow: time enough to kill it in the middle
TINY: dict[str, dict[str, Any]] = {
    "data": {"max_images": 300, "test_share": 0.25, "copies": 2, "num_colours": 8},
    "backbone": {"width": 8, "steps": 30, "batch_size": 32},  # num_dims stays, as the sizes in studies/ sum to it
    "judge": {"width": 4, "steps": 30, "batch_size": 32},
    "flow": {"num_blocks": 2, "width": 32},
    "train": {"steps": STEPS, "batch_size": 32, "validate_every": 60, "checkpoint_every": 20},
    "tune": {"trials": 2, "steps": 20, "num_blocks": [2, 3]},
    "evaluate": {"pairs": 200, "swaps": 100},
}
STAGES = (
    "check",
    "prepare",
    "stylise",
    "backbone",
    "judge",
    "extract@latent",
    "tune@latent",
    "train@latent",
    "evaluate@latent",
    "interpret@latent",
    "compare",
    "report@latent",
)
OUTPUTS = (".checks", "data", "models", "results", "comparison", "reports")
IDENTITY = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def ran(self) -> list[str]:
        """Stages that dvc ran."""
        return re.findall(r"^Running stage '(.*)':$", self.out, re.MULTILINE)

    @property
    def skipped(self) -> list[str]:
        """Stages that dvc found unchanged."""
        return re.findall(r"^Stage '(.*)' didn't change, skipping$", self.out, re.MULTILINE)


@dataclass(frozen=True)
class Project:
    """A clone at `path`; commands run there as a person would type them."""

    path: Path

    @classmethod
    def clone(cls, path: Path) -> "Project":
        """Clone HEAD, lay over it what is not committed yet, and commit the tiny study."""
        project = cls(path)
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(path)], check=True)
        for name in _git_lines("ls-files", "--deleted", "-z"):
            (path / name).unlink(missing_ok=True)
        for name in _git_lines("ls-files", "--modified", "--others", "--exclude-standard", "-z"):
            if (ROOT / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        project.git("add", "--all")
        project.git(*IDENTITY, "commit", "--quiet", "--allow-empty", "--message", "The working tree")
        project.edit(TINY)
        project.git(*IDENTITY, "commit", "--quiet", "--all", "--message", "A tiny study")
        return project

    def copy(self, path: Path, study: str) -> "Project":
        """The same project elsewhere, with an MLflow experiment of its own."""
        # dvc's locks, and the checkpoints of finished runs, belong to the one that is copied
        shutil.copytree(self.path, path, ignore=lambda folder, _: {"tmp"} if Path(folder).name == ".dvc" else {".runs"})
        project = Project(path)
        project.edit({"study": study})
        return project

    def edit(self, changes: Mapping[str, Any]) -> None:
        """Change params.yaml: {section: {key: value}} or {key: value}."""
        yaml, path = YAML(), self.path / "params.yaml"
        params = yaml.load(path.read_text())
        for key, value in changes.items():
            if isinstance(value, Mapping):
                params[key].update(value)
            else:
                params[key] = value
        with path.open("w") as file:
            yaml.dump(params, file)

    def forget(self, stage: str, output: str) -> None:
        """Remove a stage's output and every trace that dvc has of how it was made."""
        shutil.rmtree(self.path / output)
        shutil.rmtree(self.path / ".dvc/cache/runs")
        yaml, path = YAML(), self.path / "dvc.lock"
        lock = yaml.load(path.read_text())
        del lock["stages"][stage]
        with path.open("w") as file:
            yaml.dump(lock, file)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command; its output goes to pipes."""
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> Done:
        """Run a command to its end, whatever its exit code."""
        return finish(self.start(*command, **environment))

    def succeed(self, *command: str, **environment: str) -> Done:
        """Run a command that has to end well."""
        done = self.run(*command, **environment)
        assert done.code == 0, f"{' '.join(command)}: exit code {done.code}\n{done.out}\n{done.err}"
        return done

    def git(self, *arguments: str) -> str:
        """Output of a git command."""
        return subprocess.run(
            ["git", *arguments], cwd=self.path, check=True, capture_output=True, text=True, timeout=PATIENCE
        ).stdout

    def environment(self) -> dict[str, str]:
        """That of this process, less what would lead a stage elsewhere, with this Python's commands first.

        Compiled modules are kept, whatever this process does: a study starts dozens of Pythons.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DVC_", "GIT_", "MLFLOW_", "PYTEST_", "RAY_"))
            and name not in {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
        }
        commands = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
        return kept | {"PATH": commands, "OMP_NUM_THREADS": "1"}

    def files(self, *places: str) -> dict[str, str]:
        """Path and SHA-256 of each file below `places`, but for the `.gitignore` files that dvc writes there."""
        found = [file for place in places for file in (self.path / place).rglob("*") if file.is_file()]
        return {str(file.relative_to(self.path)): sha256_file(file) for file in found if file.name != ".gitignore"}


@dataclass(frozen=True)
class Training:
    """A `dvc repro` that trains: the process of dvc, that of the stage, and that of Ray's worker."""

    dvc: "subprocess.Popen[str]"
    stage: psutil.Process
    worker: psutil.Process


@contextmanager
def in_mid_training(project: Project, dvc: "subprocess.Popen[str]") -> Iterator[Training]:
    """Wait for the second of the fifteen checkpoints of the flow; end dvc where the block fails."""
    end = time.monotonic() + PATIENCE
    try:
        while not list(project.path.glob(".runs/train-*/gen-0001/step-00000040")):
            assert dvc.poll() is None, finish(dvc)
            assert time.monotonic() < end, "no second checkpoint"
            time.sleep(0.02)
        tree = psutil.Process(dvc.pid).children(recursive=True)
        (stage,) = (process for process in tree if process.cmdline()[1:3] == ["-m", "stages.train"])
        (worker,) = (process for process in tree if process.cmdline()[1:3] == ["-m", "pipeline.workers.child"])
        yield Training(dvc, stage, worker)
    finally:
        dvc.kill()


def write_images(folder: Path, num: int) -> Path:
    """Images of 32x32 of many brightnesses."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(num):
        pixels = rng.integers(0, 60, (32, 32, 3)) + rng.integers(0, 190)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03d}.png")
    return folder


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a command that `Project.start` started."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Done(process.returncode, out, err)


def _git_lines(*arguments: str) -> Iterable[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return filter(None, done.stdout.split("\0"))
