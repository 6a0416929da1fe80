"""`dvc repro` from nothing: every stage runs, says what it does and leaves its outputs; what dvc shows of them."""

import csv
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from ruamel.yaml import YAML

from .conftest import Repro
from .project import OUTPUTS, STAGES, Project

SPLITS = [f"{split}.parquet" for split in ("test", "train", "val")]
NETWORK = ["card.json", "metrics.jsonl", "weights.safetensors"]
BESIDE = ("extent.safetensors", "values.safetensors")  # a map's weights
FACTORS = ("residual", "digit", "colour")
FIGURES = ["curves", "embeddings", "overview", "pairs", "path", "probe_matrix", "reconstructions"]
FIGURES += [f"{kind}_{factor}" for kind in ("samples", "swap") for factor in FACTORS]


def test_every_stage_runs_after_those_that_it_reads(study: Repro) -> None:
    ran = study.done.ran
    assert sorted(ran) == sorted(STAGES)
    dvc_yaml = YAML(typ="safe", pure=True).load((study.path / "dvc.yaml").read_text())
    assert {stage.partition("@")[0] for stage in ran} == set(dvc_yaml["stages"])
    assert [stage for stage in ran if stage != "judge"] == [stage for stage in STAGES if stage != "judge"]
    assert ran.index("prepare") < ran.index("judge") < ran.index("evaluate@latent")


def test_libraries_say_nothing(study: Repro) -> None:
    """Neither a warning nor a traceback; a person sees the stages' own lines and nothing of Ray and MLflow."""
    assert study.done.err == ""
    own = ("> python -m stages.", "Running stage ", "Updating lock file", "Generating lock file", "Use `dvc push`")
    own += (
        "data/images",
        "data/prepared",
        "models/",
        "prepare",
        "backbone",
        "judge",
        "extract latent",
        "tune latent",
        "train latent",
    )
    own += ("spectrum of '", "sizes by the spectrum", "evaluate latent", "to know: ", "layer latent: ")
    own += ("latents of layer latent: ",)
    own += (
        "trial ",
        "chosen for layer latent",
        "MLflow run of layer latent: http",
        "MLflow experiment iin-",
        "MLflow curves of iin-",
        "scores of layer latent",
        "  ",
    )
    own += ("train rows without", "val rows without", "test rows without")
    assert [line for line in study.done.out.splitlines() if line and not line.startswith(own)] == []


@pytest.mark.parametrize(
    "line",
    [
        r"prepare  495/495 images  .*images/s  in \d+:\d\d min",
        r"data/prepared: 390 train, 30 val, 75 test rows",
        r"backbone: 1 worker\(s\) on \w+",
        r"backbone  30/30 steps  loss -?[\d.]+  .*in \d+:\d\d min",
        r"judge  30/30 steps  loss [\d.]+  .*in \d+:\d\d min",
        r"extract latent  495/495 images  .*images/s  in \d+:\d\d min",
        r"tune latent  40/40 steps  .*steps/s  in \d+:\d\d min",
        r"chosen for layer latent: \d+ blocks, sizes residual .*, as (it has the fewest|its probe/gap is) .*",
        r"evaluate latent  5/7 parts  swaps and set values",
        r"evaluate latent  7/7 parts  round trip and preservation",
        r"train latent  300/300 steps  pair_nats [\d.]+  held-out pair_nats [\d.]+  ([\d.]+ steps/s  )?in \d+:\d\d min",
        r"train latent: best at step \d+ of 300",
        r"  probe/gap +-?\d\.\d\d\d  \[-?\d\.\d\d\d, -?\d\.\d\d\d\]  closed form -?\d\.\d\d\d, over it [+-]\d\..*",
    ],
)
def test_a_stage_says_how_far_it_is(study: Repro, line: str) -> None:
    assert re.search(rf"^{line}$", study.done.out, re.MULTILINE), study.done.out


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("data/images", SPLITS),
        ("data/latents/latent", ["card.json", *(f"{split}-00000.parquet" for split in ("test", "train", "val"))]),
        ("models/backbone", NETWORK),
        ("models/judge", NETWORK),
        (
            "models/layers/latent",
            ["flow.yaml", *(f"iin/{name}" for name in [*NETWORK, *BESIDE])],
        ),
        ("comparison", ["layers.png", "scores.csv", "scores.json"]),
        ("reports", ["latent.html"]),
    ],
)
def test_outputs_are_there_and_nothing_else(study: Repro, folder: str, names: list[str]) -> None:
    assert sorted(study.project.files(folder)) == sorted(f"{folder}/{name}" for name in names)


