"""Stages are short, and `dvc.yaml` names every package that shapes what a stage writes."""

import ast
import subprocess
import sys
from typing import Any

from imports import ROOT, SOURCES, imported_deeply, is_bare
from ruamel.yaml import YAML

from pipeline.params import Params

# what shapes no output: each is left out of `deps`, and so is what it imports, for the reason given
PLUMBING = {
    "pipeline.params": "reads and checks params.yaml, whose values are listed; what a value does is its reader's",
    "pipeline.errors": "words of an error",
    "pipeline.files": "writes bytes as they are given, whole or not at all",
    "pipeline.entry": "how a process starts and ends",
    "pipeline.inputs": "finds what params.yaml names; what that holds is in `.checks`, on which its readers depend",
    "pipeline.places": "where a stage reads and writes, as dvc.yaml itself says it",
    "pipeline.progress": "what is printed while a stage runs",
    "pipeline.cluster": "where work runs; the same study on another machine is the same study",
    "pipeline.machine": "what of it a worker gets",
    "pipeline.node_copy": "where a node's processes find rows, which are the same bits wherever they lie",
    "pipeline.workers": "likewise: in which process a function runs",
    "pipeline.storage": "keeps bytes as they are given, wherever that is",
    "pipeline.runs": "names the folder of checkpoints, after what dvc.yaml lists",
    "pipeline.tracking": "sends what is on disk already",
}
IDLE = 28  # modules, over all stages, that a stage lists and does not import, or not as a shape of what it writes
ENTRIES = 18  # of code, that a stage lists at most

DVC: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
STAGES: dict[str, Any] = DVC["stages"]


def _deps(stage: str) -> set[str]:
    return set(STAGES[stage]["deps"])


def test_a_stage_is_at_most_40_lines_and_in_the_pipeline() -> None:
    files = {name.removeprefix("stages."): path for name, path in SOURCES.items() if name.startswith("stages.")}
    assert set(files) <= set(STAGES)
    lines = {stage: len(path.read_text().splitlines()) for stage, path in files.items()}
    assert {stage: number for stage, number in lines.items() if number > 40} == {}


def test_a_stage_runs_its_own_file_and_depends_on_it() -> None:
    for stage in STAGES:
        layer = " --layer ${item.layer}" if "matrix" in STAGES[stage] else ""
        assert STAGES[stage]["cmd"] == f"python -m stages.{stage}{layer}"
        assert (ROOT / "stages" / f"{stage}.py").is_file(), stage
        assert f"stages/{stage}.py" in _deps(stage)


def _imported(stage: str) -> set[str]:
    """Modules that shape what a stage writes; check's own work is what others have as plumbing."""
    plumbing = set(PLUMBING) - ({"pipeline.params", "pipeline.inputs"} if stage == "check" else set())
    return {name for name in imported_deeply(f"stages.{stage}", plumbing) if not is_bare(name)}


def _listed(stage: str) -> set[str]:
    """Modules of ours that a stage depends on, as dvc.yaml has it."""
    folders = [ROOT / dep for dep in _deps(stage) if dep.startswith("pipeline/")]
    found = {name for name, path in SOURCES.items() if any(path.is_relative_to(folder) for folder in folders)}
    return {name for name in found if not is_bare(name)}


def test_a_stage_depends_on_every_module_that_it_imports() -> None:
    missing = {stage: sorted(_imported(stage) - _listed(stage)) for stage in STAGES}
    assert {stage: names for stage, names in missing.items() if names} == {}


def test_stages_depend_on_hardly_a_module_that_they_do_not_import() -> None:
    """An edit of such a module would rerun the stage for nothing, and throw a resumable training away."""
    idle = [f"{stage}: {name}" for stage in STAGES for name in sorted(_listed(stage) - _imported(stage))]
    assert len(idle) <= IDLE, f"{len(idle)}: {', '.join(idle)}"


def test_check_waits_for_no_library_that_it_does_not_need() -> None:
    """It runs at each `dvc repro`; torch alone would take two seconds."""
    program = "import sys, stages.check; print(*sorted({'numpy', 'pyarrow', 'ray', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"


def test_torchvision_is_imported_where_it_is_used() -> None:
    """It takes two seconds, which every stage would wait for."""
    at_once = [
        name
        for name, path in SOURCES.items()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "torchvision" in ast.unparse(node).split()[1].split(".")
    ]
    assert at_once == []


def test_a_stage_lists_few_entries_of_code_that_are_there() -> None:
    for stage in STAGES:
        code = [dep for dep in STAGES[stage]["deps"] if dep.startswith(("pipeline/", "stages/"))]
        assert len(code) == len(set(code)) <= ENTRIES, stage
        assert not [dep for dep in code if not (ROOT / dep).exists()], stage


def test_plumbing_is_there_and_is_used() -> None:
    everything = set().union(*(imported_deeply(f"stages.{stage}") for stage in STAGES))
    assert set(PLUMBING) <= everything


def test_a_stage_lists_sections_that_there_are() -> None:
    for stage in STAGES:
        assert "machine" not in STAGES[stage]["params"]
        for listed in STAGES[stage]["params"]:
            if isinstance(listed, dict):
                assert listed == {"params.yaml": None}
                continue
            value: Any = Params()
            for part in listed.split("."):
                assert hasattr(value, part), f"{stage}: {listed}"
                value = getattr(value, part)


def test_every_input_is_the_output_of_another_stage_or_code() -> None:
    outputs = set()
    for stage in STAGES.values():
        for kind in ("outs", "metrics", "plots"):
            outputs |= {out if isinstance(out, str) else next(iter(out)) for out in stage.get(kind, [])}
    # `results` and `models/layers` are the folders of all layers
    for stage in STAGES:
        data = {dep for dep in _deps(stage) if not dep.startswith(("pipeline/", "stages/"))}
        assert data - outputs <= {"results", "models/layers"}
