"""Scores as the pipeline keeps them: scores.json, the flat metrics of `dvc metrics`, and a table for notes."""

from collections.abc import Mapping

from pipeline.scores.result import Score

__all__ = ["as_json", "as_markdown", "flat"]


def as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, object]]:
    """What scores.json holds: under each name `value`, `low`, `high`, `chance`, `perfect` (null where unknown)."""
    return {name: score.as_dict() for name, score in scores.items()}


def flat(scores: Mapping[str, Score]) -> dict[str, float]:
    """What metrics.json holds: values under their full names; not nested, as `probe/own` has a value and parts."""
    return {name: score.value for name, score in scores.items()}


def as_markdown(scores: Mapping[str, Score]) -> str:
    """A Markdown table: name, value, 95 % interval, chance, perfect; a dash where there is none."""
    lines = ["| score | value | 95 % interval | chance | perfect |", "| --- | ---: | :---: | ---: | ---: |"]
    for name, score in scores.items():
        ends = None if score.low is None or score.high is None else f"{_short(score.low)} to {_short(score.high)}"
        cells = [f"`{name}`", _short(score.value), ends or "–", _short(score.chance), _short(score.perfect)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _short(number: float | None) -> str:
    """Three decimals, or three digits where that would show none of them."""
    if number is None:
        return "–"
    return f"{number:.2e}" if 0 < abs(number) < 5e-4 else f"{number:.3f}"
