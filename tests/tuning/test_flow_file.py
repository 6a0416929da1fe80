"""flow.yaml, read back and refused."""

from dataclasses import replace

import pytest

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.tuning.flow_file import Candidate, FlowChoice, Trial, read_flow_file, write_flow_file

NAMES = ("residual", "digit")
CHOICE = FlowChoice(
    candidate=Candidate({"num_blocks": 6}, Layout(NAMES, (5, 1))),
    estimate=(4, 2),
    trials=(
        Trial(0, Candidate({"num_blocks": 4}, Layout(NAMES, (4, 2))), 0.8, 0.7, 0.9, 0.05, 0.15, 12.0),
        Trial(1, Candidate({"num_blocks": 6}, Layout(NAMES, (5, 1))), 0.9, 0.85, 0.95, 0.0, 0.0, 11.1234567),
    ),
    chosen=1,
)
WRITTEN = """\
num_blocks: 6
layout:
  names: [residual, digit]
  sizes: [5, 1]
estimate: [4, 2]
trials:
- number: 0
  num_blocks: 4
  sizes: [4, 2]
  probe_gap: {value: 0.8, low: 0.7, high: 0.9}
  behind: {low: 0.05, high: 0.15}
  pair_nats: 12.0
  chosen: false
- number: 1
  num_blocks: 6
  sizes: [5, 1]
  probe_gap: {value: 0.9, low: 0.85, high: 0.95}
  behind: {low: 0.0, high: 0.0}
  pair_nats: 11.123457
  chosen: true
"""


def test_a_choice_is_read_back_with_six_digits(tmp_path):
    write_flow_file(tmp_path / "flow.yaml", CHOICE)
    assert (tmp_path / "flow.yaml").read_text() == WRITTEN
    back = read_flow_file(tmp_path / "flow.yaml")
    assert (back.candidate, back.estimate, back.chosen) == (CHOICE.candidate, (4, 2), 1)
    assert back.trials[0] == CHOICE.trials[0]
    assert back.trials[1].pair_nats == 11.123457


def test_a_gap_that_was_not_measured_is_null(tmp_path):
    trial = Trial(0, CHOICE.candidate, None, None, None, None, None, 12.0)
    choice = FlowChoice(CHOICE.candidate, (4, 2), (trial,), 0)
    write_flow_file(tmp_path / "flow.yaml", choice)
    assert "  probe_gap: null\n  behind: null\n  pair_nats: 12.0\n" in (tmp_path / "flow.yaml").read_text()
    assert read_flow_file(tmp_path / "flow.yaml") == choice


def test_a_trial_that_was_stopped_or_failed_says_so_and_so_does_a_budget_that_ended(tmp_path):
    layout = Layout(NAMES, (4, 2))
    stopped = Trial(1, Candidate({"num_blocks": 4}, layout), 0.8, 0.7, 0.9, None, None, 12.0, stopped=167)
    failed = Trial(2, Candidate({"num_blocks": 8}, layout), None, None, None, None, None, None, failure="lost: it")
    choice = FlowChoice(CHOICE.candidate, (4, 2), (replace(CHOICE.trials[1], number=0), stopped, failed), 0, 5)
    write_flow_file(tmp_path / "flow.yaml", choice)
    text = (tmp_path / "flow.yaml").read_text()
    assert "not_begun: 5\ntrials:" in text
    assert "  behind: null\n  pair_nats: 12.0\n  stopped: 167\n  chosen: false\n" in text
    assert "  probe_gap: null\n  behind: null\n  pair_nats: null\n  failure: 'lost: it'\n  chosen: false\n" in text
    back = read_flow_file(tmp_path / "flow.yaml")
    assert (back.trials[1:], back.not_begun, back.chosen) == (choice.trials[1:], 5, 0)


def test_another_searched_key_stands_beside_the_first(tmp_path):
    candidate = Candidate({"num_blocks": 6, "learning_rate": 0.003}, Layout(NAMES, (5, 1)))
    trial = Trial(0, candidate, 0.8, 0.7, 0.9, 0.0, 0.0, 12.0)
    choice = FlowChoice(candidate, (4, 2), (trial,), 0)
    write_flow_file(tmp_path / "flow.yaml", choice)
    assert (tmp_path / "flow.yaml").read_text().startswith("num_blocks: 6\nlearning_rate: 0.003\nlayout:\n")
    assert read_flow_file(tmp_path / "flow.yaml") == choice
    assert str(candidate) == "6 blocks, learning rate 0.003, sizes 5/1"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "num_blocks: 6",
        "- 1",
        "a: [",
        "num_blocks: 6\nlayout: {names: [x], sizes: [1]}\nestimate: [1]\ntrials: []\n",
        "blocks: 6\nlayout: {names: [residual], sizes: [1]}\nestimate: [1]\ntrials: []\n",
        "num_blocks: many\nlayout: {names: [residual], sizes: [1]}\nestimate: [1]\ntrials: []\n",
    ],
)
def test_another_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "flow.yaml").write_text(content)
    with pytest.raises(InputError, match=r"flow\.yaml: no (choice of a flow|YAML)") as error:
        read_flow_file(tmp_path / "flow.yaml")
    assert "\n" not in str(error.value)


def test_a_missing_file_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match=r"flow\.yaml: not there; run `dvc repro`"):
        read_flow_file(tmp_path / "flow.yaml")
