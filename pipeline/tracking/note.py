"""What a run says of itself: a plain sentence, what a person must know, then the table of scores in Markdown.

MLflow folds a run's description after a few lines, and its table of runs shows no score by itself, so the first
sentence has to carry the result.
"""

from collections.abc import Mapping, Sequence

from pipeline.basis.layout import Layout
from pipeline.scores.findings import BAR, MEASURES, below_bar, findings
from pipeline.scores.statistics.score import (
    CHANGES,
    CLOSED_FORM_GAP,
    FRECHET,
    GAUSSIAN_GAIN,
    PAIR_NATS,
    PROBE_GAP,
    SWAP_SCORE,
    Score,
    response_name,
)
from pipeline.tuning.flow_file import FlowChoice, Trial

__all__ = ["headline", "in_words", "rounded", "run_note", "scores_table", "sweep_note", "tried", "verdict"]

NAMED = 6  # concepts in a sentence
RANKED_BY = (PROBE_GAP, SWAP_SCORE)
RANKED_WITHOUT = (GAUSSIAN_GAIN, f"{FRECHET}/flow")  # a concept
MOST_CHARACTERS = 7000  # of 8,000, without the head of the table and what follows it


def rounded(value: float) -> float:
    """Four significant digits: MLflow shows what it stores, to the last digit."""
    return float(f"{value:.4g}")


def headline(layout: Layout, num_blocks: int, scores: Mapping[str, Score] | None) -> str:
    """The first sentence of a run's description: what to select by, and what a decision, or values, answer to.

    Example:
        >>> layout = Layout(("residual", "digit", "colour"), (16, 7, 9))
        >>> headline(layout, 6, {"probe/gap": Score(0.931, 0.912, 0.944)})
        'probe/gap 0.93 [0.91, 0.94]; 6 blocks, sizes residual 16, digit 7, colour 9'
        >>> headline(layout, 6, {"probe/gap": Score(0.931, 0.912, 0.944), "closed_form/gap": Score(0.84)})
        'probe/gap 0.93 [0.91, 0.94] (closed form 0.84); 6 blocks, sizes residual 16, digit 7, colour 9'
        >>> layout = Layout(("residual", "digit"), (16, 16))
        >>> headline(layout, 6, {f"response/sample/{name}/changed": Score(0.021) for name in layout.names})
        'decisions that change with residual 2 %, with digit 2 %; 6 blocks, sizes residual 16, digit 16'
        >>> headline(layout, 6, {f"response/sample/{name}/moved": Score(0.52) for name in layout.names})
        'output moves with residual 0.52, with digit 0.52 standard deviations; 6 blocks, sizes residual 16, digit 16'
        >>> layout = Layout(("residual",), (32,))
        >>> headline(layout, 6, {"nll/gain_over_gaussian": Score(3.8), "frechet/flow": Score(2.1, 1.9, 2.3)})
        'no concept; nll/gain_over_gaussian 3.80, frechet/flow 2.10 [1.90, 2.30]; 6 blocks, 32 numbers'
    """
    measured = scores or {}
    parts = [f"{name} {_in_brief(measured[name])}" for name in RANKED_BY if name in measured]
    if PROBE_GAP in measured and CLOSED_FORM_GAP in measured:
        parts[0] += f" (closed form {measured[CLOSED_FORM_GAP].value:.2f})"
    changed = {name: measured.get(response_name("sample", name, "changed")) for name in layout.names}
    answers = [f"with {name} {100 * score.value:.0f} %" for name, score in changed.items() if score is not None]
    if answers:
        parts.append(f"decisions that change {', '.join(answers)}")
    moved = {name: measured.get(response_name("sample", name, "moved")) for name in layout.names}
    moves = [f"with {name} {score.value:.2f}" for name, score in moved.items() if score is not None]
    if moves:
        parts.append(f"output moves {', '.join(moves)} standard deviations")
    if not layout.concepts:
        known = [f"{name} {_in_brief(measured[name])}" for name in RANKED_WITHOUT if name in measured]
        parts = ["no concept", *([", ".join(known)] if known else []), *parts]
        return "; ".join([*parts, f"{num_blocks} blocks, {layout.num_dims} numbers"])
    return "; ".join([*parts, f"{num_blocks} blocks, sizes {layout}"])


def verdict(scores: Mapping[str, Score]) -> str:
    """A sentence: which concepts can be edited on their own, and which cannot, by which score; empty without any.

    A concept works where its factor reaches the bar of `pipeline.scores.findings` in all that was measured.

    Example:
        >>> scores = {"probe/gap/digit": Score(0.93), "swap/follow/digit": Score(0.98), "probe/gap/tint": Score(0.41)}
        >>> verdict(scores)
        'digit works; tint does not: probe/gap/tint 0.41, below 0.80.'
        >>> verdict({"probe/gap/digit": Score(0.93)})
        'digit works: at least 0.80 in probe/gap.'
    """
    bars = [name for name in MEASURES if any(score.startswith(f"{name}/") for score in scores)]
    concepts = [score.removeprefix(f"{PROBE_GAP}/") for score in scores if score.startswith(f"{PROBE_GAP}/")]
    under = {concept: [f"{name}/{concept}" for name in below_bar(concept, scores)] for concept in concepts}
    works = [concept for concept in concepts if not under[concept]]
    fails = [concept for concept in concepts if under[concept]]
    parts = []
    if works:
        parts.append(f"{_listed(works)} {'works' if len(works) == 1 else 'work'}")
        if not fails:
            parts[0] += f": at least {BAR:.2f} in {_listed(bars)}"
    if fails:
        figures = ", ".join(f"{name} {scores[name].value:.2f}" for concept in fails for name in under[concept])
        parts.append(f"{_listed(fails)} {'does' if len(fails) == 1 else 'do'} not: {figures}, below {BAR:.2f}")
    return f"{'; '.join(parts)}." if parts else ""


