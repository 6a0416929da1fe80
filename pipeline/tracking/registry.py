"""Models that others load by name: the registered model of a layer, `candidate` and `champion`.

Whoever registers a model makes it the candidate. The champion gives way only to a model of higher `probe/gap`, surely:
both are measured on the same test images, with the same folds and resamples of originals, and the 95 % interval of the
difference must lie above 0. So each version keeps its resamples, as a file of its run.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import mlflow.artifacts
import numpy as np
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pipeline import serve_images
from pipeline.backbone.kinds import load_backbone
from pipeline.basis.curves import METRICS, last_step
from pipeline.basis.draws import draw_seed
from pipeline.basis.weights import CARD
from pipeline.errors import InputError
from pipeline.files import read_json, sha256_file
from pipeline.iin.iin import Iin, load_iin
from pipeline.places import Places
from pipeline.scores.probes import gap_resamples, probe_matrix, probe_scores
from pipeline.scores.statistics.intervals import bootstrap_interval
from pipeline.scores.statistics.score import PROBE_GAP
from pipeline.tables.latents import load_latents
from pipeline.tracking.model import NAME, Packed, pack
from pipeline.tracking.store import Store

__all__ = ["CANDIDATE", "CHAMPION", "Gap", "Registered", "register", "registered_name"]

CANDIDATE, CHAMPION = "candidate", "champion"
WITH_BACKBONE = "iin_with_backbone"
OWN = ("pipeline", "torch")  # packages that are packed, or needed, anyway


@dataclass(frozen=True)
class Gap:
    """`probe/gap` of a map on test images, to be compared with that of another.

    Attributes:
        value: the score.
        resamples: of it, the originals drawn anew by a fixed seed [B].
        test_sha256: of the test images table; equal ones are the same images.
        concepts: over which it is a mean.
    """

    value: float
    resamples: list[float]
    test_sha256: str
    concepts: list[str]

    def lead_over(self, other: "Gap") -> tuple[float, float] | None:
        """95 % interval of the difference to another; None where they are not of the same images and concepts."""
        if (self.test_sha256, sorted(self.concepts)) != (other.test_sha256, sorted(other.concepts)):
            return None
        return bootstrap_interval(np.array(self.resamples) - np.array(other.resamples), self.value - other.value)


@dataclass(frozen=True)
class Registered:
    """A version, and what it is in words; `refused` where the champion was to give way, and stays."""

    name: str
    version: str
    says: str
    refused: bool = False


def registered_name(store: Store, layer: str) -> str:
    """The registered model of a layer: MLflow takes neither / nor : in it."""
    return f"{store.experiment}-{layer}".replace("/", "-").replace(":", "-")


def measured_gap(places: Places, layer: str, iin: Iin) -> Gap:
    """`probe/gap` of a map on the study's test images, with folds and resamples that are the same in every study."""
    latents = load_latents(places.latents(layer), "test", iin.backbone_sha256)
    rows = latents.complete()
    codes = iin.transform(torch.from_numpy(latents.mean[rows])).numpy()
    targets = {name: of_it[rows] for name, of_it in latents.targets().items()}
    matrix = probe_matrix(codes, targets, iin.layout, groups=latents.original[rows], seed=draw_seed(0, "registry/gap"))
    value = float(probe_scores(matrix, iin.layout)[PROBE_GAP].value)
    resamples = [round(float(gap), 6) for gap in gap_resamples(matrix, iin.layout)]
    test_sha256 = sha256_file(places.images / "test.parquet")
    return Gap(value, resamples, test_sha256, list(iin.layout.concepts))


