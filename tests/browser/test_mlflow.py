"""MLflow's pages on runs that our own code published: the views, a run, a sweep, in MLflow's real server."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mlflow.entities import Run
from playwright.sync_api import Page, expect
from ruamel.yaml import YAML
from tracking.conftest import Server
from tracking.files import CARD, LAYER, SCORES, write_iin, write_results, write_trials

from pipeline.places import Places
from pipeline.scores.record import write_scores
from pipeline.scores.statistics.score import Score
from pipeline.tracking.publish import publish
from pipeline.tracking.store import Store, check_server, experiment_link, run_link
from pipeline.tracking.tracker import RunTracker

from .conftest import Tab

pytestmark = pytest.mark.system

DATASET = "attributes.`Dataset`"
DIGEST = "ba0ffbc574f16c04f9d115f4df1f8f49"
GAPS = (0.61, 0.93, 0.85)  # of three runs; published in an order that is none of their scores
THEIRS = (  # errors of MLflow's own pages: it asks who is there, and draws axes before it has their values
    "/users/current",
    "ResizeObserver loop",
    "<g> attribute",
    "<path> attribute",
    "<rect> attribute",
)
STEPS = range(100, 700, 100)
CURVES = [
    {"step": step, "train/pair_nats": 90 - step / 20, "train/learning_rate": 1 / step, "train/gradient_norm": 5.0}
    | {"val/pair_nats": 92 - step / 20, "val/probe_gap": 0.8}
    for step in STEPS
]
TIMES = [
    {"step": step, "time": step / 10, "steps_per_second": 9.5, "system/cpu_utilization_percentage": 80.0}
    for step in STEPS
]
ROWS = """rows => rows.map(row => [Number(row.getAttribute('row-index')), [...row.querySelectorAll('.ag-cell')]
    .map(cell => [cell.getAttribute('col-id'), cell.innerText])])"""


def lines(entries: list[dict[str, float]]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def scores(gap: float) -> dict[str, Score]:
    others = {"probe/residual_leak": 0.1 - gap / 20, "nll/gain_over_gaussian": 10 * gap, "swap/follow/digit": gap}
    measured = {"probe/gap/digit": Score(gap), "probe/gap/colour": Score(0.95)}
    measured |= {name: Score(value) for name, value in others.items()}
    return {**SCORES, "probe/gap": Score(gap, gap - 0.02, gap + 0.02, 0.0, 1.0), **measured}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three trainings and a sweep, followed and published as the stages do it, and `make ui` on them."""
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        places = Places()
        places.params.write_text("study: shown\n")
        prepared = {"params": {"params.yaml": {"data": {"source": "colormnist"}}}}
        prepared["outs"] = [{"path": "data/images", "md5": f"{DIGEST}.dir"}]  # type: ignore[assignment]
        with places.lock.open("w") as file:
            YAML().dump({"schema": "2.0", "stages": {"prepare": prepared}}, file)
        write_trials(folder)
        store = check_server("shown", LAYER)
        for seed, gap in enumerate(GAPS):
            run_folder = folder / ".runs" / str(seed)
            run_folder.mkdir(parents=True)
            card = CARD | {"fingerprint": f"f{seed}", "seed": seed, "layer": LAYER}
            with RunTracker(store, LAYER, card, run_folder / "metrics.jsonl"):
                (run_folder / "metrics.jsonl").write_text(lines(CURVES))
                (run_folder / "times.jsonl").write_text(lines(TIMES))
                write_iin(folder, lines(CURVES), seed, card=card)
            write_results(folder)
            write_scores(places.scores(LAYER), scores(gap))
            publish(store, LAYER, "interpret")
        started = Server(folder)
        started.start()
        yield started
        started.kill()


@pytest.fixture(scope="module")
def store(server: Server) -> Store:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.address)
        return check_server("shown", LAYER)


@pytest.fixture(scope="module")
def runs(store: Store) -> list[Run]:
    """The trainings, the highest `probe/gap` first."""
    query, order = "tags.`iin.kind` = 'training'", ["metrics.`probe/gap` DESC"]
    return list(store.client().search_runs([store.experiment_key], query, order_by=order))


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Iterator[Tab]:
    """A wide one, in which nothing of ours may go wrong and nothing is asked of other machines."""
    opened = open_tab(2600, 1200)
    yield opened
    assert [error for error in opened.errors if not any(theirs in error for theirs in THEIRS)] == []
    assert opened.elsewhere == []


