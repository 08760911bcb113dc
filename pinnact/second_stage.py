"""What comes before and after the training of a run: least squares at first, a second stage or a march at last."""

import logging
import math
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax

from pinnact.compiled import cores
from pinnact.correction import sizes
from pinnact.first_fits import LEAST, FirstFits
from pinnact.interrupts import WORDS
from pinnact.least_squares import fits, timed
from pinnact.limits import Limits
from pinnact.linearisation import linearised
from pinnact.marching import FEATURES, WINDOWS, obstacle
from pinnact.model import Networks, build_model, smoothness
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.solution import Solution
from pinnact.system import System

if TYPE_CHECKING:
    from pinnact.run import Run

logger = logging.getLogger("pinnact")
TRAINED = 0.4  # the share of a budget that training gets: least squares take more off the error than its last half does
MOST = 0.6  # and at most this share of what least squares before training have left of it
SHARES = (2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.15)  # of its usual size, the largest that is over in time and fits
STEPS = 3  # of a second stage of equations that are not linear, as a rule
STAGE = 2.4  # times as long as its QR a step of a second stage takes,
COMPILED = 2.0  # and what it compiles, times as long as all of the first fit
SPARED = 1.5  # times as long as a second stage of linear equations should take: training gets what is left beyond
SHORTENED = 0.5  # to so much of what training would get, if a short second stage fits in then
LAST = 0.2  # the share of a budget that must be left for either to begin
MARCH = 40.0  # seconds of budget that must be left for a march to begin: it takes a minute and more
MOST_PARAMETERS = 3000  # whose tangents on 15,000 points take some seconds
MOST_COORDINATES = 10  # tried no further
MOST_ORDER = 2  # for a second stage after a march that was given up: fourth derivatives take minutes
ASTRAY, LEFT = 0.03, 0.05  # of the first residual after training, of that after training by a second stage
MORE = 0.1  # the share of a budget by which what is nonlinear and astray trains on at a time
NO_SECOND = ("not finite", *WORDS.values())


@dataclass
class SecondStagePlan:
    """When training stops, and what comes before, beside and after it: the second stage only where it is `on`."""

    limits: Limits
    on: bool = False
    parameters: int = 0  # of the network, a point for each more
    budget: float | None = None  # as it was given
    within: float | None = None  # seconds for training and second stage together
    first: FirstFits | None = None

    def attempted(self, run: "Run") -> Solution | None:
        """What least squares find before any training, where that is good enough (`FirstFits`); else None.

        Linear equations are then trained for all of a long budget that the largest second stage leaves. Others, which
        can seldom do without training, are trained meanwhile where there is more than one core, until least squares
        suffice or that is over.
        """
        if self.within is None:
            return None
        run.prepare()
        if run.at.resumed or run.interrupts.stopped:
            return None
        first = self.first = FirstFits(run, self.within)
        if cores() > 1 and not _linear(run.system.problem):
            first.beside(lambda: self._share_out(run, first))
            return None
        first.fit()
        self._share_out(run, first)
        return first.solution if first.ended else None

    def _share_out(self, run: "Run", first: FirstFits) -> None:
        """How long training may last, after the first fits."""
        if run.interrupts.stopped:
            return
        left, trained = first.within - first.seconds, 0.0
        if not first.ended:
            trained = min(TRAINED * first.within, MOST * left)
            if _linear(run.system.problem):  # others may need the rest for further steps, or for a march
                trained = max(trained, left - SPARED * self._sized(run.system, left)[2])
            trained = max(SHORTENED * trained, min(trained, left - self._shortest(run.system)))
        run.limits = replace(run.limits, budget=first.seconds + trained)

    def longer(self, run: "Run", solution: Solution) -> bool:
        """Whether training goes on, and then for how long.

        To the end of the budget where it is too late for anything else; and by a tenth of it where equations that are
        not linear keep much of their residual (`ASTRAY`): tangents of a network that has not found its layers yet bring
        nothing.
        """
        known, within = solution.known, self.within
        if self.first is not None and not run.interrupts.stopped:
            with suppress(KeyboardInterrupt):  # which is noted
                self.first.wait()
            known["seconds"] = round(self.first.seconds, 3)
            known["stopped"] = run.interrupts.stopped or known["stopped"]
            if self.first.ended == "solved":
                return False
        if within is None or known["stopped"] != "budget" or known["seconds"] >= within:
            return False
        left, missing = within - known["seconds"], _missing(solution)
        if left >= LAST * within:
            corrects = missing <= ASTRAY and left >= self._shortest(solution.system)
            if corrects or self._marches(solution, left):
                return False
        more = MORE * within if left >= (LAST + MORE) * within else left
        run.limits = replace(run.limits, budget=known["seconds"] + more)
        return True

    def finished(self, solution: Solution) -> Solution:
        """The solution with its second stage, or marched through; as it was where that is no use or fails.

        Where training went astray (`ASTRAY`), a second stage helps linear equations only: others are marched through
        instead, where that can be done in time; and all where a second stage leaves much (`LEFT`). What least squares
        found before training takes its place where that left little (`USEFUL`) and has the smaller residual.
        """
        if not self.on:
            return solution
        solution.known["settings"]["budget"] = self.budget
        if self.first is not None and self.first.ended == "solved" and solution.known["stopped"] not in WORDS.values():
            return self._untrained(self.first.solution, solution, stopped="solved")
        astray = _missing(solution) > ASTRAY and not obstacle(solution.system)
        order = max(solution.problem.order(name) for name in solution.problem.fields)
        after = [_marched, self._corrected] if astray else [self._corrected, _marched]
        if astray and order > MOST_ORDER:
            after.pop()
        for stage in after:
            left = math.inf if self.within is None else self.within - solution.known["seconds"]
            if stage is _marched and not self._marches(solution, left):
                continue
            late = self.within is not None and left < LAST * self.within
            if solution.known["stopped"] in NO_SECOND or late or "windows" in solution.known["network"]:
                break
            try:
                solution = stage(solution, left)
            except (ValueError, MemoryError, jax.errors.JaxRuntimeError) as error:  # what does not fit into memory
                logger.warning("no second stage: %s", error)
                break
            except KeyboardInterrupt:
                solution.known["stopped"] = WORDS[signal.SIGINT]
        early = self._useful
        if early is not None and not _loss(solution) <= _loss(early):
            return self._untrained(early, solution, solution.known["stopped"])
        return solution

    @property
    def _useful(self) -> Solution | None:
        """What was found without training, where that competes with what comes after it."""
        return self.first and self.first.useful

    @staticmethod
    def _untrained(early: Solution, solution: Solution, stopped: str) -> Solution:
        """What was found without training, in the place of a trained solution."""
        same = {name: solution.known[name] for name in ("seconds", "resumed", "recovered", "settings")}
        return early.told(same | {"optimiser": "least squares", "stopped": stopped})

    def _marches(self, solution: Solution, left: float) -> bool:
        """Whether a march through time is possible in the seconds that are left, and wanted."""
        return self._useful is None and left >= MARCH and not obstacle(solution.system)

    def _corrected(self, solution: Solution, left: float) -> Solution:
        if self.within is None:
            return solution.corrected(seconds=left)
        features, points, _ = self._sized(solution.system, left)
        logger.info("second stage: least squares on %d waves", features)
        return solution.corrected(features=features, points=points, seconds=left)

    def _sized(self, system: System, left: float, shares: Sequence[float] = SHARES) -> tuple[int, int, float]:
        """Waves, points and seconds of the largest second stage that is over in the seconds `left` and fits."""
        outputs, seconds = sum(unknown.size for unknown in system.problem.fields.values()), timed()
        steps, found = 1 if _linear(system.problem) else STEPS, (1, 1, math.inf)
        compiling = COMPILED * self.first.compiling if self.first else 0.0
        for share in shares:
            features, points = sizes(system, share)
            rows, columns = outputs * (points + self.parameters), outputs * features + self.parameters
            found = features, points + self.parameters, compiling + steps * STAGE * seconds(rows, columns)
            if found[2] < left and fits(rows, columns):
                break
        return found

    def _shortest(self, system: System) -> float:
        """Seconds of the smallest second stage."""
        return self._sized(system, 0.0, SHARES[-1:])[2]


