"""Swap grids of several runs, one below another: MLflow compares pictures of one key, not files of one name."""

import re
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from pipeline.files import sha256_file
from pipeline.tracking.runs import HIDDEN

__all__ = ["log_pictures", "pictures_of"]

PICTURE = f"{HIDDEN}picture."  # a tag a key: the checksum of what the run shows under it


def log_pictures(client: MlflowClient, run: Run, figures: Path) -> None:
    """Log the swap grids of a folder, each under the name of its file, where the run does not show them yet."""
    for path in sorted(figures.glob("swap_*.png")):
        key, checksum = _key(path.stem), sha256_file(path)
        if run.data.tags.get(PICTURE + key) == checksum:
            continue
        with Image.open(path) as picture:
            client.log_image(run.info.run_id, picture.convert("RGB"), key=key, step=0, synchronous=True)
        client.set_tag(run.info.run_id, PICTURE + key, checksum)


def pictures_of(tags: Mapping[str, str]) -> list[str]:
    """The keys under which a run of these tags shows pictures."""
    return sorted(tag.removeprefix(PICTURE) for tag in tags if tag.startswith(PICTURE))


def _key(name: str) -> str:
    """A name in the characters that MLflow takes; other letters by their number, so that no two names become one."""
    return re.sub(r"[^A-Za-z0-9_\-. ]", "_", name.encode("ascii", "xmlcharrefreplace").decode())