def table(page: Page) -> list[dict[str, str]]:
    """The rows of the runs table by column; the grid keeps each in two parts."""
    page.locator(f'.ag-row [col-id="{DATASET}"]').last.wait_for()  # the last column is drawn last
    rows: dict[int, dict[str, str]] = {}
    for number, cells in page.locator(".ag-row").evaluate_all(ROWS):
        rows.setdefault(number, {}).update(dict(cells))
    return [rows[number] for number in sorted(rows)]


def printed(server: Server, what: str) -> str:
    """The link that `make ui` printed."""
    (line,) = [line for line in server.log.read_text().splitlines() if line.startswith(f"MLflow {what}")]
    return line.partition(": ")[2]


def test_the_link_opens_the_scores_best_first_with_the_clients_numbers(
    server: Server, tab: Tab, runs: list[Run]
) -> None:
    tab.page.goto(printed(server, "experiment"))
    shown = [
        [
            row[f"metrics.`{name}`"]
            for name in ("probe/gap", "swap/score", "probe/residual_leak", "nll/gain_over_gaussian")
        ]
        + [row[f"params.`{name}`"] for name in ("layer", "flow.num_blocks", "sizes", "seed")]
        for row in table(tab.page)
    ]
    assert [float(row[0]) for row in shown] == sorted(GAPS, reverse=True)
    names = ("probe/gap", "swap/score", "probe/residual_leak", "nll/gain_over_gaussian")
    assert [[float(value) for value in row[:4]] for row in shown] == [
        [run.data.metrics[name] for name in names] for run in runs
    ]
    sizes = "residual 4, digit 2, colour 2"
    assert [row[4:] for row in shown] == [[LAYER, "2", sizes, run.data.params["seed"]] for run in runs]
    first = table(tab.page)[0]
    assert "shown latent 4/2/2" in first["attributes.`Run Name`"]
    assert f"colormnist-test ({DIGEST}" in first[DATASET]


def test_a_window_of_1500_pixels_has_room_for_every_column(server: Server, open_tab: Callable[..., Tab]) -> None:
    page = open_tab(1500, 900).page
    page.goto(printed(server, "experiment"))
    page.get_by_role("button", name="Close", exact=True).click()  # the Assistant, which is open in a new browser
    edge = page.locator(".ag-root").first
    for name, column in (("probe/gap", "metrics.`probe/gap`"), ("seed", "params.`seed`"), ("Dataset", DATASET)):
        header = page.locator(f'.ag-header-cell[col-id="{column}"]')
        expect(header).to_contain_text(name)
        page.wait_for_function(
            "([header, edge]) => header.getBoundingClientRect().right <= edge.getBoundingClientRect().right",
            arg=[header.element_handle(), edge.element_handle()],
        )
    assert page.locator(f'.ag-row [col-id="{DATASET}"]').first.inner_text().startswith("colormnist")


def test_the_curves_view_has_charts_and_no_bar_of_one_value(server: Server, tab: Tab) -> None:
    tab.page.goto(printed(server, "curves"))
    sections = {
        "Curves and scores": 6,
        "Depth and sizes against scores": 1,
        "Swaps, run by run": 1,
        "System metrics": 1,
    }
    for section, charts in sections.items():
        heading = re.compile(rf"{section}\s*\({charts}\)")
        expect(tab.page.get_by_role("figure").filter(has_text=heading).first).to_be_visible()
    expect(tab.page.get_by_text("train/pairs_per_second").first).to_be_visible()
    expect(tab.page.get_by_text("sizes.digit")).to_be_visible()  # an axis
    assert tab.page.get_by_text("roundtrip/max").count() == 0


def test_a_run_says_what_works_hides_checksums_and_shows_its_swap_grid(tab: Tab, store: Store, runs: list[Run]) -> None:
    worst = runs[-1]
    tab.page.goto(run_link(store, worst.info.run_id))
    said = "colour works; digit does not: probe/gap/digit 0.61, swap/follow/digit 0.61, below 0.80."
    expect(tab.page.get_by_text(said)).to_be_visible()
    expect(tab.page.get_by_text("colormnist-test").first).to_be_visible()
    for sum_of_something in (worst.data.tags["mlflow.iin.weights_sha256"], DIGEST + ".dir"):
        assert tab.page.get_by_text(sum_of_something).count() == 0
    tab.page.get_by_text("Show more").first.click()
    link = tab.page.get_by_role("link", name="swap_digit.png")
    tab.page.goto(re.sub("#.*", "", tab.page.url) + str(link.get_attribute("href")))
    tab.page.reload()
    picture = tab.page.locator('img[alt="figures/swap_digit.png"]')
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 4


