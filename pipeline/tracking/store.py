"""The MLflow store: its address, the check at a stage's start, the links that a person opens.

A store is a server (`http://`, `https://`) or a SQLite file; by default `mlflow.db` in the project's folder, with
artifacts under `mlruns/` beside it. Addresses are absolute, as a stage may run in a copy of the project.
"""

import logging
import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.telemetry import set_telemetry_client
from mlflow.version import VERSION

from pipeline.errors import InputError
from pipeline.places import Places
from pipeline.tracking.server import NoAnswerError, ask_server, root_cause, version_of, within

__all__ = [
    "Store",
    "artifact_folder",
    "check_server",
    "experiment_line",
    "experiment_link",
    "find_store",
    "quieten_mlflow",
    "run_line",
    "run_link",
    "shown",
    "upload_command",
]

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a pipeline does not tell anybody that it runs
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # its links open the wrong side; ours are printed once
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # with the defaults one call against a dead server blocks for four minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "30",
}

LOCAL_UI = "http://127.0.0.1:5000"  # where `python -m pipeline.tracking ui` serves a SQLite store
ANSWER_SECONDS = 10.0
PREFIX = "iin-"  # of experiments
VIEWS_SINCE = (3, 15)  # version of MLflow
MODEL_TRAINING = "workflowType=machine_learning"  # the side of the pages

EXPERIMENT_NOTE = (
    "Each run is one trained invertible interpretation network. Add the columns probe/gap and swap/score by the button "
    "Columns to rank them; the description of a run begins with its scores."
)


@dataclass(frozen=True)
class Store:
    """Where runs are kept.

    Attributes:
        address: absolute tracking address, as MLflow takes it.
        experiment: its name, `iin-<study>`.
        experiment_id: its id there; None where the server gave no answer, and then nothing is sent.
        version: of the MLflow that serves it; empty where that is not known.
    """

    address: str
    experiment: str
    experiment_id: str | None
    version: str = ""

    @property
    def reachable(self) -> bool:
        """Whether the server answered when it was checked."""
        return self.experiment_id is not None

    @property
    def experiment_key(self) -> str:
        """The id, for callers that have made sure that the store is reachable."""
        assert self.experiment_id is not None
        return self.experiment_id

    @property
    def study(self) -> str:
        """The study that the experiment is named after."""
        return self.experiment.removeprefix(PREFIX)

    @property
    def keeps_views(self) -> bool:
        """Whether its pages open a saved view by a link."""
        return tuple(int(part) for part in self.version.split(".")[:2]) >= VIEWS_SINCE if self.version else False

    def client(self) -> MlflowClient:
        """A client of this store; none of MLflow's process-wide settings is touched."""
        return MlflowClient(tracking_uri=self.address)


def quieten_mlflow() -> None:
    """Make MLflow quiet and quick to give up, for this process and its children; a variable that is set stays.

    MLflow reads the variables when it is called. Its telemetry alone it prepares when it is imported, which sends
    nothing yet, and here that is undone.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    set_telemetry_client()  # type: ignore[no-untyped-call]
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


def check_server(study: str, layer: str) -> Store:
    """Find the store before anything long starts; one that gives no answer is warned of, and the stage goes on.

    The one warning line on stderr names the command that uploads layer `layer` later, and the store that is returned is
    not `reachable`.

    Raises:
        InputError: as `find_store` does.
    """
    try:
        return find_store(study)
    except NoAnswerError as error:
        address = _address()
        print(
            f"warning: MLflow at {shown(address)} gives no answer ({root_cause(error)}); all is kept on disk; "
            f"upload it later with: {upload_command(layer)}",
            file=sys.stderr,
            flush=True,
        )
        return Store(address, _experiment(study), None)


def find_store(study: str) -> Store:
    """The store that MLFLOW_TRACKING_URI names, with the experiment `iin-<study>` opened in it.

    Raises:
        InputError: the address is of no known kind, the server answers 401 or 403 or is no MLflow server, the SQLite
            file can't be written, or the experiment was deleted.
        NoAnswerError: nothing answers within 10 s.
    """
    quieten_mlflow()
    address, experiment = _address(), _experiment(study)
    if address.startswith("sqlite:"):
        _require_writable(address)
        return Store(address, experiment, _open_in_file(address, experiment), VERSION)
    return within(ANSWER_SECONDS, lambda: _open_on_server(address, experiment))


def upload_command(layer: str) -> str:
    """What a person types to bring the store level with the files of `layer`."""
    return f"python -m pipeline.tracking upload --layer {layer}"


def experiment_link(store: Store, ui: str | None = None, view: str | None = None, *, charts: bool = False) -> str:
    """Address of the experiment's table of runs, on the model-training side of MLflow's pages; in a saved view, if any.

    MLflow opens its other side (GenAI) first and forgets the choice, so the side is part of the address; what MLflow
    adds by itself, such as the order, must not be, or no view is opened. `ui` is where the pages are served when the
    store itself is a file; with an empty one the address holds within the pages.
    """
    mode = "&compareRunsMode=CHART" if charts else ""
    opened = f"&viewStateShareKey={quote(view, safe='')}" if view is not None else ""
    return f"{_ui(store, ui)}#/experiments/{store.experiment_key}/runs?{MODEL_TRAINING}{mode}{opened}"


def run_link(store: Store, run_id: str, ui: str | None = None, artifact: str | None = None) -> str:
    """Address of one run's page, likewise; `artifact`: of one of its files."""
    place = f"/artifacts/{quote(artifact)}" if artifact is not None else ""
    return f"{_ui(store, ui)}#/experiments/{store.experiment_key}/runs/{run_id}{place}?{MODEL_TRAINING}"


