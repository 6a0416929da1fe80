"""Models by name: the candidate, the champion that gives way to a better one, and images through the real server."""

import base64
import io
import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from extents import ball
from PIL import Image
from servers import running
from training.small_latents import NUM_DIMS, write_latents

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import load_backbone
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import Flow, FlowConfig, closed_form
from pipeline.iin.iin import load_iin, save_iin
from pipeline.iin.values import Categories
from pipeline.interpretation.interpretation import Interpretation
from pipeline.pairing.moments import latent_moments
from pipeline.places import Places
from pipeline.tables.images import to_pixels
from pipeline.tables.latents import load_latents
from pipeline.tracking.registry import Gap
from pipeline.tracking.store import find_store

from .files import LAYER, curve_lines, free_port
from .test_command import call

LAYOUT = Layout.of(["digit", "colour"], [2, 2, 2])
NAME = f"iin-default-{LAYER}"
ONE = ("register", "--layer", LAYER)


@pytest.fixture
def study(project: Path) -> Path:
    """A network, the latents of test images, and what stands for their table; no map yet."""
    save_backbone(project / "models/backbone", AutoencoderBackbone.made(Autoencoder(NUM_DIMS, 8, seed=0)))
    sha256 = load_backbone(Places().backbone).sha256
    write_latents(Places().latents(LAYER), backbone_sha256=sha256)
    Places().images.mkdir(parents=True)
    (Places().images / "test.parquet").write_bytes(b"these images")
    return project


def write_map(*, sorts: bool) -> Path:
    """A map that sorts the concepts into their factors, or one that has all of them everywhere."""
    latents = load_latents(Places().latents(LAYER), "train")
    flow = Flow(FlowConfig(NUM_DIMS, num_blocks=2, width=8, seed=int(sorts)))
    if sorts:
        flow.start_as(closed_form(latent_moments(latents), LAYOUT))
    else:
        flow.initialise(torch.from_numpy(latents.mean[:]))
    cut = {"reduce": "mean", "kept": list(range(NUM_DIMS)), "image_shape": [32, 32]}
    card = {"backbone_sha256": latents.backbone_sha256, "layer": LAYER, "cut": cut, "fingerprint": f"f{sorts}"}
    values = {"digit": Categories(np.arange(3), np.arange(6.0).reshape(3, 2), np.eye(2))}
    folder = Places().iin(LAYER)
    shutil.rmtree(folder, ignore_errors=True)
    save_iin(folder, flow, LAYOUT, card, ball(NUM_DIMS, 9.0), metrics=curve_lines(100), values=values)
    return folder


def aliases() -> dict[str, int]:
    found = find_store("default").client().get_registered_model(NAME).aliases
    return {alias: int(version) for alias, version in found.items()}


@pytest.mark.usefixtures("study")
def test_the_champion_gives_way_to_a_surely_better_one_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_map(sorts=False)
    call(monkeypatch, *ONE)
    assert aliases() == {"candidate": 1}
    call(monkeypatch, *ONE, "--champion")
    assert aliases() == {"candidate": 1, "champion": 1}
    assert capfd.readouterr().out.endswith(f"{NAME}, version 1: registered before; the candidate and the champion\n")
    call(monkeypatch, *ONE)
    assert capfd.readouterr().out.endswith(f"{NAME}, version 1: registered before; the candidate and the champion\n")
    write_map(sorts=True)
    call(monkeypatch, *ONE, "--champion")
    assert aliases() == {"candidate": 2, "champion": 2}
    assert "version 2: the candidate and the champion, in place of version 1: probe/gap is better by +" in (
        capfd.readouterr().out
    )
    write_map(sorts=False)
    with pytest.raises(InputError, match=rf"^{NAME}, version 1: registered before; the candidate; version 2 stays the"):
        call(monkeypatch, *ONE, "--champion")
    with pytest.raises(InputError, match=r"is not surely above 0$"):
        call(monkeypatch, *ONE, "--champion")
    assert aliases() == {"candidate": 1, "champion": 2}
    (Places().images / "test.parquet").write_bytes(b"other images")
    with pytest.raises(InputError, match=r"stays the champion: it was measured on other test images or concepts$"):
        call(monkeypatch, *ONE, "--champion")
    versions = find_store("default").client().search_model_versions(f"name = '{NAME}'")
    assert sorted(int(version.version) for version in versions) == [1, 2]
    call(monkeypatch, *ONE, "--with-backbone")  # another model of the same map
    assert aliases() == {"candidate": 3, "champion": 2}


