"""The scores of a layer as a page shows them: bars of a concept, who knows what, how decisions answer, all layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.drawing.palette import decimals, spoken
from pipeline.report.charts import Bar, bar
from pipeline.scores.record import Scores, Transitions
from pipeline.scores.statistics.score import (
    BASELINES,
    FRECHET,
    PROBE_CLOSED_FORM,
    PROBE_GAP,
    PROBE_LATENT,
    PROBE_OWN,
    SET,
    SWAP_FOLLOW,
    Score,
    probe_cell,
    response_name,
)
from pipeline.tuning.flow_file import FlowChoice, Trial

__all__ = [
    "Cell",
    "Decisions",
    "Tried",
    "called",
    "concept_bars",
    "decisions",
    "layer_bars",
    "matrix",
    "response_bars",
    "sampling_bars",
    "tried",
]

MOST_CLASSES = 12  # of a table
MOST_TRIALS = 20  # likewise
_RESPONSES = {
    "changed": "Share of decisions that change",
    "moved": "How far the output moves, in its standard deviations over the test images",
}
_WAYS = {
    "reconstruction": "test images as the network draws them, the floor",
    "flow": "drawn by way of the map",
} | {way: f"drawn from {words}" for way, words in BASELINES.items()}
_EDITS = {"sample": "drawn at random", "swap": "swapped", "walk": "walked in"}


@dataclass(frozen=True)
class Cell:
    """A number in a shaded cell.

    Attributes:
        text, more: the number, and what stands below it.
        shade: 0 to 100.
        own: whether it is where it belongs.
    """

    text: str
    more: str
    shade: float
    own: bool


@dataclass(frozen=True)
class Decisions:
    """Which class the decisions of a network turn into, when one factor is drawn anew.

    Attributes:
        factor: which.
        kept: share of decisions that stay, in percent.
        classes: names of rows and columns.
        rows: shares of each row.
        left_out: how many classes the table has no room for.
    """

    factor: str
    kept: float
    classes: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int


@dataclass(frozen=True)
class Tried:
    """The maps that a sweep tried.

    Attributes:
        rows: number, settings, sizes of the factors, gap, nats a pair and what became of it, each as text.
        trials: how many there were; the table has the first.
        reason: why the first one was taken.
    """

    rows: tuple[tuple[str, ...], ...]
    trials: int
    reason: str


def concept_bars(layout: Layout, scores: Scores) -> dict[str, list[Bar]]:
    """For each concept what is known of its factor, of those scores that were measured."""
    found: dict[str, list[Bar]] = {}
    for concept in layout.concepts:
        own, other = layout.index(concept), scores.get(f"probe/other_max/{concept}")
        words = spoken(concept)
        best = str(other.details.get("factor", "")) if other is not None else ""
        stay, unseen = _worst_stay(concept, scores), "in combinations that no training image shows"
        wanted: list[tuple[str, str, int, str]] = [
            (f"{words} read from its own factor", f"{PROBE_OWN}/{concept}", own, ""),
            (
                f"{words} read from {_factor_words(best)}",
                f"probe/other_max/{concept}",
                layout.index(best) if best in layout.names else 0,
                "less is better",
            ),
            ("own factor minus the best other", f"{PROBE_GAP}/{concept}", own, "what maps are ranked by"),
            (f"after a swap, a judge sees the donor’s {words}", f"{SWAP_FOLLOW}/{concept}", own, ""),
            (
                f"after a swap of {_factor_words(stay.split('/')[2]) if stay else ''}, the {words} stays",
                stay,
                own,
                "the worst case",
            ),
            (f"set to a value, a judge sees that {words}", f"{SET}/follow/{concept}", own, ""),
            (f"the same after a swap, {unseen}", f"unseen/{SWAP_FOLLOW}/{concept}", own, ""),
            (f"the same when set to a value, {unseen}", f"unseen/{SET}/follow/{concept}", own, ""),
            (f"for comparison: {words} read from all {layout.num_dims} numbers", f"{PROBE_LATENT}/{concept}", 0, ""),
            ("for comparison: from its factor in the best linear map", f"{PROBE_CLOSED_FORM}/{concept}", 0, ""),
        ]
        found[concept] = [
            bar(label, name, scores[name], factor, note) for label, name, factor, note in wanted if name in scores
        ]
    return found


def matrix(layout: Layout, scores: Scores) -> list[tuple[str, list[Cell]]]:
    """How well each factor tells each concept: a row a factor."""
    return [
        (factor, [_cell(scores[probe_cell(factor, concept)], factor == concept) for concept in layout.concepts])
        for factor in layout.names
    ]


def response_bars(layout: Layout, scores: Scores) -> list[tuple[str, list[Bar]]]:
    """How strongly an output that is no image answers to each factor, a group a measure; of images there is none."""
    groups: list[tuple[str, list[Bar]]] = []
    for measure, words in _RESPONSES.items():
        wanted = []
        for number, factor in enumerate(layout.names):
            for edit, how in _EDITS.items():
                name = response_name(edit, factor, measure)
                if name in scores:
                    wanted.append((f"{_factor_words(factor)}, {how}", name, number))
        if wanted:
            top = max(1.0, *(scores[name].high or scores[name].value for _, name, _ in wanted))
            groups.append((words, [bar(label, name, scores[name], factor, top=top) for label, name, factor in wanted]))
    return groups


def sampling_bars(scores: Scores) -> list[Bar]:
    """How far what is drawn is from real images, way by way; none where that was not measured."""
    wanted = [(words, f"{FRECHET}/{way}") for way, words in _WAYS.items() if f"{FRECHET}/{way}" in scores]
    top = max([scores[name].high or scores[name].value for _, name in wanted], default=1.0)
    ours = f"{FRECHET}/flow"
    return [bar(words, name, scores[name], int(name == ours), top=top) for words, name in wanted]


def tried(choice: FlowChoice) -> Tried:
    """The sweep's trials: the one that was taken, then the others, the best first."""
    trials = sorted(choice.trials, key=lambda trial: (trial.number != choice.chosen, trial.rank))
    rows = [
        (
            str(trial.number),
            trial.candidate.words,
            "/".join(map(str, trial.candidate.layout.sizes)),
            _with_interval(trial.probe_gap, trial.gap_low, trial.gap_high),
            "" if trial.pair_nats is None else f"{trial.pair_nats:.1f}".replace("-", "−"),
            "taken" if trial.number == choice.chosen else _course(trial),
        )
        for trial in trials[:MOST_TRIALS]
    ]
    return Tried(tuple(rows), len(choice.trials), choice.reason)


