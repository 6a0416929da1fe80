"""Reports of the small parts that figures are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from interpret.subjects import METRICS, Parts, parts, with_values
from interpret.test_decisions import MEASURES, MOVES, classifying, response_scores, transitions

from pipeline.basis.layout import Layout
from pipeline.interpret.curves import Curves, read_curves
from pipeline.interpret.subject import Subject
from pipeline.judge.network import Judge, JudgeNet
from pipeline.report.page import Measured, report
from pipeline.scores.record import Scores
from pipeline.tuning.flow_file import Candidate, FlowChoice, Trial

CARD = {"train": {"steps": 100, "batch_size": 32}, "rho": 0.975, "seed": 0, "data_sha256": "2" * 64}
VOID = {"meta", "link", "br", "input", "line", "polyline"}


def said(of: Parts, kind: str = "autoencoder") -> Parts:
    """The parts, with all that their cards say after a training."""
    backbone = replace(of.backbone, card=of.backbone.card | {"kind": kind})
    valued = with_values(of) if of.iin.layout.concepts == ("shape", "hue") else of
    return replace(valued, iin=replace(of.iin, card=of.iin.card | CARD, values=valued.iin.values), backbone=backbone)


def judge(of: Parts) -> Judge:
    """An untrained one."""
    values = tuple(of.images.values)
    heads = {name: 3 if name in values else 4 for name in of.images.labels}
    network = JudgeNet(heads, 4, seed=0).eval()
    return Judge(network, dict.fromkeys(heads, 0.5), values, dict(of.images.class_names), of.backbone.device)


def curves(folder: Path) -> Curves:
    (folder / "metrics.jsonl").write_text(METRICS)
    return read_curves(folder / "metrics.jsonl", 80, "closed_form")


def choice(layout: Layout) -> FlowChoice:
    """A sweep of 24 trials: that of number 2 was taken, the first was stopped, the second failed."""
    candidates = [Candidate({"num_blocks": 4 + number}, layout) for number in range(24)]
    stopped = Trial(0, candidates[0], 0.99, 0.98, 1.0, 0.0, 0.0, 40.0, stopped=1200)
    failed = Trial(1, candidates[1], *[None] * 6, failure="it <diverged>")
    others = [Trial(n, candidates[n], n / 100, n / 100 - 0.1, n / 100 + 0.1, -0.1, 0.2, 50.0 + n) for n in range(2, 24)]
    return FlowChoice(candidates[2], layout.sizes, (stopped, failed, *others), 2)


def learning(layout: Layout, layers: Sequence[str]) -> list[dict[str, float]]:
    """Entries of a training that watched all layers but the last: each factor has .1 more than the one before."""
    return [
        {"step": step}
        | {
            f"val/share/{layer}/{name}": number / 10 + step / 1000
            for layer in layers[:-1]
            for number, name in enumerate(layout.names)
        }
        for step in (0, 100)
    ]


def drawn_page(folder: Path, of: Parts | None = None, scores: Scores | None = None, kind: str = "autoencoder") -> str:
    """Of a network that draws images."""
    of = said(of or parts(), kind)
    return report(
        of.subject(), judge(of), Measured(scores or of.scores, {}, curves(folder), {}, {}, choice(of.iin.layout), ())
    )


def decided_page(folder: Path, layers: Mapping[str, Any] | None = None, classes: int = 10) -> str:
    """Of a network that decides, and of so many layers."""
    of = said(classifying(("shape", "hue"), "stage2", classes), "classifier")
    layout = of.iin.layout
    scores = Scores({**of.scores, **response_scores(layout, MEASURES)})
    sizes = {layer: dict(zip(layout.names, layout.sizes, strict=True)) for layer in layers or {}}
    moved = {"sample": transitions(layout, classes)}
    return report(
        of.subject(),
        None,
        Measured(scores, moved, curves(folder), layers or {}, sizes, choice(layout), learning(layout, list(sizes))),
    )


def valued_page(folder: Path) -> str:
    """Of a network that gives numbers of no class."""
    of = said(classifying(("shape", "hue"), "stage2", output="values"), "torch")
    scores = Scores({**of.scores, **response_scores(of.iin.layout, MOVES)})
    return report(of.subject(), None, Measured(scores, {}, curves(folder), {}, {}, choice(of.iin.layout), ()))


def subject_of_page() -> Subject:
    """What `drawn_page` is drawn from."""
    return said(parts()).subject()


class Elements(HTMLParser):
    """The elements of a page: names in order, attributes, and the text of each script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        opened = self.open.pop()
        while opened in ("p", "li", "dt", "dd") and opened != tag:
            opened = self.open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())
