"""Methods in sequence, by name, and the automatic choice."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pinnact.optimisers.base import AbstractOptimiser
from pinnact.optimisers.broyden import SelfScaledBroyden
from pinnact.optimisers.conjugate_gradients import GaussNewtonCG
from pinnact.optimisers.first_order import adam
from pinnact.optimisers.gauss_newton import LevenbergMarquardt
from pinnact.optimisers.lbfgs import LBFGS

MOST_DENSE = 6000  # parameters up to which a dense inverse Hessian (p^2 numbers: 288 MB) pays
MOST_FINISHED = 3000  # parameters up to which a Gauss-Newton step on 8,000 points takes some seconds
LEAST_BUDGET = 45.0  # seconds of training from which on it pays to compile for more points


@dataclass(frozen=True)
class Stage:
    """An optimiser for a number of `steps`, or for a `share` of the budget; the last stage takes what is left.

    With `times` above 1 the stage draws new points, so many times as many as the stages before. An optimiser that
    equals the one before (of Optax: is the same object) goes on with what it knows, unless it was stuck.
    """

    optimiser: AbstractOptimiser
    steps: int | None = None
    share: float | None = None
    times: int = 1


NAMED: dict[str, Callable[[], Sequence[Stage]]] = {
    "adam": lambda: [Stage(adam())],
    "lbfgs": lambda: [Stage(LBFGS())],
    "ssbroyden": lambda: [Stage(SelfScaledBroyden())],
    "lm": lambda: [Stage(LevenbergMarquardt())],
    "gncg": lambda: [Stage(GaussNewtonCG())],
    "adam+lbfgs": lambda: [Stage(adam(), share=0.3), Stage(LBFGS())],
    "adam+ssbroyden": lambda: [Stage(adam(), share=0.1), Stage(SelfScaledBroyden())],
}


def automatic(parameters: int, precision: str, budget: float | None, dimension: int = 2) -> list[Stage]:
    """The default: self-scaled Broyden where its dense matrix pays and float64 holds, else Adam, then L-BFGS.

    Thousands of Broyden steps fit a network of a thousand parameters to its 2,000 points better than to those in
    between; a few Gauss-Newton steps on four times as many points at the end of the budget take that back. In more than
    two coordinates points are farther apart, and Broyden's own steps go on with four times as many.
    Fields in float32 ("mixed") leave nothing that more points would take back. In float32 altogether quasi-Newton
    differences drown in round-off after some hundred steps, so Adam does most of the work.
    """
    method = SelfScaledBroyden()
    if precision == "mixed" and parameters <= MOST_DENSE:
        return [Stage(method)]
    if precision == "float64" and parameters <= MOST_DENSE:
        if budget is None or budget < LEAST_BUDGET:
            return [Stage(method)]
        if dimension <= 2 and parameters > MOST_FINISHED:
            return [Stage(method)]
        return [Stage(method, share=0.8), Stage(method if dimension > 2 else LevenbergMarquardt(damping=1e-5), times=4)]
    if precision != "float32":
        return [Stage(adam(), share=0.2), Stage(LBFGS())]
    return [Stage(adam(), share=0.7), Stage(LBFGS(memory=20))]


def stages(
    optimiser: str | AbstractOptimiser | Sequence[Stage],
    parameters: int,
    precision: str,
    budget: float | None,
    dimension: int = 2,
) -> list[Stage]:
    """The stages that an `optimiser` argument means: a name, one method, or a sequence of stages."""
    if isinstance(optimiser, AbstractOptimiser):
        return [Stage(optimiser)]
    if not isinstance(optimiser, str):
        return list(optimiser)
    if optimiser == "auto":
        return automatic(parameters, precision, budget, dimension)
    if optimiser not in NAMED:
        close = difflib.get_close_matches(optimiser, NAMED, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"optimiser {optimiser!r} is unknown; {hint}there are auto, {', '.join(NAMED)}")
    return list(NAMED[optimiser]())


def described(plan: Sequence[Stage], timed: bool) -> list[str]:
    """The optimisers of some stages with the numbers that they were given, for a checkpoint to be known again.

    With `timed` also how long each stage lasts and how many points it takes: not for the automatic choice, which
    follows the budget, so that a larger one trains on.
    """
    lasting = lambda stage: [f"{name}={getattr(stage, name)}" for name in ("steps", "share", "times")]
    return [", ".join([stage.optimiser.words, *(lasting(stage) if timed else ())]) for stage in plan]
