"""What a comment in a file of ours reruns: the stages whose output the file shapes, and no other."""

import pytest
from dvc.repo import Repo

from pipeline.runs import fingerprint

from .project import Project

TRAINED = ("backbone", "judge", "extract", "tune", "train")  # what a kill may interrupt
READ_IMAGES = {"prepare", "backbone", "judge", "extract", "evaluate", "interpret", "report"}
RERUN = {
    "pipeline/prepare/sources/torchvision_sets.py": {"prepare"},
    "pipeline/prepare/sources/parquet.py": {"prepare"},
    "pipeline/flow/likelihood.py": {"tune", "train", "evaluate", "interpret", "report"},
    "pipeline/flow_task.py": {"tune", "train"},
    "pipeline/judge/task.py": {"judge", "evaluate"},
    "pipeline/pretraining/autoencoder.py": {"backbone"},
    "pipeline/training/loop.py": {"backbone", "judge", "tune", "train"},
    "pipeline/scores/literature/dci.py": {"evaluate"},
    "pipeline/interpret/grids.py": {"interpret"},
    "pipeline/report/words.py": {"report"},
    "pipeline/comparison/depth.py": {"compare", "report"},
    "pipeline/stylise/model.py": {"stylise"},
    "pipeline/tables/images.py": READ_IMAGES | {"stylise"},
    "pipeline/tables/parquet.py": READ_IMAGES | {"tune", "train", "stylise"},
    "pipeline/basis/draws.py": READ_IMAGES | {"tune", "train"},
    "pipeline/basis/layout.py": {"tune", "train", "evaluate", "interpret", "compare", "report"},
    "pipeline/basis/weights.py": READ_IMAGES | {"train"},
    "pipeline/params/study.py": set(),
    "pipeline/inputs/contents.py": set(),
    "pipeline/tracking/store.py": set(),
    "pipeline/serve.py": set(),
}
ALSO = {  # where a folder is listed, as the stage needs what lies beside the file
    "pipeline/tables/images.py": {"tune", "train"},
    "pipeline/basis/weights.py": {"tune"},
}


def test_a_comment_reruns_the_stages_whose_output_its_file_shapes(
    copy: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.path)
    before = _fingerprints(copy)
    wrong = []
    for file, expected in RERUN.items():
        content = (copy.path / file).read_text()
        (copy.path / file).write_text(f"{content}# a comment\n")
        with Repo() as repo:  # what `dvc status` shows, without a start of dvc for each file
            changed = {stage.partition("@")[0] for stage in repo.status()} - {"check"}  # which always runs
        if not expected <= changed <= expected | ALSO.get(file, set()):
            wrong.append(f"{file}: {', '.join(sorted(changed))} in place of {', '.join(sorted(expected))}")
        moved = {stage for stage, name in _fingerprints(copy).items() if name != before[stage]}
        if moved != changed & set(TRAINED):
            wrong.append(f"{file}: run folders of {', '.join(sorted(moved))} moved, an edit elsewhere may not do so")
        (copy.path / file).write_text(content)
    assert not wrong, "\n".join(wrong)


def _fingerprints(project: Project) -> dict[str, str]:
    layered = ("extract", "tune", "train")
    return {stage: fingerprint(stage, "latent" if stage in layered else None, project.path) for stage in TRAINED}
