"""`python -m pipeline.explore` on a small study: it serves this machine alone, and speaks to nobody else."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from refusals import refusal_of
from small_layer import write_layer
from tracking.files import free_port

from pipeline.explore.__main__ import main
from pipeline.places import Places

HEARD = """
import runpy, sys
def heard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("heard", event, arguments, file=sys.stderr, flush=True)
sys.addaudithook(heard)
sys.argv[0] = "explore"
runpy.run_module("pipeline.explore", run_name="__main__")
"""


@pytest.fixture
def study(tmp_path: Path, small_images: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stages leave of a layer, as far as the explorer reads it; the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("study: small\n")
    write_layer(Places(), small_images)
    return tmp_path


@pytest.mark.usefixtures("importable")
def test_it_serves_this_machine_alone_and_speaks_to_nobody(study: Path) -> None:
    port = free_port()
    with (study / "err").open("w") as err:
        server = subprocess.Popen(
            [sys.executable, "-c", HEARD, "--port", str(port)], stdout=subprocess.PIPE, stderr=err, text=True,
            env=os.environ | {"GRADIO_SHARE": "True", "GRADIO_SERVER_NAME": "0.0.0.0"},
        )  # fmt: skip
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        assert line == f"explorer of layer latent: http://127.0.0.1:{port}/ (Ctrl-C ends it)\n", (
            study / "err"
        ).read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30) as page:
            assert b"What do the 6 numbers hold?" in page.read()
        bound = [each.laddr for each in psutil.Process(server.pid).net_connections() if each.status == "LISTEN"]
        assert [(address.ip, address.port) for address in bound] == [("127.0.0.1", port)]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    said = (study / "err").read_text()
    heard = [line for line in said.splitlines() if line.startswith("heard ")]
    assert heard, "the hook hears at least how Gradio looks whether its own page is up"
    assert [line for line in heard if "127.0.0.1" not in line and "localhost" not in line] == []
    assert server.returncode == 130
    assert "Traceback" not in said


@pytest.mark.usefixtures("study")
def test_what_is_wrong_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["explore", "--layer", "conv5"])
    assert refusal_of(main) == "--layer: found 'conv5', accepted are latent"
    monkeypatch.setattr(sys, "argv", ["explore", "--host", "203.0.113.7", "--port", str(free_port())])
    assert refusal_of(main).startswith("--host 203.0.113.7 --port ")
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "pipeline.explore.page")
    assert refusal_of(main) == "gradio: not installed; the explorer needs it: pip install gradio"
