"""`python -m pipeline.tracking`, called in this process."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.tracking.__main__ import main
from pipeline.tracking.store import check_server, experiment_link, run_link

from .files import LAYER, curve_lines, free_port, write_iin


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["tracking", *arguments])
    main()


def test_link_and_upload(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    store = check_server("default", LAYER)
    write_iin(project, curve_lines(100))
    end = " (after `make ui`)\n"
    experiment = f"MLflow experiment iin-default: {experiment_link(store)}{end}"
    scores = f"MLflow experiment iin-default: {experiment_link(store, view='scores')}{end}"
    curves = f"MLflow curves of iin-default: {experiment_link(store, view='curves', charts=True)}{end}"
    call(monkeypatch, "link")
    assert capfd.readouterr() == (experiment, "")
    call(monkeypatch, "upload", "--layer", LAYER)
    (run,) = store.client().search_runs([store.experiment_key], "tags.`iin.kind` = 'training'")
    line = f"MLflow run of layer {LAYER}: {run_link(store, run.info.run_id)} (after `make ui`)\n"
    assert capfd.readouterr() == (f"uploaded layer {LAYER} up to stage train\n{line}", "")
    call(monkeypatch, "link")
    assert capfd.readouterr() == (scores + curves + line, "")


def test_nothing_to_upload(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "models" / "layers" / LAYER / "flow.yaml").unlink()
    with pytest.raises(InputError, match=rf"^models/layers/{LAYER}: nothing to upload; run `dvc repro`$"):
        call(monkeypatch, "upload", "--layer", LAYER)


@pytest.mark.usefixtures("project")
def test_unknown_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^--layer: found 'conv5', accepted are latent$"):
        call(monkeypatch, "upload", "--layer", "conv5")


@pytest.mark.usefixtures("project")
@pytest.mark.faults
def test_server_away(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    call(monkeypatch, "link")  # the end of a study that went well
    with pytest.raises(SystemExit, match="1"):
        call(monkeypatch, "upload", "--layer", LAYER)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("warning: ") == err.count("\n") == 2
