"""Whether a concept that is set is seen: a plain count beside it, brackets from both sides, and what can't be told."""

from typing import Any

import numpy as np
import pytest

from pipeline.scores.behaviour.set_to import SetRows, set_score

NUM = 400

Judged = dict[str, np.ndarray]


def seen(seed: int) -> Judged:
    rng = np.random.default_rng(seed)
    return {"digit": rng.integers(4, size=NUM), "colour": rng.uniform(size=(NUM, 3))}


def perfect(concept: str, recipient: Judged, source: Judged) -> SetRows:
    return SetRows(recipient, source[concept], source, recipient | {concept: source[concept]})


def sloppy(concept: str, seed: int = 5) -> SetRows:
    """Digits at random a quarter of the time, colours a noisy blend."""
    rng, recipient, source = np.random.default_rng(seed), seen(1), seen(2)
    ideal = perfect(concept, recipient, source).changed
    digit = np.where(rng.uniform(size=NUM) < 0.25, rng.integers(4, size=NUM), ideal["digit"])
    changed = {"digit": digit, "colour": np.asarray(ideal["colour"]) + 0.3 * rng.normal(size=(NUM, 3))}
    return SetRows(recipient, source[concept], source, changed)


def counted(concept: str, rows: SetRows) -> tuple[float, float]:
    """Follow and stay of one concept, by a plain loop."""
    other = "colour" if concept == "digit" else "digit"
    num = follows = stays = 0
    for i in range(NUM):
        own, wanted = np.atleast_1d(rows.recipient[concept][i]), np.atleast_1d(rows.wanted[i])
        if (own == wanted).all():
            continue
        now, kept = np.atleast_1d(rows.changed[concept][i]), np.atleast_1d(rows.changed[other][i])
        was, would = np.atleast_1d(rows.recipient[other][i]), np.atleast_1d(rows.source[other][i])
        num += 1
        if concept == "digit":
            follows += int(now[0] == wanted[0])
            stays += int(((kept - was) ** 2).sum() < ((kept - would) ** 2).sum())
        else:
            follows += int(((now - wanted) ** 2).sum() < ((now - own) ** 2).sum())
            stays += int(kept[0] == was[0])
    return follows / num, stays / num


def test_it_counts_as_a_plain_loop_does() -> None:
    rows = {concept: sloppy(concept) for concept in ("digit", "colour")}
    scores = {name: score.value for name, score in set_score(rows).items()}
    by_hand = {concept: counted(concept, of_it) for concept, of_it in rows.items()}
    for concept, (follow, stay) in by_hand.items():
        assert scores[f"set/follow/{concept}"] == pytest.approx(follow, abs=1e-12)
        assert scores[f"set/stay/{concept}"] == pytest.approx(stay, abs=1e-12)
    follow, stay = np.mean(list(by_hand.values()), axis=0)
    assert scores["set/score"] == pytest.approx(2 / (1 / follow + 1 / stay), abs=1e-12)
    assert 0.5 < scores["set/score"] < 0.95


def test_it_lies_between_chance_and_perfect() -> None:
    recipient, source = seen(1), seen(2)
    best = set_score({concept: perfect(concept, recipient, source) for concept in ("digit", "colour")})
    assert {score.value for score in best.values()} == {1.0} == {score.perfect for score in best.values()}
    unedited = {concept: SetRows(recipient, source[concept], source, recipient) for concept in ("digit", "colour")}
    assert set_score(unedited)["set/follow"].value == 0
    assert set_score(unedited)["set/score"].value == 0
    middle = set_score({concept: sloppy(concept) for concept in ("digit", "colour")})
    for name, score in middle.items():
        assert score.chance is not None
        assert score.chance < score.value < best[name].value, name
        assert score.low < score.value < score.high, name
    # of four digits one is right by chance, of a colour every other
    assert middle["set/follow/digit"].chance == pytest.approx(0.25, abs=0.05)
    assert middle["set/follow/colour"].chance == pytest.approx(0.5, abs=0.05)


def test_images_that_show_the_value_already_do_not_count() -> None:
    recipient, source = seen(1), seen(2)
    score = set_score({"digit": perfect("digit", recipient, source)})["set/follow/digit"]
    assert score.details == {"images": int((recipient["digit"] != source["digit"]).sum())}
    alike = SetRows(recipient, recipient["digit"], source, recipient)
    assert set_score({"digit": alike}) == {}


def test_of_one_concept_alone_the_score_is_whether_it_follows() -> None:
    rows = sloppy("digit")
    alone = SetRows({"digit": rows.recipient["digit"]}, rows.wanted, rows.source, rows.changed)
    scores = set_score({"digit": alone})
    assert sorted(scores) == ["set/follow", "set/follow/digit", "set/score"]
    assert scores["set/score"].value == set_score({"digit": rows})["set/follow/digit"].value


def test_a_colour_that_the_source_has_too_stays() -> None:
    recipient, source = seen(1), seen(2)
    source["colour"] = recipient["colour"]
    assert set_score({"digit": perfect("digit", recipient, source)})["set/stay/digit"].value == 1


def test_originals_that_recur_make_the_intervals_wider_and_nothing_else() -> None:
    rows = sloppy("digit")
    own = set_score({"digit": rows})
    of_few = set_score({"digit": SetRows(rows.recipient, rows.wanted, rows.source, rows.changed, np.arange(NUM) % 10)})
    assert {name: score.value for name, score in own.items()} == {name: score.value for name, score in of_few.items()}
    assert own["set/score"] != of_few["set/score"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"changed": {"digit": np.zeros(NUM, int)}}, "changed, 'digit' set: the concept 'colour' is missing"),
        ({"wanted": np.zeros(NUM)}, "wanted: concept 'digit' is float64"),
        ({"wanted": np.zeros(NUM - 1, int)}, r"wanted: concept 'digit' is int64 of shape \(399,\)"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = dict(vars(sloppy("digit")))
    with pytest.raises(ValueError, match=message):
        set_score({"digit": SetRows(**(fields | changes))})
