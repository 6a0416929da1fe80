"""The page itself, in Gradio: images to pick, controls of each factor, and the result, made anew at each change.

What is shown follows from the controls alone. Nothing is fetched from elsewhere: the fonts are the system's.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.drawing.palette import colour_of, spoken, titled
from pipeline.errors import InputError, one_line
from pipeline.explore.explorer import Change, Explorer, Picked
from pipeline.explore.shown import STYLE, hex_colour, plain, result_html, thumbnails
from pipeline.iin.values import Categories, Continuous

__all__ = ["launch"]

OWN, OTHER, SET, DRAWN = "as it is", "of the second image", "set to", "drawn"
REACH = 3.0  # of a slider, in standard deviations of N(0, 1)
OPEN = 4  # factors that are open at first, where there are more
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
FONTS = ["system-ui", "sans-serif"]
PICK = """
element.addEventListener('click', (event) => {
  const picked = event.target.closest('button');
  if (!picked) return;
  element.querySelectorAll('button').forEach((each) => each.setAttribute('aria-pressed', String(each === picked)));
  trigger('click', {number: Number(picked.dataset.number)});
});
"""
PAGE_STYLE = """
.gradio-container { max-width: 1320px !important; overflow: visible !important; }
#intro p { margin: 0; }
#result { position: sticky; top: 0; z-index: 5; padding: 6px 0; background: var(--body-background-fill); }
@media (min-width: 1100px) {
  #seen { position: sticky; top: 0; align-self: flex-start; max-height: 100vh; overflow-y: auto; flex-wrap: nowrap; }
}
.pick { font-weight: 600; }
.factor { border-left: 6px solid var(--factor) !important; }
.factor > button { text-align: left; justify-content: space-between; }
.factor > button > span:first-child { text-align: left; }
.controls { align-items: center; }
.controls label { padding: 4px 9px; font-size: 13px; }
.factor, .factor .wrap, .controls, .controls .block { overflow: visible !important; }
.factor:has(.color-picker), .controls:has(.color-picker) { position: relative; z-index: 60; }
.color-picker { position: absolute; width: 240px; margin-left: -60px; }
.refused { color: #b02a12; font-weight: 600; }
footer { display: none !important; }
"""


@dataclass(frozen=True)
class Controls:
    """Of one factor: where it comes from, its value, the seed of a draw, and a slider a direction."""

    factor: str
    source: gr.Radio
    value: gr.Dropdown | gr.Textbox | gr.ColorPicker | None
    seed: gr.State
    sliders: list[gr.Slider]
    draw: gr.Button

    @property
    def inputs(self) -> list[Any]:
        """All that its change follows from, in the order in which `change` takes it."""
        return [self.source, *([] if self.value is None else [self.value]), self.seed, *self.sliders]

    def change(self, values: Sequence[Any]) -> Change:
        """What the controls say."""
        source, *rest = values
        value = rest.pop(0) if self.value is not None else None
        if isinstance(self.value, gr.ColorPicker):
            value = hex_colour(str(value))
        seed, *amounts = rest
        return Change(
            swapped=source == OTHER,
            value=value if source == SET else None,
            seed=seed if source == DRAWN else None,
            amounts=tuple(amounts),
        )


def _page(explorer: Explorer) -> gr.Blocks:
    """The page of a layer."""
    layout, backbone = explorer.layout, explorer.interpretation.backbone
    explorer.directions  # noqa: B018  found before the first who looks has to wait for it

    def shown(image: Picked, donor: Picked, *values: Any) -> str:
        given = list(values)
        try:
            changes = {}
            for of_it in controls:
                changes[of_it.factor] = of_it.change(given[: len(of_it.inputs)])
                del given[: len(of_it.inputs)]
            result = explorer.result(image, donor, changes)
        except InputError as error:
            return f'<p class="far outside" role="alert">{plain(str(error))}</p>'
        return result_html(image, result, backbone.class_names, backbone.decides)

    with gr.Blocks(title="Explorer", analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        gr.Markdown(_intro(explorer), elem_id="intro")
        with gr.Row():
            with gr.Column(scale=5, min_width=440, elem_id="seen"):
                first, second = (explorer.picked(int(rows[0])) for rows in (explorer.images, explorer.donors))
                image, donor = gr.State(first), gr.State(second)
                result = gr.HTML(elem_id="result")
                picked = _picker(explorer, "Image", explorer.images, image)
                other = _picker(explorer, "Second image, to take a factor from", explorer.donors, donor)
            with gr.Column(scale=7, min_width=560):
                everything = gr.Button("Everything as it is", size="sm", elem_id="reset")
                controls = [_controls(explorer, factor, number < OPEN) for number, factor in enumerate(_order(layout))]
        inputs = [image, donor, *(part for of_it in controls for part in of_it.inputs)]
        for control in (*picked, *other):
            control.then(shown, inputs, result, **QUICK)
        for of_it in controls:
            gr.on([of_it.source.input, *(s.input for s in of_it.sliders)], shown, inputs, result, **QUICK)
            _choosing(of_it, shown, inputs, result)
        everything.click(
            lambda: [OWN if part is of_it.source else 0.0 for of_it in controls for part in _resettable(of_it)],
            None,
            [part for of_it in controls for part in _resettable(of_it)],
            **QUICK,
        ).then(shown, inputs, result, **QUICK)
        blocks.load(shown, inputs, result, **QUICK)
    page: gr.Blocks = blocks
    return page


def launch(explorer: Explorer, host: str, port: int) -> tuple[gr.Blocks, str]:
    """Serve the page of a layer from a thread of this process; the page, which `close` ends, and its address.

    Raises:
        InputError: the port is taken, or there is no such host.
    """
    _require_free(host, port)
    blocks, layout = _page(explorer), explorer.layout
    colours = [f"#factor-{layout.index(name)} {{ --factor: {colour_of(layout, name)} }}" for name in layout.names]
    _, address, _ = blocks.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        max_file_size="100mb",
        footer_links=[],
        _frontend=False,  # asks no question of the page first, which a busy machine answers too late
        theme=gr.themes.Base(primary_hue="orange", neutral_hue="slate", font=FONTS, font_mono=["monospace"]),
        css="\n".join((STYLE, PAGE_STYLE, *colours)),
    )
    return blocks, str(address)


def _require_free(host: str, port: int) -> None:
    """Refuse an address that can't be served at: Gradio would say so from a thread, with a traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--host {host} --port {port}: {one_line(error, 120)}; accepted are an address of this machine and a "
            "free port"
        ) from None


