"""The model of `pipeline.serve` with its frozen network: images may stand in place of latents.

| column | what it holds |
| --- | --- |
| `image` | an image file's content (of JSON: in base64), whose latent is taken where there is no column `latent` |
| `donor_image` | likewise, in place of `donor` |

What answers with `latent` answers also with `output`: what the network makes of it, a PNG's content where it draws (of
JSON: in base64), else its logits or values. Where `image` is needed for that, and not there, it is left out::

    model = mlflow.pyfunc.load_model("models:/iin-default-latent@candidate")
    seven, three = Path("seven.png").read_bytes(), Path("three.png").read_bytes()
    rows = pd.DataFrame({"image": [three], "donor_image": [seven]})
    (png,) = model.predict(rows, params={"operation": "swap", "factor": "digit"})["output"]

Over HTTP (`mlflow models serve`), POST to `/invocations`::

    {"dataframe_records": [{"image": "iVBORw0KGgo..."}],
     "params": {"operation": "set", "factor": "digit", "value": "7"}}
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.pyfunc.model import PythonModelContext
from numpy.typing import NDArray
from PIL import Image

from pipeline.apply.application import decoded
from pipeline.backbone.kinds import load_backbone
from pipeline.interpretation.interpretation import Interpretation
from pipeline.serve import IinModel, answer
from pipeline.tables.images import to_pixels

__all__ = ["ImageModel", "answer_images"]

IMAGES = {"image": "latent", "donor_image": "donor"}


def answer_images(interpretation: Interpretation, rows: pd.DataFrame, params: Mapping[str, Any]) -> pd.DataFrame:
    """Do one operation on a table of images or vectors.

    Args:
        interpretation: the network and its map.
        rows: B rows with the columns that the operation reads, or images in their place.
        params: as `pipeline.serve.PARAMS`.

    Returns:
        As `pipeline.serve.answer`, and `output` beside `latent`.

    Raises:
        InputError: as there, or an image can't be read, or is of another size than those that the map was trained on.
    """
    given, seen = rows.copy(), {}
    for column, vectors in IMAGES.items():
        if column in rows.columns:
            files = [(content, f"column '{column}', row {number}") for number, content in enumerate(rows[column])]
            seen[column] = decoded(files, interpretation.iin)
            if vectors not in rows.columns:
                given[vectors] = interpretation.latents(seen[column]).tolist()
    found = answer(interpretation.iin, given, params)
    if "latent" in found.columns and ((images := seen.get("image")) is not None or not _needs_images(interpretation)):
        found["output"] = _outputs(interpretation, found, images)
    return found


class ImageModel(IinModel):
    """What MLflow loads and calls; `answer_images` does the work."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the map and its network from the folders that were logged with this file."""
        super().load_context(context)
        self.interpretation = Interpretation.join(self.iin, load_backbone(Path(context.artifacts["backbone"])))

    def answer(self, rows: pd.DataFrame, params: Mapping[str, Any]) -> pd.DataFrame:
        """As the function `answer_images`."""
        return answer_images(self.interpretation, rows, params)


def _needs_images(interpretation: Interpretation) -> bool:
    """Whether what the network makes of a latent is also the image's that it stands for."""
    try:
        interpretation.cut.rest(None)
    except ValueError:
        return True
    return False


def _outputs(
    interpretation: Interpretation, found: pd.DataFrame, images: NDArray[np.uint8] | None
) -> list[bytes] | list[list[float]]:
    latents = torch.tensor(found["latent"].tolist(), dtype=torch.float32)
    outputs = interpretation.outputs_of_latents(latents, images)
    if not interpretation.backbone.draws_images:
        values: list[list[float]] = outputs.tolist()
        return values
    files = []
    for pixels in to_pixels(outputs):
        content = BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        files.append(content.getvalue())
    return files


mlflow.models.set_model(ImageModel())
