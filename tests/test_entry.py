import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import refusal_of

from pipeline.entry import layer_argument, require_results_alone

WAITS = """
import sys
from pathlib import Path
from pipeline.entry import run

def main():
    try:
        Path("started").write_text("")
        while True:
            __import__("signal").pause()
    finally:
        Path("cleaned").write_text("")

run(main)
"""


def _run(main: str) -> subprocess.CompletedProcess[str]:
    script = (
        f"from pipeline.entry import run\nfrom pipeline.errors import InputError\ndef main():\n    {main}\nrun(main)\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for 60 s"
        time.sleep(0.01)


def test_a_wrong_input_is_one_line_and_exit_code_1() -> None:
    done = _run("raise InputError('params.yaml: seed: found -1,\\n  accepted is 0 or more')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: params.yaml: seed: found -1, accepted is 0 or more\n"


def test_a_warning_of_scikit_learn_is_dropped_and_no_other() -> None:
    done = _run(
        "import warnings; from sklearn.metrics import balanced_accuracy_score as score; score([0, 0], [0, 1]); "
        "warnings.warn('ours')"
    )
    assert done.returncode == 0
    assert "UserWarning: ours" in done.stderr
    assert "sklearn" not in done.stderr


def test_a_defect_keeps_its_traceback() -> None:
    done = _run("{}['nothing']")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "KeyError: 'nothing'" in done.stderr


def test_what_ends_well_ends_with_0_and_says_what_it_says() -> None:
    done = _run("print('done')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_libraries_do_not_warn_of_what_a_person_cannot_change() -> None:
    done = _run("import warnings; [warnings.warn('old', kind) for kind in (DeprecationWarning, FutureWarning)]")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130)],
)
def test_a_signal_cleans_up_and_leaves_its_code_and_how_to_go_on(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    stage = subprocess.Popen([sys.executable, "-c", WAITS], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    _until((tmp_path / "started").exists)
    stage.send_signal(number)
    _, errors = stage.communicate(timeout=60)
    line = f"stopped by {number.name}; the same command goes on from what is on disk\n"
    assert (stage.returncode, errors) == (code, line)
    assert (tmp_path / "cleaned").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent ended")
def test_a_stage_ends_with_its_parent(tmp_path: Path) -> None:
    """As when `dvc` is killed: the stage must not go on writing."""
    parent_script = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    parent = subprocess.Popen([sys.executable, "-c", parent_script, WAITS], cwd=tmp_path)
    _until((tmp_path / "started").exists)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(timeout=60)
    _until((tmp_path / "cleaned").exists)


def test_layer_argument(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", "--layer", "latent"])
    assert layer_argument() == "latent"
    monkeypatch.setattr(sys, "argv", ["stage", "--lay", "latent"])
    with pytest.raises(SystemExit):
        layer_argument()
    assert "--layer" in capsys.readouterr().err


def test_a_folder_that_holds_other_things_is_no_place_for_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    results = ("a.parquet", "a.png")
    Path("photos").mkdir()
    Path("file").write_text("")
    for out in ("new", "deep/new", "photos"):
        require_results_alone(Path(out), results)
    Path("photos/a.png").write_text("")
    require_results_alone(Path("photos"), results)
    Path("photos/b.png").write_text("")
    assert refusal_of(require_results_alone, Path("photos"), results) == (
        "--out: photos holds 'b.png', which would be lost; accepted is a new folder, or one with nothing but "
        "a.parquet, a.png"
    )
    assert refusal_of(require_results_alone, Path("file"), results) == "--out: file is a file; accepted is a folder"
    for around in (Path(), Path(".."), tmp_path, Path("/")):
        assert "the working folder or around it" in refusal_of(require_results_alone, around, results)
