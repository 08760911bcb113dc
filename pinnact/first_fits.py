"""Least squares on random waves before the training of a run, or beside it: many smooth problems need nothing else."""

import logging
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax

from pinnact import hosts
from pinnact.correction import corrected
from pinnact.interrupts import WORDS
from pinnact.precision import precision

if TYPE_CHECKING:
    from pinnact.run import Run
    from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
FIRST, POINTS = 300, 6  # waves of all unknowns together, points for each
TIMES = (1, 2, 4, 8)  # how many times as many, one after the other
SOLVED, USEFUL = 1e-11, 1e-2  # what may be left of the residual for no training at all, and where there is little time
LEAST = 10.0  # seconds that training and a second stage need to do better than what is useful,
FITS = 4.0  # and at least so many times what the first fit took: both compile more
EARLY = 0.3  # the share of a budget within which more waves are tried where fewer left much
GROWTH = 1.5  # times as long as a fit takes one of twice as many waves: most of it is compiling
PATIENCE = 2.0  # seconds that fits beside training wait for its first step: then it compiles, which a core can do alone


class FirstFits:
    """Fits of the untrained network of a `run` that is prepared, `within` so many seconds of its clock.

    First of few waves and then of twice as many, as long as each time leaves a tenth of the residual of the time
    before, or less of it where training comes too late: the `best` of them leaves `left` of it, and `ended` says why no
    training needs to follow, if so: that has gone down to `SOLVED` of it, or to `USEFUL` with no step taken yet and too
    little time left, or there was a signal. The first fit takes `compiling` seconds.
    """

    def __init__(self, run: "Run", within: float) -> None:
        self.run, self.within = run, within
        self.untrained = run.solution().told({})  # with a history of its own
        self.best: Solution | None = None
        self.left, self.ended = 1.0, ""
        self.compiling = 0.0
        self.thread: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """What the run has taken by now."""
        return self.run.at.seconds + hosts.seconds() - self.run.started

    @property
    def useful(self) -> "Solution | None":
        """The best fit, if that left little: those that leave more are far from the solution, mostly."""
        return self.best if self.left < USEFUL else None

    @property
    def late(self) -> bool:
        """Whether the best fit is useful, and training that begins now can't do better in time."""
        needed = max(LEAST, FITS * self.compiling)
        return self.left < USEFUL and self.within - self.seconds < needed and not self.run.at.step

    @property
    def solution(self) -> "Solution":
        """The best that is known without training."""
        best = self.untrained if self.best is None else self.best
        return best.told({"optimiser": "least squares", "stopped": self.ended, "seconds": round(self.seconds, 3)})

    def fit(self) -> None:
        """Fit."""
        interrupts, alone = self.run.interrupts, self.thread is None
        outputs = sum(unknown.size for unknown in self.untrained.problem.fields.values())
        for times in TIMES:
            features, before = max(1, times * FIRST // outputs), self.seconds
            untrained = self.untrained.told({"seconds": before})
            try:
                found = corrected(untrained, features, POINTS * features, tangents=False, interrupts=interrupts)
            except (ValueError, MemoryError, jax.errors.JaxRuntimeError) as error:
                logger.info("no least squares on waves of the untrained network: %s", error)
                break
            except KeyboardInterrupt:
                self.ended = WORDS[signal.SIGINT]
                return
            self.compiling = self.compiling or self.seconds - before  # of so few waves, all else is soon done
            left, last = found.known["residual_left"], self.left
            if left < last:
                self.best, self.left = found, left
            if interrupts.stopped:
                self.ended = interrupts.stopped
                return
            logger.info("untrained: least squares on %d waves leave %.0e of the residual", features, left)
            until = self.within * (1.0 if self.left < USEFUL and alone else EARLY)
            much = left < last if self.late else left < last / 10
            if left < SOLVED or not much or self.seconds + GROWTH * (self.seconds - before) > until:
                break
        if self.left < SOLVED or self.late:
            self.ended = "solved"

    def beside(self, after: Callable[[], None]) -> None:
        """Fit in a thread while the run trains, and call `after`; from its first step on, or while that is compiled."""
        device = jax.config.jax_default_device  # it belongs to a thread, as the precision does

        def work() -> None:
            self.run.stepping.wait(PATIENCE)
            try:
                with precision("float64"), jax.default_device(device):
                    self.fit()
                    after()
            except Exception as error:  # training, which may have taken hours, goes on without
                logger.warning("no least squares beside training: %s: %s", type(error).__name__, error)

        self.thread = threading.Thread(target=work, name="least squares")
        self.thread.start()

    def wait(self) -> None:
        """Wait until fits beside training are over."""
        if self.thread is not None:
            self.thread.join()