def experiment_line(store: Store, ui: str | None = None, view: str | None = None, *, charts: bool = False) -> str:
    """What is printed of the experiment: its link, and what serves it."""
    what = "curves of" if charts else "experiment"
    return f"MLflow {what} {store.experiment}: {experiment_link(store, ui, view, charts=charts)}{_served_by(store, ui)}"


def run_line(store: Store, layer: str, run_id: str, ui: str | None = None) -> str:
    """The same of the run of a layer."""
    return f"MLflow run of layer {layer}: {run_link(store, run_id, ui)}{_served_by(store, ui)}"


def shown(address: str) -> str:
    """The address without a user's name and password, for lines that people read."""
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address  # and a path stays as it is: `urlunsplit` would drop slashes
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def artifact_folder(address: str) -> Path:
    """Where the artifacts of a SQLite store lie: `mlruns` beside its file."""
    return _sqlite_path(address).parent / "mlruns"


def _ui(store: Store, ui: str | None) -> str:
    served = LOCAL_UI if store.address.startswith("sqlite:") else shown(store.address).rstrip("/")
    return "" if ui == "" else f"{ui or served}/"


def _served_by(store: Store, ui: str | None) -> str:
    """What a link of a store that is a file needs, unless its pages are served just now."""
    return " (after `make ui`)" if ui is None and store.address.startswith("sqlite:") else ""


def _address() -> str:
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Places().store}"
    if address.startswith("sqlite:///"):
        return f"sqlite:///{_sqlite_path(address)}"
    if not address.startswith(("http://", "https://")):
        raise InputError(
            f"MLFLOW_TRACKING_URI: found {shown(address)!r}, accepted are http://…, https://… and sqlite:///<file>"
        )
    return address


def _experiment(study: str) -> str:
    return f"{PREFIX}{study}"


def _sqlite_path(address: str) -> Path:
    return Path(address.removeprefix("sqlite:///")).resolve()


def _require_writable(address: str) -> None:
    """Take and release the write lock; SQLite makes the file where there is none."""
    path = _sqlite_path(address)
    try:
        connection = sqlite3.connect(path, timeout=ANSWER_SECONDS)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE write_test (x)")  # a lock alone is also given on a read-only medium
            connection.rollback()
        finally:
            connection.close()
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise NoAnswerError(str(error)) from error
        raise InputError(
            f"MLFLOW_TRACKING_URI {address}: {error}; accepted is a SQLite file in a folder that can be written to"
        ) from None


def _open_in_file(address: str, experiment: str) -> str:
    try:
        if not _sqlite_path(address).stat().st_size:
            _make(address)
        return _open_experiment(address, experiment)
    except InputError:
        raise
    except Exception as error:  # whatever the database layer says of a file that another version or program wrote
        raise InputError(
            f"MLFLOW_TRACKING_URI {address}: {root_cause(error)}; accepted is a store of MLflow"
        ) from error


def _make(address: str) -> None:
    """Make the tables of a new store.

    MLflow would put the artifacts of its own experiment `Default` below the working folder of whoever is the first, and
    a study's is removed when it ends.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # a server is spoken to without it

    SqlAlchemyStore(address, artifact_folder(address).as_uri())  # type: ignore[no-untyped-call]


def _open_on_server(address: str, experiment: str) -> Store:
    ask_server(address, shown(address))
    try:
        return Store(address, experiment, _open_experiment(address, experiment), version_of(address))
    except MlflowException as error:
        if error.error_code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
            raise InputError(f"MLFLOW_TRACKING_URI {shown(address)}: {root_cause(error)}") from error
        raise NoAnswerError(root_cause(error)) from error


def _open_experiment(address: str, name: str) -> str:
    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        # A SQLite store keeps artifacts beside its file; a server knows its own place.
        location = (artifact_folder(address) / name).as_uri() if address.startswith("sqlite:") else None
        try:
            experiment_id = client.create_experiment(name, artifact_location=location)
            client.set_experiment_tag(experiment_id, "mlflow.note.content", EXPERIMENT_NOTE)
            return str(experiment_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return _open_experiment(address, name)  # another layer's stage was quicker
    if experiment.lifecycle_stage != "active":
        raise InputError(
            f"MLflow at {shown(address)}: experiment '{name}' was deleted there; restore it with "
            f"`mlflow experiments restore -x {experiment.experiment_id}`, or take another `study` in params.yaml"
        )
    return str(experiment.experiment_id)
