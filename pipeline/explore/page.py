"""The page itself, in Gradio: images to pick, controls of each factor, and the result, made anew at each change.

What is shown follows from the controls alone. Nothing is fetched from elsewhere: the fonts are the system's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.basis.layout import RESIDUAL
from pipeline.drawing.palette import colour_of, titled
from pipeline.drawing.sheet import upscale
from pipeline.errors import InputError
from pipeline.explore.explorer import Change, Explorer, Picked
from pipeline.explore.shown import STYLE, result_html
from pipeline.iin.values import Categories, Continuous

__all__ = ["launch", "page"]

OWN, OTHER, SET, DRAWN = "as it is", "of the second image", "set to", "drawn at random"
REACH = 3.0  # of a slider, in standard deviations of N(0, 1)
OPEN = 4  # factors that are open at first, where there are more
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
FONTS = ["system-ui", "sans-serif"]
PAGE_STYLE = STYLE + """
.gradio-container { max-width: 1280px !important; }
#intro p { margin: 0; }
#result { position: sticky; top: 8px; z-index: 5; }
.thumbnails img { image-rendering: pixelated; }
.factor-name { font-weight: 700; font-size: 16px; border-left: 6px solid; padding-left: 10px; }
.factor-name small { font-weight: 400; font-size: 13px; margin-left: 8px; opacity: .8; }
.refused p { color: #b02a12; font-weight: 600; margin: 0; }
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
        seed, *amounts = rest
        return Change(
            swapped=source == OTHER,
            value=value if source == SET else None,
            seed=seed if source == DRAWN else None,
            amounts=tuple(amounts),
        )


def page(explorer: Explorer) -> gr.Blocks:
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
            return f'<p class="far outside" role="alert">{escape(str(error))}</p>'
        return result_html(image, result, backbone.class_names, backbone.decides)

    with gr.Blocks(title="Explorer", analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        gr.Markdown(f"# What do the {layout.num_dims} numbers hold?\n{_intro(explorer)}", elem_id="intro")
        with gr.Row():
            with gr.Column(scale=5, min_width=420):
                first, second = (explorer.picked(int(rows[0])) for rows in (explorer.images, explorer.donors))
                image, donor = gr.State(first), gr.State(second)
                result = gr.HTML(elem_id="result")
                picked = _picker(explorer, "Image", explorer.images, image)
                other = _picker(explorer, "Second image, to take a factor from", explorer.donors, donor)
            with gr.Column(scale=6, min_width=480):
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
    return blocks


def launch(blocks: gr.Blocks, host: str, port: int) -> str:
    """Serve the page from a thread of this process; its address.

    Raises:
        InputError: the port is taken, or there is no such host.
    """
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            max_file_size="100mb",
            footer_links=[],
            theme=gr.themes.Base(primary_hue="orange", neutral_hue="slate", font=FONTS, font_mono=["monospace"]),
            css=PAGE_STYLE,
        )
    except OSError as error:
        raise InputError(f"--host {host} --port {port}: {error}; accepted is a free port of this machine") from None
    return str(address)


def _order(layout: Any) -> list[str]:
    """Concepts first: they are what a person looks for."""
    return [*layout.concepts, RESIDUAL]


def _intro(explorer: Explorer) -> str:
    iin = explorer.interpretation.iin
    return (
        f"Layer `{iin.layer}` of a frozen network, whose hidden vector the map T sorts into "
        f"{explorer.layout.num_factors} factors. Change a factor, and see what the same network makes of it."
    )


def _picker(explorer: Explorer, label: str, rows: NDArray[np.int64], chosen: gr.State) -> list[Any]:
    """Images to pick one from, and a button to upload one; the events after which another is `chosen`."""
    thumbnails = upscale(explorer.subject.pixels[rows], 64)
    gallery = gr.Gallery(
        [(Image.fromarray(pixels), "") for pixels in thumbnails],
        label=label,
        columns=8,
        height="auto",
        format="png",
        allow_preview=False,
        selected_index=0,
        interactive=False,
        buttons=[],
        elem_classes="thumbnails",
    )

    def pick(event: gr.SelectData) -> tuple[Picked, str]:
        return explorer.picked(int(rows[event.index])), ""

    if explorer.interpretation.draws_own_images:
        return [gallery.select(lambda event: pick(event)[0], None, chosen, **QUICK)]
    upload = gr.UploadButton("Upload an image", size="sm", type="filepath")
    refused = gr.Markdown(elem_classes="refused")

    def take(path: str, now: Picked) -> tuple[Picked, str]:
        try:
            return explorer.uploaded(Path(path)), ""
        except InputError as error:
            return now, f"Not taken: {error}"

    return [
        gallery.select(pick, None, [chosen, refused], **QUICK),
        upload.upload(take, [upload, chosen], [chosen, refused], **QUICK),
    ]


def _controls(explorer: Explorer, factor: str, is_open: bool) -> Controls:
    layout = explorer.layout
    size, said, colour = layout.sizes[layout.index(factor)], explorer.said_of(factor), colour_of(layout, factor)
    known = explorer.interpretation.iin.values.get(factor)
    sources = [OWN, OTHER, *([SET] if known is not None else []), DRAWN]
    numbers = f"{size} of {layout.num_dims} numbers" + (f" · {said}" if said else "")
    with gr.Accordion(f"{titled(factor)}", open=is_open, elem_id=f"factor-{layout.index(factor)}"):
        gr.HTML(f'<div class="factor-name" style="border-color: {colour}">{escape(titled(factor))}<small>'
                f"{escape(numbers)}</small></div>")  # fmt: skip
        with gr.Row():
            source = gr.Radio(sources, value=OWN, show_label=False, container=False, scale=4)
            value = None if known is None else _value(known)
            draw = gr.Button("Draw", size="sm", scale=1, min_width=60)
        with gr.Row():
            sliders = [
                gr.Slider(-REACH, REACH, 0.0, step=0.05, label=f"direction {number}", min_width=120, buttons=[])
                for number in range(1, 1 + len(explorer.directions[factor]))
            ]
        return Controls(factor, source, value, gr.State(0), sliders, draw)


def _value(known: Categories | Continuous) -> gr.Dropdown | gr.Textbox | gr.ColorPicker:
    """What a value of a concept is chosen by."""
    style: dict[str, Any] = {"show_label": False, "container": False, "scale": 1, "min_width": 90}
    if isinstance(known, Categories):
        return gr.Dropdown(known.names, value=known.names[0], **style)
    if known.is_colour:
        return gr.ColorPicker("#ff0000", **style)
    return gr.Textbox(placeholder=known.accepted, **style)


def _choosing(of_it: Controls, shown: Callable[..., str], inputs: list[Any], result: gr.HTML) -> None:
    """To choose a value is to set the factor to it, and to draw is to draw it anew."""
    if of_it.value is not None:
        chosen = of_it.value.submit if isinstance(of_it.value, gr.Textbox) else of_it.value.input
        chosen(lambda: SET, None, of_it.source, **QUICK).then(shown, inputs, result, **QUICK)
    drawn = of_it.draw.click(lambda seed: (DRAWN, seed + 1), of_it.seed, [of_it.source, of_it.seed], **QUICK)
    drawn.then(shown, inputs, result, **QUICK)


def _resettable(of_it: Controls) -> list[Any]:
    return [of_it.source, *of_it.sliders]
