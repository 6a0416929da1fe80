"""The name of a run's folder changes with all that shapes its output, and with nothing else."""

import pytest

from pipeline.errors import InputError
from pipeline.runs import fingerprint, run_folder, run_folders

DVC = """
stages:
  train:
    matrix: {layer: "${layers}"}
    cmd: python -m stages.train --layer ${item.layer}
    deps: ["data/${item.layer}", code]
    params: [seed, train.steps, other.yaml: [a], whole.yaml: ]
  backbone:
    cmd: python -m stages.backbone
    deps: [code]
    params: [seed]
"""
FILES = {
    "dvc.yaml": DVC,
    "params.yaml": "seed: 1\ntrain: {steps: 10, log_every: 5}\nmachine: {workers: 1}\n",
    "other.yaml": "a: 1\nb: 2\n",
    "whole.yaml": "x: 1\nmachine: {workers: 1}\n",
    "data/one/rows.bin": "rows",
    "data/two/rows.bin": "others",
    "code/step.py": "pass\n",
}


def test_a_layer_with_a_slash_has_a_folder_of_its_own_beside_the_others(root):
    (root / "data/block/1").mkdir(parents=True)
    folder = run_folder(".runs", "train", "block/1", root)
    assert folder.parent == root / ".runs"
    assert folder.name == f"train-block-1-{fingerprint('train', 'block/1', root)}"


@pytest.fixture
def root(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("params.yaml", "seed: 2\ntrain: {steps: 10}\n"),
        ("params.yaml", "seed: 1\ntrain: {steps: 11}\n"),
        ("other.yaml", "a: 2\n"),
        ("whole.yaml", "x: 2\n"),
        ("data/one/rows.bin", "rowz"),
        ("data/one/more.bin", ""),
        ("code/step.py", "pass \n"),
        ("dvc.yaml", DVC.replace("--layer", "--the-layer")),
    ],
)
def test_params_inputs_and_code_change_it(root, file, content):
    before = fingerprint("train", "one", root)
    (root / file).write_text(content)
    assert fingerprint("train", "one", root) != before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("params.yaml", "machine: {workers: 8}\nseed: 1\ntrain: {log_every: 7, steps: 10}\n"),
        ("whole.yaml", "x: 1\nmachine: {workers: 8}\n"),
        ("other.yaml", "a: 1\nb: 3\n"),
        ("data/two/rows.bin", "changed"),
        ("code/__pycache__/step.pyc", "compiled"),
        ("code/step.pyc", "compiled"),
    ],
)
def test_machine_other_keys_and_compiled_files_do_not(root, file, content):
    before = fingerprint("train", "one", root)
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(content)
    assert fingerprint("train", "one", root) == before


def test_folders_are_absolute_and_named(root):
    assert (
        run_folder(".runs", "train", "one", root) == root / ".runs" / f"train-one-{fingerprint('train', 'one', root)}"
    )
    assert run_folder("/scratch", "backbone", root=root).name == f"backbone-{fingerprint('backbone', None, root)}"
    assert run_folder("/scratch", "backbone", root=root).parent.as_posix() == "/scratch"
    assert fingerprint("train", "one", root) != fingerprint("train", "two", root)


def test_runs_that_differ_in_free_keys_alone_share_a_folder(root):
    (root / "dvc.yaml").write_text(DVC.replace("[seed, train.steps,", "[seed, train, train.steps,"))
    (root / "params.yaml").write_text("seed: 1\ntrain: {steps: 10, of: {a: 1}}\nmachine: {workers: 1}\n")
    own, common = run_folders(".runs", "train", "one", ["train.steps"], root)
    assert own == run_folder(".runs", "train", "one", root)
    assert common != own
    (root / "params.yaml").write_text("seed: 1\ntrain: {steps: 11, of: {a: 1}}\nmachine: {workers: 1}\n")
    found = run_folders(".runs", "train", "one", ["train.steps"], root)
    assert found[0] != own
    assert found[1] == common
    (root / "params.yaml").write_text("seed: 1\ntrain: {steps: 11, of: {a: 2}}\nmachine: {workers: 1}\n")
    assert run_folders(".runs", "train", "one", ["train.steps"], root)[1] != common


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data/one/rows.bin": None}, r"data/one: not there, although stage 'train'"),
        ({"params.yaml": "seed: 1\n"}, r"params\.yaml: no key 'train\.steps'"),
        ({"dvc.yaml": "stages: {prepare: {cmd: x}}"}, r"dvc\.yaml: no stage 'train'; there are prepare"),
        ({"dvc.yaml": None}, r"dvc\.yaml: not there"),
    ],
)
def test_what_is_missing_is_named(root, change, message):
    for name, content in change.items():
        (root / name).unlink()
        if content is not None:
            (root / name).write_text(content)
        elif name.startswith("data"):
            (root / name).parent.rmdir()
    with pytest.raises(InputError, match=message):
        fingerprint("train", "one", root)
