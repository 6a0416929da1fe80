"""The layers side by side: comparison/."""

from pathlib import Path

from pipeline.basis.curves import METRICS, finished_entries
from pipeline.comparison.layers import compare
from pipeline.entry import run
from pipeline.params import load_params
from pipeline.scores.record import read_scores
from pipeline.tuning.flow_file import read_flow_file


def main() -> None:
    """Draw and tabulate the scores of all layers."""
    layers = load_params().layers
    results = {layer: read_scores(Path("results") / layer / "scores.json") for layer in layers}
    layouts = {layer: read_flow_file(Path("models/layers") / layer / "flow.yaml").layout for layer in layers}
    compare(results, layouts, finished_entries(Path("models/backbone") / METRICS), Path("comparison"))


if __name__ == "__main__":
    run(main)
