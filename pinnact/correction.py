"""What a trained network misses, found by least squares in a second stage; and with it how far off the network is.

The residual r of a trained field u is linearised in a correction, a sum of the network's tangents and of random sines
(`pinnact.features`), which enters the field like the network's own outputs, times the factor that keeps what is built
in. Their coefficients c solve

    minimise |r + (dr/dc) c|^2

on points that training has not seen, by Householder QR with column pivoting: columns of random features are as good as
dependent (numerical ranks of a half), and normal equations would lose half of the digits that QR keeps. Equations that
are linear in u are done after one such step; others take more (Gauss-Newton), as long as the residual falls.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import lstsq, qr

from pinnact.collocation import Points, ResidualAdaptive
from pinnact.features import Enriched
from pinnact.model import Model, Networks, build_model, describe
from pinnact.precision import precision
from pinnact.system import System
from pinnact.weights import Fixed

if TYPE_CHECKING:
    from pinnact.solution import Solution

SMALLEST = 1e-13  # relative size of the singular values that count
PROGRESS = 0.9  # a step that leaves more than this of the residual is the last
REACHED = 1.1  # times what the linear equations leave: another step would bring nothing
ROUND_OFF = 1e-10  # of the first residual, from where on steps only move the last digits
HALVINGS = 6
UNSEEN = 7919  # what is added to seeds of points, so that they are none of those of training


def corrected(
    solution: "Solution", features: int = 1000, points: int = 6000, steps: int = 5, seed: int = 0
) -> "Solution":
    """The solution with a second stage of its tangents and of `features` sines, fitted in at most `steps`.

    On `points` of the interior; a step costs about `2 rows columns^2` operations and a few matrices of rows times
    columns numbers, with a column for each parameter of the network and for each sine and output.
    A residual that no step makes smaller leaves the coefficients at zero, and the solution as it was.
    """
    problem, system = solution.problem, solution.system
    began = time.perf_counter()
    network = _enriched(solution.network, features, seed)
    with precision("float64"):
        blank = build_model(problem, network, jax.random.key(0))
        double = lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf
        stages = zip(blank.networks, jax.tree.map(double, solution.model.networks), strict=True)
        networks = tuple(eqx.tree_at(lambda s: s.first, stage, first) for stage, first in stages)
        fit = _Fit(system, solution.model, Model(networks, solution.model.coefficients), points, seed)
        model, norms = fit.run(steps)
    said = solution.summary | {
        "network": f"{describe(solution.network)} + {features} sines",
        "parameters": (solution.summary.get("parameters") or 0) + fit.start.size,
        "seconds": (solution.summary.get("seconds") or 0.0) + time.perf_counter() - began,
        "loss": norms[-1] ** 2,
        "residual_left": norms[-1] / norms[0] if norms[0] else 0.0,
    }
    known = {name: value for name, value in said.items() if name not in ("relative_l2", "max_error")}
    return type(solution)(system, model, solution.history, solution.score, known, network)


def error_estimate(solution: "Solution", **options: int) -> dict[str, float]:
    """The relative L2 distance of each unknown from its corrected one; `options` are those of `corrected`."""
    other = corrected(solution, **options)
    mine = solution.evaluator.values(solution.score.points)
    found = other.evaluator.values(solution.score.points)
    return {k: float(np.linalg.norm(mine[k] - found[k]) / np.linalg.norm(found[k])) for k in mine}


def _enriched(networks: Networks, features: int, seed: int) -> Networks:
    if isinstance(networks, Mapping):
        return {name: Enriched(part, features, seed=seed) for name, part in networks.items()}
    return Enriched(networks, features, seed=seed)


class _Fit:
    """The least-squares problem of one correction."""

    def __init__(self, system: System, first: Model, model: Model, points: int, seed: int) -> None:
        nothing = jax.tree.map(lambda _: False, model)
        parts = lambda m: [part for n in m.networks for part in (*jax.tree.leaves(n.direction), n.coefficients)]
        self.trained = eqx.tree_at(parts, nothing, [True] * len(parts(model)))
        trained, self.rest = eqx.partition(model, self.trained)
        flat, self.unravel = jax.flatten_util.ravel_pytree(trained)
        self.start = np.asarray(flat)
        drawn = Points(interior=points).draw(system, seed + UNSEEN)
        self.batches = ResidualAdaptive().spread(system, first, drawn, seed + UNSEEN)
        weights = Fixed().start(system)
        self.jacobian = jax.jit(lambda p, batches: system.jacobian(self._at(p), batches, weights, self.trained))
        self.rows = jax.jit(lambda p, batches: system.rows(self._at(p), batches, weights))
        if (rows := sum(len(batch.points) for batch in self.batches.values())) < self.start.size:
            raise ValueError(f"points={points}: {rows} points for {self.start.size} coefficients; give more points")

    def _at(self, p: Float[Array, " p"]) -> Model:
        """The model with these coefficients."""
        return eqx.combine(self.unravel(p), self.rest)

    def run(self, steps: int) -> tuple[Model, list[float]]:
        """The model at the end, and the norm of the residual before and after each step."""
        p = self.start
        norms = [float(np.linalg.norm(self.rows(p, self.batches)))]
        for _ in range(steps):
            rows, slopes = (np.asarray(part) for part in self.jacobian(p, self.batches))
            step, left = least_squares(slopes, -rows)
            for length in 0.5 ** np.arange(HALVINGS):
                norm = float(np.linalg.norm(self.rows(p + length * step, self.batches)))
                if norm < norms[-1]:
                    break
            else:
                break
            p = p + length * step
            norms.append(norm)
            if norm > PROGRESS * norms[-2] or norm < max(REACHED * left, ROUND_OFF * norms[0]):
                break
        return self._at(jnp.asarray(p)), norms


def least_squares(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float]:
    """The shortest x of those that minimise `|a x - b|`, and that norm; columns of `a (m, n)` are scaled to 1.

    The QR of `(a, b)` without pivots runs at the speed of matrix products and leaves a triangle of n + 1 columns, on
    which pivoting is cheap: the digits are those of pivoting on `a` itself (Golub and Van Loan 2013, section 5.4).
    """
    (triangle,) = qr(np.column_stack([a, b]), mode="r", overwrite_a=True, check_finite=False)
    slopes, right = triangle[: a.shape[1] + 1, :-1], triangle[: a.shape[1] + 1, -1]
    size = np.linalg.norm(slopes, axis=0)
    size = np.where(size > SMALLEST * np.max(size), size, np.inf)  # what does nothing gets nothing
    found: Any = lstsq(slopes / size, right, cond=SMALLEST, lapack_driver="gelsy", check_finite=False)
    x = found[0] / size
    return x, float(np.linalg.norm(slopes @ x - right))
