"""The Fréchet distance against its own formula, what T has to beat, and the networks whose features it compares."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from interpret.subjects import parts
from refusals import refusal_of
from scipy.linalg import sqrtm
from torch import Tensor, nn

from pipeline.evaluation.evaluation import evaluate
from pipeline.evaluation.features import features_of
from pipeline.evaluation.frechet import drawn_latents, frechet_scores, sampling
from pipeline.judge.network import Judge, JudgeNet
from pipeline.params import EvaluateParams

NUM = 400
JUDGE = Judge(JudgeNet({"shape": 4}, 4, 0).eval(), {}, (), {}, torch.device("cpu"))
WAYS = ("flow", "reconstruction", "gaussian", "mixture", "prior")
ORIGINAL = np.arange(NUM)


def normal(seed: int, matrix: object = 1.0, shift: object = 0.0) -> Tensor:
    rows = np.random.default_rng(seed).normal(size=(NUM, 3))
    return torch.from_numpy(rows @ np.diag(np.broadcast_to(matrix, 3)) + np.asarray(shift))


def measured(real: Tensor, flow: Tensor, other: Tensor) -> dict[str, float]:
    drawn = {way: flow if way == "flow" else other for way in WAYS}
    return {name: score.value for name, score in frechet_scores(real, drawn, "file", ORIGINAL, 0).items()}


def test_the_distance_is_that_of_two_gaussians() -> None:
    real, flow = (
        normal(0),
        normal(1, (1, 2, 3), (0, 1, 0)) @ torch.tensor([[1, 0.5, 0], [0, 1, 0], [0, 0.2, 1]]).double(),
    )
    a, b = (np.cov(rows.numpy().T) for rows in (real, flow))
    apart = ((real - flow).mean(dim=0) ** 2).sum().item()
    wanted = apart + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert measured(real, flow, real)["frechet/flow"] == pytest.approx(wanted, rel=1e-6)


def test_equal_images_are_nowhere_apart_and_moved_ones_as_far_as_they_moved() -> None:
    real = normal(0)
    found = measured(real, real, real + torch.tensor([0.0, 3.0, 4.0]))
    assert found["frechet/flow"] == pytest.approx(0, abs=1e-6)
    assert found["frechet/prior"] == pytest.approx(25, rel=1e-6)
    assert found["frechet/gain_over/mixture"] == pytest.approx(25, rel=1e-6)


def test_the_paired_interval_holds_the_gain_and_tells_a_certain_one_from_none() -> None:
    real, near, far = normal(0), normal(1), normal(2, shift=0.5)
    drawn = {way: near if way in ("flow", "gaussian") else far for way in WAYS}
    scores = frechet_scores(real, drawn, "judge of digit", ORIGINAL, 0)
    certain, none = scores["frechet/gain_over/mixture"], scores["frechet/gain_over/gaussian"]
    assert certain.low is not None
    assert certain.low > 0.3, "of .75, which the shift makes"
    assert (none.value, none.low, none.high) == (0, 0, 0), "what both have in common cancels"
    assert scores["frechet/flow"].low >= 0
    assert scores["frechet/flow"].details == {"features": "judge of digit", "dimensions": 3, "images": NUM}
    assert frechet_scores(real, drawn, "judge of digit", ORIGINAL, 0) == scores
    width = scores["frechet/mixture"].high - scores["frechet/mixture"].value
    each = [measured(normal(10 + s), near, normal(50 + s, shift=0.5))["frechet/mixture"] for s in range(20)]
    assert 0.4 < width / (1.96 * np.std(each)) < 2.5, "of other images the distance is as often within it"


def test_the_baselines_are_drawn_from_what_the_training_latents_are() -> None:
    latents = parts((), num_rows=600).latents
    rows = latents.mean.copy()
    rows[:, 0] = 5 * np.sign(rows[:, 0]) + 0.1 * rows[:, 1]  # two heaps, which one Gaussian fills between
    latents = replace(latents, mean=rows, scale=np.zeros_like(rows))
    drawn = {name: z.numpy() for name, z in drawn_latents(latents, 2000, seed=0).items()}
    for name in ("gaussian", "mixture"):
        assert np.allclose(drawn[name].mean(axis=0), rows.mean(axis=0), atol=0.5)
        assert np.allclose(drawn[name].std(axis=0), rows.std(axis=0), rtol=0.15)
    assert np.allclose(drawn["prior"].std(axis=0), 1, atol=0.1)
    between = {name: (np.abs(z[:, 0]) < 3).mean() for name, z in drawn.items()}
    assert between["mixture"] < 0.01 < 0.3 < between["gaussian"]


def test_a_study_without_a_concept_has_likelihoods_and_distances_alone(capsys: pytest.CaptureFixture[str]) -> None:
    of = parts((), num_rows=80)
    of = replace(of, iin=replace(of.iin, card=of.iin.card | {"rho": 0.9, "seed": 0}))
    scores, transitions = evaluate(of.rows(), JUDGE, of.latents, EvaluateParams(pairs=100), 0)
    assert {name.partition("/")[0] for name in scores} == {"nll", "roundtrip", "preserve", "reconstruction", "frechet"}
    assert {f"frechet/{way}" for way in WAYS} <= set(scores)
    assert scores["frechet/flow"].details["features"] == "classifier of shape"
    assert transitions == {}
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines() if "parts" in line] == [
        "1/3",
        "2/3",
        "3/3",
    ]


def test_what_is_not_compared_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    of = parts((), num_rows=80)
    assert sampling(of.rows(), of.latents, features_of(None, None, ()), 0) == {}
    assert sampling(of.drawing().rows(), of.latents, features_of(None, JUDGE, ()), 0) == {}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("frechet/… is left out: ") for line in lines)


class Means(nn.Module):
    """Features of pixels: the mean of each channel."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean(dim=(2, 3))


