"""A run says of which images, which network and which study it is."""

from pathlib import Path

import pytest

from pipeline.tracking.publish import publish
from pipeline.tracking.runs import create_run
from pipeline.tracking.store import check_server

from .files import LAYER, write_results
from .test_tracker import runs, train

LOCK = """\
schema: '2.0'
stages:
  prepare:
    cmd: python -m stages.prepare
    params:
      params.yaml:
        backbone.kind: autoencoder
        data: {source: parquet, path: photo, table:, concepts: [class, age], graded: {age: 5.0}, warp: {scale: 0.1}}
        seed: 0
  backbone:
    cmd: python -m stages.backbone
    params:
      params.yaml:
        backbone: {kind: autoencoder, network:, arguments: {}, num_dims: 32, betas: [0.9, 0.999]}
        seed: 0
  extract@latent:
    cmd: python -m stages.extract --layer latent
    params:
      params.yaml:
        latents: {reduce: mean, jitter: 0.05}
"""
INPUTS = {
    "data.source": "parquet",
    "data.path": "photo",
    "data.concepts": "class, age",
    "data.graded.age": "5.0",
    "data.warp.scale": "0.1",
    "backbone.kind": "autoencoder",
    "backbone.num_dims": "32",
    "backbone.betas": "0.9, 0.999",
    "latents.reduce": "mean",
    "latents.jitter": "0.05",
}


def test_a_run_says_of_which_images_and_network_it_is(project: Path) -> None:
    (project / "dvc.lock").write_text(LOCK)
    (project / "params.yaml").write_text("study: default\nseed: 3\n")
    store = check_server("default", LAYER)
    train(store, project, range(100, 300, 100))
    (run,) = runs(store)
    sections = ("data.", "backbone.", "latents.")
    assert {name: value for name, value in run.data.params.items() if name.startswith(sections)} == INPUTS
    assert run.data.params["flow.num_blocks"] == "2"
    stored = Path(store.client().download_artifacts(run.info.run_id, "params.yaml"))
    assert stored.read_text() == "study: default\nseed: 3\n"
    (project / "params.yaml").write_text("study: default\nseed: 4\n")  # edited afterwards
    write_results(project)
    publish(store, LAYER, "evaluate")
    stored = Path(store.client().download_artifacts(run.info.run_id, "params.yaml"))
    assert stored.read_text() == "study: default\nseed: 3\n"


@pytest.mark.usefixtures("project")
def test_a_run_of_very_many_concepts_has_all_its_params() -> None:
    """A server takes a hundred in a request."""
    store = check_server("default", LAYER)
    params = {f"sizes.{number}": str(number) for number in range(250)}
    run_id = create_run(store, "many", params, {"layer": LAYER})
    assert store.client().get_run(run_id).data.params == params
