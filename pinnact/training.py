"""Training: `solve` introduces a problem, a network and an optimiser to each other."""

import hashlib
import inspect
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from typing import Any

import jax
import numpy as np

from pinnact import hosts
from pinnact.checkpoints import Checkpoints, Keeper
from pinnact.collocation import AbstractResampling, Points, ResidualAdaptive
from pinnact.drive import alone
from pinnact.engines import Stochastic, chosen, fitting_optimiser
from pinnact.lifts import for_problem
from pinnact.limits import Limits
from pinnact.model import Networks, activation_label, smoothness
from pinnact.networks import MLP
from pinnact.optimisers import AbstractOptimiser, Stage, stages
from pinnact.placement import placement
from pinnact.precision import precision as precision_context
from pinnact.problem import Problem
from pinnact.progress import NoProgress, ProgressLine
from pinnact.run import Run
from pinnact.scoring import Score
from pinnact.second_stage import planned
from pinnact.smoothness import check_smoothness
from pinnact.solution import Solution
from pinnact.storage import network_data, problem_data
from pinnact.system import System
from pinnact.together import together
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
    engine: str | Stochastic = "auto",
    allow_rough: bool = False,
    device: Any = None,
    devices: int | Sequence[Any] | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    correct: bool | None = None,
    progress: bool = False,
) -> Solution:
    """Train a network until the residuals of `problem` vanish, and return the solution.

    `network` is a recipe (`pn.MLP()` by default), an Equinox module of one point, or one of these an unknown in a
    mapping. `budget` is wall-clock seconds, compilation included (60 unless `steps` is given); `tolerance` a loss at
    which to stop, `patience` a number of steps without a lower loss. `hard=False` builds nothing into the field.
    Ctrl-C and SIGTERM end training with what was reached. A loss that is no longer finite sends it back to the last
    good state and on with more care, three times at most; then it ends with that state.

    With a budget of 10 s and more the automatic optimiser begins with least squares on random waves, which solve many
    smooth problems without any training (`summary["stopped"]` is then `"solved"`); where equations are not linear and
    there is more than one core, beside training. Else it trains for 0.4 of it, longer where a nonlinear equation keeps
    much of its residual, and a linear second stage by least squares takes about what it needs of the rest
    (`Solution.corrected`; where it pays: `pinnact.second_stage`). Where training an evolution equation went astray, a
    march through time may take its place (`Solution.marched`). `correct=True` puts a second stage after any training
    and its whole budget, with nothing before it; `correct=False` leaves all of these out.

    With `devices`, a number of JAX's devices or a sequence of them, the points of every step are spread over these; the
    result is the same to round-off. `engine` is how derivatives are taken: `Stochastic(k)` estimates Laplacians of many
    dimensions from k of them. `device` is the one device to train on, JAX's default if none is given. `precision`
    is that of all numbers, or `"mixed"`: fields and derivatives in float32, parameters, losses, matrices in float64.

    With `checkpoint`, a folder (or `Checkpoints(folder, every=60.0, keep=2)`), the state is written there now and
    then and at the end, and a run that finds its own state there goes on with it: killed at any moment and called
    again, it ends with the same bits as a run that was never stopped (where no `budget` ends it, on the same machine).
    `budget` and `steps` are those of all calls together, so larger ones train on.

    Raises ValueError for arguments that don't fit and for a folder with the checkpoints of another run, SmoothnessError
    for a network that is too rough.
    """
    return _train(
        [seed], [checkpoint], problem, network, optimiser, points, weights, resampling, budget, steps, tolerance,
        patience, precision, hard, engine, allow_rough, device, devices, correct, progress,
    )[0]  # fmt: skip


def solve_seeds(
    problem: Problem, network: Networks | None = None, *, seeds: int | Sequence[int] = 5, **options: Any
) -> list[Solution]:
    """Train several seeds (0, 1, ... for a number) in one compiled call; `options` are those of `solve`.

    Faster than one after the other on an accelerator and for small systems; how much is measured at the end, by some
    more steps, and said in the log and as `gain` in each summary (None where a signal ended training). On CPUs with
    several cores a process each is faster (`pinnact compare`). A `budget` is that of all together. `checkpoint` is a
    folder, which gets one for each seed, or one `Checkpoints` a seed.
    """
    for taken in ("seed", "devices"):
        if taken in options:
            raise ValueError(f"{taken}={options[taken]!r}: seeds that train together share one device; give seeds=")
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds={seeds!r}: give at least one, each once")
    given = inspect.signature(solve).bind(problem, network, **options)
    given.apply_defaults()
    plain = {name: value for name, value in given.arguments.items() if name not in ("seed", "checkpoint")}
    kept = given.arguments["checkpoint"]
    if kept is None or (isinstance(kept, Sequence) and not isinstance(kept, str)):
        each = [None] * len(chosen) if kept is None else list(kept)
    else:
        folder = kept if isinstance(kept, Checkpoints) else Checkpoints(kept)
        each = [replace(folder, folder=folder.path / f"seed{seed}") for seed in chosen]
    return _train(chosen, each, **plain)


