from pathlib import Path

import numpy as np
import pytest

from pipeline.drawing.sheet import house_style
from pipeline.errors import InputError
from pipeline.interpret.curves import curves_csv, curves_sheet, read_curves

from .subjects import METRICS, assert_legible, texts


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    (tmp_path / "metrics.jsonl").write_text(METRICS)
    return tmp_path / "metrics.jsonl"


def test_table_has_a_whole_row_for_each_validation(metrics: Path) -> None:
    # nats are 90 − step / 10, logged each 20 steps; the mean is over those since the validation before
    assert curves_csv(read_curves(metrics)) == (
        "step,train_pair_nats,val_pair_nats\n40,87.000000,87.000000\n80,83.000000,83.000000\n"
    )


def test_curves_are_the_points_of_the_file(metrics: Path) -> None:
    curves = read_curves(metrics)
    with house_style():
        figure = curves_sheet(curves).figure
        assert_legible(figure)
        words = [text.get_text() for text in texts(figure)]
    main, rate = figure.axes
    drawn = {line.get_label(): line.get_xydata() for line in main.get_lines()}
    assert np.array_equal(drawn["training batch"], [[step, 90 - step / 10] for step in range(20, 101, 20)])
    assert np.array_equal(drawn["held-out pairs"], [[40, 87], [80, 83]])
    assert np.allclose(rate.get_lines()[0].get_ydata(), [0.0024, 0.0018, 0.0012, 0.0006, 0])
    assert "83.0" in words


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("not json\n", "no curves of a training"),
        ('{"train/pair_nats": 1.0}\n', "KeyError: 'step'"),
        ('{"step": 1, "train/pair_nats": 1.0, "train/learning_rate": 0.1}\n', "no point of 'val/pair_nats'"),
    ],
)
def test_a_file_without_curves_is_refused_by_name(content: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.jsonl: ") as error:
        read_curves(tmp_path / "metrics.jsonl")
    assert found in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.jsonl: not there"):
        read_curves(tmp_path / "metrics.jsonl")