def decisions(layout: Layout, transitions: Transitions, names: Sequence[str] | None) -> list[Decisions]:
    """A table a factor, of the classes that were decided for most often; none of a network that does not decide."""
    if "sample" not in transitions:
        return []
    tables = {factor: np.asarray(transitions["sample"][factor], np.float64) for factor in layout.names}
    total = sum(table.sum(axis=0) + table.sum(axis=1) for table in tables.values())
    shown = np.sort(np.argsort(-np.asarray(total), kind="stable")[:MOST_CLASSES])
    found = []
    for factor, table in tables.items():
        shares = table[np.ix_(shown, shown)] / np.maximum(table[shown].sum(axis=1, keepdims=True), 1)
        rows = tuple(
            tuple(_share_cell(float(number), row == column) for column, number in enumerate(numbers))
            for row, numbers in enumerate(shares)
        )
        kept = 100 * float(np.trace(table) / max(table.sum(), 1))
        classes = tuple(called(int(entry), names) for entry in shown)
        found.append(Decisions(factor, kept, classes, rows, len(table) - len(shown)))
    return found


def layer_bars(layers: Mapping[str, Mapping[str, Score]], concepts: Sequence[str]) -> list[tuple[str, list[Bar]]]:
    """Each concept over the layers, as read from its own factor, then `probe/gap`: a bar a layer."""
    wanted = [
        (f"{spoken(concept)} read from its own factor", f"{PROBE_OWN}/{concept}", number + 1)
        for number, concept in enumerate(concepts)
    ]
    if concepts:
        wanted.append(("own factor minus the best other, mean", PROBE_GAP, 0))
    return [
        (title, [bar(layer, name, scores[name], factor) for layer, scores in layers.items() if name in scores])
        for title, name, factor in wanted
    ]


def called(entry: int, names: Sequence[str] | None) -> str:
    """The name of a class, or its number."""
    return str(entry) if names is None else str(names[entry])


def _factor_words(factor: str) -> str:
    return (
        "the rest" if factor == RESIDUAL else f"the factor of {spoken(factor)}" if factor else "the best other factor"
    )


def _worst_stay(concept: str, scores: Scores) -> str:
    """Name of the lowest `swap/stay/<factor>/<concept>`; empty where there is none."""
    names = [
        name
        for name in scores
        if name.startswith("swap/stay/") and name.endswith(f"/{concept}") and name.count("/") == 3
    ]
    return min(names, key=lambda name: scores[name].value, default="")


def _cell(score: Score, own: bool) -> Cell:
    more = "" if score.interval is None else " – ".join(decimals(end) for end in score.interval)
    return Cell(decimals(score.value), more, round(100 * min(max(score.value, 0.0), 1.0)), own)


def _share_cell(number: float, own: bool) -> Cell:
    percent = round(100 * number)
    return Cell(str(percent) if percent else "·", "", percent, own)


def _course(trial: Trial) -> str:
    if trial.failure:
        return f"failed: {trial.failure}"
    return "" if trial.stopped is None else f"stopped after {trial.stopped:,} steps"


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return ""
    return f"{decimals(value)} ({decimals(low)} to {decimals(high)})"
