"""Whether a run ends with a second stage (`pinnact.correction`), and which share of its budget that takes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax

from pinnact.correction import sizes
from pinnact.limits import Limits
from pinnact.model import Networks, build_model
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
TRAINED = 0.4  # the share of a budget that training gets: least squares take more off the error than its last half does
LEAST, WHOLE = 10.0, 40.0  # seconds from which on a second stage pays, and from which on it has its full size
MOST_PARAMETERS = 3000  # whose tangents on 15,000 points take some seconds
MOST_COORDINATES = 10  # tried no further
NO_SECOND = ("not finite", "interrupted", "terminated")


@dataclass(frozen=True)
class SecondStagePlan:
    """When training stops, and the options of `Solution.corrected` after it; None where nothing comes after it."""

    limits: Limits
    options: Mapping[str, Any] | None = None
    budget: float | None = None  # of training and second stage together

    def finished(self, solution: Solution) -> Solution:
        """The solution with its second stage; as it was where it is no use, or where a signal ends it."""
        if self.options is None or solution.summary["stopped"] in NO_SECOND:
            return solution
        try:
            better = solution.corrected(**self.options)
        except ValueError as error:  # what does not fit into memory
            logger.warning("no second stage: %s", error)
            return solution
        better.summary["settings"]["budget"] = self.budget
        return better


def planned(
    correct: bool | None, problem: Problem, network: Networks, optimiser: Any, limits: Limits, plain: bool
) -> SecondStagePlan:
    """With `correct` a second stage after all of training; with None one within the budget, where it pays.

    That is: the automatic optimiser in float64 with a budget, one seed on one device (`plain`), nothing to be inferred
    from data, at most ten coordinates and 3,000 parameters.
    """
    if correct:
        return SecondStagePlan(limits, {}, limits.budget)
    budget = limits.budget
    if correct is False or not plain or optimiser != "auto" or budget is None or budget < LEAST:
        return SecondStagePlan(limits)
    if limits.steps is not None or limits.tolerance is not None or problem.inferred or problem.observations:
        return SecondStagePlan(limits)
    with precision("float64"):
        parameters = build_model(problem, network, jax.random.key(0)).parameters
    if len(problem.domain.coordinates) > MOST_COORDINATES or parameters > MOST_PARAMETERS:
        return SecondStagePlan(limits)
    features, points = sizes(problem, min(1.0, budget / WHOLE))
    options = {"features": features, "points": points + parameters, "seconds": (1 - TRAINED) * budget}
    return SecondStagePlan(replace(limits, budget=TRAINED * budget), options, budget)
