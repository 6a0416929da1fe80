"""MLflow from the command line: `python -m pipeline.tracking ui | link | upload | register`.

ui      serve the pages of the store, and print the links; Ctrl-C ends it
link    print the link of the experiment, and of the run of each layer
upload --layer LAYER
        send what the store lacks of a layer: for runs that went on while the server was away
register --layer LAYER
        register the model of a layer under a name, with the alias `candidate`; with --champion also as the champion,
        where it is surely better than the one that is; with --with-backbone it takes images, too
"""

import argparse
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil

from pipeline.entry import die_with_parent, run
from pipeline.errors import InputError
from pipeline.iin.iin import load_iin
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.tracking.publish import SEND_ERRORS, bring_level, last_whole_stage
from pipeline.tracking.runs import find_run
from pipeline.tracking.server import root_cause
from pipeline.tracking.store import Store, artifact_folder, check_server, run_line, shown
from pipeline.tracking.views import experiment_lines

START_SECONDS = 120.0  # two busy cores take 30 s
STOP_SECONDS = 10.0


def main() -> None:
    """Read the command line and do what it says, in the project's folder."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.tracking", description="the MLflow store of this study")
    commands = parser.add_subparsers(dest="command", required=True)
    ui = commands.add_parser("ui", help="serve MLflow's pages and print the links")
    ui.add_argument("--port", type=int, default=5000)
    commands.add_parser("link", help="print the links of the experiment and its runs")
    upload = commands.add_parser("upload", help="send what the store lacks of a layer")
    upload.add_argument("--layer", required=True)
    registering = commands.add_parser("register", help="register the model of a layer as the candidate")
    registering.add_argument("--layer", required=True)
    registering.add_argument("--with-backbone", action="store_true", help="pack the network, too: it takes images then")
    registering.add_argument("--champion", action="store_true", help="make it the champion, if it is surely better")
    arguments = parser.parse_args()
    params = load_params()
    if arguments.command == "register":
        _register(check_server(params.study, arguments.layer), arguments, params.layers)
        return
    if arguments.command == "upload":
        _upload(check_server(params.study, arguments.layer), arguments.layer, params.layers)
        return
    store = check_server(params.study, params.layers[0])
    if not store.reachable:
        return  # said by `check_server`; a study ends well without its links
    if arguments.command == "ui" and store.address.startswith("sqlite:"):
        _serve(store, params.layers, arguments.port)
    else:
        _print_links(store, params.layers, None)


def _upload(store: Store, layer: str, layers: tuple[str, ...]) -> None:
    if layer not in layers:
        raise InputError(f"--layer: found {layer!r}, accepted are {', '.join(layers)}")
    if not store.reachable:
        sys.exit(1)
    stage = last_whole_stage(layer)
    if stage is None:
        raise InputError(f"{Places().models.layer(layer)}: nothing to upload; run `dvc repro`")
    try:
        run_id = bring_level(store, layer, stage)
    except SEND_ERRORS as error:
        raise InputError(f"MLflow at {shown(store.address)}: {root_cause(error)}; nothing on disk changed") from error
    print(f"uploaded layer {layer} up to stage {stage}")
    if run_id is not None:
        print(run_line(store, layer, run_id))


def _register(store: Store, arguments: argparse.Namespace, layers: tuple[str, ...]) -> None:
    from pipeline.tracking.registry import register  # with all that the network needs

    layer = arguments.layer
    _upload(store, layer, layers)  # the run has its model then
    run = find_run(store, load_iin(Places().iin(layer)).sha256, None)
    assert run is not None
    try:
        made = register(store, run, layer, with_backbone=arguments.with_backbone, champion=arguments.champion)
    except SEND_ERRORS as error:
        raise InputError(f"MLflow at {shown(store.address)}: {root_cause(error)}") from error
    said = f"{made.name}, version {made.version}: {made.says}"
    if made.refused:
        raise InputError(said)
    print(said)


def _print_links(store: Store, layers: tuple[str, ...], ui: str | None) -> None:
    print("\n".join(experiment_lines(store, ui)), flush=True)
    for layer in layers:
        folder = Places().iin(layer)
        run_of_layer = find_run(store, load_iin(folder).sha256, None) if folder.exists() else None
        if run_of_layer is not None:
            print(run_line(store, layer, run_of_layer.info.run_id, ui), flush=True)


def _serve(store: Store, layers: tuple[str, ...], port: int) -> None:
    """Start MLflow's server on a SQLite store, print the links when it answers, and stay until it ends."""
    host = f"http://127.0.0.1:{port}"
    if _answers(host):
        raise InputError(f"--port: {port} is taken (do the pages run already?); accepted is a free port")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.address, "--workers", "1"]
    command += ["--artifacts-destination", artifact_folder(store.address).as_uri()]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # Jobs belong to MLflow's GenAI side, and their runner takes eight more processes.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | os.environ
    server = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(host):
            if server.poll() is not None or time.monotonic() > deadline:
                raise InputError(f"--port: MLflow's server did not start on {port}; its words are above")
            time.sleep(0.2)
        _print_links(store, layers, host)
        sys.exit(server.wait())
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server; one that still waits for a client after 10 s is killed with its workers."""
    processes = [server, *psutil.Process(server.pid).children(recursive=True)] if server.poll() is None else []
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for process in processes:
            process.kill()
        server.wait()


def _answers(host: str) -> bool:
    try:
        urllib.request.urlopen(f"{host}/health", timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    run(main)
