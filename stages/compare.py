"""The layers side by side: comparison/."""

from pipeline.basis.curves import METRICS, finished_entries
from pipeline.basis.layout import Layout
from pipeline.comparison.layers import compare
from pipeline.entry import run
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.scores.findings import findings
from pipeline.scores.record import read_scores
from pipeline.tuning.flow_file import read_flow_file


def main() -> None:
    """Draw and tabulate the scores of all layers, and say what a person must know of them."""
    layers, places = load_params().layers, Places()
    scores = {layer: read_scores(places.scores(layer)) for layer in layers}
    choices = {layer: read_flow_file(places.flow_file(layer)) for layer in layers}
    layouts = {layer: choice.candidate.layout for layer, choice in choices.items()}
    estimates = {layer: Layout(layouts[layer].names, choice.estimate) for layer, choice in choices.items()}
    for layer in layers:
        for sentence in findings(scores[layer]):
            print(f"layer {layer}: {sentence}", flush=True)
    compare(scores, layouts, estimates, finished_entries(places.backbone / METRICS), places.comparison)


if __name__ == "__main__":
    run(main)
