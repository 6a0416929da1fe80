"""Follow a training without making it wait: a thread sends what the trainer has already written to disk."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.basis.curves import TIMES, last_step
from pipeline.basis.layout import Layout
from pipeline.tracking.note import headline
from pipeline.tracking.publish import SEND_ERRORS, bring_level
from pipeline.tracking.runs import (
    FINGERPRINT,
    NOTE,
    add_missing,
    create_run,
    describe,
    find_run,
    of_seed,
    run_name,
    search,
    send_curves,
    send_vitals,
    source_tags,
)
from pipeline.tracking.server import root_cause
from pipeline.tracking.store import Store, run_line, shown, upload_command

__all__ = ["RunTracker"]

POLL_SECONDS = 2.0
FINISH_SECONDS = 120.0  # curves' tail and the model, a few megabytes
ABORT_SECONDS = 15.0


class RunTracker:
    """Opens, or on resume takes up, the run of a training, and sends curves while the block runs.

    The thread gives up at the first error and tries once more at the end. When the block ends well, the IIN must lie
    in its place: the run gets the rest of its curves, the checksum of the weights and the model, and is FINISHED. When
    the block raises, the run is FAILED, until the resumed training takes it up.

    Of several seeds, which one is kept shows at the end alone, and no point of a run can be taken back. So the curve of
    the first, the study's own, is followed as `seeds/<seed>/train/…`, and those of the others go beside it at the end;
    `train/…` and `val/…` are the kept one's, as the model is, and come with it.

    Args:
        store: from `check_server`; with one that is not reachable nothing happens.
        layer: which layer.
        card: what the IIN's card.json will hold, `fingerprint` and `layout` among it.
        curves: the metrics.jsonl to which the trainer appends.
        root: the project's folder.

    Example:
        with RunTracker(store, "latent", card, run_folder / METRICS):
            train(...)
            save_iin(...)
    """

    def __init__(self, store: Store, layer: str, card: Mapping[str, Any], curves: Path, root: Path = Path()) -> None:
        """Prepare; nothing is sent before the block begins."""
        self.store, self.layer, self.card, self.curves, self.root = store, layer, card, curves, root
        self.run_id: str | None = None
        self._source = source_tags() if store.reachable else {}
        self._sent: dict[str, int] | None = None
        self._noted: int | None = None  # the last step of what is noted beside the curves
        self._reused_finished = False
        self._aborted = False
        self._error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlflow-sender", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread; nothing is waited for."""
        if self.store.reachable:
            self._thread.start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the thread finish the run; print its link, or what was not sent and how to send it."""
        if not self.store.reachable:
            return
        self._aborted = error is not None
        self._stop.set()
        self._thread.join(ABORT_SECONDS if self._aborted else FINISH_SECONDS)
        if self._aborted:
            return
        if self._thread.is_alive():
            self._error = TimeoutError(f"not done after {FINISH_SECONDS:.0f} s")
        if self._error is None and self.run_id is not None:
            print(run_line(self.store, self.layer, self.run_id), flush=True)
        elif isinstance(self._error, SEND_ERRORS):
            print(self._unsent(self._error), file=sys.stderr, flush=True)
        elif self._error is not None:
            raise self._error

    def _unsent(self, error: Exception) -> str:
        sent = max((self._sent or {}).values(), default=-1)
        what = "no curves" if sent < 0 else f"the curves up to step {sent}"
        return (
            f"warning: MLflow at {shown(self.store.address)} has {what} of {last_step(self.curves)}, and not the "
            f"model ({root_cause(error)}); all is kept on disk; upload the rest with: {upload_command(self.layer)}"
        )

    def _run(self) -> None:
        try:
            self._open()
            while not self._stop.wait(POLL_SECONDS):
                self._send()
        except Exception as error:
            self._error = error
        self._stop.wait()
        try:
            if self._aborted:
                self._fail()
            else:
                if self.run_id is not None:
                    self._send()
                self.run_id = bring_level(self.store, self.layer, "train", self.root, self._source)
                self._send_vitals()
                self._error = None
        except Exception as error:
            self._error = error

    def _open(self) -> None:
        """Take up the run that this training began, or one that it finished (`dvc repro --force`), or open one."""
        client = self.store.client()
        fingerprint = str(self.card["fingerprint"])
        params, tags = describe(self.card, self.layer, self.root)
        tags |= self._source
        run = find_run(self.store, None, fingerprint)
        if run is None and (finished := search(self.store, {FINGERPRINT: fingerprint})):
            self.run_id, self._reused_finished = str(finished[0].info.run_id), True
        elif run is None:
            layout = Layout.from_dict(self.card["layout"])
            note = headline(layout, self.card["flow"]["num_blocks"], None)
            name = run_name(self.store, self.layer, layout)
            self.run_id = create_run(self.store, name, params, {**tags, NOTE: note})
        else:
            self.run_id = str(run.info.run_id)
            client.update_run(self.run_id, status="RUNNING")
            add_missing(client, run, params, tags)

    def _send(self) -> None:
        assert self.run_id is not None
        prefix = of_seed(self.card["seed"]) if "seeds" in self.card else ""
        self._sent = send_curves(self.store.client(), self.run_id, self.curves, self._sent, prefix)
        self._send_vitals()

    def _send_vitals(self) -> None:
        if self.run_id is not None and not self._reused_finished:  # that of a finished one has those of its training
            times, batch = self.curves.with_name(TIMES), int(self.card["train"]["batch_size"])
            self._noted = send_vitals(self.store.client(), self.run_id, times, batch, self._noted)

    def _fail(self) -> None:
        if self.run_id is not None and not self._reused_finished:
            self._send()
            self.store.client().set_terminated(self.run_id, status="FAILED")
