"""The trained network as an MLflow model: latents to codes, codes to latents, and swaps of one factor.

Each row of the input is one item, each column holds one vector of N numbers a row; so the same form goes through
Python, JSON (`mlflow models serve`) and Spark.

| operation | reads | answers with |
| --- | --- | --- |
| `transform` (default) | `latent` | `code` |
| `inverse` | `code` | `latent` |
| `swap`, with `factor` | `latent` (recipient), `donor` | `latent`: the recipient's with that factor of the donor |

Each answers with `distance`, too: how far the latent that was given to `transform`, or else the one that is answered,
lies from those that T was trained on. Of these 99.9 % are within 1; beyond it factors and edits mean little.

In Python, with the address that MLflow's page of the model shows::

    model = mlflow.pyfunc.load_model("models:/m-...")
    codes = model.predict(pd.DataFrame({"latent": list(z)}))
    again = model.predict(codes, params={"operation": "inverse"})
    pairs = pd.DataFrame({"latent": list(z_recipient), "donor": list(z_donor)})
    edited = model.predict(pairs, params={"operation": "swap", "factor": "digit"})

Over HTTP (`mlflow models serve -m models:/m-... --env-manager local`), POST to `/invocations`::

    {"dataframe_records": [{"latent": [0.1, ...], "donor": [1.3, ...]}],
     "params": {"operation": "swap", "factor": "digit"}}

MLflow runs this file when it loads the model; the weights are safetensors and nothing is unpickled.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from torch import Tensor

from pipeline.errors import InputError
from pipeline.iin.iin import Iin, load_iin
from pipeline.interpretation.edits import swap

__all__ = ["IinModel", "answer"]

OPERATIONS = ("transform", "inverse", "swap")


def answer(iin: Iin, rows: pd.DataFrame, operation: str, factor: str) -> pd.DataFrame:
    """Do one operation on a table of vectors.

    Args:
        iin: the network.
        rows: B rows with the columns that the operation reads, N numbers a cell.
        operation: `transform`, `inverse` or `swap`.
        factor: which factor `swap` takes from the donor; read by no other.

    Returns:
        A column `code` or `latent` of B lists of N floats, and `distance`; the same index.

    Raises:
        InputError: an unknown operation or factor, a missing column, or vectors of another length than N.
    """
    if operation == "transform":
        latents = _vectors(iin, rows, "latent")
        column, vectors = "code", iin.transform(latents)
    elif operation == "inverse":
        latents = iin.inverse(_vectors(iin, rows, "code"))
        column, vectors = "latent", latents
    elif operation == "swap":
        if factor not in iin.layout.names:
            raise InputError(f"factor: found {factor!r}, accepted are {', '.join(iin.layout.names)}")
        recipients, donors = (iin.transform(_vectors(iin, rows, name)) for name in ("latent", "donor"))
        latents = iin.inverse(swap(factor, donors)(recipients, iin.layout))
        column, vectors = "latent", latents
    else:
        raise InputError(f"operation: found {operation!r}, accepted are {', '.join(OPERATIONS)}")
    return pd.DataFrame({column: vectors.tolist(), "distance": iin.distance(latents)}, index=rows.index)


class IinModel(PythonModel):
    """What MLflow loads and calls; `answer` does the work."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the network from the folder that was logged with this file."""
        self.iin = load_iin(Path(context.artifacts["iin"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  MLflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Do the operation named by `params` (`operation`, `factor`); MLflow fills in the signature's defaults."""
        params = params or {}
        try:
            return answer(self.iin, model_input, params.get("operation", "transform"), params.get("factor", ""))
        except InputError as error:
            # Of a wrong request a server passes on only MLflow's own words.
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _vectors(iin: Iin, rows: pd.DataFrame, column: str) -> Tensor:
    """One column as a float32 tensor [B, N]."""
    num_dims = iin.layout.num_dims
    if column not in rows.columns:
        raise InputError(f"column '{column}': not there, found {', '.join(map(str, rows.columns))}")
    lengths = {np.size(vector) for vector in rows[column]}
    if lengths - {num_dims}:
        raise InputError(f"column '{column}': found vectors of {sorted(lengths)} numbers, expected {num_dims}")
    return torch.from_numpy(np.array(rows[column].tolist(), dtype=np.float32).reshape(-1, num_dims))


mlflow.models.set_model(IinModel())
