"""The command of `pipeline.scores`: the real one in a process of its own, and what it reads, in this one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.basis.layout import Layout
from pipeline.scores.__main__ import main, read_layout, read_table, subset_lines
from pipeline.scores.code_scores import CodeScores
from pipeline.scores.record import as_json
from pipeline.scores.statistics.score import Score

from .codes import LAYOUT, Study, good_study

STUDY = good_study(60)
YAML = "names: [residual, digit, colour]\nsizes: [6, 4, 5]\n"
ROOT = Path(__file__).parents[2]


def columns(study: Study, **other: Any) -> dict[str, Any]:
    """Columns of a good table, with `other` in place; None leaves one out."""
    given: dict[str, Any] = {
        "code": [row.tolist() for row in study.code],
        "digit": study.digit,
        "colour": [row.tolist() for row in study.colour],
        "original": np.arange(len(study.code)),
        **other,
    }
    return {name: column for name, column in given.items() if column is not None}


def write(folder: Path, study: Study = STUDY, layout: str = YAML, **other: Any) -> list[str]:
    """The table and the layout as files, and the arguments that name them."""
    pq.write_table(pa.table(columns(study, **other)), folder / "codes.parquet")
    (folder / "layout.yaml").write_text(layout)
    return [str(folder / "codes.parquet"), "--layout", str(folder / "layout.yaml")]


def test_the_command_prints_what_the_library_measures_and_imports_nothing_else(
    tmp_path: Path, good_scores: CodeScores
) -> None:
    arguments = [*write(tmp_path, good_study(100), id=np.arange(100)), "--json", "--seed", "3"]
    command = [sys.executable, "-X", "importtime", "-m", "pipeline.scores", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(as_json(good_scores.scores)))
    imports = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports}
    assert {"pyarrow", "sklearn"} <= packages
    assert not packages & {"torch", "ray", "mlflow", "pydantic"}
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert said[0].endswith("codes.parquet: columns that the layout does not name are ignored: id")
    assert said[1:] == list(good_scores.left_out)


@pytest.mark.usefixtures("few_blocks")
def test_the_table_has_each_score_with_interval_and_brackets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline.scores", *write(tmp_path)])
    main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("codes.parquet: 60 rows of 60 originals, 15 dimensions, seed 0")
    assert printed[2].split() == ["score", "value", "95", "%", "interval", "chance", "perfect"]
    rows = {line.split()[0]: line.split()[1:] for line in printed[3:] if line}
    assert float(rows["probe/own"][0]) > 0.9
    assert rows["probe/own"][2] == "to"
    assert {"pair/own/digit", "block_tc", "per_dimension/mig"} <= set(rows)


def test_a_part_of_the_table_is_stated_once_for_the_scores_of_a_name() -> None:
    part, halves, whole = {"subset_rows": 2000}, {"train_rows": 990, "test_rows": 1010}, {"train_rows": 4000}
    details = {"probe/leak": part, "probe/leak/digit": part, "per_dimension/sap": halves, "other": whole, "plain": {}}
    scores = {name: Score(0.5, details=detail) for name, detail in details.items()}
    assert list(subset_lines(scores, 4000)) == [
        "on 2000 of 4000 rows, drawn by seed and original, stratified: probe/leak, per_dimension/sap"
    ]


def test_columns_of_every_accepted_type(tmp_path: Path) -> None:
    words = ["nought", "one", "two", "three", "four"]
    write(
        tmp_path,
        code=pa.FixedSizeListArray.from_arrays(pa.array(STUDY.code.astype(np.float16).ravel()), 15),
        digit=pa.array([words[digit] for digit in STUDY.digit]).dictionary_encode(),
        colour=STUDY.colour[:, 0].astype(np.float32),
        original=[f"image {number // 2}" for number in range(60)],
    )
    table = read_table(tmp_path / "codes.parquet", LAYOUT)
    np.testing.assert_allclose(table.codes, STUDY.code, atol=0.01)
    assert [sorted(words)[number] for number in table.concepts["digit"]] == [words[digit] for digit in STUDY.digit]
    np.testing.assert_allclose(table.concepts["colour"], STUDY.colour[:, :1], atol=1e-6)
    assert len(np.unique(table.originals)) == 30
    flags = [bool(digit % 2) for digit in STUDY.digit]
    write(tmp_path, digit=flags, original=None)
    table = read_table(tmp_path / "codes.parquet", LAYOUT)
    assert table.concepts["digit"].tolist() == flags
    assert table.originals is None


def codes_with(row: int, value: Any) -> list[Any]:
    """The codes as lists, one of them another."""
    return [value if number == row else code.tolist() for number, code in enumerate(STUDY.code)]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"code": None}, "found no columns named 'code'; one is expected; the columns are digit, colour, original"),
    ({"code": STUDY.digit}, "column 'code': found int64; lists of floats are expected"),
    ({"code": [["a"]] * 60}, "column 'code': found list<element: string>; lists of floats are expected"),
    ({"code": codes_with(7, [0.5] * 14)}, "column 'code': row 7 has 14 numbers, row 0 has 15"),
    ({"code": codes_with(7, None)}, "column 'code': row 7 is null"),
    ({"code": codes_with(7, [0.5] * 14 + [np.nan])}, "column 'code': row 7 holds nan at place 14"),
    ({"code": codes_with(7, [None] + [0.5] * 14)}, "column 'code': row 7 holds nan at place 0"),
    ({"code": codes_with(7, [-np.inf] + [0.5] * 14)}, "column 'code': row 7 holds -inf at place 0"),
    ({"code": [[0.5] * 9] * 60}, "column 'code': found 9 numbers a row; the sizes of the layout sum to 15"),
    ({"digit": None}, "found no columns named 'digit'"),
    ({"digit": [4] * 60}, "column 'digit': all 60 rows have the value 4; at least two values are expected"),
    ({"digit": [4, None] * 30}, "column 'digit': row 1 is null"),
    ({"colour": [0.5, np.nan] * 30}, "column 'colour': row 1 holds nan"),
    ({"colour": [[0.5], [0.1, 0.2]] * 30}, "column 'colour': row 1 has 2 numbers, row 0 has 1"),
    ({"colour": [[1], [2]] * 30}, "column 'colour': found list<element: int64>; integers, booleans or strings"),
    ({"original": [0.5] * 60}, "column 'original': found double; integers or strings are expected"),
    ({"layout": "names: [residual, digit]\nsizes: [6, 4, 5]\n"}, "layout.yaml: layout: "),
    ({"layout": "names: [digit, colour]\nsizes: [6, 9]\n"}, "layout.yaml: layout: the first factor must be"),
    ({"layout": "names: [residual]\nsizes: [15]\n"}, "layout.yaml: names: found ['residual']; concepts"),
    ({"layout": "names: [residual, code]\nsizes: [6, 9]\n"}, "concepts not named code or original are expected"),
    ({"layout": "names: [residual, digit]\nsizes: [6, x]\n"}, "layout.yaml: sizes: found [6, 'x']; a mapping of"),
    ({"layout": "[residual, digit]"}, "layout.yaml: found list; a mapping of `names`"),
    ({"layout": "names: [residual, digit]\n"}, "layout.yaml: found keys names; a mapping of"),
    ({"layout": "names: [residual"}, "layout.yaml: is no YAML"),
    ({"original": np.arange(60) % 4}, "a probe needs at least 5 originals for its 5 folds, found 4"),
]


@pytest.mark.parametrize(("wrong", "says"), BAD, ids=[says[:60] for _, says in BAD])
def test_a_wrong_input_ends_in_one_line_that_names_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline.scores", *write(tmp_path, **wrong)])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"error: {tmp_path}/")
    assert says in line


def test_files_that_are_none(tmp_path: Path) -> None:
    codes, _, layout = write(tmp_path)
    with pytest.raises(
        ValueError, match=r"nowhere\.yaml: there is no such file; a YAML file of the layout is expected"
    ):
        read_layout(tmp_path / "nowhere.yaml")
    with pytest.raises(ValueError, match=r"nowhere\.parquet: there is no such file"):
        read_table(tmp_path / "nowhere.parquet", LAYOUT)
    with pytest.raises(ValueError, match="is no Parquet file"):
        read_table(Path(layout), LAYOUT)
    with pytest.raises(ValueError, match="is no YAML"):
        read_layout(Path(codes))


def test_a_layout_is_read_as_the_pipeline_writes_it(tmp_path: Path) -> None:
    (tmp_path / "layout.yaml").write_text(json.dumps(LAYOUT.as_dict()))
    assert read_layout(tmp_path / "layout.yaml") == LAYOUT
    assert read_layout(tmp_path / "layout.yaml") != Layout.of(("digit",), (6, 9))
