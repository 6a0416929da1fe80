"""flow.yaml: the chosen candidate, and the table of trials that it was chosen from.

A candidate is a flow that differs from params.yaml in the keys that a sweep searches and in its sizes.

The searched keys stand by their own names, `num_blocks` here. A trial that was stopped early has a further `stopped:
167`, the step; its figures are those of its best step until then. One that failed has no figures, and `failure: why`.
Where `tune.minutes` left some untried, `not_begun` says how many.

num_blocks: 6
layout: {names: [residual, digit, colour], sizes: [16, 7, 9]}
estimate: [16, 7, 9]
trials:
- number: 0
  num_blocks: 6
  sizes: [16, 7, 9]
  probe_gap: {value: 0.93, low: 0.91, high: 0.95}
  behind: {low: 0.0, high: 0.0}
  pair_nats: 96.1
  chosen: true

Where no gap can be measured on the validation rows, `probe_gap` and `behind` are null; `behind` is so of a trial that
was stopped, too, as it is compared with none that trained on.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.files import read_yaml, write_atomic
from pipeline.params import FlowParams, Params

__all__ = ["SEARCHED", "Candidate", "FlowChoice", "Trial", "read_flow_file", "write_flow_file"]

# What a sweep can vary beside the sizes: a key of section `flow` or `train`, and how a line shows its value. Section
# `tune` lists the values to try under the same key; a key of which it lists none is not searched, and in no candidate.
# What is chosen reaches the training through flow.yaml.
SEARCHED = {
    "num_blocks": "{} blocks",
    "width": "width {}",
    "learning_rate": "learning rate {}",
    "rho": "rho {}",
    "weight_decay": "weight decay {}",
}

ALWAYS = "num_blocks"  # searched in every sweep
DIGITS = 6  # below them, two runs on one machine agree


@dataclass(frozen=True)
class Candidate:
    """A flow that may be trained.

    Attributes:
        settings: value of each key of `SEARCHED` that is searched, in that order.
        layout: its factors.

    Example:
        >>> candidate = Candidate({"num_blocks": 8}, Layout(("residual", "digit"), (20, 12)))
        >>> str(candidate), candidate.name, candidate.applied(Params()).flow.num_blocks
        ('8 blocks, sizes 20/12', 'num_blocks-8-sizes-20-12', 8)
    """

    settings: dict[str, Any]
    layout: Layout

    def __str__(self) -> str:
        """Settings and sizes as a line shows them."""
        return f"{self.words}, sizes {'/'.join(str(size) for size in self.layout.sizes)}"

    @property
    def words(self) -> str:
        """The settings as a line shows them, such as `8 blocks`."""
        return ", ".join(SEARCHED[key].format(value) for key, value in self.settings.items())

    @property
    def name(self) -> str:
        """Its own among all candidates of a search, and fit for a folder."""
        settings = (f"{key}-{value}" for key, value in self.settings.items())
        return "-".join([*settings, "sizes", *(str(size) for size in self.layout.sizes)])

    def applied(self, params: Params) -> Params:
        """The params with these settings in section `flow`, or `train`, in place of their own.

        Raises:
            ValidationError: neither section has the key, or its value is impossible there.
        """
        of_flow = {key: value for key, value in self.settings.items() if key in FlowParams.model_fields}
        of_train = {key: value for key, value in self.settings.items() if key not in of_flow}
        return params.changed(flow=params.flow.changed(**of_flow), train=params.train.changed(**of_train))


@dataclass(frozen=True)
class Trial:
    """A flow that was tried, and how it did on the validation rows.

    Attributes:
        number: in the order of the search, from 0.
        candidate: its settings, and its factors.
        probe_gap: `probe/gap`, with its interval `gap_low` to `gap_high`; these and the next two are None in all trials
            of a sweep whose validation rows can't be probed, and in one that failed.
        behind_low: lower end of the 95 % interval of how far it is behind the trial of the highest `probe/gap`.
        behind_high: the upper end; 0 to 0 for that trial itself.
        pair_nats: mean loss of held-out pairs; None where it failed.
        stopped: step at which it was stopped early; None: it took all.
        failure: the line that says why it has no figures; empty: it has.
    """

    number: int
    candidate: Candidate
    probe_gap: float | None
    gap_low: float | None
    gap_high: float | None
    behind_low: float | None
    behind_high: float | None
    pair_nats: float | None
    stopped: int | None = None
    failure: str = ""

    @property
    def finished(self) -> bool:
        """Whether it took all its steps, and may be chosen."""
        return not self.failure and self.stopped is None

    @property
    def level(self) -> bool:
        """Whether its `probe/gap` may be as high as the highest: the interval of how far it is behind holds 0.

        Where no gap was measured, all that finished are level.
        """
        return self.finished and (self.behind_low is None or self.behind_low <= 0)

    @property
    def rank(self) -> tuple[bool, bool, int, float, float]:
        """What trials are sorted by, the best first: the level ones, then those that got furthest, the failed last."""
        return (
            not self.level,
            bool(self.failure),
            -(self.stopped or 1 << 62),
            -(0.0 if self.probe_gap is None else self.probe_gap),
            0.0 if self.pair_nats is None else self.pair_nats,
        )


@dataclass(frozen=True)
class FlowChoice:
    """The outcome of a sweep.

    Attributes:
        candidate: the flow to train.
        estimate: sizes around which the sweep searched, residual first.
        trials: all that were tried, none where the params were passed on.
        chosen: number of the chosen trial, None likewise.
        not_begun: trials that `tune.minutes` left untried.
    """

    candidate: Candidate
    estimate: tuple[int, ...]
    trials: tuple[Trial, ...] = ()
    chosen: int | None = None
    not_begun: int = 0

    @property
    def reason(self) -> str:
        """Why the chosen trial was taken, by the rule of `tuning.trial.choose`; empty where nothing was tried."""
        level = [trial for trial in self.trials if trial.level]
        finished = sum(trial.finished for trial in self.trials)
        if finished < 2:
            only = "as it is the only trial"
            return (only if len(self.trials) == 1 else f"{only} that took all its steps") if finished else ""
        if len(level) == 1:
            return "as its probe/gap is the highest, and no other is level with it"
        fewest = f"as it has the fewest nats a pair of the {len(level)} trials"
        gaps = [trial.probe_gap for trial in level if trial.probe_gap is not None]
        return f"{fewest} that are level with the highest probe/gap, {max(gaps):.3f}" if gaps else fewest


def write_flow_file(path: Path, choice: FlowChoice) -> None:
    """Write a choice; numbers are rounded to 6 digits after the point."""
    content = {
        **choice.candidate.settings,
        "layout": choice.candidate.layout.as_dict(),
        "estimate": list(choice.estimate),
        **({"not_begun": choice.not_begun} if choice.not_begun else {}),
        "trials": [_row(trial, trial.number == choice.chosen) for trial in choice.trials],
    }
    yaml, buffer = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = None, False  # type: ignore[assignment]
    yaml.width = 160
    yaml.dump(content, buffer)
    write_atomic(path, buffer.getvalue())


def read_flow_file(path: Path) -> FlowChoice:
    """Read what `write_flow_file` wrote.

    Raises:
        InputError: not there, or no such file.
    """
    try:
        content = read_yaml(path)
        candidate = _candidate(content, Layout.from_dict(content["layout"]))
        candidate.applied(Params())  # which refuses an impossible value
        trials = tuple(_trial(row, candidate.layout.names) for row in content["trials"])
        chosen = next((row["number"] for row in content["trials"] if row["chosen"]), None)
        return FlowChoice(candidate, tuple(content["estimate"]), trials, chosen, content.get("not_begun", 0))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no choice of a flow ({' '.join(repr(error).split())})") from None


def _row(trial: Trial, chosen: bool) -> dict[str, Any]:
    gap = {"value": trial.probe_gap, "low": trial.gap_low, "high": trial.gap_high}
    behind = {"low": trial.behind_low, "high": trial.behind_high}
    return {
        "number": trial.number,
        **trial.candidate.settings,
        "sizes": list(trial.candidate.layout.sizes),
        "probe_gap": _rounded(gap),
        "behind": _rounded(behind),
        "pair_nats": None if trial.pair_nats is None else round(trial.pair_nats, DIGITS),
        **({} if trial.stopped is None else {"stopped": trial.stopped}),
        **({"failure": trial.failure} if trial.failure else {}),
        "chosen": chosen,
    }


def _rounded(figures: dict[str, float | None]) -> dict[str, float] | None:
    """None where one of them is not known."""
    known = {key: round(value, DIGITS) for key, value in figures.items() if value is not None}
    return known if len(known) == len(figures) else None


def _candidate(content: dict[str, Any], layout: Layout) -> Candidate:
    searched = [key for key in SEARCHED if key == ALWAYS or key in content]
    return Candidate({key: content[key] for key in searched}, layout)


def _trial(row: dict[str, Any], names: tuple[str, ...]) -> Trial:
    nothing = {"value": None, "low": None, "high": None}
    gap, behind = (nothing if row[key] is None else row[key] for key in ("probe_gap", "behind"))
    return Trial(
        row["number"],
        _candidate(row, Layout(names, tuple(row["sizes"]))),
        gap["value"],
        gap["low"],
        gap["high"],
        behind["low"],
        behind["high"],
        row["pair_nats"],
        row.get("stopped"),
        row.get("failure", ""),
    )
