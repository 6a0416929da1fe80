"""A small project on disk, as the stages leave it, and servers that answer as they are told."""

import http.server
import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from extents import ball
from PIL import Image

from pipeline.basis.layout import Layout
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import save_iin
from pipeline.places import Places
from pipeline.scores.record import write_scores
from pipeline.scores.statistics.score import Score
from pipeline.tuning.flow_file import Candidate, FlowChoice, Trial, write_flow_file

LAYER = "latent"
LAYOUT = Layout(("residual", "digit", "colour"), (4, 2, 2))
CONFIG = FlowConfig(num_dims=8, num_blocks=2, width=16)
CARD: dict[str, Any] = {
    "fingerprint": "f1",
    "rho": 0.975,
    "backbone_sha256": "b1",
    "data_sha256": "d1",
    "train": {"steps": 600, "clip": 5.0, "batch_size": 256},
    "layout": LAYOUT.as_dict(),
    "flow": asdict(CONFIG),
}
SCORES = {
    "probe/gap": Score(0.931234, 0.912, 0.944, chance=0.0, perfect=1.0),
    "swap/score": Score(0.95, 0.94, 0.96, chance=0.1, perfect=1.0),
    "roundtrip/max": Score(3.14159e-7, perfect=0.0),
}


def candidate(num_blocks: int) -> Candidate:
    return Candidate({"num_blocks": num_blocks}, Layout(LAYOUT.names, (4, 2, 2)))


def trial(number: int, num_blocks: int, gap: float) -> Trial:
    return Trial(number, candidate(num_blocks), gap, gap - 0.02, gap + 0.02, -0.01, 0.01, 91.0 + (number - 1) ** 2)


TRIALS = (trial(0, 4, 0.81), trial(1, 6, 0.92), trial(2, 8, 0.90))


def curve_lines(*steps: int) -> str:
    """Lines of metrics.jsonl: a training loss at each step, a validation loss at each second one."""
    lines = []
    for step in steps:
        line = {"step": step, "train/pair_nats": 200 - step / 10}
        lines.append(line | ({"val/pair_nats": 210 - step / 10} if step % 200 == 0 else {}))
    return "".join(json.dumps(line) + "\n" for line in lines)


def make_flow(seed: int = 0) -> Flow:
    """A flow that does more than the identity."""
    generator = torch.Generator().manual_seed(seed)
    flow = Flow(CONFIG)
    flow.initialise(torch.randn(64, CONFIG.num_dims, generator=generator) * 2 + 1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return flow.eval()


def write_iin(
    root: Path,
    metrics: str,
    seed: int = 0,
    folder: Path | None = None,
    seeds: Path | None = None,
    card: dict[str, Any] = CARD,
) -> Path:
    folder = folder or Places(root).iin(LAYER)
    save_iin(folder, make_flow(seed), LAYOUT, card, ball(8), metrics=metrics, seeds=seeds)
    return folder


def write_results(root: Path) -> None:
    places = Places(root)
    write_scores(places.scores(LAYER), SCORES)
    places.figures(LAYER).mkdir(exist_ok=True)
    Image.new("RGB", (4, 4), (200, 30, 30)).save(places.figures(LAYER) / "swap_digit.png")


def write_trials(root: Path, trials: tuple[Trial, ...] = TRIALS) -> None:
    choice = FlowChoice(Candidate({"num_blocks": 6}, LAYOUT), LAYOUT.sizes, trials, chosen=1)
    write_flow_file(Places(root).flow_file(LAYER), choice)


def free_port() -> int:
    """A port that nobody has, below those that the kernel gives to whoever asks.

    A server takes seconds from here to where it listens, and Ray asks for ports meanwhile.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@contextmanager
def answering(status: int, body: str, content_type: str = "text/html") -> Iterator[str]:
    """An HTTP server that answers everything alike; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A socket that takes connections, and sends `answer` on each, or nothing at all; its address for HTTP."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.append(connection)
                if answer is not None:
                    connection.recv(1024)
                    connection.sendall(answer)
                    connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()
