"""The smallest moves as a table and a picture: what they say is what the moves are, and nothing is cut or covered."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from interpret.test_decisions import assert_legible, classifying, subject
from pipeline.drawing.sheet import house_style
from pipeline.interpret.subject import Subject
from pipeline.interpret.turns import Turns, turns_of, turns_sheet, write_turns


@pytest.fixture(scope="module")
def drawn() -> Subject:
    return classifying(("shape", "hue"), "stage1").subject()


@pytest.fixture(scope="module")
def turns(drawn: Subject) -> Turns:
    found = turns_of(drawn)
    assert found is not None
    return found


def test_a_move_of_the_table_turns_the_decision_of_its_image(drawn: Subject, turns: Turns, tmp_path: Path) -> None:
    write_turns(tmp_path / "turns.parquet", drawn, turns)
    table = pq.read_table(tmp_path / "turns.parquet").to_pylist()
    rows = drawn.rows
    decided = rows.outputs_of_latents(rows.means).argmax(dim=1).numpy()
    assert len(table) == len(rows.codes) * drawn.layout.num_factors
    place = {int(number): row for row, number in enumerate(rows.latents.id)}
    for line in table:
        row = place[line["id"]]
        moves = turns.found[line["factor"]]
        at = int(np.flatnonzero(turns.rows == row)[0])
        assert line["decision"] == decided[row]
        if line["length"] is None:
            assert line["turned_to"] is None
            continue
        logits = rows.outputs(moves.codes[at][None], np.array([row]))
        assert int(logits.argmax()) == line["turned_to"] != line["decision"]
        assert np.linalg.norm(moves.codes[at] - rows.codes[row]) == pytest.approx(line["length"], abs=1e-4)
        if line["nearest_id"] is not None:
            assert decided[place[line["nearest_id"]]] == line["turned_to"]
    assert sum(line["length"] is not None for line in table) > 5


def test_no_decision_gives_a_table_without_rows(drawn: Subject, tmp_path: Path) -> None:
    write_turns(tmp_path / "turns.parquet", drawn, None)
    table = pq.read_table(tmp_path / "turns.parquet")
    assert (table.num_rows, table.column_names[:3]) == (0, ["id", "factor", "decision"])


@pytest.mark.parametrize("concepts", [("shape",), ("a_very_long_name_of_a_concept", "hue")])
@pytest.mark.parametrize("classes", [2, 10])
def test_no_text_is_cut_or_covered(concepts: tuple[str, ...], classes: int) -> None:
    of = subject(concepts, classes)
    found = turns_of(of)
    assert found is not None
    with house_style():
        for names in (None, ["a class of a very long name indeed, as ImageNet has them"] * classes):
            assert_legible(turns_sheet(of, found, names).figure)


def test_a_network_without_a_gradient_is_said(drawn: Subject, capsys: pytest.CaptureFixture[str]) -> None:
    interpretation = drawn.rows.interpretation
    cut = interpretation.cut

    class Blocked(type(cut)):  # type: ignore[misc]
        def rest(self, images):  # type: ignore[no-untyped-def]
            run = super().rest(images)
            return lambda z: run(z).detach()

    blocked = replace(interpretation, cut=Blocked(**vars(cut)))
    of = replace(drawn, rows=replace(drawn.rows, interpretation=blocked))
    assert turns_of(of) is None
    assert capsys.readouterr().out == "counterfactuals are left out: the network's decisions have no gradient\n"