def _train(
    seeds: Sequence[int],
    checkpoints: Sequence[Checkpoints | str | PathLike[str] | None],
    problem: Problem,
    network: Networks | None,
    optimiser: str | AbstractOptimiser | Sequence[Stage],
    points: Points | None,
    weights: AbstractWeights | None,
    resampling: AbstractResampling | None,
    budget: float | None,
    steps: int | None,
    tolerance: float | None,
    patience: int | None,
    precision: str,
    hard: bool,
    engine: str | Stochastic,
    allow_rough: bool,
    device: Any,
    devices: int | Sequence[Any] | None,
    correct: bool | None,
    progress: bool,
) -> list[Solution]:
    """What `solve` and `solve_seeds` do: all checks, then one run a seed."""
    if not isinstance(problem, Problem):
        raise ValueError(f"problem={problem!r} is no pn.Problem; call the problem's function first, as in burgers()")
    exact, directions, name = chosen(engine)
    limits = Limits(60.0 if budget is None and steps is None else budget, steps, tolerance, patience)
    for seed in seeds:
        if not (isinstance(seed, int) and 0 <= seed < 2**31):
            raise ValueError(f"seed={seed!r}: give a whole number from 0 to 2^31 - 1")
    if not stages(optimiser, 0, precision, limits.budget):  # a wrong name is said before anything is computed
        raise ValueError(f"optimiser={optimiser!r} has no stage; give at least one")
    if directions is not None:
        looked_at = tolerance is not None or patience is not None
        optimiser = fitting_optimiser(optimiser, problem, name, directions, looked_at)
    place = placement(devices)
    network = MLP() if network is None else network
    label = activation_label(network)
    check_smoothness(problem, smoothness(network), label, allow_rough)
    with precision_context("float64"):
        score = Score.of(problem)
    started = hosts.seconds()  # a reference to compare with is nothing that a budget has to pay
    by_itself = len(seeds) == 1 and devices is None and not hosts.several()
    plain = by_itself and precision == "float64" and directions is None and not allow_rough
    plan = planned(correct, problem, network, optimiser, limits, plain)
    with precision_context("float64"):
        ansatz = for_problem(problem, hard)
        for note in ansatz.notes:
            logger.info(note)
    with precision_context(precision), jax.default_device(device):
        system = System(problem, ansatz, exact, directions=directions, mixed=precision == "mixed")
        points, weights, resampling = points or Points(), weights or Fixed(), resampling or ResidualAdaptive(gap=2.0)
        inside = _digest(np.round(score.points, 6))  # the repr of a polygon or a mesh doesn't tell its corners
        known = {
            "domain": f"{problem.domain!r} {inside[:8]}",
            "network": network_data(network),
            "precision": precision,
            "hard": hard,
            "engine": name,
        }
        drawn = {"points": repr(points), "weights": repr(weights), "resampling": repr(resampling)}
        data = [a for o in problem.observations for a in (o.points, *o.values.values())]
        known = problem_data(problem) | {"data": _digest(*data)} | known | drawn
        line = ProgressLine() if progress else NoProgress()
        with ExitStack() as stack:
            keepers = [
                stack.enter_context(Keeper(kept, known | {"seed": seed}, hosts.first()))
                for seed, kept in zip(seeds, checkpoints, strict=True)
            ]
            runs = [
                Run(
                    system, network, plan.limits, points, weights, resampling, optimiser, seed, precision, score, line,
                    label, keeper, place, started,
                )
                for seed, keeper in zip(seeds, keepers, strict=True)
            ]  # fmt: skip
            solutions = [alone(runs[0], plan.attempted, plan.longer)] if len(runs) == 1 else together(runs)
            return [plan.finished(solution) for solution in solutions]


def _digest(*arrays: np.ndarray) -> str:
    """A checksum of arrays; "" of none."""
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest() if arrays else ""
