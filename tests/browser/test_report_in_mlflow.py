"""A report as people open it: by a click on it, among the artifacts of its run, in the page of a real MLflow server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from playwright.sync_api import expect
from report.pages import drawn_page
from tracking.conftest import Server

from .conftest import Tab
from .test_report import choose, shows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("shown")
    (folder / "params.yaml").write_text("study: shown\n")
    server = Server(folder)
    server.start()
    yield server
    server.kill()


def test_a_click_among_the_artifacts_opens_it(server: Server, open_tab: Callable[..., Tab], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(drawn_page(tmp_path))
    client = MlflowClient(tracking_uri=server.address)
    experiment = client.get_experiment_by_name("iin-shown")
    assert experiment is not None
    run = client.create_run(experiment.experiment_id).info.run_id
    client.log_artifact(run, str(path))
    tab = open_tab()
    route = f"#/experiments/{experiment.experiment_id}/runs/{run}/artifacts?workflowType=machine_learning"
    tab.page.goto(f"{server.address}/{route}")
    tab.page.get_by_text("report.html", exact=True).first.click()
    tab.page.locator('iframe[sandbox="allow-scripts"]').wait_for()
    frame = tab.page.frame_locator('iframe[sandbox="allow-scripts"]')
    expect(frame.get_by_role("heading", level=1)).to_have_text("What one hidden vector holds: shape and hue")
    choose(frame, "factor", 2)
    choose(frame, "donor", 4)
    shows(frame, path, 2, 0, 4)
    said = frame.locator("#said").inner_text()
    choose(frame, "kind", "slide")
    frame.locator("#position").press("ArrowLeft")
    shows(frame, path, 2, 0, 8 + 3)
    assert frame.locator("#said").inner_text() != said
    frame.get_by_role("link", name="Make it again").click()
    expect(frame.get_by_role("heading", name="Make it again")).to_be_in_viewport()
    theirs = "/users/current)"  # whom MLflow's own page asks for, and where nobody logs in there is none
    assert [error for error in tab.errors if not error.endswith(theirs)] == []
    assert tab.elsewhere == []
