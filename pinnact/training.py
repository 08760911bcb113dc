"""Training: `solve` introduces a problem, a network and an optimiser to each other."""

import logging
from collections.abc import Sequence
from typing import Any

import jax

from pinnact.collocation import AbstractResampling, Points, ResidualAdaptive
from pinnact.lifts import for_problem
from pinnact.limits import Limits
from pinnact.model import Networks, activation_label, smoothness
from pinnact.networks import MLP
from pinnact.operators import ENGINES
from pinnact.optimisers import AbstractOptimiser, Stage, stages
from pinnact.precision import precision as precision_context
from pinnact.problem import Problem
from pinnact.progress import NoProgress, ProgressLine
from pinnact.run import Run
from pinnact.scoring import Score
from pinnact.smoothness import check_smoothness
from pinnact.solution import Solution
from pinnact.system import System
from pinnact.weights import AbstractWeights, Fixed

logger = logging.getLogger("pinnact")


def solve(
    problem: Problem,
    network: Networks | None = None,
    *,
    optimiser: str | AbstractOptimiser | Sequence[Stage] = "auto",
    points: Points | None = None,
    weights: AbstractWeights | None = None,
    resampling: AbstractResampling | None = None,
    budget: float | None = None,
    steps: int | None = None,
    tolerance: float | None = None,
    patience: int | None = None,
    seed: int = 0,
    precision: str = "float64",
    hard: bool = True,
    engine: str = "forward",
    allow_rough: bool = False,
    device: Any = None,
    progress: bool = False,
) -> Solution:
    """Train a network until the residuals of `problem` vanish, and return the solution.

    `network` is a recipe (`pn.MLP()` by default), an Equinox module of one point, or one of these an unknown in a
    mapping. `budget` is wall-clock seconds, compilation included (60 unless `steps` is given); `tolerance` a loss at
    which to stop, `patience` a number of steps without a lower loss. `hard=False` builds nothing into the field.
    Ctrl-C ends training with what was reached. A loss that is no longer finite ends it with the last good state.
    Raises ValueError for arguments that don't fit, SmoothnessError for a network that is too rough.
    """
    if not isinstance(problem, Problem):
        raise ValueError(f"problem={problem!r} is no pn.Problem; call the problem's function first, as in burgers()")
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    limits = Limits(60.0 if budget is None and steps is None else budget, steps, tolerance, patience)
    if not (isinstance(seed, int) and 0 <= seed < 2**31):
        raise ValueError(f"seed={seed!r}: give a whole number from 0 to 2^31 - 1")
    if not stages(optimiser, 0, precision, limits.budget):  # a wrong name is said before anything is computed
        raise ValueError(f"optimiser={optimiser!r} has no stage; give at least one")
    network = MLP() if network is None else network
    label = activation_label(network)
    check_smoothness(problem, smoothness(network), label, allow_rough)
    with precision_context("float64"):
        ansatz = for_problem(problem, hard)
        for note in ansatz.notes:
            logger.info(note)
        score = Score.of(problem)
    with precision_context(precision), jax.default_device(device):
        system = System(problem, ansatz, ENGINES[engine])
        run = Run(
            system, network, limits, points or Points(), weights or Fixed(), resampling or ResidualAdaptive(gap=2.0),
            optimiser, seed, precision, score, ProgressLine() if progress else NoProgress(), label,
        )  # fmt: skip
        return run.train()
