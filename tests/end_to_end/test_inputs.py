"""Wrong inputs met by the stages themselves: one line on stderr, exit code 1, and nothing half-written."""

from dataclasses import replace

import pytest

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import load_backbone
from pipeline.evaluation.evaluation import evaluate
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import load_judge
from pipeline.params import load_params
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents

from .conftest import Repro
from .project import OUTPUTS, Project

LATENTS = "data/latents/latent"


def refused(project: Project, *command: str) -> str:
    """The one line with which a stage ends, having changed nothing."""
    before = project.files(*OUTPUTS)
    done = project.run(*command)
    assert done.code == 1, done.err
    assert project.files(*OUTPUTS) == before
    assert done.err.endswith("\n")
    assert done.err.count("\n") == 1, done.err
    return done.err.removeprefix("error: ").removesuffix("\n")


def test_a_misspelt_key_stops_dvc_at_once(copy: Project) -> None:
    path = copy.path / "params.yaml"
    path.write_text(path.read_text().replace("learning_rate: 3.0e-3\n", "learning_rat: 3.0e-3\n", 1))
    before = copy.files(*OUTPUTS[1:])
    done = copy.run("dvc", "repro")
    assert done.code == 255
    first, *rest = done.err.splitlines()
    assert first.startswith("error: params.yaml: judge.learning_rat: unknown key; did you mean 'learning_rate'?")
    assert rest == ["ERROR: failed to reproduce 'check': failed to run: python -m stages.check, exited with 1"]
    assert done.ran == ["check"]
    assert copy.files(*OUTPUTS[1:]) == before


def test_a_map_of_another_backbone(copy: Project) -> None:
    folder = copy.path / "models/backbone"
    old = load_backbone(folder)
    save_backbone(folder, AutoencoderBackbone.made(Autoencoder(old.card["num_dims"], old.card["width"], seed=7)))
    new = load_backbone(folder)
    assert refused(copy, "python", "-m", "stages.evaluate", "--layer", "latent") == (
        f"models/layers/latent/iin: the map was trained on network {old.sha256[:12]}, found network {new.sha256[:12]}"
    )


def test_truncated_latents(copy: Project) -> None:
    path = copy.path / LATENTS / "train-00000.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    line = refused(copy, "python", "-m", "stages.train", "--layer", "latent")
    assert line.startswith(f"{LATENTS}/train-00000.parquet: truncated or no Parquet file")


def test_more_than_ray_has(copy: Project) -> None:
    copy.edit({"machine": {"workers": 2, "cpus_per_worker": 1000}})
    line = refused(copy, "python", "-m", "stages.backbone")
    assert line.startswith("params.yaml: machine.workers: found 2, which need 2000 CPUs (1000 each), but Ray has ")
    assert list(copy.path.glob(".runs/*/gen-*")) == []


@pytest.mark.faults
def test_a_full_disk(copy: Project) -> None:
    """The largest file that the process may write is 64 KiB: the training images need more."""
    assert (copy.path / "data/prepared/train.parquet").stat().st_size > 2**16
    line = refused(copy, "bash", "-c", "ulimit -f 64; exec python -m stages.prepare")
    assert line == "data/prepared/train.parquet: no space left; nothing half-written is kept"


def test_too_few_test_images_leave_out_the_score_that_needs_more(
    study: Repro, capsys: pytest.CaptureFixture[str]
) -> None:
    latents = {split: load_latents(study.path / LATENTS, split) for split in ("train", "val")}
    assert len(latents["val"]) <= 2 * latents["val"].num_dims
    whole, few = latents["train"], slice(latents["val"].num_dims)
    train = replace(
        whole,
        id=whole.id[few],
        original=whole.original[few],
        mean=whole.mean[few],
        scale=whole.scale[few],
        labels={name: labels[few] for name, labels in whole.labels.items()},
        values={name: values[few] for name, values in whole.values.items()},
    )
    scores, _ = evaluate(
        Rows.of(
            Interpretation.open(study.path / "models", "latent"),
            latents["val"],
            load_images(study.path / "data/images", "val"),
        ),
        load_judge(study.path / "models/judge"),
        train,
        load_params(study.path / "params.yaml").evaluate,
        seed=0,
    )
    out = capsys.readouterr().out
    assert "block_tc is left out: block_tc: 30 rows are too few for 32 dimensions; more than 64 are needed\n" in out
    assert "nll/gain_over_gaussian is left out: train: the covariance of 32 rows of 32 dimensions is singular" in out
    assert {"probe/gap", "swap/score", "pair/own", "nll/pair_nats", "roundtrip/max", "per_dimension/mig"} <= set(scores)
    assert not {"block_tc", "nll/gain_over_gaussian"} & set(scores)
