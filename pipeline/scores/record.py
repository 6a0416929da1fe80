"""Scores as the pipeline keeps them: scores.json, the flat metrics of `dvc metrics`, and a table for notes."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.scores.statistics.score import Score

__all__ = ["Scores", "as_json", "as_markdown", "as_text", "flat", "score_of"]

Scores = Mapping[str, Mapping[str, Any]]  # as scores.json holds them


def as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, object]]:
    """What scores.json holds: under each name `value`, `low`, `high`, `chance`, `perfect` (null where unknown)."""
    return {name: score.as_dict() for name, score in scores.items()}


def flat(scores: Mapping[str, Score]) -> dict[str, float]:
    """What metrics.json holds: values under their full names; not nested, as `probe/own` has a value and parts."""
    return {name: score.value for name, score in scores.items()}


def as_markdown(scores: Mapping[str, Score]) -> str:
    """A Markdown table: name, value, 95 % interval, chance, perfect; a dash where there is none."""
    header, *rows = _cells(scores)
    lines = [header, ("---", "---:", ":---:", "---:", "---:"), *((f"`{name}`", *rest) for name, *rest in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_text(scores: Mapping[str, Score]) -> str:
    """The same table for a terminal, names to the left and numbers to the right of columns of equal width."""
    rows = list(_cells(scores))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        + "\n"
        for row in rows
    )


def _cells(scores: Mapping[str, Score]) -> Iterator[tuple[str, ...]]:
    """The five cells of the heading, and of each score."""
    yield "score", "value", "95 % interval", "chance", "perfect"
    for name, score in scores.items():
        ends = None if score.low is None or score.high is None else f"{_short(score.low)} to {_short(score.high)}"
        yield name, _short(score.value), ends or "–", _short(score.chance), _short(score.perfect)


def _short(number: float | None) -> str:
    """Three decimals, or three digits where that would show none of them."""
    if number is None:
        return "–"
    return f"{number:.2e}" if 0 < abs(number) < 5e-4 else f"{number:.3f}"


def score_of(scores: Scores, name: str) -> Mapping[str, Any]:
    """One score by its name; an InputError where there is none."""
    if name not in scores:
        raise InputError(f"scores.json: no score '{name}'; run `dvc repro`")
    return scores[name]
