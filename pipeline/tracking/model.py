"""The trained IIN as an MLflow model: code and safetensors, no pickle, with a signature and pinned requirements.

`pipeline.serve` is what the model does; here it is packed with the weights and with what it imports, so that it loads
where the project is not installed, and fetched by the id of its run.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import mlflow.artifacts
import mlflow.pyfunc
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array

from pipeline import serve
from pipeline.errors import InputError, one_line
from pipeline.iin.iin import SEEDS
from pipeline.params import load_params
from pipeline.tracking.packing import copy_files, needs_of
from pipeline.tracking.server import NoAnswerError, root_cause
from pipeline.tracking.store import find_store, shown

__all__ = ["NAME", "Packed", "experiment_of", "iin_folder", "log_model", "pack"]

NAME = "iin"
VECTORS = ("latent", "code", "donor")  # columns of the input


@dataclass(frozen=True)
class Packed:
    """What goes into a model.

    Attributes:
        name: of the model.
        module: that MLflow runs when it loads the model.
        folders: that the module reads, by name.
        images: columns that hold the content of an image file.
        built_by: modules that it imports by their names when it runs, such as a person's own.
    """

    name: str
    module: ModuleType
    folders: Mapping[str, Path]
    images: tuple[str, ...] = ()
    built_by: tuple[str, ...] = ()


def log_model(client: MlflowClient, run: Run, folder: Path, num_dims: int, step: int) -> None:
    """Log a trained map as the model of its run, where the run has none; the run names it last, when it is whole.

    Args:
        client: of the store.
        run: as it is now, with its outputs.
        folder: of the map.
        num_dims: N, for the example of an input.
        step: the last step of the training.
    """
    if run.outputs is None or not run.outputs.model_outputs:
        pack(client, run, Packed(NAME, serve, {NAME: folder}), num_dims, step)


def pack(client: MlflowClient, run: Run, packed: Packed, num_dims: int, step: int) -> str:
    """Log a model of a run; its id. Arguments are those of `log_model`."""
    run_id = run.info.run_id
    params = {key: value for key, value in run.data.params.items() if key.startswith(("flow.", "sizes."))}
    logged = client.create_logged_model(run.info.experiment_id, packed.name, source_run_id=run_id, params=params)
    needs = needs_of(packed.module, *packed.built_by)  # each of its files is a request to the server
    with tempfile.TemporaryDirectory() as beside:
        path, copies, code = (Path(beside) / name for name in ("model", "artifacts", "code"))
        copy_files(needs, code)
        for name, folder in packed.folders.items():
            shutil.copytree(folder, copies / name, ignore=shutil.ignore_patterns(SEEDS))
        mlflow.pyfunc.save_model(
            path,
            python_model=packed.module.__file__,  # which MLflow runs, here and when it loads the model
            artifacts={name: str(copies / name) for name in packed.folders},
            code_paths=[str(part) for part in sorted(code.iterdir())],
            signature=_signature(packed.images),
            input_example=(pd.DataFrame({"latent": [[0.0] * num_dims]}), serve.PARAMS),
            pip_requirements=list(needs.requirements),
            mlflow_model=Model(run_id=run_id, model_id=logged.model_id, artifact_path=logged.artifact_location),
        )
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=step)])
    return str(logged.model_id)


def iin_folder(model: str) -> Path:
    """The folder of a trained map; that of a run is downloaded.

    Args:
        model: a folder, or the id of a run of the project's store that trained one.

    Raises:
        InputError: there is neither such a folder nor such a run, or the run has no model.
    """
    if Path(model).is_dir():
        return Path(model)
    try:
        store = find_store(load_params().study)
    except NoAnswerError as error:
        raise InputError(f"--model: '{model}' is no folder, and MLflow gives no answer ({root_cause(error)})") from None
    try:
        run = store.client().get_run(model)
        outputs = run.outputs.model_outputs if run.outputs is not None else []
        if not outputs:
            raise InputError(f"--model: run {model} has no model")
        logged = store.client().get_logged_model(outputs[-1].model_id)
        address = f"{logged.artifact_location}/artifacts/{NAME}"
        return Path(mlflow.artifacts.download_artifacts(address, tracking_uri=store.address))
    except MlflowException as error:
        raise InputError(
            f"--model: '{model}' is no folder, and no run at {shown(store.address)} ({one_line(error, 120)})"
        ) from None


def experiment_of(model: str) -> str | None:
    """The experiment of DVC, such as a study, that a run is of; None: it is of none, or `model` is a folder."""
    if Path(model).is_dir():
        return None
    name: str | None = find_store(load_params().study).client().get_run(model).data.tags.get("dvc.experiment")
    return name


def _signature(images: tuple[str, ...]) -> ModelSignature:
    """Columns of vectors and of images, of which an operation reads one or two; see `pipeline.serve`."""
    columns: list[ColSpec | TensorSpec] = [
        *(ColSpec(Array(DataType.double), name, required=False) for name in VECTORS),
        *(ColSpec(DataType.binary, name, required=False) for name in images),
    ]
    answers: list[ColSpec | TensorSpec] = [
        *(ColSpec(Array(DataType.double), name, required=False) for name in ("latent", "code")),
        ColSpec(DataType.double, "distance"),
    ]
    kinds = {str: DataType.string, int: DataType.long, float: DataType.double}
    params = [ParamSpec(name, kinds[type(value)], value) for name, value in serve.PARAMS.items()]
    return ModelSignature(Schema(columns), Schema(answers), ParamSchema(params))
