"""Training step and inverse of our flow beside FrEIA, normflows, nflows and zuko: N = 64, equal mathematics.

    python benchmarks/speed.py measure --out .runs/speed.jsonl            # all cells; or e.g. --cells 6x128/25/train
    python benchmarks/speed.py report .runs/speed.jsonl                   # Markdown

Needs benchmarks/requirements.txt. A training step is forward, mean negative log-likelihood, backward and AdamW (fused).
Each library is timed eager and compiled (by torch.compile with the options that training uses; ours as training
compiles it, its small parameters one vector and its modules traced away), and the better of its two counts; before that
its outputs, log-determinants, inverse and parameter count are proved equal to ours. One process times all of a cell in
alternating rounds. A cell that is in the file is not measured again: remove its line to do so.
"""

import argparse
import json
import os
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from peers import LIBRARIES, Subject, require_equal, subject
from products import product_seconds
from timing import alternate, machine
from torch import Tensor

from pipeline.flow import Flow, FlowConfig, latent_nats
from pipeline.training.compiling import traced

NUM_DIMS = 64
SHAPES = {"6x128": (6, 128), "12x512": (12, 512)}
BATCHES = (25, 256, 2048)
ALL = [f"{shape}/{batch}/{work}" for shape in SHAPES for batch in BATCHES for work in ("train", "inverse")]