def test_a_lead_is_of_the_same_resamples() -> None:
    """Two wide intervals, whose difference is certain."""
    spread = np.random.default_rng(0).normal(0.5, 0.2, 1000)
    one, other = (Gap(0.5 + by, list(spread + by), "a", ["x", "y"]) for by in (0.02, 0.0))
    low, high = one.lead_over(other) or (0.0, 0.0)
    assert low == pytest.approx(0.02)
    assert high == pytest.approx(0.02)
    assert one.lead_over(Gap(0.5, list(spread), "b", ["x", "y"])) is None
    assert one.lead_over(Gap(0.5, list(spread), "a", ["x"])) is None
    assert one.lead_over(Gap(0.5, list(spread), "a", ["y", "x"])) is not None


def png(seed: int) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def post(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{address}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def test_a_model_with_its_network_takes_images_in_python_and_over_http(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_map(sorts=True)
    call(monkeypatch, *ONE, "--with-backbone")
    store = find_store("default")
    version = store.client().get_model_version_by_alias(NAME, "candidate")
    path = Path(version.source.removeprefix("file://"))
    assert not [file for file in path.rglob("*") if file.suffix in (".pkl", ".pickle", ".cloudpickle")]
    shutil.copytree(path, study / "elsewhere")
    model = mlflow.pyfunc.load_model(str(study / "elsewhere"))
    interpretation = Interpretation.join(load_iin(folder), load_backbone(Places().backbone))
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(png(seed)))) for seed in (1, 2)])
    codes = interpretation.codes(pixels)
    rows = pd.DataFrame({"image": [png(1), png(2)], "donor_image": [png(2), png(1)]})
    found = np.array(model.predict(rows)["code"].tolist())
    np.testing.assert_allclose(found, codes.numpy(), atol=1e-4)
    params = {"operation": "swap", "factor": "digit"}
    edited = codes.clone()
    edited[:, LAYOUT.slice("digit")] = codes.flip(0)[:, LAYOUT.slice("digit")]
    expected = to_pixels(interpretation.outputs(edited, pixels))
    outputs = model.predict(rows, params=params)["output"]
    shown = np.stack([np.asarray(Image.open(io.BytesIO(output))) for output in outputs])
    assert np.abs(shown.astype(int) - expected).max() <= 1
    assert "output" in model.predict(pd.DataFrame({"code": list(edited.numpy())}), params={"operation": "inverse"})

    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(study / "elsewhere"), "-p", str(port)]

    def ready() -> bool:
        try:
            urllib.request.urlopen(f"{address}/ping", timeout=2).close()
        except OSError:
            return False
        return True

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    records = [{name: base64.b64encode(row[name]).decode() for name in row.index} for _, row in rows.iterrows()]
    with running([*command, "--env-manager", "local"], environment, ready, study / "server.log"):
        answers = post(address, {"dataframe_records": records, "params": params})["predictions"]
        served = [np.asarray(Image.open(io.BytesIO(base64.b64decode(row["output"])))) for row in answers]
        assert np.array_equal(np.stack(served), shown)
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(address, {"dataframe_records": records, "params": {"operation": "swap", "factor": "size"}})
        assert caught.value.code == 400
        message = json.loads(caught.value.read())["message"]
        assert message.endswith("factor: found 'size', accepted are residual, digit, colour")


@pytest.mark.usefixtures("study")
def test_what_is_no_image_is_refused_with_its_row() -> None:
    from pipeline.serve_images import answer_images

    folder = write_map(sorts=True)
    interpretation = Interpretation.join(load_iin(folder), load_backbone(Places().backbone))
    with pytest.raises(InputError, match=r"^column 'image', row 1: no image that can be read$"):
        answer_images(interpretation, pd.DataFrame({"image": [png(1), b"text"]}), {})
