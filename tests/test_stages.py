"""Stages are short, and `dvc.yaml` names every package that shapes what a stage writes."""

from typing import Any

import pytest
from imports import ROOT, SOURCES, imported_deeply, package_of
from ruamel.yaml import YAML

from pipeline.config import Params

# where a stage runs and how it speaks changes no output
PLUMBING = {"config", "tables", "cluster", "tracking", "serve"} | {
    "layout", "draws", "errors", "files", "entry", "progress", "weights"
}  # fmt: skip

DVC: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
STAGES: dict[str, Any] = DVC["stages"]


def _deps(stage: str) -> set[str]:
    return set(STAGES[stage]["deps"])


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("stages.")])
def test_a_stage_is_at_most_40_lines_and_in_the_pipeline(module: str) -> None:
    assert len(SOURCES[module].read_text().splitlines()) <= 40
    assert module.removeprefix("stages.") in STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_own_file_and_depends_on_it(stage: str) -> None:
    command = STAGES[stage]["cmd"].split()
    assert command[:3] == ["python", "-m", f"stages.{stage}"]
    assert command[3:] == (["--layer", "${item.layer}"] if "matrix" in STAGES[stage] else [])
    assert (ROOT / "stages" / f"{stage}.py").is_file()
    assert f"stages/{stage}.py" in _deps(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_package_that_it_imports(stage: str) -> None:
    """Or on the very files, where a package holds more than the stage needs."""
    covered = [ROOT / dep for dep in _deps(stage)]
    imported = {name for name in imported_deeply(f"stages.{stage}") if package_of(name) not in PLUMBING}
    uncovered = {name for name in imported if not any(SOURCES[name].is_relative_to(dep) for dep in covered)}
    packages = sorted({package_of(name) for name in uncovered})
    assert not packages, (
        f"stage {stage} does not depend on pipeline/{', pipeline/'.join(packages)}: {sorted(uncovered)}"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_package_that_it_does_not_import(stage: str) -> None:
    files = {SOURCES[name] for name in imported_deeply(f"stages.{stage}")}
    code = {dep for dep in _deps(stage) if dep.startswith("pipeline/")}
    idle = sorted(dep for dep in code if not any(file.is_relative_to(ROOT / dep) for file in files))
    assert not idle, f"stage {stage} would rerun for {', '.join(idle)}, which it never imports"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_sections_that_there_are(stage: str) -> None:
    for listed in STAGES[stage]["params"]:
        if isinstance(listed, dict):
            assert listed == {"params.yaml": None}
            continue
        found: Any = Params()
        for part in listed.split("."):
            found = getattr(found, part)
    assert "machine" not in STAGES[stage]["params"]


def test_every_input_is_the_output_of_another_stage_or_code() -> None:
    outputs = set()
    for stage in STAGES.values():
        for kind in ("outs", "metrics", "plots"):
            outputs |= {out if isinstance(out, str) else next(iter(out)) for out in stage.get(kind, [])}
    # `results` and `models/layers` are the folders of all layers
    for stage in STAGES:
        data = {dep for dep in _deps(stage) if not dep.startswith(("pipeline/", "stages/"))}
        assert data - outputs <= {"results", "models/layers"}