def test_trials_are_nested_below_their_sweep_which_names_the_winner(tab: Tab, store: Store) -> None:
    (sweep,) = store.client().search_runs([store.experiment_key], "tags.`iin.kind` = 'sweep'")
    tab.page.goto(run_link(store, sweep.info.run_id))
    for number, blocks in enumerate((4, 6, 8)):
        name = f"trial {number}: {blocks} blocks, sizes 4, 2, 2"
        expect(tab.page.get_by_role("link", name=name).first).to_be_visible()
    tab.page.goto(experiment_link(store, view="sweep-latent", charts=True))
    tab.page.reload()
    for axis in ("flow.num_blocks", "sizes.residual", "probe/gap"):
        expect(tab.page.locator("text", has_text=axis).first).to_be_visible()


def test_a_sweep_folds_its_trials_out_in_the_table(tab: Tab, store: Store) -> None:
    tab.page.goto(experiment_link(store))  # the plain table: sorted by a metric it would be flat
    trials = tab.page.locator(".ag-row").get_by_role("link", name=re.compile("trial"))
    parent = tab.page.locator(".ag-row").filter(has_text="sweep of 3")
    expect(parent.first).to_be_visible()
    assert trials.count() == 0
    parent.first.locator("[col-id='attributes.`Run Name`'] button").click()
    expect(trials).to_have_count(3)


def test_swap_grids_of_one_key_stand_beside_each_other(server: Server, tab: Tab, runs: list[Run]) -> None:
    tab.page.goto(printed(server, "curves"))
    section = tab.page.get_by_role("figure").filter(has_text="Swaps, run by run").first
    section.scroll_into_view_if_needed()
    grids = tab.page.locator("img[src*='get-artifact'], img[src*='run_uuid=']")
    expect(grids).to_have_count(len(runs))
    tops = set(grids.evaluate_all("images => images.map(image => Math.round(image.getBoundingClientRect().top))"))
    assert len(tops) == 1
    addresses = " ".join(str(grid.get_attribute("src")) for grid in grids.all())
    assert all(run.info.run_id in addresses for run in runs)
    assert tab.page.get_by_text("flow.num_blocks=").count() == 0  # a list of all parameters would hide the pictures


def test_the_compare_page_has_scores_side_by_side_and_no_checksum(tab: Tab, store: Store, runs: list[Run]) -> None:
    chosen = json.dumps([run.info.run_id for run in runs[:2]])
    tab.page.goto(f"{store.address}/#/compare-runs?runs={chosen}&experiments={json.dumps([store.experiment_key])}")
    expect(tab.page.get_by_text("Comparing 2 Runs")).to_be_visible()
    expect(tab.page.get_by_role("link", name="probe/gap", exact=True)).to_be_visible()
    expect(tab.page.get_by_role("grid").filter(has_text=re.compile(r"0\.93\s*0\.85")).first).to_be_visible()
    expect(tab.page.get_by_text("scores.md").first).to_be_visible()
    assert tab.page.get_by_text("_sha256").count() == 0


def test_scores_stand_on_the_models_page_grouped_by_their_data(tab: Tab, store: Store, runs: list[Run]) -> None:
    best: Any = runs[0]
    model = store.client().get_logged_model(best.outputs.model_outputs[0].model_id)
    of_run = {metric.key: metric for metric in store.client().get_metric_history(best.info.run_id, "probe/gap")}
    (gap,) = [metric for metric in model.metrics if metric.key == "probe/gap"]
    assert (gap.dataset_name, gap.dataset_digest) == ("colormnist-test", DIGEST)
    assert (gap.value, gap.timestamp, gap.step) == (
        0.93,
        of_run["probe/gap"].timestamp,
        of_run["probe/gap"].step,
    )
    tab.page.goto(f"{store.address}/#/experiments/{store.experiment_key}/models/{model.model_id}")
    expect(tab.page.get_by_text("probe/gap", exact=True).first).to_be_visible()
    expect(tab.page.get_by_text("colormnist-test").first).to_be_visible()
