"""The server of infra/mlflow/compose.yaml, its commands and variables as they stand there, on a real Postgres and S3.

No Docker is asked: Debian's Postgres stands for one image, moto's server for another, and addresses alone differ.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import mlflow.artifacts
import psycopg2
import pytest
from imports import ROOT
from mlflow import MlflowClient
from ruamel.yaml import YAML
from servers import running, s3_server
from tracking.files import CARD, LAYER, curve_lines, free_port, write_iin

from infra.kuberay.validate import locked_version
from pipeline.errors import InputError
from pipeline.places import Places
from pipeline.tracking.store import find_store
from pipeline.tracking.tracker import RunTracker

FOLDER = ROOT / "infra/mlflow"
SERVICES: dict[str, Any] = YAML(typ="safe", pure=True).load((FOLDER / "compose.yaml").read_text())["services"]
BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql"))  # of the latest version
SECRETS = {
    "POSTGRES_PASSWORD": "of postgres",
    "STORAGE_PASSWORD": "of the storage",
    "MLFLOW_ADMIN_USERNAME": "ada",
    "MLFLOW_ADMIN_PASSWORD": "a long password",
    "MLFLOW_SECRET_KEY": "signs forms",
    "MLFLOW_ALLOWED_HOSTS": "127.0.0.1:*",
}
PATIENCE = 180.0

needs_postgres = pytest.mark.skipif(not (BIN / "initdb").exists(), reason="Debian package: postgresql")


def filled(text: str, values: dict[str, str]) -> str:
    """A text of the compose file with its `${NAME:?reason}` filled in."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda match: values[match[1]], text)


def environment(service: str, **elsewhere: str) -> dict[str, str]:
    """Variables of a service, those that name another host replaced; of this process only what starts a Python."""
    stated = {name: filled(value, SECRETS) for name, value in SERVICES[service]["environment"].items()}
    assert set(elsewhere) <= set(stated)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": tempfile.gettempdir()} | stated | elsewhere


def test_no_secret_has_a_default_and_each_stands_in_the_example() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    names = set(re.findall(r"\$\{(\w+):\?set it in \.env\}", text))
    assert len(re.findall(r"\$\{?\w", text)) == len(re.findall(r"\$\{\w+:\?set it in \.env\}", text))
    lines = [line for line in (FOLDER / ".env.example").read_text().splitlines() if not line.startswith("#")]
    assert lines == [f"{line.split('=')[0]}=" for line in lines]  # nothing is set
    assert {line.removesuffix("=") for line in lines} == names == set(SECRETS)
    ignored = subprocess.run(["git", "check-ignore", "infra/mlflow/.env"], cwd=ROOT, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_images_are_pinned_and_mlflow_is_that_of_the_lock() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert all(re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", image) for image in images.values()), images
    assert images["postgres"].startswith("postgres:15.")
    assert images["mlflow"] == images["bucket"] == f"iin-mlflow:{locked_version('mlflow')}"


def test_only_the_server_is_reached_and_each_waits_for_what_it_needs() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["mlflow"]
    assert all("healthcheck" in service for name, service in SERVICES.items() if name != "bucket")
    assert SERVICES["mlflow"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "bucket": {"condition": "service_completed_successfully"},
    }
    assert SERVICES["bucket"]["depends_on"] == {"storage": {"condition": "service_healthy"}}


@dataclass(frozen=True)
class Server:
    """A running server, and what stands behind it."""

    address: str
    s3: Any
    postgres: dict[str, str]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Postgres, an S3 store and MLflow, each ended after the module."""
    with ExitStack() as stack:
        pg_port, port = (str(free_port()) for _ in range(2))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        stack.enter_context(postgres(folder, pg_port))
        endpoint = stack.enter_context(s3_server(folder / "moto.log"))
        bucket = environment("bucket", MLFLOW_S3_ENDPOINT_URL=endpoint)
        for _ in range(2):  # a second start finds it
            subprocess.run(SERVICES["bucket"]["command"], env=bucket, check=True)
        variables = environment(
            "mlflow",
            MLFLOW_S3_ENDPOINT_URL=endpoint,
            MLFLOW_HOST="127.0.0.1",
            MLFLOW_PORT=port,
            MLFLOW_WORKERS="1",
            MLFLOW_AUTH_CONFIG_PATH=str(FOLDER / "basic_auth.ini"),
            PGHOST="127.0.0.1",
            PGPORT=pg_port,
        )
        check = SERVICES["mlflow"]["healthcheck"]["test"][1:]

        def healthy() -> bool:
            return subprocess.run(check, env=variables, capture_output=True, check=False).returncode == 0

        stack.enter_context(running(SERVICES["mlflow"]["command"], variables, healthy, folder / "mlflow.log"))
        keys = {"aws_access_key_id": "mlflow", "aws_secret_access_key": SECRETS["STORAGE_PASSWORD"]}
        s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        yield Server(f"http://127.0.0.1:{port}", s3, {key: variables[name] for key, name in names.items()})


@pytest.fixture
def signed_in(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """What a user sets, as docs/cluster.md says."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", SECRETS["MLFLOW_ADMIN_USERNAME"])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRETS["MLFLOW_ADMIN_PASSWORD"])
    return server


