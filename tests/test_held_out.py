"""What held-out rows say of a flow: ridges against scikit-learn's, the gap and the gain from both sides."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from training.small_latents import write_latents

from pipeline.basis.layout import Layout
from pipeline.flow import Flow, FlowConfig, closed_form, latent_nats
from pipeline.held_out import Held, HeldOutRows, _sums, ridge_predictions, why_no_probe
from pipeline.pairing.moments import latent_moments
from pipeline.scores.statistics.targets import folds_by_original, target_of
from pipeline.tables.latents import Latents, load_latents

LAYOUT = Layout(("residual", "digit", "colour"), (2, 2, 2))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def splits(tmp_path_factory) -> dict[str, Latents]:
    folder = write_latents(tmp_path_factory.mktemp("latents"))
    return {split: load_latents(folder, split) for split in ("train", "val")}


@pytest.mark.parametrize("kind", ["rare classes", "two classes", "values"])
def test_a_ridge_predicts_what_scikit_learn_s_does(kind: str) -> None:
    rng = np.random.default_rng(0)
    code = np.c_[rng.normal(size=(90, 3)) * [1, 5, 0.1] + 7, np.ones(90)]
    classes = kind != "values"
    concept = rng.choice(4, 90, p=[0.6, 0.3, 0.06, 0.04]) if kind == "rare classes" else (code[:, 0] > 7).astype(int)
    if not classes:
        concept = code[:, :2] @ rng.normal(size=(2, 2)) + rng.normal(size=(90, 2))
    target = target_of("kind", concept, 90)
    folds = folds_by_original(target, np.arange(90) // 2, seed=0)
    expected = np.zeros_like(target.truth)
    for fitted, held in folds:
        ridge = RidgeClassifier(alpha=1.0, class_weight="balanced") if classes else Ridge(alpha=1.0)
        probe = make_pipeline(StandardScaler(), ridge).fit(code[fitted], target.truth[fitted])
        expected[held] = probe.predict(code[held])
    codes = torch.from_numpy(np.stack([rng.normal(size=code.shape), code]))  # one beside another
    np.testing.assert_allclose(ridge_predictions(codes, [target], folds)[0][1], expected, atol=1e-9)


def test_concepts_that_are_fitted_together_are_predicted_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.normal(size=(3, 80, 4)))
    wanted = {"ten": rng.integers(10, size=80), "rare": (np.arange(80) < 6).astype(int), "even": np.arange(80) % 2}
    targets = [target_of(name, values, 80) for name, values in wanted.items()]
    folds = folds_by_original(targets[0], np.arange(80), seed=0)
    for target, together in zip(targets, ridge_predictions(codes, targets, folds), strict=True):
        np.testing.assert_array_equal(together, ridge_predictions(codes, [target], folds)[0])


def test_resampled_scores_are_those_of_the_rows_that_were_drawn() -> None:
    """By hand: of each resample the rows of its originals, as often as they were drawn, and their score."""
    rng = np.random.default_rng(0)
    index = rng.integers(20, size=60)
    for concept in (rng.integers(3, size=60), rng.normal(size=(60, 2))):
        target = target_of("kind", concept, 60)
        truth = target.truth
        drawn = rng.integers(20, size=(5, 20))
        prediction = [rng.permutation(truth), truth + (0 if truth.ndim == 1 else 0.1)]
        times = np.stack([np.bincount(row, minlength=20) for row in drawn])
        counts = times.T[index].astype(np.float32)
        scores = target.score(_sums(target, np.stack(prediction), counts))
        for row, score in zip(drawn, scores, strict=True):
            rows = np.concatenate([np.flatnonzero(index == original) for original in row])
            for factor, predicted in enumerate(prediction):
                expected = target.score(target.sums(predicted)[rows].sum(axis=0))
                assert score[factor] == pytest.approx(float(expected), abs=1e-9)


class _Fixed(nn.Module):
    """A map that gives the same codes, whatever the latents: those of the rows in order."""

    def __init__(self, code: Tensor) -> None:
        super().__init__()
        self.code = code

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.code, torch.zeros(len(z))


def _held(splits: dict[str, Latents], code: Tensor) -> Held:
    form = closed_form(latent_moments(splits["train"]), LAYOUT)
    return HeldOutRows(splits["val"], form, LAYOUT, 0, CPU).figures(_Fixed(code))


def test_the_gap_is_high_where_each_factor_says_its_concept_and_below_0_where_another_does(splits) -> None:
    digit, colour = splits["val"].labels["digit"], splits["val"].values["colour"]
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(digit), 2))
    says_digit = np.stack([np.cos(2 * np.pi * digit / 3), np.sin(2 * np.pi * digit / 3)], axis=1)
    says_colour = colour[:, :2]
    right, wrong, leaky = (
        _held(splits, torch.from_numpy(np.hstack(parts)))
        for parts in (
            (noise, says_digit, says_colour),
            (noise, says_colour, says_digit),
            (says_digit, says_digit, says_colour),
        )
    )
    assert right.gap > 0.7
    assert wrong.gap < -0.6
    assert right.gap - leaky.gap == pytest.approx(0.5, abs=0.1), "one concept of two is read from the residual, too"
    assert right.gap_resamples.shape == (200,)
    assert np.quantile(right.gap_resamples, 0.025) < right.gap < np.quantile(right.gap_resamples, 0.975)


def test_the_gain_is_the_paired_difference_to_the_closed_form(splits) -> None:
    form = closed_form(latent_moments(splits["train"]), LAYOUT)
    flow = Flow(FlowConfig(6, num_blocks=2, width=8))
    flow.start_as(form)
    rows = HeldOutRows(splits["val"], form, LAYOUT, 0, CPU)
    start = rows.figures(flow)
    assert start.gain == pytest.approx(0, abs=1e-5)
    assert start.gain_error < 1e-5
    with torch.no_grad():
        flow.layers[1].loc += 0.5  # of the first ActNorm
    moved = rows.figures(flow)
    with torch.no_grad():
        difference = latent_nats(form.codes(rows._z), torch.tensor(form.log_abs_det)) - latent_nats(*flow(rows._z))
    assert moved.gain == pytest.approx(float(difference.mean()), abs=1e-4)
    assert moved.gain == pytest.approx(-0.5 * 6 * 0.25, abs=1)
    assert moved.gain_error == pytest.approx(float(difference.std(correction=0)) / len(difference) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30])
def test_codes_that_are_not_finite_give_no_figure_that_is(splits, number) -> None:
    code = torch.randn(60, 6)
    code[7, 3] = number  # of which one has a square that float32 does not hold
    held = _held(splits, code)
    assert np.isnan([held.gap, *held.gap_resamples, held.gain, held.gain_error]).all()


def _part(latents: Latents, rows: np.ndarray) -> Latents:
    columns = {name: getattr(latents, name)[rows] for name in ("id", "original", "mean", "scale")}
    labels = {name: values[rows] for name, values in latents.labels.items()}
    return dataclasses.replace(
        latents, **columns, labels=labels, values={name: values[rows] for name, values in latents.values.items()}
    )


def test_where_no_probe_can_be_fitted_it_is_said_and_every_flow_is_level(splits) -> None:
    val = splits["val"]
    few, one = _part(val, np.arange(4)), _part(val, np.flatnonzero(val.labels["digit"] == 1))
    assert why_no_probe(val, 0) == ""
    assert why_no_probe(few, 0) == (
        "4 originals have a value in every concept (in 'digit' 4, the fewest), and a probe needs 5"
    )
    unknown = _part(val, np.arange(60))
    unknown.labels["colour"] = np.where(np.arange(60) < 3, unknown.labels["colour"], -1)
    assert why_no_probe(unknown, 0) == (
        "3 originals have a value in every concept (in 'colour' 3, the fewest), and a probe needs 5"
    )
    assert why_no_probe(one, 0) == "'digit' has one value alone where every concept has one, and a probe needs two"
    form = closed_form(latent_moments(splits["train"]), LAYOUT)
    for rows in (few, one):
        held = HeldOutRows(rows, form, LAYOUT, 0, CPU).figures(_Fixed(torch.zeros(len(rows), 6)))
        assert held.gap == 0
        assert not held.gap_resamples.any()


def test_of_many_rows_those_of_a_rare_class_are_among_the_probed(splits) -> None:
    """A class of 3 rows in 6,000 would seldom be among 2,048 drawn, and a probe of one value cannot be fitted."""
    val = splits["val"]
    rows = np.arange(6000)
    many = dataclasses.replace(_part(val, rows % len(val)), id=rows, original=rows)
    many.labels["digit"] = np.isin(rows, [7, 3001, 5990]).astype(np.int64)
    for seed in range(4):
        assert why_no_probe(many, seed) == ""
        form = closed_form(latent_moments(splits["train"]), LAYOUT)
        held = HeldOutRows(many, form, LAYOUT, seed, CPU)
        assert held._targets[0].truth.sum() == 3
        assert len(held._mean) == 2048
