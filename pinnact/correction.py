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

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.linalg import lstsq, qr

from pinnact.collocation import Points, ResidualAdaptive
from pinnact.features import Enriched, SecondStage
from pinnact.interrupts import Interrupts
from pinnact.memory import MOST, bytes_free
from pinnact.model import Model, Networks, build_model, describe
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.system import Batches, System
from pinnact.weights import Fixed

if TYPE_CHECKING:
    from pinnact.solution import Solution

FEATURES, POINTS = 1000, 15_000  # of one real unknown: waves of hidden units are sharp, and fewer points miss that
SMALLEST = 1e-13  # relative size of the singular values that count
PROGRESS = 0.9  # a step that leaves more than this of the residual is the last
REACHED = 1.1  # times what the linear equations leave: another step would bring nothing
ROUND_OFF = 1e-10  # of the first residual, from where on steps only move the last digits
HALVINGS = 6
MATRICES = 4  # of rows times columns that are held at once, XLA's and LAPACK's
UNSEEN = 7919  # what is added to seeds of points, so that they are none of those of training


def corrected(
    solution: "Solution",
    features: int | None = None,
    points: int | None = None,
    steps: int = 5,
    seed: int | None = None,
    seconds: float = math.inf,
) -> "Solution":
    """The solution with a second stage of its tangents and of `features` random waves, fitted in at most `steps`.

    On `points` of the interior (1,000 waves and 15,000 points for one real unknown, `sizes`); a step costs about
    `2 rows columns^2` operations and a few matrices of rows times columns numbers, with a column for each parameter of
    the network and for each wave and output. No step begins that would end after `seconds`, going by those before it.
    Where the residual does not fall on points that were not fitted either, the solution stays as it was. A solution
    that has a second stage gets another one in its place, with waves of other random numbers (`seed`, by default one
    more than before).
    """
    began = time.perf_counter()
    system, model, network = solution.system, solution.model, solution.network
    before = [part.seed for part in _parts(network) if isinstance(part, Enriched)]
    first = _each(network, lambda part: part.first if isinstance(part, Enriched) else part)
    number = max(before, default=-1) + 1 if seed is None else seed
    usual = sizes(solution.problem)
    features, points = (usual[0] if features is None else features), (usual[1] if points is None else points)
    with precision("float64"), Interrupts() as signals:
        plain, along = _plain(model), [_plain(each) for each in system.along]
        recipe = _each(first, lambda part: Enriched(part, features, seed=number))
        blank = build_model(solution.problem, recipe, jax.random.key(0))
        fit = _Fit(system, plain, _staged(blank, plain), points, number)
        found, norms, squares = fit.run(steps, began + seconds, signals)
        # A file holds the models along which a lift was carried as it holds the model: with the same parts.
        staged = System(system.problem, system.ansatz, system.engine, tuple(_staged(blank, m) for m in along))
    said = {name: value for name, value in solution.summary.items() if name not in ("relative_l2", "max_error")}
    said["seconds"] = round((said.get("seconds") or 0.0) + time.perf_counter() - began, 3)
    said["residual_left"] = norms[-1] / norms[0] if norms[0] else 0.0
    if signals.stopped:
        said["stopped"] = signals.stopped
    if len(norms) == 1:
        return type(solution)(system, model, solution.history, solution.score, said, network)
    said["network"] = f"{describe(first)} + {features} waves"
    said["parameters"] = found.parameters
    said["loss"] = loss = sum(float(fit.weights[name]) * square for name, square in squares.items())
    better = type(solution)(staged, found, solution.history.copy(), solution.score, said, recipe)
    error = max(better.error().values(), default=None)
    better.history.add(len(norms) - 1, said["seconds"], loss, squares, error)
    return better


