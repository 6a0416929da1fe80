"""A local page to explore a trained map: `python -m pipeline.explore`.

    python -m pipeline.explore
    python -m pipeline.explore --layer features --port 7861

Pick a test image or upload one, and change its factors: by sliders along their leading directions, by those of a second
image, by a value of the concept, or by a draw. Beside it stands what the frozen network makes of it. The page is served
to this machine alone, unless --host says otherwise; it fetches nothing from elsewhere. Ctrl-C ends it.
"""

import ipaddress
import os
import sys
import tempfile
import threading

from pipeline.entry import command_parser, run
from pipeline.errors import InputError
from pipeline.params import load_params
from pipeline.places import Places

PORT = 7860


def main() -> None:
    """Read the command line, open the layer, and serve the page until Ctrl-C."""
    parser = command_parser("python -m pipeline.explore", __doc__)
    parser.add_argument("--layer", help="one of `layers` in params.yaml; the first")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at; 0.0.0.0: all of this machine's")
    parser.add_argument("--port", type=int, default=PORT)
    arguments = parser.parse_args()
    params = load_params()
    layer = arguments.layer or params.layers[0]
    if layer not in params.layers:
        raise InputError(f"--layer: found {layer!r}, accepted are {', '.join(params.layers)}")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with tempfile.TemporaryDirectory() as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # what is uploaded is gone when the page is
        try:
            from pipeline.explore.explorer import Explorer
            from pipeline.explore.page import launch
        except ModuleNotFoundError as error:
            if error.name != "gradio":
                raise
            raise InputError("gradio: not installed; the explorer needs it: pip install gradio") from None
        blocks, address = launch(Explorer.open(Places(), layer, params.seed), arguments.host, arguments.port)
        if not _is_loopback(arguments.host):
            print("warning: whoever reaches this address may use the page", file=sys.stderr)
        print(f"explorer of layer {layer}: {address} (Ctrl-C ends it)", flush=True)
        try:
            threading.Event().wait()
        finally:
            blocks.close(verbose=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    run(main)