def run_note(
    layout: Layout,
    num_blocks: int,
    scores: Mapping[str, Score],
    pictures: Mapping[str, str] | None = None,
    sweep: str | None = None,
) -> str:
    """The description of a run whose scores are known.

    What works and what does not, the headline, a point for each finding, the names of the pictures, the table.

    Args:
        layout: of its map.
        num_blocks: likewise.
        scores: by name.
        pictures: where each is to be seen, by its name.
        sweep: where the sweep that chose depth and sizes is to be seen, if there was one.
    """
    points = "\n".join(f"- {sentence}" for sentence in findings(scores))
    shown = ", ".join(f"[{name}]({link})" for name, link in (pictures or {}).items())
    said = " ".join(filter(None, (verdict(scores), headline(layout, num_blocks, scores))))
    after = [f"Pictures: {shown}"] if shown else []
    after += [f"Depth and sizes were chosen in [a sweep]({sweep})."] if sweep else []
    return "\n\n".join(filter(None, (said, points, *after, scores_table(scores))))


def scores_table(scores: Mapping[str, Score]) -> str:
    """All scores as a Markdown table: value, 95% interval, and what chance and a perfect code reach.

    Where several seeds were trained, mean and standard deviation over them stand beside the interval.
    """
    numbers = {score.over_seeds[2] for score in scores.values() if score.over_seeds is not None}
    spread = [f"mean ± std of {max(numbers)} seeds"] if numbers else []
    heading = ["score", "value", "95% interval", *spread, "chance", "perfect"]
    rows = [f"| {' | '.join(heading)} |", f"| {' | '.join('---' for _ in heading)} |"]
    for name, score in scores.items():
        interval, brackets = _interval(score.low, score.high), (_text(score.chance), _text(score.perfect))
        value = f"{score.value:+.4g} (change)" if name in CHANGES else _text(score.value)
        over = "" if score.over_seeds is None else f"{score.over_seeds[0]:.4g} ± {score.over_seeds[1]:.2g}"
        cells = [name, value, interval, *([over] if spread else []), *brackets]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def tried(trial: Trial) -> dict[str, str]:
    """What a sweep tried in one trial, a setting's name and its value each, the sizes of the factors last."""
    settings = {key: str(value) for key, value in trial.candidate.settings.items()}
    return settings | {"sizes": ", ".join(str(size) for size in trial.candidate.layout.sizes)}


def in_words(trial: Trial) -> str:
    """The same in a line.

    Example:
        >>> from pipeline.tuning.flow_file import Candidate
        >>> candidate = Candidate({"num_blocks": 6}, Layout.of(["digit", "colour"], (16, 7, 9)))
        >>> in_words(Trial(0, candidate, 0.93, 0.91, 0.95, 0.0, 0.0, 96.1))
        '6 blocks, sizes 16, 7, 9'
    """
    return f"{trial.candidate.words}, sizes {tried(trial)['sizes']}"


def sweep_note(choice: FlowChoice, chosen: Trial, links: Mapping[str, str] | None = None) -> str:
    """The description of a sweep: which of its trials was chosen and why, links, then a Markdown table of them.

    MLflow takes 8,000 characters: of more trials those stand there that got furthest, with the highest `probe/gap`.
    """
    left = f", and {choice.not_begun} more that tune.minutes left" if choice.not_begun else ""
    first = f"{len(choice.trials)} trials{left}; chosen is trial {chosen.number}: {in_words(chosen)}, {choice.reason}"
    linked = ", ".join(f"[{words}]({address})" for words, address in (links or {}).items())
    first += f"\n\nSee {linked}" if linked else ""
    settings = ["blocks" if name == "num_blocks" else name for name in tried(chosen)]
    early = ["ended early"] if not all(trial.finished for trial in choice.trials) else []
    heading = ["trial", *settings, PROBE_GAP, "95% interval", PAIR_NATS, *early, "chosen"]
    rows = {}
    for trial in choice.trials:
        scores = [_text(trial.probe_gap), _interval(trial.gap_low, trial.gap_high), _text(trial.pair_nats)]
        end = "" if trial.finished else trial.failure.replace("|", "/") or f"stopped at step {trial.stopped}"
        cells = [
            str(trial.number),
            *tried(trial).values(),
            *scores,
            *([end] if early else []),
            "yes" if trial == chosen else "",
        ]
        rows[trial.number] = f"| {' | '.join(cells)} |"
    shown, room = set(), MOST_CHARACTERS - len(first)
    for trial in sorted(choice.trials, key=lambda trial: trial.rank):
        room -= len(rows[trial.number]) + 1
        if room < 0:
            break
        shown.add(trial.number)
    rest = len(rows) - len(shown)
    more = f"\nThe other {rest} are in flow.yaml, among the artifacts.\n" if rest else ""
    head = [f"| {' | '.join(heading)} |", "| --- " * len(heading) + "|"]
    table = [*head, *(row for number, row in rows.items() if number in shown)]
    return f"{first}\n\n" + "\n".join(table) + f"\n{more}"


def _listed(names: Sequence[str]) -> str:
    """The first names of a list; of many the number of the others."""
    shown = list(names[:NAMED]) + ([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _in_brief(score: Score) -> str:
    return f"{score.value:.2f}" if score.low is None else f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f"{_text(low)} to {_text(high)}"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
