"""What a run says of itself: a plain sentence first, then the table of scores in Markdown.

MLflow folds a run's description after a few lines, and its table of runs shows no score by itself, so the first
sentence has to carry the result.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["headline", "rounded", "scores_table", "sweep_table"]

Scores = Mapping[str, Mapping[str, Any]]


def rounded(value: float) -> float:
    """Four significant digits: MLflow shows what it stores, to the last digit."""
    return float(f"{value:.4g}")


def headline(layout: Mapping[str, Sequence[Any]], num_blocks: int, scores: Scores | None) -> str:
    """The first sentence of a run's description: what to select by, and of a classifier what its decision answers to.

    Example:
        >>> layout = {"names": ["residual", "digit", "colour"], "sizes": [16, 7, 9]}
        >>> headline(layout, 6, {"probe/gap": {"value": 0.931, "low": 0.912, "high": 0.944}})
        'probe/gap 0.93 [0.91, 0.94]; 6 blocks, sizes residual 16, digit 7, colour 9'
        >>> layout = {"names": ["residual", "digit"], "sizes": [16, 16]}
        >>> headline(layout, 6, {f"response/sample/{name}/changed": {"value": 0.021} for name in layout["names"]})
        'decisions that change with residual 2 %, with digit 2 %; 6 blocks, sizes residual 16, digit 16'
    """
    parts = []
    for name in ("probe/gap", "swap/score"):
        score = (scores or {}).get(name, {})
        if score.get("value") is not None:
            interval = f" [{score['low']:.2f}, {score['high']:.2f}]" if score.get("low") is not None else ""
            parts.append(f"{name} {score['value']:.2f}{interval}")
    changed = {name: (scores or {}).get(f"response/sample/{name}/changed") for name in layout["names"]}
    answers = [f"with {name} {100 * score['value']:.0f} %" for name, score in changed.items() if score is not None]
    if answers:
        parts.append(f"decisions that change {', '.join(answers)}")
    sizes = ", ".join(f"{name} {size}" for name, size in zip(layout["names"], layout["sizes"], strict=True))
    return "; ".join([*parts, f"{num_blocks} blocks, sizes {sizes}"])


def scores_table(scores: Scores) -> str:
    """All scores as a Markdown table: value, 95% interval, and what chance and a perfect code reach."""
    rows = ["| score | value | 95% interval | chance | perfect |", "| --- | --- | --- | --- | --- |"]
    for name, score in scores.items():
        interval = "" if score.get("low") is None else f"{_text(score['low'])} to {_text(score.get('high'))}"
        cells = [name, _text(score["value"]), interval, _text(score.get("chance")), _text(score.get("perfect"))]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def sweep_table(trials: Sequence[Mapping[str, Any]]) -> str:
    """The trials of a sweep as a Markdown table, in the order given."""
    rows = ["| trial | blocks | sizes | probe/gap | 95% interval | nll/pair_nats | chosen |", "| --- " * 7 + "|"]
    for trial in trials:
        gap = trial["probe_gap"]
        sizes = ", ".join(str(size) for size in trial["sizes"])
        interval = f"{_text(gap['low'])} to {_text(gap['high'])}"
        cells = [str(trial["number"]), str(trial["num_blocks"]), sizes, _text(gap["value"]), interval]
        rows.append(f"| {' | '.join([*cells, _text(trial['pair_nats']), 'yes' if trial['chosen'] else ''])} |")
    return "\n".join(rows) + "\n"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
