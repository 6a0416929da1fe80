"""The course of a sweep: which flows are trained next, until which step, and what of all that was found.

Flows are drawn in generations, in the order of their numbers. Those of a generation climb the rungs of successive
halving: all are trained to the first, the best of them go on to the next, and so on to all steps. A rung waits for all
its flows. Asynchronous rungs, as ASHA has them, promote by who has arrived until then: their outcome depends on how
many flows run at once, on the size of packs and on where a sweep was killed. Here it depends on none of these, as all
that is decided is a function of what flows of given numbers found; the price is that the last packs of a rung run
beside idle places.

References:
    A system for massively parallel hyperparameter tuning (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht,
    Talwalkar, MLSys 2020): successive halving, and ASHA. Rungs compare as the choice of a trial does, by `probe/gap` of
    the best step so far, as nats of flows that differ in rho say little.
"""

import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.files import read_json, write_json
from pipeline.tuning.choice import best_first
from pipeline.tuning.kept import Kept
from pipeline.tuning.sampler import Drawn, Sampler
from pipeline.tuning.tpe import Known, next_drawn
from pipeline.tuning.trial import Failure, Figures, TrialSetup, TrialSetups, known

__all__ = ["Course"]

SPENT = "spent.json"


class Course:
    """Where a sweep stands; what is in the folders of its trials is taken as it is, and not trained again.

    Args:
        setups: what the trials have in common.
        sampler: the space.
        spectrum: sizes to try beside it.
        clock: seconds.

    Attributes:
        drawn: flows by number.
        found: what each has found at its highest rung, or why it has found nothing, by number.
        stopped: step at which a flow was stopped early, by number.
        num_trials: flows to try in all.
        cut_short: whether a grid has more than these.
        not_begun: those of them that `tune.minutes` left.
        reached: steps that a flow has done, by number, without those of a round that is not over.
    """

    def __init__(
        self,
        setups: TrialSetups,
        sampler: Sampler,
        spectrum: Layout | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.drawn: list[Drawn] = []
        self.found: dict[int, Figures | Failure] = {}
        self.stopped: dict[int, int] = {}
        self.reached: dict[int, int] = {}
        self.not_begun = 0
        self._setups, self._sampler, self._spectrum, self._clock = setups, sampler, spectrum, clock
        self._tune, self._seed = setups.params.tune, setups.params.seed
        self._rungs: tuple[int | None, ...] = (*self._tune.rungs[:-1], None)
        self._kept = Kept(setups.trials, setups.store, self._tune.rungs[:-1]) if setups.store else None
        self._lost: dict[int, str] = {}
        self._drawn_at_first: list[Drawn] = []
        begin = {each.candidate.name: each for each in sampler.begin(spectrum)[: self._tune.trials]}
        most = self._tune.trials
        self.num_trials = sampler.num_different(most, begin)
        self.cut_short = self._tune.search == "grid" and sampler.num_different(most + 1, begin) > most

    @property
    def num_steps(self) -> int:
        """Steps of all flows together, if none fails."""
        num, sizes = self.num_trials, []
        while num > 0:
            sizes.append(min(num, self._tune.at_once))
            num -= sizes[-1]
        total = 0
        for size in sizes:
            before = 0
            for step in self._tune.rungs:
                total += size * (step - before)
                size, before = max(1, size // self._tune.reduction), step
        return total

    def end(self, pack: Sequence[TrialSetup], lost: dict[int, str]) -> None:
        """Take note of flows that have ended, and of why some have found nothing; without where the project lies, as
        flow.yaml says it."""
        if self._kept:
            self._kept.keep(pack)
        self._lost |= {number: reason.replace(f"{Path.cwd()}/", "") for number, reason in lost.items()}

    def rounds(self) -> Iterator[Sequence[TrialSetup]]:
        """The flows to train next. When the next ones are asked for, all are known or lost."""
        if self._kept:
            self._kept.bring()
        spent = _Spent(self._setups, self._clock)
        generation = 0
        while len(self.drawn) < self.num_trials:
            if generation >= spent.generations and self._tune.minutes and spent.seconds() >= 60 * self._tune.minutes:
                self.not_begun = self.num_trials - len(self.drawn)
                return
            first = len(self.drawn)
            self.drawn += self._next(min(self._tune.at_once, self.num_trials - first))
            if len(self.drawn) == first:
                return
            generation += 1
            spent.keep(generation)
            numbers = range(first, len(self.drawn))
            for waiting in self._climb(numbers, 0):
                yield waiting
                spent.keep(generation)
            for number in numbers:
                for state in self._setup(number, 0).folder.glob("*step-*"):
                    shutil.rmtree(state)

    def _next(self, num: int) -> list[Drawn]:
        """A generation; the first one of TPE is that of a search at random."""
        done = len(self.drawn)
        if self._tune.search == "tpe" and done:
            tried = [
                Known(drawn, self._value(number), self.stopped.get(number)) for number, drawn in enumerate(self.drawn)
            ]
            return next_drawn(self._sampler, tried, num, self._seed)
        if not self._drawn_at_first:
            most = num if self._tune.search == "tpe" else self.num_trials
            self._drawn_at_first = (
                self._sampler.grid(most, self._spectrum)
                if self._tune.search == "grid"
                else self._sampler.candidates(most, draw_seed(self._seed, "tune"), self._spectrum)
            )
        return self._drawn_at_first[done : done + num]

    def _climb(self, numbers: Sequence[int], rung: int) -> Generator[list[TrialSetup], None, bool]:
        """Train flows to a rung, and the best of them on; whether one has taken all steps.

        Where none of those that went on gets there, the next best go on.
        """
        setups = [self._setup(number, rung) for number in numbers]
        waiting = [setup for setup in setups if not known(setup)]
        self.reached |= {setup.number: self._tune.rungs[rung] for setup in setups if setup not in waiting}
        if waiting:
            yield waiting
        self.reached |= {setup.number: self._tune.rungs[rung] for setup in waiting if known(setup)}
        for setup in setups:
            self.found[setup.number] = known(setup) or Failure(failure=self._lost[setup.number])
            self.stopped.pop(setup.number, None)
            if setup.until is not None:
                self.stopped[setup.number] = setup.until
        figures = {number: found for number in numbers if "failure" not in (found := self.found[number])}
        for number in set(numbers) - set(figures):
            self.stopped.pop(number, None)
        if rung + 1 == len(self._rungs) or not figures:
            return bool(figures)
        going = max(1, len(figures) // self._tune.reduction)
        candidates = {number: self.drawn[number].candidate for number in figures}
        while candidates:
            best = best_first(candidates, figures, going)
            if (yield from self._climb(best, rung + 1)):
                return True
            candidates = {number: value for number, value in candidates.items() if number not in best}
        return False

    def _setup(self, number: int, rung: int) -> TrialSetup:
        """What trains a flow to a rung: from the rung before where its state is there, or from its beginning."""
        candidate, until = self.drawn[number].candidate, self._rungs[rung]
        setup = self._setups.of(number, candidate, until, (self._rungs[rung - 1] or 0) if rung else 0)
        return setup if setup.begins_from.is_dir() else self._setups.of(number, candidate, until)

    def _value(self, number: int) -> float | None:
        """The higher, the better; None of a flow that failed."""
        found = self.found[number]
        if "failure" in found:
            return None
        return -found["pair_nats"] if found["probe_gap"] is None else found["probe_gap"]


class _Spent:
    """Time that a sweep has taken, over all its starts, and how many generations it has begun: these it ends."""

    def __init__(self, setups: TrialSetups, clock: Callable[[], float]) -> None:
        self._path, self._clock, self._start = setups.folder / SPENT, clock, clock()
        kept = read_json(self._path) if self._path.is_file() else {"generations": 0, "seconds": 0.0}
        self.generations, self._before = int(kept["generations"]), float(kept["seconds"])

    def seconds(self) -> float:
        """Since the sweep began."""
        return self._before + self._clock() - self._start

    def keep(self, generation: int) -> None:
        """Write down where it stands."""
        self.generations = max(self.generations, generation)
        write_json(self._path, {"generations": self.generations, "seconds": self.seconds()})
