"""The stages `train` and `evaluate` of several seeds: all are stored, the best is kept, and MLflow shows it."""

import json
import re

from mlflow import MlflowClient

from .project import Project

IIN = "models/layers/latent/iin"


def test_several_seeds_are_trained_kept_scored_and_published(copy: Project) -> None:
    copy.edit({"train": {"seeds": 2, "steps": 40}})
    trained = copy.succeed("python", "-m", "stages.train", "--layer", "latent")
    (kept,) = re.findall(r"^seed (\d) of 0, 1 is kept", trained.out, re.MULTILINE)
    card = json.loads((copy.path / IIN / "card.json").read_text())
    assert (card["seeds"], card["chosen_seed"]) == (2, int(kept))
    for name in ("weights.safetensors", "metrics.jsonl"):
        files = [copy.path / IIN / f"seeds/{seed}/{name}" for seed in (0, 1)]
        assert files[0].read_bytes() != files[1].read_bytes()
        assert (copy.path / IIN / name).read_bytes() == files[int(kept)].read_bytes()

    done = copy.succeed("python", "-m", "stages.evaluate", "--layer", "latent")
    assert re.search(r"^  probe/gap +\S+  \[\S+, \S+\]  \S+ ± \S+ over 2 seeds  closed form ", done.out, re.MULTILINE)
    scores = json.loads((copy.path / "results/latent/scores.json").read_text())
    assert 0 < scores["stability"]["value"] <= 1
    assert scores["probe/gap"]["details"]["seeds"] == 2

    client = MlflowClient(tracking_uri=f"sqlite:///{copy.path / 'mlflow.db'}")
    found = client.get_experiment_by_name("iin-test-several-seeds-are-trained-kept-scored-and-published")
    assert found is not None
    (run,) = client.search_runs([found.experiment_id], "tags.`iin.kind` = 'training'")
    assert run.info.status == "FINISHED"
    assert {name.rpartition("pair_nats")[0] for name in run.data.metrics if name.endswith("pair_nats")} == {
        "nll/",
        *(f"{prefix}{split}/" for prefix in ("", "seeds/0/", "seeds/1/") for split in ("train", "val")),
    }
    curves = [client.get_metric_history(run.info.run_id, f"{prefix}val/pair_nats") for prefix in ("", f"seeds/{kept}/")]
    assert len({tuple((point.step, point.value) for point in curve) for curve in curves}) == 1
    assert "± " in run.data.tags["mlflow.note.content"]