class Asked(nn.Module):
    """Classes, and features where these are asked for."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        means = images.float().mean(dim=(2, 3))
        return means if return_features else means.sum(dim=1, keepdim=True)


class Images(nn.Module):
    """No features: images."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float()


def scripted(network: nn.Module) -> Callable[[Path], None]:
    return lambda path: torch.jit.script(network).save(path)


def exported(path: Path) -> None:
    some = (torch.zeros((2, 3, 32, 32), dtype=torch.uint8),)
    dynamic = ({0: torch.export.Dim("images", min=1)},)
    torch.export.save(torch.export.export(Means(), some, dynamic_shapes=dynamic), path)


@pytest.mark.parametrize("save", [scripted(Means()), scripted(Asked()), exported], ids=["script", "asked", "export"])
def test_a_file_gives_the_features(save: Callable[[Path], None], tmp_path: Path) -> None:
    save(tmp_path / "network.pt")
    features = features_of(str(tmp_path / "network.pt"), JUDGE, ("shape",))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    assert features.name == "file"
    assert np.allclose(features.of(pixels).numpy(), pixels.mean(axis=(1, 2)), rtol=1e-5)


def test_without_a_file_they_are_what_the_heads_of_the_judge_read() -> None:
    features = features_of(None, JUDGE, ("shape",))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    found = features.of(pixels)
    assert (features.name, found.shape) == ("judge of shape", (5, 128))
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(JUDGE.network.heads["shape"](found.float()), JUDGE.network(images)["shape"], atol=1e-5)


def test_a_file_that_gives_no_features_is_refused(tmp_path: Path) -> None:
    path, pixels = tmp_path / "network.pt", np.zeros((2, 32, 32, 3), np.uint8)
    path.write_text("no network")
    assert refusal_of(features_of, str(path), None, ()).startswith(f"evaluate.features: {path} is no TorchScript or ")
    scripted(Images())(path)
    features = features_of(str(path), None, ())
    wanted = f"evaluate.features: {path} gives float32 [2, 3, 32, 32] for 2 images, accepted are numbers [B, D]"
    assert refusal_of(features.of, pixels) == wanted
