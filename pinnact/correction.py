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
from pinnact.model import Model, activation_label, build_model, describe, each, parts, smoothness
from pinnact.precision import precision
from pinnact.smoothness import check_smoothness
from pinnact.system import Batches, System
from pinnact.weights import Fixed
from pinnact.windows import Windows

if TYPE_CHECKING:
    from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
FEATURES, POINTS = 1000, 15_000  # of one real unknown: waves of hidden units are sharp, and fewer points miss that
SMALLEST = 1e-13  # relative size of the singular values that count
PROGRESS = 0.9  # a step that leaves more than this of the residual is the last
TRUSTED = 0.1  # of the residual of the trained network: what leaves more has not found its error
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
    tangents: bool = True,
) -> "Solution":
    """The solution with a second stage of its tangents and of `features` random waves, fitted in at most `steps`.

    On `points` of the interior (1,000 waves and 15,000 points for one real unknown, `sizes`); a step costs about
    `2 rows columns^2` operations and a few matrices of rows times columns numbers, with a column for each parameter of
    the network and for each wave and output. No step begins that would end after `seconds`, going by those before it.
    A solution that has a second stage gets another one, with waves of other random numbers (`seed`, by default one more
    than before). Where the residual is not smaller on points that were not fitted either, the solution stays as it was.
    Without `tangents`, waves alone are fitted, on points that don't follow the residual: for networks that have not
    been trained.

    Raises SmoothnessError where tangents of the network, rougher than itself by one order, are too rough.
    """
    began = time.perf_counter()
    found, said, fit = _fitted(solution, features, points, steps, seed, began + seconds, tangents)
    said["seconds"] = round((solution.known.get("seconds") or 0.0) + time.perf_counter() - began, 3)
    if not fit.taken or not fit.unseen_norms[-1] < fit.given:
        kept = {name: said[name] for name in ("seconds", "residual_left", "stopped")}
        return solution.told(kept)
    said["steps"] = (solution.known.get("steps") or 0) + fit.taken
    found = found.told(said)
    found.history.add(fit.taken, said["seconds"], said["loss"], fit.squares, max(found.error().values(), default=None))
    return found


