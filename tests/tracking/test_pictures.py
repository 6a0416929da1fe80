"""Swap grids under one key in every run, so that MLflow lays those of several runs side by side."""

from pathlib import Path

from PIL import Image

from pipeline.places import Places
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server
from pipeline.tracking.views import _experiment_tags, _state

from .files import LAYER, curve_lines, write_iin, write_results

CURVES = "mlflow.sharedViewState.curves"


def test_each_run_shows_its_grids_under_the_same_keys_each_once(project: Path) -> None:
    store, figures = check_server("default", LAYER), Places(project).figures(LAYER)
    client = store.client()

    def published() -> list[str]:
        run_id = publish(store, LAYER, "interpret")
        assert run_id is not None
        pictures = [Path(file.path).name for file in client.list_artifacts(run_id, "images")]
        return sorted(name.partition("+step+0+")[0] for name in pictures if name.endswith(".png"))

    write_iin(project, curve_lines(200), seed=0)
    write_results(project)
    Image.new("RGB", (4, 4)).save(figures / "swap_形.png")
    Image.new("RGB", (4, 4)).save(figures / "path.png")
    first = ["swap___24418_", "swap_digit"]
    assert published() == first
    assert published() == first  # nothing twice
    Image.new("RGB", (4, 4), (1, 2, 3)).save(figures / "swap_digit.png")
    assert published() == [*first, "swap_digit"]  # of one step, MLflow shows the newest
    write_iin(project, curve_lines(200), seed=1)
    (figures / "swap_形.png").unlink()
    assert published() == ["swap_digit"]
    cards = _state((_experiment_tags(store) or {})[CURVES])["compareRunCharts"]
    assert [card["imageKeys"] for card in cards if card["type"] == "IMAGE"] == [["swap___24418_"], ["swap_digit"]]
