"""The trained network as an MLflow model: latents to codes, codes to latents, and edits of one factor.

Each row of the input is one item, each column holds one vector of N numbers a row; so the same form goes through
Python, JSON (`mlflow models serve`) and Spark.

| operation | reads | params beside `operation` | answers with |
| --- | --- | --- | --- |
| `transform` (default) | `latent` | | `code` |
| `inverse` | `code` | | `latent` |
| `swap` | `latent` (recipient), `donor` | `factor` | `latent`: the recipient's with that factor of the donor |
| `edit` | `latent` | `factor`, `number`, `amount` | `latent`: `amount` added to that number of the factor, from 0 |
| `set` | `latent` | `factor`, `value` | `latent`: that concept set to a value, `7`, `red`, or `0.9,0.1,0` |
| `sample` | `latent` | `factor`, `seed` | `latent`: that factor drawn from N(0, 1) |

Each answers with `distance`, too: how far the latent that was given to `transform`, or else the one that is answered,
lies from those that T was trained on. Of these 99.9 % are within 1; beyond it factors and edits mean little. Where the
network comes along, images may stand in place of latents: `pipeline.serve_images`.

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

from collections.abc import Mapping
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
from pipeline.interpretation.edits import Edit, move, sample, swap
from pipeline.interpretation.setting import set_to

__all__ = ["PARAMS", "IinModel", "answer"]

OPERATIONS = ("transform", "inverse", "swap", "edit", "set", "sample")
PARAMS: dict[str, str | int | float] = {
    "operation": "transform",
    "factor": "",
    "number": 0,
    "amount": 0.0,
    "value": "",
    "seed": 0,
}
"""What `params` may hold, and what is taken where it does not; an operation reads those of its line above."""


def answer(iin: Iin, rows: pd.DataFrame, params: Mapping[str, Any]) -> pd.DataFrame:
    """Do one operation on a table of vectors.

    Args:
        iin: the network.
        rows: B rows with the columns that the operation reads, N numbers a cell.
        params: as `PARAMS`.

    Returns:
        A column `code` or `latent` of B lists of N floats, and `distance`; the same index.

    Raises:
        InputError: an unknown operation, factor, number or value, a missing column, or vectors of another length than
            N or that are not finite; the line lists what there is.
    """
    asked = PARAMS | dict(params)
    operation = asked["operation"]
    if operation not in OPERATIONS:
        raise InputError(f"operation: found {operation!r}, accepted are {', '.join(OPERATIONS)}")
    if operation == "transform":
        latents = _vectors(iin, rows, "latent")
        column, vectors = "code", iin.transform(latents)
    else:
        if operation == "inverse":
            codes = _vectors(iin, rows, "code")
        else:
            edit = _edit(iin, rows, asked)
            codes = edit(iin.transform(_vectors(iin, rows, "latent")), iin.layout)
        latents = iin.inverse(codes)
        column, vectors = "latent", latents
    return pd.DataFrame({column: vectors.tolist(), "distance": iin.distance(latents)}, index=rows.index)


class IinModel(PythonModel):
    """What MLflow loads and calls; `answer` does the work."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the network from the folder that was logged with this file."""
        self.iin = load_iin(Path(context.artifacts["iin"]))

    def answer(self, rows: pd.DataFrame, params: Mapping[str, Any]) -> pd.DataFrame:
        """As the function `answer`."""
        return answer(self.iin, rows, params)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002  MLflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Do the operation named by `params`; MLflow fills in the signature's defaults."""
        try:
            return self.answer(model_input, params or {})
        except InputError as error:
            # Of a wrong request a server passes on only MLflow's own words.
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _edit(iin: Iin, rows: pd.DataFrame, asked: Mapping[str, Any]) -> Edit:
    """The edit that `params` ask for."""
    factor = asked["factor"]
    if asked["operation"] == "set":
        return set_to(iin.values, factor, asked["value"])
    if factor not in iin.layout.names:
        raise InputError(f"factor: found {factor!r}, accepted are {', '.join(iin.layout.names)}")
    if asked["operation"] == "swap":
        return swap(factor, iin.transform(_vectors(iin, rows, "donor")))
    if asked["operation"] == "sample":
        return sample(factor, int(asked["seed"]))
    size, number = iin.layout.sizes[iin.layout.index(factor)], int(asked["number"])
    if not 0 <= number < size:
        raise InputError(f"number: found {number}, accepted are 0 to {size - 1} of {factor}")
    return move(factor, torch.eye(size)[number], float(asked["amount"]))


def _vectors(iin: Iin, rows: pd.DataFrame, column: str) -> Tensor:
    """One column as a float32 tensor [B, N]."""
    num_dims = iin.layout.num_dims
    if column not in rows.columns:
        raise InputError(f"column '{column}': not there, found {', '.join(map(str, rows.columns))}")
    lengths = {np.size(vector) for vector in rows[column]}
    if lengths - {num_dims}:
        raise InputError(f"column '{column}': found vectors of {sorted(lengths)} numbers, expected {num_dims}")
    vectors = np.array(rows[column].tolist(), dtype=np.float32).reshape(-1, num_dims)
    if (broken := ~np.isfinite(vectors).all(axis=1)).any():
        raise InputError(f"column '{column}', row {broken.argmax()}: found a number that is not finite")
    return torch.from_numpy(vectors)


mlflow.models.set_model(IinModel())
