"""Training: `solve` introduces a problem, a network and an optimiser to each other."""

import hashlib
import logging
from collections.abc import Sequence
from os import PathLike
from typing import Any

import jax
import numpy as np

from pinnact import hosts
from pinnact.checkpoints import Checkpoints, Keeper
from pinnact.collocation import AbstractResampling, Points, ResidualAdaptive
from pinnact.drive import alone
from pinnact.lifts import for_problem
from pinnact.limits import Limits
from pinnact.model import Networks, activation_label, smoothness
from pinnact.networks import MLP
from pinnact.operators import ENGINES
from pinnact.optimisers import AbstractOptimiser, Stage, stages
from pinnact.placement import placement
from pinnact.precision import precision as precision_context
from pinnact.problem import Problem
from pinnact.progress import NoProgress, ProgressLine
from pinnact.run import Run
from pinnact.scoring import Score
from pinnact.smoothness import check_smoothness
from pinnact.solution import Solution
from pinnact.storage import network_data, problem_data
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
    devices: int | Sequence[Any] | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool = False,
) -> Solution:
    """Train a network until the residuals of `problem` vanish, and return the solution.

    `network` is a recipe (`pn.MLP()` by default), an Equinox module of one point, or one of these an unknown in a
    mapping. `budget` is wall-clock seconds, compilation included (60 unless `steps` is given); `tolerance` a loss at
    which to stop, `patience` a number of steps without a lower loss. `hard=False` builds nothing into the field.
    Ctrl-C and SIGTERM end training with what was reached. A loss that is no longer finite sends it back to the last
    good state and on with more care, three times at most; then it ends with that state.

    With `devices`, a number of JAX's devices or a sequence of them, the points of every step are spread over these; the
    result is the same to round-off. `device` is the one device to train on, JAX's default if none is given.

    With `checkpoint`, a folder (or `Checkpoints(folder, every=60.0, keep=2)`), the state is written there now and
    then and at the end, and a run that finds its own state there goes on with it: killed at any moment and called
    again, it ends with the same bits as a run that was never stopped (where no `budget` ends it, on the same machine).
    `budget` and `steps` are those of all calls together, so larger ones train on.

    Raises ValueError for arguments that don't fit and for a folder with the checkpoints of another run, SmoothnessError
    for a network that is too rough.
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
    place = placement(devices)
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
        points, weights, resampling = points or Points(), weights or Fixed(), resampling or ResidualAdaptive(gap=2.0)
        inside = _digest(np.round(score.points, 6))  # the repr of a polygon or a mesh doesn't tell its corners
        known = {
            "domain": f"{problem.domain!r} {inside[:8]}",
            "network": network_data(network),
            "seed": seed,
            "precision": precision,
            "hard": hard,
            "engine": engine,
        }
        drawn = {"points": repr(points), "weights": repr(weights), "resampling": repr(resampling)}
        data = [a for o in problem.observations for a in (o.points, *o.values.values())]
        known |= problem_data(problem) | drawn | {"data": _digest(*data)}
        with Keeper(checkpoint, known, hosts.first()) as keeper:
            run = Run(
                system, network, limits, points, weights, resampling, optimiser, seed, precision, score,
                ProgressLine() if progress else NoProgress(), label, keeper, place,
            )  # fmt: skip
            return alone(run)


def _digest(*arrays: np.ndarray) -> str:
    """A checksum of arrays; "" of none."""
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest() if arrays else ""
