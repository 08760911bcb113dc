"""What a trained network misses, found by least squares in a second stage; and with it how far off the network is.

The residual r of a trained field u is linearised in a correction, a sum of the network's tangents and of random waves
of its hidden units and of the coordinates (`pinnact.features`), which enters the field like the network's own outputs,
times the factor that keeps what is built in. Their coefficients c solve

    minimise |r + (dr/dc) c|^2

on points that training has not seen, by Householder QR with column pivoting: columns of random features are as good as
dependent (numerical ranks of a half), and normal equations would lose half of the digits that QR keeps. Equations that
are linear in u are done after one such step; others take more (Gauss-Newton), as long as the residual falls on points
that were not fitted either.
"""

import logging
import math
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pinnact.features import Enriched, SecondStage
from pinnact.fitting import POINTS, Fit
from pinnact.interrupts import Interrupts
from pinnact.model import Model, activation_label, build_model, describe, each, parts, smoothness
from pinnact.precision import precision
from pinnact.smoothness import check_smoothness
from pinnact.system import System
from pinnact.windows import Windows

if TYPE_CHECKING:
    from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
FEATURES = 1000  # waves of one real unknown
TRUSTED = 0.1  # of the residual of the trained network: what leaves more has not found its error


def corrected(
    solution: "Solution",
    features: int | None = None,
    points: int | None = None,
    steps: int = 5,
    seed: int | None = None,
    seconds: float = math.inf,
    tangents: bool = True,
    interrupts: Interrupts | None = None,
) -> "Solution":
    """The solution with a second stage of its tangents and of `features` random waves, fitted in at most `steps`.

    On `points` of the interior (1,000 waves and 15,000 points for one real unknown, `sizes`); a step costs about
    `2 rows columns^2` operations and two matrices of rows times columns numbers at most, with a column for each
    parameter of the network and for each wave and output. No step begins that would end after `seconds`, going by
    those before it. A solution that has a second stage gets another one, with waves of other random numbers (`seed`, by
    default one more than before). Where the residual is not smaller on points that were not fitted either, the
    solution stays as it was. Without `tangents`, waves alone are fitted, on points that don't follow the residual: for
    networks that have not been trained. `interrupts` are those to heed, in place of its own.

    Raises SmoothnessError where tangents of the network, rougher than itself by one order, are too rough.
    """
    began = time.perf_counter()
    found, said, fit = _fitted(solution, features, points, steps, seed, began + seconds, tangents, interrupts)
    said["seconds"] = round((solution.known.get("seconds") or 0.0) + time.perf_counter() - began, 3)
    if not fit.taken or not fit.unseen_norms[-1] < fit.given:
        kept = {name: said[name] for name in ("seconds", "residual_left", "stopped")}
        return solution.told(kept)
    said["steps"] = (solution.known.get("steps") or 0) + fit.taken
    found = found.told(said)
    found.history.add(fit.taken, said["seconds"], said["loss"], fit.at_end, max(found.error().values(), default=None))
    return found


def _fitted(
    solution: "Solution",
    features: int | None = None,
    points: int | None = None,
    steps: int = 5,
    seed: int | None = None,
    until: float = math.inf,
    tangents: bool = True,
    interrupts: Interrupts | None = None,
) -> "tuple[Solution, dict[str, Any], Fit]":
    """The solution with another second stage, whatever that is worth, what is known of it, and how it was found."""
    system, model, network = solution.system, solution.model, solution.network
    if any(isinstance(part, Windows) for part in parts(network)):
        raise ValueError("windows of waves get no second stage; march with more features= or windows= instead")
    before = [part.seed for part in parts(network) if isinstance(part, Enriched)]
    first = each(network, lambda part: part.first if isinstance(part, Enriched) else part)
    number = max(before, default=-1) + 1 if seed is None else seed
    usual = sizes(system)
    features, points = (usual[0] if features is None else features), (usual[1] if points is None else points)
    recipe = each(first, lambda part: Enriched(part, features, seed=number))
    check_smoothness(solution.problem, smoothness(recipe), f"the tangents of {activation_label(first)}")
    with precision("float64"), nullcontext(interrupts) if interrupts else Interrupts() as signals:
        plain, along = _plain(model), tuple(map(_plain, system.along))
        if tangents and not eqx.tree_equal(along, (plain,)) and (carried := system.carried(plain)):
            system, along = carried, (plain,)  # the lift beside the field that training ended with
        other_lift = None if system is solution.system else solution.system
        blank = build_model(solution.problem, recipe, jax.random.key(0))
        fit = Fit(system, plain, _staged(blank, plain), points, number, tangents, other_lift)
        found = fit.run(steps, until, signals)
        trained = fit.other(other_lift, plain) if other_lift else fit.unseen_norms[0]
        fit.given = fit.other(solution.system, model) if before else trained
        # A file holds the model along which a lift was carried as it holds the model: with the same parts.
        staged = System(system.problem, system.ansatz, system.engine, tuple(_staged(blank, m) for m in along))
    said = {
        "network": f"{describe(first)} + {features} waves",
        "precision": "float64",
        "parameters": found.parameters,
        "loss": sum(float(fit.weights[name]) * square for name, square in fit.at_end.items()),
        "unseen_loss": fit.unseen_norms[-1] ** 2,
        "residual_left": fit.unseen_norms[-1] / trained if trained else 0.0,
        "stopped": signals.stopped or solution.known.get("stopped"),
    }
    return type(solution)(staged, found, solution.history, solution.score, solution.known, recipe), said, fit


def sizes(system: System, share: float = 1.0) -> tuple[int, int]:
    """How many waves and points a second stage takes by default, or a share of these; for each of several unknowns.

    With mirror symmetries each point stands for several: of `folds` images, the root of `folds` times fewer are taken.
    """
    outputs = sum(unknown.size for unknown in system.problem.fields.values())
    features, points = max(1, int(share * FEATURES) // outputs), max(1, int(share * POINTS) // outputs)
    return features, int(points / math.sqrt(system.ansatz.folds))


def error_estimate(solution: "Solution", **options: Any) -> dict[str, float]:
    """The relative L2 distance of each unknown from one with another second stage.

    It is nan where none could be fitted, and, with a warning, where it leaves more than a tenth of the residual of the
    trained network: what it can't represent may be an error many times as large. `options` are those of `corrected` but
    `seconds`.
    """
    other, said, fit = _fitted(solution, **options)
    if not (left := said["residual_left"]) <= TRUSTED:
        logger.warning("no error estimate: a second stage leaves %.2g of the residual; train longer first", left)
    elif fit.taken:
        mine = solution.evaluator.values(solution.score.points)
        found = other.evaluator.values(solution.score.points)
        sizes = {k: max(float(np.linalg.norm(value)), np.finfo(float).tiny) for k, value in found.items()}
        return {k: float(np.linalg.norm(mine[k] - found[k])) / sizes[k] for k in mine}
    return dict.fromkeys(solution.problem.fields, math.nan)


def _plain(model: Model) -> Model:
    """The model without second stages, in float64."""
    firsts = tuple(part.first if isinstance(part, SecondStage) else part for part in model.networks)
    return Model(*jax.tree.map(_double, (firsts, model.coefficients)))


def _staged(blank: Model, model: Model) -> Model:
    """The model with the second stages of `blank`, which are 0."""
    stages = zip(blank.networks, model.networks, strict=True)
    return Model(tuple(eqx.tree_at(lambda s: s.first, *pair) for pair in stages), model.coefficients)


def _double(leaf: Any) -> Any:
    return jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf
