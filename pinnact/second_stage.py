"""Whether a run ends with a second stage (`pinnact.correction`), and which share of its budget that takes."""

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
from pinnact.model import Networks, build_model, smoothness
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
TRAINED = 0.4  # the share of a budget that training gets: least squares take more off the error than its last half does
LEAST, WHOLE = 10.0, 40.0  # seconds from which on a second stage pays, and from which on it has its full size
MOST_PARAMETERS = 3000  # whose tangents on 15,000 points take some seconds
MOST_COORDINATES = 10  # tried no further
NO_SECOND = ("not finite", *WORDS.values())


@dataclass(frozen=True)
class SecondStagePlan:
    """When training stops, and the options of `Solution.corrected` after it; None where nothing comes after it."""

    limits: Limits
    options: Mapping[str, Any] | None = None
    budget: float | None = None  # as it was given
    within: float | None = None  # seconds for training and second stage together

    def finished(self, solution: Solution) -> Solution:
        """The solution with its second stage; as it was where it is no use, fails, or where a signal ends it."""
        if self.options is None:
            return solution
        solution.summary["settings"]["budget"] = self.budget
        left = math.inf if self.within is None else self.within - solution.summary["seconds"]
        if solution.summary["stopped"] in NO_SECOND or left <= 0:
            return solution
        logger.info("second stage: least squares on %s", self.options or "15,000 points")
        try:
            better = solution.corrected(**self.options, seconds=left)
        except (ValueError, MemoryError, jax.errors.JaxRuntimeError) as error:  # what does not fit into memory
            logger.warning("no second stage: %s", error)
            return solution
        except KeyboardInterrupt:
            solution.summary["stopped"] = WORDS[signal.SIGINT]
            return solution
        return better


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
