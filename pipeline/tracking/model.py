"""The trained IIN as an MLflow model: code and safetensors, no pickle, with a signature and pinned requirements.

`pipeline.serve` is what the model does; here it is packed with the weights and the project's own code, so that it
loads where the project is not installed, and fetched by the id of its run.
"""

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow.artifacts
import mlflow.pyfunc
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array

import pipeline
from pipeline.errors import InputError
from pipeline.params import load_params
from pipeline.tracking.store import check_server

__all__ = ["iin_folder", "log_model"]

NAME = "iin"

REQUIREMENTS = ("mlflow", "numpy", "pandas", "safetensors", "torch")

CODE = (  # what `pipeline.serve` imports, and no more: each file is a request to the server
    "__init__.py",
    "basis",
    "errors.py",
    "files.py",
    "flow",
    "interpretation/__init__.py",
    "interpretation/edits.py",
    "interpretation/iin.py",
)


def log_model(client: MlflowClient, run: Run, iin_folder: Path, num_dims: int, step: int) -> None:
    """Log the model of `iin_folder` on `run`, where the run has none; the run names it last, when it is whole.

    Args:
        client: of the store.
        run: as it is now, with its outputs.
        iin_folder: weights.safetensors and card.json.
        num_dims: N, for the example of an input.
        step: the last step of the training.
    """
    if run.outputs is not None and run.outputs.model_outputs:
        return
    run_id = run.info.run_id
    params = {key: value for key, value in run.data.params.items() if key.startswith(("flow.", "sizes."))}
    logged = client.create_logged_model(run.info.experiment_id, NAME, source_run_id=run_id, params=params)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        code = _copy_code(Path(folder) / "pipeline")
        mlflow.pyfunc.save_model(
            path,
            python_model=str(Path(pipeline.__file__).with_name("serve.py")),
            artifacts={"iin": str(iin_folder)},
            code_paths=[str(code)],
            signature=_signature(),
            input_example=(pd.DataFrame({"latent": [[0.0] * num_dims]}), {"operation": "transform", "factor": ""}),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            mlflow_model=Model(run_id=run_id, model_id=logged.model_id, artifact_path=logged.artifact_location),
        )
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=step)])


def _copy_code(to: Path) -> Path:
    package = Path(pipeline.__file__).parent
    for name in CODE:
        source, target = package / name, to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return to


def _signature() -> ModelSignature:
    """Columns of vectors, of which an operation reads one or two and answers with one; see `pipeline.serve`."""
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(Array(DataType.double), name, required=False) for name in ("latent", "code", "donor")
    ]
    answers: list[ColSpec | TensorSpec] = [
        ColSpec(Array(DataType.double), name, required=False) for name in ("latent", "code")
    ]
    params = [ParamSpec("operation", DataType.string, "transform"), ParamSpec("factor", DataType.string, "")]
    return ModelSignature(Schema(columns), Schema(answers), ParamSchema(params))


def iin_folder(model: str) -> Path:
    """The folder of a trained map; that of a run is downloaded.

    Args:
        model: a folder, or the id of a run of the project's store that trained one.

    Raises:
        InputError: there is neither such a folder nor such a run, or the run has no model.
    """
    if Path(model).is_dir():
        return Path(model)
    store = check_server(load_params().study, "LAYER")
    try:
        run = store.client().get_run(model)
        outputs = run.outputs.model_outputs if run.outputs is not None else []
        if not outputs:
            raise InputError(f"--model: run {model} has no model")
        logged = store.client().get_logged_model(outputs[-1].model_id)
        folder = mlflow.artifacts.download_artifacts(
            f"{logged.artifact_location}/artifacts/iin", tracking_uri=store.address
        )
    except MlflowException as error:
        raise InputError(
            f"--model: '{model}' is no folder, and no run at {store.address} ({' '.join(str(error).split())[:120]})"
        ) from None
    return Path(folder)