def register(
    store: Store, run: Run, layer: str, *, with_backbone: bool, champion: bool, root: Path = Path()
) -> Registered:
    """Register the model of a run as the candidate; and as the champion, where that is asked for.

    A model has one version: one that was registered before keeps it, and is measured again.

    Args:
        store: of the run.
        run: of the layer's trained map, whose model is there.
        layer: of the study.
        with_backbone: the frozen network comes along, so that the model takes images.
        champion: it is to be the champion. The first version is at once; later ones where they are surely better.
        root: the project's folder.

    Raises:
        InputError: the run has no model, or its map no concept.
    """
    client, places, name = store.client(), Places(root), registered_name(store, layer)
    iin = load_iin(places.iin(layer))
    if not iin.layout.concepts:
        raise InputError(
            f"--layer: found '{layer}', whose map has no concept; accepted are maps with one, as versions are compared "
            f"by {PROBE_GAP}"
        )
    gap = measured_gap(places, layer, iin)
    model_id = _model_of(client, run, places, layer, with_backbone)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    location = client.get_logged_model(model_id).artifact_location
    made = next((one for one in client.search_model_versions(f"name = '{name}'") if one.source == location), None)
    known = "" if made is None else "registered before; "
    if made is None:
        made = client.create_model_version(name, location, run_id=run.info.run_id, model_id=model_id)
    client.set_model_version_tag(name, made.version, PROBE_GAP.replace("/", "."), f"{gap.value:.4f}")
    client.log_text(run.info.run_id, json.dumps(asdict(gap)), _gap_file(made))
    client.set_registered_model_alias(name, CANDIDATE, made.version)
    now = _champion(client, name)
    if now is not None and now.version == made.version:
        return Registered(name, str(made.version), f"{known}the candidate and the champion")
    if not champion:
        return Registered(name, str(made.version), f"{known}the candidate")
    lead = None if now is None else gap.lead_over(_gap_of(store, now))
    if now is None or (lead is not None and lead[0] > 0):
        client.set_registered_model_alias(name, CHAMPION, made.version)
        was = "" if now is None or lead is None else (
            f", in place of version {now.version}: probe/gap is better by {lead[0]:+.3f} to {lead[1]:+.3f}"
        )  # fmt: skip
        return Registered(name, str(made.version), f"{known}the candidate and the champion{was}")
    why = "it was measured on other test images or concepts"
    if lead is not None:
        why = f"the difference of probe/gap, {lead[0]:+.3f} to {lead[1]:+.3f} (95 %), is not surely above 0"
    says = f"{known}the candidate; version {now.version} stays the champion: {why}"
    return Registered(name, str(made.version), says, refused=True)


def _model_of(client: MlflowClient, run: Run, places: Places, layer: str, with_backbone: bool) -> str:
    """The model of a run; with the backbone it is made where there is none yet."""
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    named = {client.get_logged_model(output.model_id).name: str(output.model_id) for output in outputs}
    wanted = WITH_BACKBONE if with_backbone else NAME
    if wanted in named:
        return named[wanted]
    if not with_backbone:
        raise InputError(f"run {run.info.run_id} has no model; send it by `python -m pipeline.tracking upload`")
    folders = {NAME: places.iin(layer), "backbone": places.backbone}
    packed = Packed(WITH_BACKBONE, serve_images, folders, tuple(serve_images.IMAGES), _built_by(places))
    num_dims = load_iin(places.iin(layer)).layout.num_dims
    return pack(client, run, packed, num_dims, last_step(places.iin(layer) / METRICS))


def _built_by(places: Places) -> tuple[str, ...]:
    """The module that the network is built by again, where that is no part of the pipeline."""
    named, colon, _ = str(read_json(places.backbone / CARD).get("network", "")).partition(":")
    if colon:
        return (named,)
    package = type(load_backbone(places.backbone).network).__module__.partition(".")[0]
    return () if package in OWN else (package,)


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _gap_file(version: ModelVersion) -> str:
    """Where the run of a version keeps what was measured of it."""
    return f"registry/{version.name}-{version.version}.json"


def _gap_of(store: Store, version: ModelVersion) -> Gap:
    """What was measured of a version when it was registered."""
    address = f"runs:/{version.run_id}/{_gap_file(version)}"
    return Gap(**read_json(Path(mlflow.artifacts.download_artifacts(address, tracking_uri=store.address))))
