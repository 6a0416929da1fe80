"""The page itself: all that a report says, put into its template, as one file that needs no other.

It has no time, host or commit in it, so that the same inputs give the same bytes; `report.commit` says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.drawing.palette import TONES, spoken, titled, tone
from pipeline.errors import InputError
from pipeline.interpret.curves import Curves
from pipeline.interpret.subject import Subject
from pipeline.judge.network import Judge
from pipeline.report import evidence, words
from pipeline.report.charts import curve_charts, share_charts
from pipeline.report.commit import UNKNOWN
from pipeline.report.explorer import Explorer, explorer_of
from pipeline.report.sprites import Sprite, encode, room_beside
from pipeline.scores.findings import BAR, findings
from pipeline.scores.record import Scores, Transitions
from pipeline.scores.statistics.score import FRECHET, Score
from pipeline.tuning.flow_file import FlowChoice

__all__ = ["MOST_BYTES", "Measured", "report"]

MOST_BYTES = 5_000_000
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Measured:
    """What was measured before a report is written.

    Attributes:
        scores: of the layer.
        transitions: how edits move the decisions of a network that decides.
        curves: of the map's training.
        layers: scores of each layer of the study, the main ones, in their order.
        sizes: layer → factor → how many of its numbers.
        choice: of the map's depth and sizes, with the trials that it was chosen from.
        learning: entries of the curves of the network's own training; none where it was brought along.
    """

    scores: Scores
    transitions: Transitions
    curves: Curves
    layers: Mapping[str, Mapping[str, Score]]
    sizes: Mapping[str, Mapping[str, int]]
    choice: FlowChoice
    learning: Sequence[Mapping[str, float]]


def report(subject: Subject, judge: Judge | None, measured: Measured) -> str:
    """The report of a layer, as HTML of at most 5 MB; the same arguments give the same text.

    Raises:
        InputError: a score is missing, the network changed while it was edited, or the page is too large.
    """
    torch.set_num_threads(1)  # with several the last bits of an image depend on how many the machine has
    explorer = explorer_of(subject, judge)
    subject.rows.interpretation.backbone.require_untouched()
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"spoken": spoken, "titled": titled, "joined": words.joined, "tone": tone, "short": _number}
    template, context = environment.get_template("page.html"), _context(subject, judge, measured, explorer)
    # of many concepts the words alone take megabytes, and the pictures have what these leave
    tables = explorer.tables
    bare = template.render(context, sprites={name: Sprite(len(one), one.shape[1], "") for name, one in tables.items()})
    page = template.render(context, sprites=encode(tables, room_beside(bare, MOST_BYTES, len(tables))))
    if (size := len(page.encode())) > MOST_BYTES:
        raise InputError(
            f"report of layer '{subject.rows.interpretation.iin.layer}': {size / 1e6:.1f} MB, at most "
            f"{MOST_BYTES / 1e6:.0f} MB are accepted; the study has {len(subject.layout.concepts)} concepts"
        )
    return page


def _context(subject: Subject, judge: Judge | None, measured: Measured, explorer: Explorer) -> dict[str, Any]:
    interpretation, layout, scores = subject.rows.interpretation, subject.layout, measured.scores
    iin, backbone = interpretation.iin, interpretation.backbone
    found = words.verdicts(layout, scores)
    return {
        "layout": layout,
        "colours": TONES,
        "shape": explorer.shape,
        "network": words.network_words(backbone.card["kind"], backbone.card["output"]),
        "draws": backbone.draws_images,
        "own_images": backbone.draws_own_images,
        "decides": backbone.decides,
        "layer": iin.layer,
        "width": subject.width,
        "entering": subject.entering,
        "num_images": len(subject.rows.images),
        "verdicts": found,
        "answer": words.answer(found) if layout.concepts else words.answer_of_draws(scores),
        "bar": BAR,
        "findings": findings(scores),
        "bars_of": evidence.concept_bars(layout, scores),
        "matrix": evidence.matrix(layout, scores),
        "sampling": evidence.sampling_bars(scores),
        "features": scores[f"{FRECHET}/flow"].details.get("features") if f"{FRECHET}/flow" in scores else None,
        "responses": evidence.response_bars(layout, scores),
        "decisions": evidence.decisions(layout, measured.transitions, backbone.class_names),
        "layers": evidence.layer_bars(measured.layers, layout.concepts) if len(measured.layers) > 1 else [],
        "sizes": measured.sizes,
        "learning": share_charts(measured.learning, list(measured.sizes), layout),
        "tried": evidence.tried(measured.choice),
        "charts": curve_charts(measured.curves),
        "kept": measured.curves.kept,
        "start": measured.curves.start,
        "scores": scores,
        "judge": None if judge is None else {spoken(name): value for name, value in judge.accuracy.items()},
        "explorer": explorer,
        "card": iin.card,
        "flow": iin.flow.config,
        "checksums": {"map": iin.sha256, "network": backbone.sha256, "images": iin.card.get("data_sha256")},
        "style": (_HERE / "page.css").read_text(),
        "script": (_HERE / "page.js").read_text(),
        "commit": UNKNOWN,
    }


def _number(number: float | None) -> str:
    """Four digits, and nothing of what is not there."""
    return "" if number is None else f"{number:.4g}".replace("-", "−")
