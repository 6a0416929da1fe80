"""The rounds of a sweep by Ray Tune: packs of flows are its trials, each in a process that the next one takes over.

Ray Tune asks a searcher for one trial after another, and tells it when one ends. Ours hands out the packs of a round,
and begins the next round once all of this one have ended. What is found is in the folders of the flows and is read
there by their numbers: Ray moves a trial that it starts anew to the end of its results.
"""

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.search import Searcher

from pipeline.basis import curves
from pipeline.basis.layout import Layout
from pipeline.entry import die_with_parent
from pipeline.machine import Resources
from pipeline.progress import Progress, following, keeping_notes, note
from pipeline.tuning.course import Course
from pipeline.tuning.flow_file import Candidate
from pipeline.tuning.packs import packs
from pipeline.tuning.trial import TrialSetup, TrialSetups, known, run_pack

__all__ = ["Packs", "run_by_ray", "try_flows"]

MAX_RESTARTS = 2  # of a pack whose process was killed
SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV or TensorBoard file beside our own curves
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # its own ends the sweep as if it were done
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables ignore verbose=0
}
KILLED = "its process was killed, or ran out of memory, again and again"


class Packs:
    """The packs of a sweep, handed out one by one; those of a round may run at once.

    A pack whose process ends too often is tried flow by flow, so that the one that ends it is alone to be lost.

    Args:
        course: of the sweep.
        rounds: of the course.
        device: of the flows.
        concurrent: packs at once.

    Attributes:
        running: by the key that they were handed out for.
    """

    def __init__(self, course: Course, rounds: Iterator[Sequence[TrialSetup]], device: str, concurrent: int) -> None:
        self.running: dict[str, list[TrialSetup]] = {}
        self._course, self._rounds, self._device, self._concurrent = course, rounds, device, concurrent
        self._waiting: list[list[TrialSetup]] = []
        self._at: dict[int, int] = {}
        self.ended = False

    def next(self, key: str) -> list[TrialSetup] | None:
        """A pack to run now; None where others have to end before."""
        if not self._waiting and not self.running and not self.ended:
            of_round = next(self._rounds, None)
            self.ended = of_round is None
            self._waiting = packs(of_round or (), self._device, self._concurrent)
        if not self._waiting or len(self.running) >= self._concurrent:
            return None
        self.running[key] = self._waiting.pop(0)
        return self.running[key]

    def plain(self, setup: TrialSetup) -> dict[str, Any]:
        """A flow as Ray writes it down."""
        candidate = self._course.drawn[setup.number].candidate
        own = {"number": setup.number, "settings": candidate.settings, **candidate.layout.as_dict()}
        return own | {"until": setup.until, "since": setup.since}

    def done(self, key: str, lost: dict[int, str], said: Sequence[str] = ()) -> None:
        """A pack has ended: `lost` says which of its flows have found nothing, and why."""
        for line in said:
            print(line, flush=True)
        self._course.end(self.running.pop(key), lost)

    def killed(self, key: str) -> None:
        """The process of a pack has ended too often."""
        pack = self.running[key]
        rest = [setup for setup in pack if not known(setup)]
        if rest and len(pack) > 1:
            numbers = ", ".join(str(setup.number) for setup in rest)
            print(f"the process of trials {numbers} was killed; each is tried alone", flush=True)
            self._waiting = [[setup] for setup in rest] + self._waiting
            self._course.end(self.running.pop(key), {})
        else:
            self.done(key, {setup.number: KILLED for setup in rest})

    def num_steps(self) -> int:
        """Steps that all flows have done; of those that run now by their curves, and no other file is read."""
        for setup in [setup for pack in list(self.running.values()) for setup in pack]:
            self._at[setup.number] = curves.last_step(setup.folder / curves.METRICS)
        reached = dict(self._course.reached)
        return sum(max(reached.get(number, 0), self._at.get(number, 0)) for number in {*reached, *self._at})


class _Losses(tune.Callback):  # type: ignore[misc]  # Ray's class is untyped here
    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: object) -> None:  # noqa: ARG002
        numbers = ", ".join(str(flow["number"]) for flow in trial.config["flows"])
        print(f"the process of trials {numbers} was lost: it starts anew", flush=True)


class _Searcher(Searcher):  # type: ignore[misc]  # Ray's class is untyped here
    def __init__(self, packs: Packs) -> None:
        super().__init__()
        self._packs = packs

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        pack = self._packs.next(trial_id)
        if self._packs.ended:
            return str(Searcher.FINISHED)
        return None if pack is None else {"flows": [self._packs.plain(setup) for setup in pack]}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if error or not result or "lost" not in result:
            self._packs.killed(trial_id)
        else:
            for line in result["notes"]:
                note(line)
            self._packs.done(trial_id, dict(result["lost"]), result["said"])

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a sweep goes on from the folders of its flows."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing either: Ray writes down how a sweep was begun, which it is never asked to begin again."""
        return {}


def run_by_ray(
    course: Course,
    rounds: Iterator[Sequence[TrialSetup]],
    setups: TrialSetups,
    resources: Resources,
    trainable: Callable[..., None] | None = None,
) -> None:
    """Run the rounds of a course to their end.

    Args:
        course: of the sweep.
        rounds: of the course.
        setups: what its trials have in common.
        resources: what one pack gets.
        trainable: what Ray Tune runs of a pack; None: `try_flows`.
    """
    os.environ |= SETTINGS
    concurrent, own_files = setups.params.tune.concurrent, setups.folder / "ray"
    shutil.rmtree(own_files, ignore_errors=True)
    handed_out = Packs(course, rounds, resources.device, concurrent)
    gpus = min(1.0, ray.cluster_resources().get("GPU", 0) / concurrent) if resources.device == "cuda" else 0
    common = {"setups": setups, "device": resources.device}
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable or try_flows, **common), {"CPU": 1, "GPU": gpus}),
        tune_config=tune.TuneConfig(search_alg=_Searcher(handed_out), num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name=own_files.name,
            storage_path=str(setups.folder),
            verbose=0,
            callbacks=[_Losses()],
            failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )
    progress = Progress(setups.folder.name.rpartition("-")[0].replace("-", " "), course.num_steps)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a process that was killed is said in a line of ours
    with following(_shows(progress, handed_out.num_steps)):
        tuner.fit()
    if 0 < handed_out.num_steps() < progress.total:  # some failed, or were not begun
        progress.total = handed_out.num_steps()
        progress.update(progress.total)


def try_flows(drawn: dict[str, Any], setups: TrialSetups, device: str) -> None:
    """What Ray Tune runs of each pack."""
    die_with_parent(signal.SIGKILL)
    torch.set_num_threads(1)
    pack = []
    for flow in drawn["flows"]:
        candidate = Candidate(flow["settings"], Layout(tuple(flow["names"]), tuple(flow["sizes"])))
        pack.append(setups.of(flow["number"], candidate, flow["until"], flow["since"]))
    with keeping_notes() as notes:
        lost, said = run_pack(pack, torch.device(device))
    tune.report({"lost": sorted(lost.items()), "said": said, "notes": notes})


def _shows(progress: Progress, num_steps: Callable[[], int]) -> Callable[[], None]:
    """What shows how many of all flows' steps are done, if there are new ones."""
    shown = 0

    def show() -> None:
        nonlocal shown
        if (done := num_steps()) > shown:
            shown = done
            progress.update(done)

    return show
