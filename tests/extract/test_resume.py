"""An extraction that was killed goes on from the shards that it had finished."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from shards import contents, killed_on_the_way

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import load_backbone
from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.extract.encoder import LatentsSetup
from pipeline.extract.extraction import extract
from pipeline.machine import Resources
from pipeline.params import DataParams, LatentsParams, MachineParams
from pipeline.prepare.images import prepare
from pipeline.tables.latents import load_latents

MACHINE = MachineParams(device="cpu")
ROWS, SHARDS = 340, 23  # of 16 rows at most: 280 / 16, 20 / 16 and 40 / 16, rounded up
DRIVER = """
import sys
from pathlib import Path
from pipeline.cluster import start_ray
from pipeline.params import LatentsParams, MachineParams
from pipeline.entry import run
from pipeline.extract.encoder import LatentsSetup
from pipeline.extract.extraction import extract

def main():
    machine, params = MachineParams(device="cpu"), LatentsParams(batch_size=8)
    images, backbone, folder, runs = map(Path, sys.argv[1:])
    with start_ray(machine) as worker:
        extract(LatentsSetup(images, backbone, "latent", params), folder, runs, machine, worker)

run(main)
"""


class Inputs:
    """Images in many row groups, and a backbone."""

    def __init__(self, folder: Path) -> None:
        self.images, self.backbone = folder / "images", folder / "backbone"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    inputs = Inputs(tmp_path_factory.mktemp("inputs"))
    with pytest.MonkeyPatch.context() as patch:
        for module in ("pipeline.tables.parquet", "pipeline.prepare.images"):
            patch.setattr(sys.modules[module], "ROW_GROUP", 16)
        prepare(DataParams(max_images=200, copies=2, num_colours=8), 0, inputs.images)
    save_backbone(inputs.backbone, AutoencoderBackbone.made(Autoencoder(5, 8, seed=0)))
    return inputs


@pytest.fixture(scope="module")
def worker() -> Iterator[Resources]:
    with start_ray(MACHINE) as worker:
        yield worker


def run(inputs: Inputs, folder: Path, worker: Resources) -> dict[str, int]:
    setup = LatentsSetup(inputs.images, inputs.backbone, "latent", LatentsParams(batch_size=8))
    return extract(setup, folder / "latents", folder / "runs", MACHINE, worker)


@pytest.fixture(scope="module")
def whole(inputs: Inputs, worker: Resources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of latents that were extracted in one go; not to be written to."""
    folder = tmp_path_factory.mktemp("whole")
    assert sum(run(inputs, folder, worker).values()) == ROWS
    assert sorted(path.name for path in folder.iterdir()) == ["latents"]
    return folder / "latents"


def test_one_shard_a_row_group(whole: Path) -> None:
    assert len(contents(whole)) == SHARDS
    assert len(load_latents(whole, "train")) == 280


@pytest.mark.faults
def test_a_killed_extraction_goes_on(inputs: Inputs, whole: Path, worker: Resources, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    kept = killed_on_the_way(DRIVER, (inputs.images, inputs.backbone, tmp_path / "latents", runs), runs)
    assert not (tmp_path / "latents").exists()
    assert len(kept) >= 2
    run(inputs, tmp_path, worker)
    assert contents(tmp_path / "latents") == contents(whole)
    assert {name: (tmp_path / "latents" / name).stat().st_mtime_ns for name in kept} == kept
    assert not runs.exists()


def test_only_what_is_missing_or_unsound_is_made(
    inputs: Inputs, whole: Path, worker: Resources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, tmp_path / "runs")
    (tmp_path / "runs/train-00003.parquet").unlink()
    truncated = tmp_path / "runs/test-00001.parquet"
    truncated.write_bytes(truncated.read_bytes()[:-50])
    run(inputs, tmp_path, worker)
    assert contents(tmp_path / "latents") == contents(whole)
    assert f"extract latent: {SHARDS - 2} of {SHARDS} shards are there already" in capsys.readouterr().out


def test_shards_of_another_backbone_are_made_anew(
    inputs: Inputs, whole: Path, worker: Resources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Inputs(tmp_path)
    save_backbone(other.backbone, AutoencoderBackbone.made(Autoencoder(5, 8, seed=1)))
    other.images = inputs.images
    shutil.copytree(whole, tmp_path / "runs")
    run(other, tmp_path, worker)
    assert "there already" not in capsys.readouterr().out
    load_latents(tmp_path / "latents", "val", load_backbone(other.backbone).sha256)


def test_images_whose_latent_is_not_finite_are_named(inputs: Inputs, worker: Resources, tmp_path: Path) -> None:
    network = Autoencoder(5, 8, seed=0)
    with torch.no_grad():
        network.encoder[-1].bias[2] = torch.nan
    broken = Inputs(tmp_path)
    broken.images = inputs.images
    save_backbone(broken.backbone, AutoencoderBackbone.made(network))
    with pytest.raises(InputError) as caught:
        run(broken, tmp_path, worker)
    message = (
        r"layer latent: numbers that are not finite in the latents of 16 images of row group \d+ of train\.parquet, "
        r"ids (\d+, ){4}\d+ …"
    )
    assert caught.match(message)
    assert not (tmp_path / "latents").exists()
