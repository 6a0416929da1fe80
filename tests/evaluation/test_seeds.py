"""What is measured of the maps of other seeds is what would be measured of each of them alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from interpret.subjects import Parts, parts

from pipeline.evaluation.evaluation import evaluate
from pipeline.flow import Flow
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import Judge, JudgeNet
from pipeline.params import EvaluateParams
from pipeline.scores.statistics.score import Score

PARAMS = EvaluateParams(pairs=100, swaps=100)
JUDGE = Judge(JudgeNet({"shape": 4}, 4, 0).eval(), {}, (), {}, torch.device("cpu"))
UNTOUCHED = ("closed_form/", "probe/closed_form", "probe/latent", "reconstruction/")  # T has no part in them


@pytest.fixture(scope="module")
def of() -> Parts:
    """Latents from which the classes of the concept can be read."""
    found = parts(("shape",), num_rows=60)
    mean = found.latents.mean.copy()
    mean[:, [0, 2, 4]] += 2 * np.eye(4, dtype=np.float32)[found.latents.labels["shape"]][:, :3]
    found = replace(found, latents=replace(found.latents, mean=mean))
    return replace(found, iin=replace(found.iin, card=found.iin.card | {"rho": 0.9, "seed": 0}))


@pytest.fixture(autouse=True)
def _no_single_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    dim = {"per_dimension/mig": Score(0.5)}
    monkeypatch.setattr("pipeline.scores.code_scores.per_dimension_scores", lambda *_: dim)


def measured(of: Parts, *others: Rows) -> dict[str, Score]:
    return evaluate(of.rows(), JUDGE, of.latents, PARAMS, 0, others)[0]


def test_each_score_that_the_map_shapes_has_the_mean_over_what_each_map_has_alone(of: Parts) -> None:
    flow = Flow(replace(of.iin.flow.config, seed=8)).eval()
    flow.initialise(torch.from_numpy(of.latents.mean) * 1.5)
    other = replace(of, iin=replace(of.iin, flow=flow, card=of.iin.card | {"seed": 8}))
    kept, alone = measured(of), measured(other)
    both = measured(of, other.rows())
    assert {name for name in both if name.partition("/")[0] == "stability"} == {
        "stability",
        *(f"stability/{name}" for name in of.iin.layout.names),
    }
    spread = {name: score.over_seeds for name, score in both.items() if score.over_seeds}
    assert set(kept) - set(spread) == {name for name in kept if name.startswith((*UNTOUCHED, "per_dimension/"))}
    for name, (mean, std, num) in spread.items():
        assert num == 2
        assert mean == pytest.approx((kept[name].value + alone[name].value) / 2, rel=1e-6, abs=1e-9), name
        assert std == pytest.approx(abs(kept[name].value - alone[name].value) / 2**0.5, rel=1e-6, abs=1e-9), name
        assert replace(both[name], details=kept[name].details) == kept[name], "its own are as they were"
    for start in ("probe/", "swap/", "nll/", "pair/"):
        assert max(std for name, (_, std, _) in spread.items() if name.startswith(start)) > 1e-3, start


def test_a_map_beside_itself_is_stable_and_what_is_left_out_is_said_once(
    of: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    few = of.drawing()
    scores = measured(few, few.rows(), few.rows())
    assert scores["stability"].value > 0.99
    assert {score.over_seeds[1:] for score in scores.values() if score.over_seeds} == {(0.0, 3)}
    out = capsys.readouterr().out
    assert out.count("is left out") == 1
    assert [line.split()[2] for line in out.splitlines() if "parts" in line] == [f"{k}/10" for k in range(1, 11)]