@pytest.mark.system
@needs_postgres
def test_a_training_logs_to_it_and_is_read_back(
    signed_in: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Places(tmp_path).params.write_text("study: default\n")
    store, steps = find_store("default"), range(100, 700, 100)
    metrics = tmp_path / "metrics.jsonl"
    with RunTracker(store, LAYER, CARD, metrics, tmp_path):
        metrics.write_text(curve_lines(*steps))
        write_iin(tmp_path, metrics.read_text())
    client = MlflowClient(tracking_uri=signed_in.address)
    (run,) = client.search_runs([store.experiment_key])
    assert run.info.status == "FINISHED"
    points = client.get_metric_history(run.info.run_id, "train/pair_nats")
    assert sorted((point.step, point.value) for point in points) == [(step, 200 - step / 10) for step in steps]
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")  # by the server, so that a node needs no key of S3
    (logged,) = client.search_logged_models([store.experiment_key])
    fetched = mlflow.artifacts.download_artifacts(
        f"{logged.artifact_location}/artifacts/iin", tracking_uri=signed_in.address
    )
    written = {file.name: file.read_bytes() for file in Places(tmp_path).iin(LAYER).iterdir()}
    assert {file.name: file.read_bytes() for file in Path(fetched).iterdir()} == written
    stored = signed_in.s3.list_objects_v2(Bucket="mlflow")["Contents"]
    sizes = {Path(item["Key"]).name: item["Size"] for item in stored if "/artifacts/iin/" in item["Key"]}
    assert sizes == {name: len(content) for name, content in written.items()}
    with psycopg2.connect(**signed_in.postgres) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM metrics WHERE key = 'train/pair_nats'")
        assert cursor.fetchone() == (len(steps),)
        cursor.execute("SELECT username FROM users")
        assert cursor.fetchall() == [(SECRETS["MLFLOW_ADMIN_USERNAME"],)]


@pytest.mark.system
@needs_postgres
@pytest.mark.usefixtures("signed_in")
def test_a_wrong_password_or_none_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "another password")
    with pytest.raises(InputError, match=r"answered 401 .* MLFLOW_TRACKING_PASSWORD"):
        find_store("default")
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    with pytest.raises(InputError, match="answered 401"):
        find_store("default")


@pytest.mark.system
@needs_postgres
def test_another_name_of_the_host_is_refused(signed_in: Server) -> None:
    user = f"{SECRETS['MLFLOW_ADMIN_USERNAME']}:{SECRETS['MLFLOW_ADMIN_PASSWORD']}"
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
    search = f"{signed_in.address}/api/2.0/mlflow/experiments/search?max_results=1"
    with urllib.request.urlopen(urllib.request.Request(search, headers=headers), timeout=20) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(search, headers=headers | {"Host": "evil.example"}), timeout=20)
    assert refused.value.code == 403


@contextmanager
def postgres(folder: Path, port: str) -> Iterator[None]:
    """Debian's Postgres on 127.0.0.1 with the user, database and password of the compose file; never as root."""
    user = "postgres" if os.getuid() == 0 else None
    data, password = folder / "data", folder / "password"
    password.write_text(environment("postgres")["POSTGRES_PASSWORD"])
    folder.chmod(0o755)
    data.mkdir()
    if user is not None:
        for path in (data, password):
            shutil.chown(path, user)
    name = environment("postgres")["POSTGRES_USER"]
    initdb = [BIN / "initdb", "-D", data, "-U", name, "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"]
    subprocess.run(initdb, user=user, check=True, capture_output=True)
    ready = [BIN / "pg_isready", "--host=127.0.0.1", f"--port={port}", *SERVICES["postgres"]["healthcheck"]["test"][2:]]
    command = [BIN / "postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", data, "-F"]

    def answering() -> bool:
        return subprocess.run(ready, capture_output=True, check=False).returncode == 0

    with running(command, os.environ.copy(), answering, folder / "postgres.log", user, signal.SIGINT):
        login = os.environ | {"PGPASSWORD": SECRETS["POSTGRES_PASSWORD"]}
        create = [BIN / "createdb", "-h", "127.0.0.1", "-p", port, "-U", name, environment("postgres")["POSTGRES_DB"]]
        subprocess.run(create, env=login, check=True)
        yield