def main() -> None:
    """Measure cells, or print the table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("measure")
    measure.add_argument("--cells", nargs="+", choices=ALL, default=ALL, metavar="SHAPE/BATCH/WORK")
    measure.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    measure.add_argument("--bfloat16", action="store_true", help="conditioners in bfloat16, in all libraries")
    measure.add_argument("--out", type=Path, required=True)
    report = commands.add_parser("report")
    report.add_argument("measured", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "report":
        print("\n".join(table([json.loads(line) for line in arguments.measured.read_text().splitlines()])))
        return
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    done = set()
    if arguments.out.is_file():
        measured = (json.loads(line) for line in arguments.out.read_text().splitlines())
        done = {found["cell"] for found in measured if found["bfloat16"] == arguments.bfloat16}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for cell in arguments.cells:
        if cell not in done:
            found = measure_cell(cell, arguments.libraries, device, bfloat16=arguments.bfloat16)
            with arguments.out.open("a") as file:
                file.write(json.dumps(found) + "\n")
            print("\n".join(table([found])), flush=True)


def measure_cell(cell: str, libraries: list[str], device: torch.device, *, bfloat16: bool) -> dict[str, Any]:
    """Time one cell: for each library and way (eager, compiled) median, fastest and slowest round, in ms."""
    torch.compiler.reset()
    shape, batch, work = cell.split("/")
    num_blocks, width = SHAPES[shape]
    flow, z = _flow(num_blocks, width), torch.randn(int(batch), NUM_DIMS, device=device)
    works: dict[str, Callable[[], object]] = {}
    failures: dict[str, str] = {}
    for library in libraries:
        one = subject(library, flow, device)
        require_equal(flow, one, z[:25])
        make = _train_step if work == "train" else _inverse
        for way in ("eager", "compiled"):
            name, start = f"{library}, {way}", time.perf_counter()
            step = make(subject(library, flow, device) if work == "train" else one, z, way == "compiled", bfloat16)
            try:
                for _ in range(3):
                    step()
            except Exception as error:  # a library that torch.compile does not take counts with its eager time
                failures[name] = next(iter(str(error).strip().splitlines()), type(error).__name__)
                print(f"{cell}: {name} left out: {failures[name]}", flush=True)
                continue
            works[name] = step
            print(f"{cell}: {name} ready after {time.perf_counter() - start:.0f} s", flush=True)
    timings = {name: asdict(timing) for name, timing in alternate(works, device).items()}
    products = 1e3 * product_seconds(num_blocks, width, NUM_DIMS, int(batch), device, backward=work == "train")
    return {
        "cell": cell, "ms": timings, "products_ms": products, "failed": failures, "machine": machine(device),
        "bfloat16": bfloat16, "torch": torch.__version__,
    }  # fmt: skip


def _flow(num_blocks: int, width: int) -> Flow:
    """A flow off its starting point, where couplings are the identity."""
    generator = torch.Generator().manual_seed(0)
    flow = Flow(FlowConfig(NUM_DIMS, num_blocks=num_blocks, width=width, mixing="shuffle"))
    flow.initialise(torch.randn(512, NUM_DIMS, generator=generator))
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 / width * torch.randn(parameter.shape, generator=generator))
    return flow


def _train_step(one: Subject, z: Tensor, compiled: bool, bfloat16: bool) -> Callable[[], object]:
    forward = _prepared(one.forward, z, trace=compiled and one.traced, bfloat16=bfloat16)
    optimiser = torch.optim.AdamW([p for p in one.module.parameters() if p.requires_grad], lr=1e-4, fused=True)

    def loss_of(z: Tensor) -> Tensor:
        code, log_abs_det = forward(z)
        return latent_nats(code, log_abs_det).mean()

    function = _compiled(loss_of, z.device) if compiled else loss_of

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        function(z).backward()
        optimiser.step()

    return step


def _inverse(one: Subject, z: Tensor, compiled: bool, bfloat16: bool) -> Callable[[], object]:
    inverse = _prepared(one.inverse, z, trace=compiled and one.traced, bfloat16=bfloat16)
    function = _compiled(inverse, z.device) if compiled else inverse

    @torch.no_grad()
    def step() -> object:
        return function(z)

    return step


def _prepared(function: Callable[[Tensor], Any], x: Tensor, *, trace: bool, bfloat16: bool) -> Callable[[Tensor], Any]:
    """The function, under autocast where asked, and for inputs shaped as `x` as a graph of its tensors where asked."""

    def called(x: Tensor) -> Any:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
            return function(x)

    if not trace:
        return called
    graph = traced(called, x)
    return lambda x: graph(x)


def _compiled(function: Any, device: torch.device) -> Any:
    """Compiled for one shape, on a GPU as CUDA graphs; each from a code object of its own.

    Dynamo keeps what it compiled by code object: libraries that shared one would look through each other's guards.
    """
    own = types.FunctionType(function.__code__.replace(), function.__globals__, closure=function.__closure__)
    return torch.compile(own, dynamic=False, mode="reduce-overhead" if device.type == "cuda" else None)


def table(cells: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of Markdown: the better of eager and compiled, its spread, and our ratio to the fastest peer."""
    libraries = [name for name in LIBRARIES if any(f"{name}, eager" in cell["ms"] for cell in cells)]
    yield f"| cell | {' | '.join(libraries)} | ours against the fastest | products alone |"
    yield "| --- |" + " ---: |" * (len(libraries) + 2)
    for cell in cells:
        best: dict[str, tuple[dict[str, float], str]] = {}
        for library in libraries:
            ways = {name: timing for name, timing in cell["ms"].items() if name.startswith(f"{library}, ")}
            if ways:
                name = min(ways, key=lambda name: ways[name]["median"])
                best[library] = (ways[name], name.partition(", ")[2])
        peers = [timing["median"] for library, (timing, _) in best.items() if library != "ours"]
        ratio = f"{min(peers) / best['ours'][0]['median']:.2f}" if peers and "ours" in best else ""
        shown = (_shown(*best[library]) if library in best else "" for library in libraries)
        yield f"| {cell['cell']} | {' | '.join(shown)} | {ratio} | {cell['products_ms']:.2f} |"


def _shown(timing: dict[str, float], way: str) -> str:
    return f"{timing['median']:.2f} ({timing['low']:.2f} to {timing['high']:.2f}), {way}"


if __name__ == "__main__":
    main()
