"""What the description of a run says, before its table: the result, and what a person must know of it."""

from dataclasses import replace

from pipeline.basis.layout import Layout
from pipeline.scores.findings import findings
from pipeline.scores.statistics.score import Score
from pipeline.tracking.note import run_note, scores_table, sweep_note
from pipeline.tuning.flow_file import Candidate, FlowChoice, Trial

LAYOUT = Layout.of(["digit"], [3, 1])
GAP = {"probe/gap": Score(0.5, 0.4, 0.6)}
FIRST = "probe/gap 0.50 [0.40, 0.60]; 6 blocks, sizes residual 3, digit 1"


def test_findings_stand_between_the_headline_and_the_table() -> None:
    scores = GAP | {"nll/gain_over_gaussian": Score(-7.0, -8.0, -6.0), "probe/own/digit": Score(0.0, 0.0, 0.1)}
    first, empty, gaussian, nothing, gap, heading, *_ = run_note(LAYOUT, 6, scores).split("\n")
    assert (first, empty, gap) == (FIRST, "", "")
    assert [gaussian, nothing] == [f"- {sentence}" for sentence in findings(scores)]
    assert "7 nats worse than a Gaussian" in gaussian
    assert heading.startswith("| score | value |")


def test_without_a_finding_the_table_follows() -> None:
    assert run_note(LAYOUT, 6, GAP).startswith(f"{FIRST}\n\n| score |")


def test_a_change_is_called_so() -> None:
    scores = {"preserve/accuracy": Score(0.0, perfect=0.0), "preserve/agreement": Score(1.0)}
    table = run_note(LAYOUT, 6, scores)
    assert "| preserve/accuracy | +0 (change) |" in table
    assert "| preserve/agreement | 1 |" in table


def test_the_spread_over_seeds_stands_beside_the_interval() -> None:
    several = Score(0.94, 0.92, 0.95, 0.0, 1.0, {"seeds": 3, "seeds_mean": 0.93123456, "seeds_std": 0.0264575})
    heading, rule, gap, other = scores_table({"probe/gap": several, "closed_form/gap": Score(0.84)}).splitlines()
    assert heading == "| score | value | 95% interval | mean ± std of 3 seeds | chance | perfect |"
    assert rule.count("|") == heading.count("|")
    assert gap == "| probe/gap | 0.94 | 0.92 to 0.95 | 0.9312 ± 0.026 | 0 | 1 |"
    assert other == "| closed_form/gap | 0.84 |  |  |  |  |"


def test_the_table_of_a_sweep_leaves_a_gap_out_that_was_not_measured() -> None:
    candidate = Candidate({"num_blocks": 6}, LAYOUT)
    trials = tuple(Trial(number, candidate, None, None, None, None, None, 12.0 + number) for number in range(2))
    first, *_, row, _, end = sweep_note(FlowChoice(candidate, LAYOUT.sizes, trials, 0), trials[0]).split("\n")
    assert first.endswith("as it has the fewest nats a pair of the 2 trials")
    assert (row, end) == ("| 0 | 6 | 3, 1 |  |  | 12 | yes |", "")


def test_of_many_trials_the_best_stand_in_the_note_as_mlflow_takes_8000_characters() -> None:
    candidate = Candidate({"num_blocks": 6, "learning_rate": 0.003}, LAYOUT)
    trials = tuple(
        Trial(number, candidate, 0.5 + number / 1000, 0.4, 0.6, 0.01, 0.1, 12.0, stopped=None if number % 3 else 55)
        for number in range(400)
    )
    trials = (*trials[:-1], replace(trials[-1], behind_low=0.0, behind_high=0.0, stopped=None))
    note = sweep_note(FlowChoice(candidate, LAYOUT.sizes, trials, 399, not_begun=7), trials[399])
    assert 6500 < len(note) < 8000
    first, _, _, _, *rows, empty, more, end = note.split("\n")
    assert first.startswith(
        "400 trials, and 7 more that tune.minutes left; chosen is trial 399: 6 blocks, learning rate"
    )
    numbers = [int(row.split(" | ")[0][2:]) for row in rows]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 399
    assert not any(number % 3 == 0 for number in numbers[:-1])
    assert min(numbers) > 200
    assert (empty, more, end) == ("", f"The other {400 - len(rows)} are in flow.yaml, among the artifacts.", "")