def _order(layout: Layout) -> list[str]:
    """Concepts first: they are what a person looks for."""
    return [*layout.concepts, RESIDUAL]


def _intro(explorer: Explorer) -> str:
    layout, iin = explorer.layout, explorer.interpretation.iin
    into = f"sorts them into {layout.num_factors} factors: change a factor"
    if not layout.concepts:
        into = "turns them into a code, whose one factor is the residual: change it"
    return (
        f"# What do the {layout.num_dims} numbers hold?\n"
        f"They are layer `{iin.layer}` of a frozen network. A map that can be undone {into}, and see what the same "
        "network makes of it. Sliders move a factor along the directions in which the output changes most; 0: as it "
        "is, 1: one standard deviation."
    )


def _picker(explorer: Explorer, label: str, rows: NDArray[np.int64], chosen: gr.State) -> list[Any]:
    """Images to pick one from, and a button to upload one; the events after which another is `chosen`."""
    shown = list(explorer.subject.pixels[rows])
    gr.HTML(f'<div class="pick">{label}</div>')
    own = gr.State(None)
    buttons = gr.HTML(thumbnails(shown, 0), js_on_load=PICK)

    def pick(uploaded: Picked | None, event: gr.EventData) -> Picked:
        number = int(event.number)
        return uploaded if uploaded is not None and number == len(rows) else explorer.picked(int(rows[number]))

    picked = buttons.click(pick, own, chosen, **QUICK)
    if explorer.interpretation.draws_own_images:
        return [picked]
    upload = gr.UploadButton("Upload another", size="sm", type="filepath")
    refused = gr.HTML()

    def take(path: str, now: Picked) -> tuple[Any, ...]:
        try:
            found = explorer.uploaded(Path(path))
        except InputError as error:
            return now, gr.skip(), gr.skip(), f'<div class="refused" role="alert">Not taken: {plain(str(error))}</div>'
        return found, found, thumbnails([*shown, found.pixels[0]], len(rows)), ""

    return [picked, upload.upload(take, [upload, chosen], [chosen, own, buttons, refused], **QUICK)]


def _controls(explorer: Explorer, factor: str, is_open: bool) -> Controls:
    layout = explorer.layout
    size, said = layout.sizes[layout.index(factor)], explorer.said_of(factor)
    known = explorer.interpretation.iin.values.get(factor)
    sources = [OWN, OTHER, DRAWN, *([SET] if known is not None else [])]
    title = f"{titled(factor)}: {size} of {layout.num_dims} numbers" + (f"; {said}" if said else "")
    with gr.Accordion(title, open=is_open, elem_id=f"factor-{layout.index(factor)}", elem_classes="factor"):
        with gr.Row(elem_classes="controls"):
            source = gr.Radio(sources, value=OWN, label=factor, show_label=False, container=False, scale=6)
            value = None if known is None else _value(known, factor)
            draw = gr.Button("Draw", size="sm", scale=1, min_width=60)
        with gr.Row():
            sliders = [
                gr.Slider(-REACH, REACH, 0.0, step=0.05, label=f"{spoken(factor)} {number}", min_width=120, buttons=[])
                for number in range(1, 1 + len(explorer.directions[factor]))
            ]
        return Controls(factor, source, value, gr.State(0), sliders, draw)


def _value(known: Categories | Continuous, concept: str) -> gr.Dropdown | gr.Textbox | gr.ColorPicker:
    """What a value of a concept is chosen by."""
    label = f"the {spoken(concept)} to set"
    style: dict[str, Any] = {"label": label, "show_label": False, "container": False, "scale": 1, "min_width": 90}
    if isinstance(known, Categories):
        return gr.Dropdown(known.names, value=known.names[0], **style)
    if known.is_colour:
        return gr.ColorPicker("#ff0000", **style)
    return gr.Textbox(placeholder=known.accepted, **(style | {"min_width": 150}))


def _choosing(of_it: Controls, shown: Callable[..., str], inputs: list[Any], result: gr.HTML) -> None:
    """To choose a value is to set the factor to it, and to draw is to draw it anew."""
    if of_it.value is not None:
        chosen = of_it.value.submit if isinstance(of_it.value, gr.Textbox) else of_it.value.input
        chosen(lambda: SET, None, of_it.source, **QUICK).then(shown, inputs, result, **QUICK)
    drawn = of_it.draw.click(lambda seed: (DRAWN, seed + 1), of_it.seed, [of_it.source, of_it.seed], **QUICK)
    drawn.then(shown, inputs, result, **QUICK)


def _resettable(of_it: Controls) -> list[Any]:
    return [of_it.source, *of_it.sliders]
