"""A trained map by the name that a person has of it: its folder, or the id of its MLflow run."""

from pathlib import Path

import mlflow.artifacts
from mlflow.exceptions import MlflowException

from pipeline.config import load_params
from pipeline.errors import InputError
from pipeline.tracking.store import check_server

__all__ = ["iin_folder"]


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
