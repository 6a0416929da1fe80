"""MLflow: where runs are kept, and how everything that a stage writes gets there without ever making it wait.

All that MLflow shows lies on disk first. `check_server` finds the store at the start of a stage, `RunTracker` follows a
training, and `publish` brings a run level with the files of its layer: it looks what the run lacks and adds that, so
that it can be called at any time, any number of times, by any stage or by `python -m pipeline.tracking upload`.
Besides `pipeline.serve`, no other part of the project imports MLflow.
"""

import os

# MLflow reads some of these when it is first imported, so they come before it. Whoever sets one keeps their value.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a pipeline does not tell anybody that it runs
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # its links open the wrong side; ours are printed once
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # with the defaults one call against a dead server blocks for four minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "30",
}.items():
    os.environ.setdefault(_name, _value)

from pipeline.tracking.publish import Stage, publish  # noqa: E402
from pipeline.tracking.store import Store, check_server, experiment_link, run_link  # noqa: E402
from pipeline.tracking.tracker import RunTracker  # noqa: E402

__all__ = [
    "RunTracker",
    "Stage",
    "Store",
    "check_server",
    "experiment_link",
    "publish",
    "run_link",
]
