"""Whether a run ends with a second stage (`pinnact.correction`) or a march, and which share of its budget they take."""

import logging
import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax

from pinnact.correction import sizes
from pinnact.interrupts import WORDS
from pinnact.limits import Limits
from pinnact.linearisation import linearised
from pinnact.marching import FEATURES, WINDOWS, obstacle
from pinnact.model import Networks, build_model, smoothness
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
TRAINED = 0.4  # the share of a budget that training gets: least squares take more off the error than its last half does
LEAST, WHOLE = 10.0, 40.0  # seconds from which on a second stage pays, and from which on it has its full size
LAST = 0.2  # the share of a budget that must be left for either to begin
MOST_PARAMETERS = 3000  # whose tangents on 15,000 points take some seconds
MOST_COORDINATES = 10  # tried no further
ASTRAY, LEFT = 0.03, 0.05  # of the first residual after training, of that after training by a second stage
NO_SECOND = ("not finite", *WORDS.values())


@dataclass(frozen=True)
class SecondStagePlan:
    """When training stops, and the options of `Solution.corrected` after it; None where nothing comes after it."""

    limits: Limits
    options: Mapping[str, Any] | None = None
    budget: float | None = None  # as it was given
    within: float | None = None  # seconds for training and second stage together

    def finished(self, solution: Solution) -> Solution:
        """The solution with its second stage, or marched through; as it was where that is no use or fails.

        Where training went astray (`ASTRAY`), a second stage helps linear equations only: others are marched through
        instead, where that can be done; and all where a second stage leaves much (`LEFT`).
        """
        if self.options is None:
            return solution
        solution.summary["settings"]["budget"] = self.budget
        instead = _astray(solution) and not obstacle(solution.system)
        for stage in (_marched,) if instead else (self._corrected, _marched):
            left = math.inf if self.within is None else self.within - solution.summary["seconds"]
            late = self.within is not None and left < LAST * self.within
            if solution.summary["stopped"] in NO_SECOND or late or "windows" in solution.summary["network"]:
                break
            try:
                solution = stage(solution, left)
            except (ValueError, MemoryError, jax.errors.JaxRuntimeError) as error:  # what does not fit into memory
                logger.warning("no second stage: %s", error)
                break
            except KeyboardInterrupt:
                solution.summary["stopped"] = WORDS[signal.SIGINT]
        return solution

    def _corrected(self, solution: Solution, left: float) -> Solution:
        logger.info("second stage: least squares on %s", self.options or "15,000 points")
        return solution.corrected(**(self.options or {}), seconds=left)


def _astray(solution: Solution) -> bool:
    """Whether equations that are not linear keep too much of the residual that training began with."""
    losses, rows = solution.history.column("loss"), linearised(solution.problem)
    if losses and losses[-1] < ASTRAY**2 * losses[0]:
        return False
    with precision("float64"):
        return rows is not None and not rows.affine()


def _marched(solution: Solution, left: float) -> Solution:
    """What a march through time finds, where there is one and where a second stage left too much, if there was any."""
    if obstacle(solution.system) or solution.summary.get("residual_left", 1.0) < LEFT:
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
        return SecondStagePlan(limits, {}, limits.budget)
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
    features, points = sizes(problem, min(1.0, budget / WHOLE))
    options = {"features": features, "points": points + parameters}
    return SecondStagePlan(replace(limits, budget=TRAINED * budget), options, budget, budget)