def sizes(problem: Problem, share: float = 1.0) -> tuple[int, int]:
    """How many waves and points a second stage takes by default, or a share of these; for each of several unknowns."""
    outputs = sum(unknown.size for unknown in problem.fields.values())
    return max(1, int(share * FEATURES) // outputs), max(1, int(share * POINTS) // outputs)


def error_estimate(solution: "Solution", **options: Any) -> dict[str, float]:
    """The relative L2 distance of each unknown from its corrected one; `options` are those of `corrected`."""
    other = corrected(solution, **options)
    mine = solution.evaluator.values(solution.score.points)
    found = other.evaluator.values(solution.score.points)
    return {k: float(np.linalg.norm(mine[k] - found[k]) / np.linalg.norm(found[k])) for k in mine}


def _parts(networks: Networks) -> list[Any]:
    return list(networks.values()) if isinstance(networks, Mapping) else [networks]


def _each(networks: Networks, change: Callable[[Any], Any]) -> Networks:
    """The networks, each changed."""
    return {k: change(part) for k, part in networks.items()} if isinstance(networks, Mapping) else change(networks)


def _plain(model: Model) -> Model:
    """The model without second stages, in float64."""
    parts = tuple(part.first if isinstance(part, SecondStage) else part for part in model.networks)
    return Model(jax.tree.map(_double, parts), model.coefficients)


def _staged(blank: Model, model: Model) -> Model:
    """The model with the second stages of `blank`, which are 0."""
    stages = zip(blank.networks, model.networks, strict=True)
    return Model(tuple(eqx.tree_at(lambda s: s.first, *pair) for pair in stages), model.coefficients)


def _double(leaf: Any) -> Any:
    return jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf


class _Fit:
    """The least-squares problem of one correction."""

    def __init__(self, system: System, first: Model, model: Model, points: int, seed: int) -> None:
        nothing = jax.tree.map(lambda _: False, model)
        parts = lambda m: [part for n in m.networks for part in (*jax.tree.leaves(n.direction), n.coefficients)]
        self.trained = eqx.tree_at(parts, nothing, [True] * len(parts(model)))
        trained, self.rest = eqx.partition(model, self.trained)
        flat, self.unravel = jax.flatten_util.ravel_pytree(trained)
        self.start = np.asarray(flat)
        drawn, self.unseen = (Points(interior=points).draw(system, seed + k * UNSEEN) for k in (1, 2))
        self.batches = ResidualAdaptive().spread(system, first, drawn, seed + UNSEEN)
        self.weights = Fixed().start(system)
        self.jacobian = jax.jit(lambda p, batches: system.jacobian(self._at(p), batches, self.weights, self.trained))
        weighted = lambda p, batches: system.weighted(self._at(p), batches, self.weights)
        self.parts = jax.jit(lambda p, b: {name: jnp.sum(rows**2) for name, rows in weighted(p, b).items()})
        rows, columns = sum(len(batch.points) for batch in self.batches.values()), self.start.size
        if rows < columns:
            raise ValueError(f"points={points}: {rows} points for {columns} coefficients; give more points")
        needed, free = 8.0 * MATRICES * rows * columns, MOST * bytes_free()
        if needed > free:
            raise ValueError(
                f"a second stage of {columns} coefficients on {rows} points needs about {needed / 1e9:.1f} GB, "
                f"{free / 1e9:.1f} GB are free: give fewer points= or features="
            )

    def _at(self, p: Float[Array, " p"]) -> Model:
        """The model with these coefficients."""
        return eqx.combine(self.unravel(p), self.rest)

    def squares(self, p: Any, batches: Batches) -> dict[str, float]:
        """The mean square of each residual."""
        return {k: float(square) / float(self.weights[k]) for k, square in self.parts(p, batches).items()}

    def norm(self, p: Any, batches: Batches) -> float:
        """The root of the loss."""
        return math.sqrt(sum(float(square) for square in self.parts(p, batches).values()))

    def run(self, steps: int, until: float, signals: Interrupts) -> tuple[Model, list[float], dict[str, float]]:
        """The model at the end, the norm of the residual at points that are not fitted, before and after each step, and
        the mean square of each residual at those that are."""
        p, norm = self.start, self.norm(self.start, self.batches)
        least, unseen = ROUND_OFF * norm, [self.norm(self.start, self.unseen)]
        for _ in range(steps):
            began = time.perf_counter()
            rows, slopes = (np.asarray(part) for part in self.jacobian(p, self.batches))
            step, left = least_squares(slopes, -rows)
            lengths = 0.5 ** np.arange(HALVINGS)
            tried = ((length, self.norm(p + length * step, self.batches)) for length in lengths)
            length, after = next(((length, after) for length, after in tried if after < norm), (0.0, norm))
            elsewhere = self.norm(p + length * step, self.unseen)
            if not elsewhere < unseen[-1]:
                break
            p, before, norm = p + length * step, norm, after
            unseen.append(elsewhere)
            now = time.perf_counter()
            done = norm > PROGRESS * before or norm < max(REACHED * left, least)
            if done or signals.stopped or now + (now - began) > until:
                break
        return self._at(jnp.asarray(p)), unseen, self.squares(p, self.batches)


def least_squares(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float]:
    """The shortest x of those that minimise `|a x - b|`, and that norm; columns of `a (m, n)` are scaled to 1.

    The QR of `(a, b)` without pivots runs at the speed of matrix products and leaves a triangle of n + 1 columns, on
    which pivoting is cheap: the digits are those of pivoting on `a` itself (Golub and Van Loan 2013, section 5.4).
    """
    found: Any = qr(np.column_stack([a, b]), mode="r", overwrite_a=True, check_finite=False)
    triangle = found[0][: a.shape[1] + 1]
    slopes, right = triangle[:, :-1], triangle[:, -1]
    size = np.linalg.norm(slopes, axis=0)
    size = np.where(size > SMALLEST * np.max(size), size, np.inf)  # what does nothing gets nothing
    found = lstsq(slopes / size, right, cond=SMALLEST, lapack_driver="gelsy", check_finite=False)
    x = found[0] / size
    return x, float(np.linalg.norm(slopes @ x - right))
