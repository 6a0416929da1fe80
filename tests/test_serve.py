"""The model that MLflow holds: loaded from elsewhere, without pickle, it does what the flow does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from extents import ball
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server

import pipeline
from pipeline.basis.layout import Layout
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import Iin, load_iin, save_iin
from pipeline.iin.values import Categories
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server

LAYER = "latent"
LAYOUT = Layout(("residual", "digit", "colour"), (4, 2, 2))
N = LAYOUT.num_dims
PROJECT = Path(pipeline.__file__).resolve().parents[1]


def write_iin(root: Path) -> Path:
    """The folder that the train stage leaves, with a flow that is not the identity."""
    generator = torch.Generator().manual_seed(0)
    flow = Flow(FlowConfig(num_dims=N, num_blocks=2, width=16))
    flow.initialise(torch.randn(64, N, generator=generator) * 2 + 1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    folder = root / "models" / "layers" / LAYER / "iin"
    values = {"digit": Categories(np.array([0, 4, 7]), np.arange(6.0).reshape(3, 2), np.eye(2))}
    curves = '{"step": 100, "train/pair_nats": 20.0}\n'
    save_iin(folder, flow, LAYOUT, {"rho": 0.975}, ball(N, 5.0), metrics=curves, values=values)
    return folder


@pytest.fixture(scope="module")
def iin(tmp_path_factory: pytest.TempPathFactory) -> Iin:
    return load_iin(write_iin(tmp_path_factory.mktemp("iin")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, logged by the project, then copied to where neither store nor project folder lie."""
    root, elsewhere = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("elsewhere")
    write_iin(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
        patch.chdir(elsewhere)
        store = check_server("default", LAYER)
        run_id = publish(store, LAYER, "train", root)
        assert run_id is not None
        (output,) = store.client().get_run(run_id).outputs.model_outputs
        logged = store.client().get_logged_model(output.model_id)
        shutil.copytree(logged.artifact_location.removeprefix("file://"), elsewhere / "model")
        shutil.rmtree(root)
    return elsewhere / "model"


@pytest.fixture(scope="module")
def model(folder: Path) -> PyFuncModel:
    return mlflow.pyfunc.load_model(str(folder))


def latents(seed: int, rows: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(1, 2, size=(rows, N)).astype(np.float32)


def table(**columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({name: list(column) for name, column in columns.items()})


def swapped(iin: Iin, recipient: np.ndarray, donor: np.ndarray, factor: str) -> np.ndarray:
    """The definition, written out: the recipient's code, with one block of the donor's."""
    with torch.no_grad():
        code, code_donor = iin.flow(torch.from_numpy(recipient))[0], iin.flow(torch.from_numpy(donor))[0]
        where = iin.layout.slice(factor)
        code[:, where] = code_donor[:, where]
        return iin.flow.inverse(code).numpy()


def test_round_trip(model: PyFuncModel, iin: Iin) -> None:
    z = latents(0)
    codes = model.predict(table(latent=z))
    with torch.no_grad():
        expected = iin.flow(torch.from_numpy(z))[0].numpy()
    assert list(codes.columns) == ["code", "distance"]
    np.testing.assert_allclose(np.array(codes["code"].tolist()), expected, atol=1e-6)
    assert np.abs(expected - z).max() > 0.1  # the flow is not the identity
    again = model.predict(codes, params={"operation": "inverse"})
    assert np.abs(np.array(again["latent"].tolist()) - z).max() < 1e-4


def test_loads_without_the_project(folder: Path, model: PyFuncModel) -> None:
    """In a process that can't import this project and may not unpickle, from the files of the model alone."""
    z = latents(7, rows=2)
    code = f"""
import sys
from pathlib import Path
project = {str(PROJECT)!r}
sys.path = [path for path in sys.path if path and Path(path).resolve() != Path(project)]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
import json, mlflow, pandas as pd
model = mlflow.pyfunc.load_model({str(folder)!r})
answer = model.predict(pd.DataFrame({{"latent": {z.tolist()!r}}}))
import pipeline
print(json.dumps([pipeline.__file__, answer["code"].tolist()]))
"""
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found, codes = json.loads(done.stdout)
    assert Path(found).is_relative_to(folder / "code")
    assert codes == model.predict(table(latent=z))["code"].tolist()


def test_each_answer_says_how_far_its_latent_lies(model: PyFuncModel) -> None:
    """The map was trained on latents within 5 of 0."""
    z = latents(8) * np.float32(3)
    codes = model.predict(table(latent=z))
    expected = np.linalg.norm(z, axis=1) / 5
    assert expected.max() > 1
    np.testing.assert_allclose(codes["distance"], expected, rtol=1e-5)
    back = model.predict(codes, params={"operation": "inverse"})
    np.testing.assert_allclose(back["distance"], expected, rtol=1e-3)
    pairs = table(latent=z, donor=latents(9))
    swapped = model.predict(pairs, params={"operation": "swap", "factor": "digit"})
    found = np.linalg.norm(np.array(swapped["latent"].tolist()), axis=1) / 5
    np.testing.assert_allclose(swapped["distance"], found, rtol=1e-5)


@pytest.mark.parametrize("factor", ["residual", "digit", "colour"])
def test_swap(model: PyFuncModel, iin: Iin, factor: str) -> None:
    recipient, donor = latents(1), latents(2)
    answer = model.predict(table(latent=recipient, donor=donor), params={"operation": "swap", "factor": factor})
    found = np.array(answer["latent"].tolist())
    np.testing.assert_allclose(found, swapped(iin, recipient, donor, factor), atol=1e-5)
    assert np.abs(found - recipient).max() > 0.1


@pytest.mark.parametrize(
    ("params", "where", "expected"),
    [
        (
            {"operation": "edit", "factor": "digit", "number": 1, "amount": 1.5},
            "digit",
            lambda own: np.add(own, [0, 1.5]),
        ),
        ({"operation": "set", "factor": "digit", "value": "7"}, "digit", lambda own: 0 * own + [4, 5]),
    ],
)
def test_edit_and_set(model: PyFuncModel, iin: Iin, params: dict[str, Any], where: str, expected: Any) -> None:
    z = latents(4)
    found = torch.tensor(model.predict(table(latent=z), params=params)["latent"].tolist(), dtype=torch.float32)
    before, after = iin.transform(torch.from_numpy(z)).numpy(), iin.transform(found).numpy()
    before[:, iin.layout.slice(where)] = expected(before[:, iin.layout.slice(where)])
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_a_sample_changes_its_factor_alone_and_is_the_same_for_a_seed(model: PyFuncModel, iin: Iin) -> None:
    z = latents(5)
    drawn = []
    for seed in (1, 1, 2):
        params = {"operation": "sample", "factor": "colour", "seed": seed}
        found = torch.tensor(model.predict(table(latent=z), params=params)["latent"].tolist(), dtype=torch.float32)
        drawn.append(iin.transform(found).numpy())
    assert np.array_equal(drawn[0], drawn[1])
    kept, changed = slice(0, 6), iin.layout.slice("colour")
    np.testing.assert_allclose(drawn[2][:, kept], drawn[0][:, kept], atol=1e-4)
    assert np.abs(drawn[2][:, changed] - drawn[0][:, changed]).min() > 1e-4


def test_json_as_served(model: PyFuncModel, iin: Iin) -> None:
    recipient, donor = latents(3, rows=1), latents(4, rows=1)
    records = [{"latent": recipient[0].tolist(), "donor": donor[0].tolist()}]
    body = json.dumps({"dataframe_records": records, "params": {"operation": "swap", "factor": "digit"}})
    answer = scoring_server.invocations(body, "application/json", model, model.metadata.get_input_schema())
    assert answer.status == 200
    found = json.loads(answer.response)["predictions"]
    np.testing.assert_allclose([found[0]["latent"]], swapped(iin, recipient, donor, "digit"), atol=1e-5)


def test_wrong_json_is_answered_with_what_is_accepted(model: PyFuncModel) -> None:
    body = json.dumps({"dataframe_records": [{"latent": [0.0] * N}], "params": {"operation": "swap", "factor": "size"}})
    with pytest.raises(MlflowException) as caught:
        scoring_server.invocations(body, "application/json", model, model.metadata.get_input_schema())
    answer = json.loads(caught.value.serialize_as_json())
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert answer["message"].endswith("factor: found 'size', accepted are residual, digit, colour")


@pytest.mark.parametrize(
    ("columns", "params", "message"),
    [
        (["latent"], {"operation": "rotate"}, "operation: found 'rotate', accepted are transform, inverse, swap"),
        (["latent"], {"operation": "inverse"}, "column 'code': not there, found latent"),
        (["latent"], {"operation": "swap", "factor": "digit"}, "column 'donor': not there, found latent"),
        (["latent", "donor"], {"operation": "swap", "factor": "size"}, "factor: found 'size', accepted are residual"),
        (["code"], {}, "column 'latent': not there, found code"),
        (
            ["latent"],
            {"operation": "edit", "factor": "digit", "number": 2},
            "number: found 2, accepted are 0 to 1 of digit",
        ),
        (["latent"], {"operation": "edit"}, "factor: found '', accepted are residual, digit, colour"),
        (["latent"], {"operation": "sample", "factor": "size"}, "factor: found 'size', accepted are residual"),
        (["latent"], {"operation": "set", "factor": "size", "value": "7"}, "no values of 'size', accepted are digit"),
        (["latent"], {"operation": "set", "factor": "digit", "value": "9"}, "found '9', .*; accepted are 0, 4, 7"),
    ],
)
def test_wrong_request(model: PyFuncModel, columns: list[str], params: dict[str, Any], message: str) -> None:
    with pytest.raises(MlflowException, match=message):
        model.predict(table(**dict.fromkeys(columns, latents(5))), params=params)


def test_vectors_of_another_length(model: PyFuncModel) -> None:
    with pytest.raises(MlflowException, match=r"column 'latent': found vectors of \[7\] numbers, expected 8"):
        model.predict(table(latent=latents(6)[:, :7]))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named_by_its_row(model: PyFuncModel, number: float) -> None:
    z = latents(6)
    z[3, 1] = number
    with pytest.raises(MlflowException, match=r"column 'latent', row 3: found a number that is not finite"):
        model.predict(table(latent=z))