def _fitted(
    solution: "Solution",
    features: int | None = None,
    points: int | None = None,
    steps: int = 5,
    seed: int | None = None,
    until: float = math.inf,
    tangents: bool = True,
) -> "tuple[Solution, dict[str, Any], _Fit]":
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
    with precision("float64"), Interrupts() as signals:
        plain, along = _plain(model), tuple(map(_plain, system.along))
        if tangents and not eqx.tree_equal(along, (plain,)) and (carried := system.carried(plain)):
            system, along = carried, (plain,)  # the lift beside the field that training ended with
        blank = build_model(solution.problem, recipe, jax.random.key(0))
        fit = _Fit(system, plain, _staged(blank, plain), points, number, tangents)
        found = fit.run(steps, until, signals)
        trained = fit.unseen_norms[0] if system is solution.system else fit.other(solution.system, plain)
        fit.given = fit.other(solution.system, model) if before else trained
        # A file holds the model along which a lift was carried as it holds the model: with the same parts.
        staged = System(system.problem, system.ansatz, system.engine, tuple(_staged(blank, m) for m in along))
    said = {
        "network": f"{describe(first)} + {features} waves",
        "precision": "float64",
        "parameters": found.parameters,
        "loss": sum(float(fit.weights[name]) * square for name, square in fit.squares.items()),
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


class _Fit:
    """The least-squares problem of one correction."""

    def __init__(self, system: System, first: Model, model: Model, points: int, seed: int, tangents: bool) -> None:
        nothing = jax.tree.map(lambda _: False, model)
        along = lambda n: jax.tree.leaves(n.direction) if tangents else []
        own = lambda m: [part for n in m.networks for part in (*along(n), n.coefficients)]
        self.system, self.trained = system, eqx.tree_at(own, nothing, [True] * len(own(model)))
        trained, self.rest = eqx.partition(model, self.trained)
        flat, self.unravel = jax.flatten_util.ravel_pytree(trained)
        self.start = np.asarray(flat)
        # As many unseen points as usual, or a narrow feature that few points miss would pass as solved.
        draws = [1, *range(2, 2 + min(8, max(1, POINTS // points)))]
        drawn, *self.unseen = (Points(interior=points).draw(system, seed + k * UNSEEN) for k in draws)
        self.batches = ResidualAdaptive().spread(system, first, drawn, seed + UNSEEN) if tangents else drawn
        self.weights, self.unseen_norms = Fixed().start(system), []
        self.jacobian = jax.jit(lambda p, batches: system.jacobian(self._at(p), batches, self.weights, self.trained))
        weighted = lambda p, batches: system.weighted(self._at(p), batches, self.weights)
        self.shapes = jax.eval_shape(weighted, self.start, self.batches)
        squares = jax.jit(lambda p, b: {name: jnp.sum(rows**2) for name, rows in weighted(p, b).items()})
        # Of few coefficients, the Jacobian is computed sooner than another function is compiled.
        self.parts = squares if tangents else lambda p, b: self._squares(self.jacobian(p, b)[0], b)
        rows, columns = sum(rows.size for rows in self.shapes.values()), self.start.size
        if rows < columns:
            raise ValueError(f"points={points}: {rows} rows for {columns} coefficients; give more points")
        if not fits(rows, columns):
            raise ValueError(
                f"a second stage of {columns} coefficients on {rows} rows needs about "
                f"{8e-9 * MATRICES * rows * columns:.1f} GB, {1e-9 * MOST * bytes_free():.1f} GB are free: "
                "give fewer points= or features="
            )

    def _at(self, p: Float[Array, " p"]) -> Model:
        """The model with these coefficients."""
        return eqx.combine(self.unravel(p), self.rest)

    def _squares(self, rows: Any, batches: Batches) -> dict[str, float]:
        """The sum of the squares of each residual, out of all rows."""
        rows, found = np.asarray(rows), {}
        for name, group in self.system.groups.items():
            widths = [self.shapes[residual].shape[1] for residual in group.residuals]
            size = sum(widths) * (1 if group.integral else len(batches[name].points))
            own, rows = rows[:size].reshape(-1, sum(widths)), rows[size:]
            parts = np.split(own, np.cumsum(widths)[:-1], axis=1)
            found |= {name: np.sum(part**2) for name, part in zip(group.residuals, parts, strict=True)}
        return found

    def mean_squares(self, p: Any, batches: Batches) -> dict[str, float]:
        """The mean square of each residual."""
        return {k: float(square) / float(self.weights[k]) for k, square in self.parts(p, batches).items()}

    def norm(self, p: Any, batches: Batches) -> float:
        """The root of the loss."""
        return math.sqrt(sum(float(square) for square in self.parts(p, batches).values()))

    def elsewhere(self, p: Any) -> float:
        """The same at points that are not fitted: all of them, where the first do not say that much is left."""
        found = self.norm(p, self.unseen[0])
        if not self.unseen_norms or found > TRUSTED * self.unseen_norms[0]:
            return found
        others = (self.norm(p, batches) for batches in self.unseen[1:])
        return math.sqrt(sum((other**2 for other in others), found**2) / len(self.unseen))

    def other(self, system: System, model: Model) -> float:
        """The same of another model under a system with another lift."""
        loss = jax.jit(lambda batches: system.loss(model, batches, self.weights))
        return math.sqrt(sum(float(loss(system.relifted(batches))) for batches in self.unseen) / len(self.unseen))

    def run(self, steps: int, until: float, signals: Interrupts) -> Model:
        """The model at the end.

        Also `unseen_norms`, the norm of the residual at points that are not fitted before and after each of the steps
        `taken`, and the mean `squares` of the residuals at those that are.
        """
        p, least = self.start, 0.0
        self.unseen_norms.append(self.elsewhere(p))
        for number in range(steps):
            began = time.perf_counter()
            if signals.stopped:
                break
            rows, slopes = (np.asarray(part) for part in self.jacobian(p, self.batches))
            began = began if number else time.perf_counter()  # the first Jacobian was compiled, no other will be
            norm = float(np.linalg.norm(rows))
            least = least or ROUND_OFF * norm
            if signals.stopped or not math.isfinite(norm):
                break
            step, left = least_squares(slopes, -rows)
            lengths = 0.5 ** np.arange(HALVINGS)
            tried = ((length, self.norm(p + length * step, self.batches)) for length in lengths)
            length, after = next(((length, after) for length, after in tried if after < norm), (0.0, norm))
            elsewhere = self.elsewhere(p + length * step)
            if not elsewhere < self.unseen_norms[-1]:
                break
            p, before, norm = p + length * step, norm, after
            self.unseen_norms.append(elsewhere)
            now = time.perf_counter()
            if norm > PROGRESS * before or norm < max(REACHED * left, least) or now + (now - began) > until:
                break
        self.squares = self.mean_squares(p, self.batches)
        return self._at(jnp.asarray(p))

    @property
    def taken(self) -> int:
        """How many steps were taken."""
        return len(self.unseen_norms) - 1


def fits(rows: int, columns: int) -> bool:
    """Whether the memory that is free is enough for the matrices of a second stage."""
    return 8.0 * MATRICES * rows * columns <= MOST * bytes_free()


def qr_rate() -> float:
    """Flops a second of a QR on this machine as it is now, timed in a few hundredths of a second."""
    matrix = np.random.default_rng(0).normal(size=(2000, 400))
    began = time.perf_counter()
    qr(matrix, mode="r", overwrite_a=True, check_finite=False)
    return 2.0 * matrix.size * matrix.shape[1] / (time.perf_counter() - began)


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