def test_figures_are_pictures(study: Repro) -> None:
    folder = study.path / "results/latent/figures"
    assert set(FIGURES) <= {path.stem for path in folder.glob("*.png")}
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 100, path
            assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 4, f"{path}: one colour"


def test_flat_metrics_are_the_values_of_the_scores(study: Repro) -> None:
    scores, metrics = _results(study.path)
    assert metrics == {name: score["value"] for name, score in scores.items()}
    assert {"probe/own", "probe/gap", "swap/score", "nll/pair_nats", "roundtrip/max"} <= set(metrics)
    assert scores["probe/gap"]["low"] <= scores["probe/gap"]["value"] <= scores["probe/gap"]["high"]
    assert scores["roundtrip/max"]["value"] < 1e-4
    assert scores["roundtrip/max_float64"]["value"] < 1e-10


def test_dvc_metrics_show(study: Repro) -> None:
    shown = json.loads(study.project.succeed("dvc", "metrics", "show", "--json").out)
    assert shown[""]["data"]["results/latent/metrics.json"]["data"] == _results(study.path)[1]


def test_dvc_params_diff(study: Repro) -> None:
    """Against the commit before the tiny study."""
    default = YAML(typ="safe", pure=True).load(study.project.git("show", "HEAD~1:params.yaml"))
    shown = json.loads(study.project.succeed("dvc", "params", "diff", "HEAD~1", "--json").out)
    steps = shown["params.yaml"]["train.steps"]
    assert (steps["old"], steps["new"]) == (default["train"]["steps"], 300)
    assert "seed" not in shown["params.yaml"]


def test_dvc_plots_show(study: Repro, tmp_path: Path) -> None:
    done = study.project.succeed("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    assert done.err == ""
    page = (tmp_path / "plots/index.html").read_text()
    assert "held-out pair loss (nats)" in page
    with (study.path / "results/latent/curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["val_pair_nats"]] == [60, 120, 180, 240, 300]
    last = float(rows[-1]["val_pair_nats"])
    drawn = [float(value) for value in re.findall(r'"val_pair_nats": "?([\d.]+)', page)]
    assert drawn[-1] == last
    for name in FIGURES:
        assert f"{name}.png" in page
        assert list((tmp_path / "plots/static").glob(f"*figures_{name}.png"))


def test_dvc_dag(study: Repro) -> None:
    drawn = study.project.succeed("dvc", "dag").out
    assert all(f"| {stage} |" in drawn for stage in STAGES)


def test_a_second_repro_runs_the_check_alone(study: Repro) -> None:
    before = study.project.files("results", "mlruns"), (study.path / "mlflow.db").read_bytes()
    done = study.project.succeed("dvc", "repro")
    assert done.ran == ["check"]
    assert sorted(done.skipped) == sorted(set(STAGES) - {"check"})
    status = json.loads(study.project.succeed("dvc", "status", "--json").out)
    assert status == {"check": ["always changed"]}
    assert before == (study.project.files("results", "mlruns"), (study.path / "mlflow.db").read_bytes())


def test_another_machine_reruns_the_check_alone(copy: Project) -> None:
    copy.edit({"machine": {"storage": "elsewhere", "cpus_per_worker": 2, "device": "cpu"}})
    done = copy.succeed("dvc", "repro")
    assert done.ran == ["check"]
    assert not (copy.path / "elsewhere").exists()


def test_a_change_in_interpret_reruns_what_draws(study: Repro, copy: Project) -> None:
    with (copy.path / "pipeline/drawing/palette.py").open("a") as file:
        file.write("# a comment\n")
    done = copy.succeed("dvc", "repro")
    assert done.err == ""
    assert done.ran == ["check", "interpret@latent", "compare", "report@latent"]
    assert copy.files(*OUTPUTS) == study.project.files(*OUTPUTS)


def _results(path: Path) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    scores, metrics = (
        json.loads((path / "results/latent" / name).read_text()) for name in ("scores.json", "metrics.json")
    )
    return scores, metrics
