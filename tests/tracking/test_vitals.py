"""The rates of a training and the memory of its node reach its run, each once, in pairs a second."""

import json
from pathlib import Path

import pytest

from pipeline.tracking.runs import RATE, create_run, send_vitals
from pipeline.tracking.store import check_server

from .files import LAYER

CPU = "system/cpu_utilization_percentage"
FIRST = [
    {"step": 20, "time": 100.5, CPU: 50.0},  # of the first entry no rate is known
    {"step": 40, "time": 102.5, "steps_per_second": 10.00004, CPU: 75.0},
]
LATER = [{"step": 60, "time": 104.5, "steps_per_second": 8.0, CPU: 80.0}]


@pytest.mark.usefixtures("project")
def test_vitals_are_sent_once_and_what_is_new_after_it(tmp_path: Path) -> None:
    store, times = check_server("default", LAYER), tmp_path / "times.jsonl"
    client, run_id = store.client(), create_run(check_server("default", LAYER), "one", {}, {})
    assert send_vitals(client, run_id, times, 256, None) == -1, "there is no file yet"
    times.write_text("".join(json.dumps(entry) + "\n" for entry in FIRST) + '{"step": 60, "ti')  # being written
    assert send_vitals(client, run_id, times, 256, None) == 40
    assert send_vitals(client, run_id, times, 256, 40) == 40
    assert send_vitals(client, run_id, times, 256, None) == 40, "the server knows what it holds"
    times.write_text("".join(json.dumps(entry) + "\n" for entry in FIRST + LATER))
    assert send_vitals(client, run_id, times, 256, None) == 60
    rates = sorted(client.get_metric_history(run_id, RATE), key=lambda point: point.step)
    assert [(point.step, point.value, point.timestamp) for point in rates] == [(40, 2560, 102500), (60, 2048, 104500)]
    assert [point.value for point in client.get_metric_history(run_id, CPU)] == [75.0, 80.0]
    assert "steps_per_second" not in client.get_run(run_id).data.metrics
