"""Charts of a saved view, in the words that MLflow's own pages keep them in: curves, a scatter, parallel coordinates.

MLflow draws a bar for every metric of which a view says nothing, at the end of its first section. So each metric that
no chart of ours shows gets a card that is marked as deleted.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

__all__ = ["chart_state", "curve", "parallel", "picture", "scatter", "shown_pictures", "switched_off"]

Card = dict[str, Any]

OURS, WIDE, PICTURES = "comparison", "wide", "pictures"  # sections
SYSTEM = "system"  # likewise; MLflow knows it by this id, with which its metrics begin
SECTIONS = {  # name, cards in a row, and their height in pixels
    OURS: ("Curves and scores", 3, 360),
    WIDE: ("Depth and sizes against scores", 1, 360),
    PICTURES: ("Swaps, run by run", 1, 430),
    "model": ("Model metrics", 3, 360),
    SYSTEM: ("System metrics", 3, 360),
}
MOST_RUNS = 100  # that a chart compares


def chart_state(cards: Sequence[Card], metrics: Collection[str]) -> dict[str, Any]:
    """The keys of a view's state that show these charts, and of all other metrics none.

    Args:
        cards: from `curve`, `scatter` and `parallel`.
        metrics: names of all metrics that the runs have.
    """
    used = {card["metricSectionId"] for card in cards}
    sections = [
        {"uuid": uuid, "name": name, "columns": columns, "cardHeight": height, "display": uuid in used}
        | {"isReordered": True, "deleted": False, "isGenerated": False}
        for uuid, (name, columns, height) in SECTIONS.items()
    ]
    shown = {card["metricKey"] for card in cards if card["type"] == "LINE"}
    off = [_card(f"off-{metric}", "BAR", OURS) | {"deleted": True, "metricKey": metric} for metric in metrics]
    return {
        "compareRunSections": sections,
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
        "compareRunCharts": [*cards, *(card for card in off if card["metricKey"] not in shown)],
    }


def switched_off(state: Mapping[str, Any]) -> set[str]:
    """The metrics of which a state shows no bar."""
    return {card["metricKey"] for card in state.get("compareRunCharts", ()) if card["deleted"]}


def shown_pictures(state: Mapping[str, Any]) -> set[str]:
    """The keys of the pictures that a state shows."""
    return {key for card in state.get("compareRunCharts", ()) for key in card.get("imageKeys", ())}


def curve(title: str, metrics: Sequence[str], *, smooth: int = 0) -> Card:
    """A chart of metrics over steps; `smooth` is MLflow's slider, 0 to 100."""
    section = SYSTEM if metrics[0].startswith(f"{SYSTEM}/") else OURS
    return _card(f"line-{title}", "LINE", section) | {
        "metricKey": metrics[0],
        "selectedMetricKeys": list(metrics),
        "displayName": title,
        "lineSmoothness": smooth,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": False,
    }


def scatter(across: str, up: str) -> Card:
    """One metric against another, a point a run."""
    axes = {"xaxis": {"key": across, "type": "METRIC"}, "yaxis": {"key": up, "type": "METRIC"}}
    return _card(f"scatter-{across}", "SCATTER", OURS) | axes


def parallel(params: Sequence[str], metrics: Sequence[str]) -> Card:
    """Parallel coordinates, a line a run; the last metric colours the lines."""
    selected = {"selectedParams": list(params), "selectedMetrics": list(metrics), "showAllRuns": False}
    return _card("parallel", "PARALLEL", WIDE) | selected


def picture(key: str) -> Card:
    """The pictures that the runs have under one key."""
    shown = {"imageKeys": [key], "step": 0, "showRunParams": False}  # all of a run's parameters would hide its picture
    return _card(f"image-{key}", "IMAGE", PICTURES) | shown


def _card(uuid: str, kind: str, section: str) -> Card:
    runs = {"runsCountToCompare": MOST_RUNS}
    return {"uuid": uuid, "type": kind, "metricSectionId": section, "deleted": False, "isGenerated": False} | runs
