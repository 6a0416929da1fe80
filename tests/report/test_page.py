"""A report is one small file that says what was measured, shows what was edited, and takes any name."""

import base64
import json
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from interpret.subjects import parts
from numpy.typing import NDArray
from PIL import Image

from pipeline.basis.layout import Layout
from pipeline.interpretation.edits import swap
from pipeline.report.commit import UNKNOWN, with_commit
from pipeline.report.edits import plan_for
from pipeline.report.evidence import tried
from pipeline.report.page import MOST_BYTES
from pipeline.report.words import verdicts
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import Score

from .pages import Elements, choice, decided_page, drawn_page, subject_of_page, valued_page

NASTY = "<img src=x onerror=alert(1)><script>&\"'`{{ 7*7 }}"  # a concept has no slash, a class may have


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return drawn_page(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> str:
    layers = {name: dict(parts().scores) for name in ("stage2", "features")}
    return decided_page(tmp_path_factory.mktemp("decided"), layers)


def sprite(page: str, name: str) -> NDArray[np.uint8]:
    """Pixels of one of a page's sprites."""
    found = re.search(rf"\.s-{name}{{background-image:url\(data:image/webp;base64,([^)]*)\)", page)
    assert found is not None, name
    return np.asarray(Image.open(BytesIO(base64.b64decode(found[1]))).convert("RGB"))


def test_the_same_inputs_give_the_same_bytes(page: str, tmp_path: Path) -> None:
    assert drawn_page(tmp_path) == page


def test_a_page_without_a_concept_shows_what_is_drawn_and_how_near_it_is(tmp_path: Path) -> None:
    details = {"features": "classifier of digit"}
    ways = {"flow": 2.0, "reconstruction": 1.0, "gaussian": 9.0, "mixture": 3.0, "prior": 40.0}
    scores = {f"frechet/{way}": Score(value, value - 0.5, value + 0.5, details=details) for way, value in ways.items()}
    for gain, answer in (((0.5, 1.5), "Yes."), ((-0.5, 2.0), "In part.")):
        gains = {f"frechet/gain_over/{way}": Score(1.0, *gain) for way in ("mixture",)}
        gains |= {f"frechet/gain_over/{way}": Score(5.0, 4.0, 6.0) for way in ("gaussian", "prior")}
        page = drawn_page(tmp_path, parts(()), Scores(scores | gains))
        text = Elements(page).text
        assert Elements(page).open == []
        assert f"Did it work? {answer}" in text
        assert "by the classifier of digit that was trained here, so that it is no FID" in text
        assert "The directions" not in text
        assert not {'id="factors"', 'id="swaps"'} & set(re.findall(r'id="[a-z]+"', page))
        assert {'id="draws"', 'id="lines"', 'id="lost"'} <= set(re.findall(r'id="[a-z]+"', page))
        for word in ("the rest", "linear probe", "one concept"):
            assert word not in text, word
        assert json.loads(Elements(page).scripts[0])["factors"][0]["name"] == "the code"


def test_a_page_is_whole_and_asks_for_nothing(page: str, decided: str) -> None:
    for one in (page, decided):
        assert len(one.encode()) < MOST_BYTES
        elements = Elements(one)
        assert elements.open == []
        links = [value for name, value in elements.attributes if name in ("href", "src", "srcset", "action")]
        assert links
        assert [value for value in links if not value.startswith(("#", "data:"))] == []
        targets = {value for name, value in elements.attributes if name == "id"}
        assert {value[1:] for value in links if value.startswith("#")} <= targets
        assert not re.search(r"url\((?!data:)|@import", one)


def test_an_edited_picture_is_what_the_network_draws(page: str) -> None:
    """The third image with the hue of its second donor, and the first row of the images as they are."""
    subject = subject_of_page()
    plan = plan_for(3)
    recipients, donors = subject.recipients(plan.images), subject.donors("hue", plan.donors)
    edit = swap("hue", subject.rows.codes[donors[[1]]])
    expected = subject.draw_codes(subject.edited(recipients[[2]], edit), recipients[[2]])[0]
    table = sprite(page, "edits-2")
    assert np.array_equal(table[2 * 32 : 3 * 32, 32:64], expected)
    assert np.array_equal(sprite(page, "images")[:32, 64:96], subject.pixels[recipients[2]])
    assert np.array_equal(sprite(page, "donors")[64:96, 32:64], subject.pixels[donors[1]])


def test_a_factor_is_set_to_each_class_or_to_what_donors_have(page: str) -> None:
    subject = subject_of_page()
    plan = plan_for(3)
    recipients = subject.recipients(plan.images)
    data = json.loads(Elements(page).scripts[0])
    residual, shape, hue = data["factors"]
    assert (residual["values"], shape["values"]) == ([], ["{a}", "b <c>", "d", "e"])
    assert len(hue["values"]) == plan.donors
    assert all(re.fullmatch(r"[a-z ]+ #[0-9a-f]{6}", text) for text in hue["values"])
    first, end = shape["columns"]["set"]
    assert end - first == 4
    edit = subject.rows.interpretation.set_to("shape", "d")
    expected = subject.draw_codes(subject.edited(recipients[[3]], edit), recipients[[3]])[0]
    column = 32 * (first + 2)
    assert np.array_equal(sprite(page, "edits-1")[3 * 32 : 4 * 32, column : column + 32], expected)
    first, end = hue["columns"]["set"]
    red = [int(hue["values"][0][-6:][place : place + 2], 16) / 255 for place in (0, 2, 4)]
    edit = subject.rows.interpretation.set_to("hue", red)
    expected = subject.draw_codes(subject.edited(recipients[[0]], edit), recipients[[0]])[0]
    shown = sprite(page, "edits-2")[:32, 32 * first : 32 * (first + 1)]
    assert np.abs(shown.astype(int) - expected).max() <= 12, "the text has 256 levels of each component"


def test_any_name_is_text(tmp_path: Path) -> None:
    of = parts((NASTY, "hue"))
    of = replace(
        of, images=replace(of.images, class_names={NASTY: [f"</script>{NASTY}{number}" for number in range(4)]})
    )
    page = drawn_page(tmp_path, of)
    elements = Elements(page)
    plain = Elements(drawn_page(tmp_path))
    assert elements.open == []
    assert elements.names == plain.names, "a name made an element"
    assert NASTY in elements.text
    data = json.loads(elements.scripts[0])
    assert data["factors"][1]["name"] == NASTY
    assert data["images"][0].startswith(f"{NASTY} </script>{NASTY}")


def graded(**gaps: float) -> Scores:
    """Scores of two concepts, whose factors are so much better than any other."""
    scores = dict(parts().scores)
    for concept, gap in gaps.items():
        scores[f"probe/gap/{concept}"] = Score(gap, gap - 0.05, gap + 0.05, 0.0, 1.0)
        scores[f"probe/other_max/{concept}"] = Score(0.9 - gap, None, None, 0.0, 0.0, {"factor": "residual"})
    return Scores(scores)


@pytest.mark.parametrize(
    ("shape", "hue", "answer", "grades"),
    [
        (0.85, 0.9, "Yes. Shape and hue", ["✓ works", "✓ works"]),
        (0.85, 0.6, "In part. Shape works; hue works in part.", ["✓ works", "~ partly"]),
        (0.02, 0.6, "In part. Hue works in part; shape fails.", ["✗ fails", "~ partly"]),
        (0.01, 0.03, "No. Shape and hue fail.", ["✗ fails", "✗ fails"]),
    ],
)
def test_the_first_lines_say_whether_it_worked(
    tmp_path: Path, shape: float, hue: float, answer: str, grades: list[str]
) -> None:
    text = Elements(drawn_page(tmp_path, scores=graded(shape=shape, hue=hue))).text
    assert f"Did it work? {answer}" in text
    assert re.findall(r"[✓~✗] \w+", text) == grades
    assert ("how much better that is than any other factor, 0.600 where the bar is 0.800" in text) == (hue == 0.6)
    assert ("'shape' is read from " in text) == (shape < 0.1), "a finding"


def test_the_bar_of_a_measure_is_as_far_from_its_own_chance() -> None:
    found = {
        "probe/own/shape": Score(0.99, 0.98, 1.0, 0.0, 1.0),
        "swap/follow/shape": Score(0.897, 0.87, 0.92, 0.5, 1.0),
    }
    (verdict,) = verdicts(Layout.of(["shape"], [2, 2]), Scores(found))
    assert verdict.below == ("how often a swap brings the donor's, 0.897 where the bar is 0.900",)


def test_a_classifier_has_bars_and_its_layers(decided: str) -> None:
    elements = Elements(decided)
    data = json.loads(elements.scripts[0])
    assert not data["draws"]
    assert len(data["numbers"]["labels"]) == 10
    rows = np.array(data["factors"][1]["bars"])
    assert np.allclose(rows.sum(axis=1), 1000, atol=5), "probabilities of all classes"
    assert "s-edits-0" not in decided
    assert "Which class does a decision turn into?" in elements.text
    assert "Layer by layer" in elements.text
    assert "features" in elements.text


def test_a_network_that_was_watched_shows_what_it_learned_to_keep(decided: str, page: str) -> None:
    text = Elements(decided).text
    assert "layer stage2: share of its numbers" in text
    assert "the rest, from 0 to 0.1" in text
    assert "hue, from 0.2 to 0.3" in text
    assert "layer features: share" not in text, "nobody watched it"
    assert "While the network itself was trained" not in Elements(page).text


def test_the_sweep_has_a_table_of_the_best(page: str) -> None:
    text = Elements(page).text
    table = text[text.index("Which maps were tried") :]
    table = table[: table.index("All scores")]
    assert "24 maps were trained" in table
    assert "The first row was taken, as it has the fewest nats a pair of the 22 trials" in table
    rows = re.findall(r"(\d+) (\d+) blocks", table)
    assert rows[:3] == [("2", "6"), ("23", "27"), ("22", "26")], "the one that was taken, then by gap"
    assert len(rows) == 20
    assert "The first 20 of 24" in table
    assert "0.02 (−0.08 to 0.12) 52.0 taken" in table


def test_without_a_concept_trials_have_no_gap(tmp_path: Path) -> None:
    text = Elements(drawn_page(tmp_path, parts(()))).text
    assert "trial map nats a pair 2 6 blocks 52.0 taken" in text


def test_a_trial_that_has_no_figures_says_why() -> None:
    of = choice(parts().iin.layout)
    rows = tried(replace(of, trials=of.trials[:3])).rows
    assert [(row[0], row[3], row[-1]) for row in rows[1:]] == [
        ("0", "0.99 (0.98 to 1.00)", "stopped after 1,200 steps"),
        ("1", "", "failed: it <diverged>"),
    ]
    assert not tried(replace(of, trials=())).rows


def test_values_of_no_class_have_bars_around_their_middle(tmp_path: Path) -> None:
    elements = Elements(valued_page(tmp_path))
    data = json.loads(elements.scripts[0])
    assert "What the output answers to" in elements.text
    assert "Which class does a decision turn into?" not in elements.text
    assert not data["numbers"]["decides"]
    before = np.array(data["numbers"]["before"])
    assert np.allclose(before.mean(axis=0), 500, atol=1)
    assert np.unique(data["factors"][1]["bars"]).size > 10


def test_a_generators_images_are_its_own(tmp_path: Path) -> None:
    text = Elements(drawn_page(tmp_path, parts().drawing(), kind="generator")).text
    assert "Here is a generator, which draws images from random numbers." in text
    assert "Shaded images are the generator’s own" in text
    assert "real" not in text.partition("Words")[0].replace("the real network", "")


def test_of_many_classes_the_likeliest_have_a_bar(tmp_path: Path) -> None:
    data = json.loads(Elements(decided_page(tmp_path, classes=300)).scripts[0])
    assert len(data["numbers"]["labels"]) == 12


def test_of_many_concepts_less_is_shown_of_each(tmp_path: Path) -> None:
    page = drawn_page(tmp_path, parts(tuple(f"concept{number}" for number in range(12)), 40))
    elements = Elements(page)
    data = json.loads(elements.scripts[0])
    assert elements.open == []
    assert (len(data["images"]), len(data["factors"])) == (4, 13)
    assert len(page.encode()) < MOST_BYTES


def test_pictures_have_the_room_that_the_words_leave(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of forty concepts take two of the five megabytes."""
    most = 1_050_000
    monkeypatch.setattr("pipeline.report.page.MOST_BYTES", most)
    small = drawn_page(tmp_path)
    assert len(small.encode()) <= most < len(page.encode())
    assert sprite(small, "edits-2").shape == sprite(page, "edits-2").shape


def test_the_commit_is_the_runs_and_not_the_files(page: str) -> None:
    assert page.count(UNKNOWN) == 1
    assert with_commit(page, None) == page
    written = with_commit(page, "1f3a<b>", edited=True)
    assert UNKNOWN not in written
    assert '<code id="commit">1f3a&lt;b&gt;</code>, with edits that were not committed' in written
