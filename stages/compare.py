"""The layers side by side: comparison/."""

import json
from pathlib import Path

from pipeline.basis.layout import Layout
from pipeline.comparison.layers import compare
from pipeline.entry import run
from pipeline.files import read_json
from pipeline.params import load_params


def main() -> None:
    """Draw and tabulate the scores of all layers."""
    layers = load_params().layers
    results = {layer: read_json(Path("results") / layer / "scores.json") for layer in layers}
    cards = {layer: read_json(Path("models/layers") / layer / "iin/card.json") for layer in layers}
    layouts = {layer: Layout.from_dict(card["layout"]) for layer, card in cards.items()}
    lines = (Path("models/backbone") / "metrics.jsonl").read_text().splitlines()
    compare(results, layouts, [json.loads(line) for line in lines], Path("comparison"))


if __name__ == "__main__":
    run(main)
