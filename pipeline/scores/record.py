"""What evaluate leaves behind, written and read here alone; and scores as text for people.

scores.json        under each name `value`, `low`, `high`, `chance`, `perfect` (null where there is none), and
                   `details` where a score has any
metrics.json       the values alone, for `dvc metrics`
transitions.json   of a classifier, how edits move its decisions
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, a_type
from pipeline.files import read_json, write_json
from pipeline.scores.statistics.score import (
    CHANGES,
    CLOSED_FORM_GAP,
    FRECHET,
    GAP_OVER_CLOSED_FORM,
    GREY_LEVELS,
    PROBE_CLOSED_FORM,
    PROBE_GAP,
    PROBE_LATENT,
    PROBE_OWN,
    RECONSTRUCTION,
    RESIDUAL_LEAK,
    STABILITY,
    Score,
)

__all__ = [
    "Scores",
    "Transitions",
    "as_json",
    "as_summary",
    "as_text",
    "read_scores",
    "read_transitions",
    "write_metrics",
    "write_scores",
    "write_transitions",
]

Transitions = Mapping[str, Mapping[str, list[list[int]]]]
"""Edit → factor → how many of them turned a decision for one class (row) into one for another (column)."""

_SUMMARY = (  # how the names begin that a summary shows
    PROBE_OWN,
    PROBE_GAP,
    "probe/other_max",
    RESIDUAL_LEAK,
    "probe/leak_nonlinear",
    STABILITY,
    "swap/",
    "set/",
    "unseen/",
    "response/sample/",
    "pair/own",
    "block_tc",
    "nll/",
    f"{FRECHET}/",
    "roundtrip/",
    "preserve/",
    RECONSTRUCTION,
)
_LEFT_OUT = (
    "swap/stay/",
    "set/stay/",
    "unseen/set/stay/",
    "unseen/swap/stay/",
    GAP_OVER_CLOSED_FORM,
    f"{PROBE_OWN}_over_closed_form/",
)
_AGAINST = {  # what the scores of probes stand beside, in words
    PROBE_OWN: {"in z": PROBE_LATENT, "closed form": PROBE_CLOSED_FORM},
    PROBE_GAP: {"closed form": CLOSED_FORM_GAP},
}


class Scores(Mapping[str, Score]):
    """Scores by name, in the order of their file; a name that is missing is refused in one line.

    Args:
        scores: by name.
        source: where they come from, for that line.

    Example:
        >>> scores = Scores({"probe/gap": Score(0.9)}, "results/latent/scores.json")
        >>> scores["probe/gap"].value, "swap/score" in scores
        (0.9, False)
    """

    def __init__(self, scores: Mapping[str, Score], source: str = "scores.json") -> None:
        self._scores, self._source = dict(scores), source

    def __getitem__(self, name: str) -> Score:
        """One score; an InputError where there is none."""
        if name not in self._scores:
            raise InputError(f"{self._source}: no score '{name}'; run `dvc repro`")
        return self._scores[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is such a score."""
        return name in self._scores

    def __iter__(self) -> Iterator[str]:
        """The names, in order."""
        return iter(self._scores)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._scores)

    def get(self, name: str, default: Any = None) -> Any:
        """One score, or the default where there is none."""
        return self._scores.get(name, default)


def write_scores(path: Path, scores: Mapping[str, Score]) -> None:
    """Write scores.json."""
    write_json(path, as_json(scores))


def read_scores(path: Path) -> Scores:
    """Read scores.json.

    Raises:
        InputError: it isn't there, or holds no scores; the line names it.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {a_type(content)}; scores by name are expected")
    scores = {}
    for name, numbers in content.items():
        try:
            scores[name] = Score.from_dict(numbers)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: '{name}' is no score ({error}); run `dvc repro`") from None
    return Scores(scores, str(path))


def write_metrics(path: Path, scores: Mapping[str, Score]) -> None:
    """Write metrics.json: values under their full names; not nested, as `probe/own` has a value and parts."""
    write_json(path, {name: score.value for name, score in scores.items()})


def write_transitions(path: Path, transitions: Transitions) -> None:
    """Write transitions.json; of a network that draws images it is empty."""
    write_json(path, transitions)


def read_transitions(path: Path) -> Transitions:
    """Read transitions.json; an InputError names it where it isn't there, or is no JSON."""
    transitions: Transitions = read_json(path)
    return transitions


def as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, object]]:
    """What scores.json holds."""
    return {name: score.as_dict() for name, score in scores.items()}


def as_summary(scores: Mapping[str, Score]) -> str:
    """One line a score of those that a person asks for first: name, value and 95 % interval.

    Beside it stand mean and standard deviation over seeds, where several were trained. A change has its sign and that
    word; what no value of is perfect has what chance reaches, to be compared with it;
    what a factor tells stands beside what z and the closed form tell.
    """
    shown = {name: s for name, s in scores.items() if name.startswith(_SUMMARY) and not name.startswith(_LEFT_OUT)}
    width = max([34, *map(len, shown)])
    lines = []
    for name, score in shown.items():
        form = "+.3f" if name in CHANGES else ".3f"
        interval = "" if score.interval is None else f"  [{score.interval[0]:{form}}, {score.interval[1]:{form}}]"
        value = f"{score.value:{form}}" if abs(score.value) >= 5e-4 or score.value == 0 else f"{score.value:.1e}"
        chance = "" if score.chance is None or score.perfect is not None else f"  chance {score.chance:.3f}"
        change = "  a change, 0: nothing is lost" if name in CHANGES else ""
        spread = ""
        if score.over_seeds is not None:
            mean, std, num = score.over_seeds
            spread = f"  {_short(mean)} ± {std:.2g} over {num} seeds"
        lines.append(f"  {name:<{width}}{value:>10}{interval}{spread}{chance}{change}{_against(name, scores)}")
    return "\n".join(lines)


def _against(name: str, scores: Mapping[str, Score]) -> str:
    """What a score is read against, where that was measured."""
    if name == RECONSTRUCTION and GREY_LEVELS in scores[name].details:
        return f"  of the images' variance; {scores[name].details[GREY_LEVELS]:.1f} grey levels of 255"
    for own, others in _AGAINST.items():
        if name == own or name.startswith(f"{own}/"):
            beside = {words: scores.get(other + name.removeprefix(own)) for words, other in others.items()}
            said = [f"{words} {score.value:.3f}" for words, score in beside.items() if score is not None]
            gain = scores.get(GAP_OVER_CLOSED_FORM) if name == PROBE_GAP else None
            if gain is not None and gain.interval is not None:
                low, high = gain.interval
                said.append(f"over it {gain.value:+.3f} [{low:+.3f}, {high:+.3f}]")
            return "  " + ", ".join(said) if said else ""
    return ""


def as_text(scores: Mapping[str, Score]) -> str:
    """A table for a terminal: name, value, 95 % interval, chance, perfect; a dash where there is none.

    Names stand to the left and numbers to the right of columns of equal width.
    """
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
        ends = None if score.interval is None else " to ".join(_short(end) for end in score.interval)
        yield name, _short(score.value), ends or "–", _short(score.chance), _short(score.perfect)


def _short(number: float | None) -> str:
    """Three decimals, or three digits where that would show none of them."""
    if number is None:
        return "–"
    return f"{number:.2e}" if 0 < abs(number) < 5e-4 else f"{number:.3f}"