def _loss(solution: Solution) -> float:
    """The loss where it was not fitted, or that of training."""
    return solution.known.get("unseen_loss", solution.known["loss"])


def _missing(solution: Solution) -> float:
    """How much of the residual that training began with is left; 0 for linear equations, which need no training."""
    losses = solution.history.column("loss")
    if _linear(solution.problem):
        return 0.0
    return math.sqrt(losses[-1] / losses[0]) if losses and losses[0] > 0 else 1.0


@lru_cache(maxsize=1)  # asked several times a run
def _linear(problem: Problem) -> bool:
    """Whether the equations are."""
    with precision("float64"):
        return (rows := linearised(problem)) is not None and rows.affine()


def _marched(solution: Solution, left: float) -> Solution:
    """What a march through time finds, where there is one and where a second stage left too much, if there was any."""
    if solution.known.get("residual_left", 1.0) < LEFT:
        return solution
    logger.info("march through time: window after window by least squares")
    return solution.marched(windows=WINDOWS, features=FEATURES, seconds=left)


def planned(
    correct: bool | None, problem: Problem, network: Networks, optimiser: Any, limits: Limits, plain: bool
) -> SecondStagePlan:
    """With `correct` a second stage after all of training; with None one within the budget, where it pays.

    That is: the automatic optimiser with a budget and neither steps nor a tolerance; one seed on one device in float64
    with an exact engine and no `allow_rough` (`plain`); no data, at most ten coordinates and 3,000 parameters, and
    activations one order smoother than the equations. ValueError for a `correct` that is neither True, False nor None.
    """
    if correct is not None and not isinstance(correct, bool):
        raise ValueError(f"correct={correct!r}: give True, False, or None for a second stage where it pays")
    if correct:
        return SecondStagePlan(limits, True, budget=limits.budget)
    budget = limits.budget
    if correct is False or not plain or optimiser != "auto" or budget is None or budget < LEAST:
        return SecondStagePlan(limits)
    if limits.steps is not None or limits.tolerance is not None or problem.inferred or problem.observations:
        return SecondStagePlan(limits)
    orders = [r.record.order(name) for r in problem.residuals_by_name.values() for name in problem.fields]
    if min(smoothness(network).values()) - 1 < max(orders, default=0):  # tangents are rougher than their network
        return SecondStagePlan(limits)
    with precision("float64"):
        parameters = build_model(problem, network, jax.random.key(0)).parameters
    if len(problem.domain.coordinates) > MOST_COORDINATES or parameters > MOST_PARAMETERS:
        return SecondStagePlan(limits)
    return SecondStagePlan(replace(limits, budget=TRAINED * budget), True, parameters, budget, budget)
