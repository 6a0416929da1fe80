"""flow.yaml, read back and refused."""

import pytest

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.tuning.flow_file import FlowChoice, Trial, read_flow_file, write_flow_file

CHOICE = FlowChoice(
    num_blocks=6,
    layout=Layout(("residual", "digit"), (5, 1)),
    estimate=(4, 2),
    trials=(
        Trial(0, 4, (4, 2), 0.8, 0.7, 0.9, 0.05, 0.15, 12.0),
        Trial(1, 6, (5, 1), 0.9, 0.85, 0.95, 0.0, 0.0, 11.1234567),
    ),
    chosen=1,
)


def test_a_choice_is_read_back_with_six_digits(tmp_path):
    write_flow_file(tmp_path / "flow.yaml", CHOICE)
    back = read_flow_file(tmp_path / "flow.yaml")
    assert (back.num_blocks, back.layout, back.estimate, back.chosen) == (6, CHOICE.layout, (4, 2), 1)
    assert back.trials[0] == CHOICE.trials[0]
    assert back.trials[1].pair_nats == 11.123457


@pytest.mark.parametrize(
    "content",
    [
        "",
        "num_blocks: 6",
        "- 1",
        "a: [",
        "num_blocks: 6\nlayout: {names: [x], sizes: [1]}\nestimate: [1]\ntrials: []\n",
    ],
)
def test_another_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "flow.yaml").write_text(content)
    with pytest.raises(InputError, match=r"flow\.yaml: no choice of a flow") as error:
        read_flow_file(tmp_path / "flow.yaml")
    assert "\n" not in str(error.value)


def test_a_missing_file_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match=r"flow\.yaml: not there; run `dvc repro`"):
        read_flow_file(tmp_path / "flow.yaml")
