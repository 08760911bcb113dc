"""The least squares of a second stage: Gauss-Newton steps of coefficients that enter the field linearly.

The Jacobian of all rows is computed in slices of points, whose numbers stay in the processor's caches, and stacked into
the one matrix of the least squares (`pinnact.least_squares`).
"""

import math
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pinnact.collocation import Points, ResidualAdaptive
from pinnact.devices import jit, on_accelerator
from pinnact.interrupts import Interrupts
from pinnact.least_squares import MATRICES, fits, least_squares, stacked
from pinnact.memory import MOST, bytes_free
from pinnact.model import Model
from pinnact.system import Batches, System
from pinnact.weights import Fixed

POINTS = 15_000  # for one real unknown, as a rule: waves of hidden units are sharp, and fewer points miss that
PROGRESS = 0.9  # a step that leaves more than this of the residual is the last
REACHED = 1.1  # times what the linear equations leave: another step would bring nothing
ROUND_OFF = 1e-10  # of the first residual, from where on steps only move the last digits
LITTLE = 0.1  # of a residual: where no more is left on some unseen points, all are looked at; and of linear equations
HALVINGS = 5  # of a step, at most
SLICE = 128  # points whose rows a processor computes at once: 0.6 to 0.9 times as long as all at once
WIDE_SLICE = 4096  # and an accelerator, which waits for each of its calls rather than for its caches
UNSEEN = 7919  # what is added to seeds of points, so that they are none of those of training


class Turn(NamedTuple):
    """Where a full step raised the residual, that step, and the norm before it."""

    start: np.ndarray
    step: np.ndarray
    norm: float


class Fit:
    """The least-squares problem of one correction: `model` is `first` with a second stage whose numbers are 0.

    `trained_with` is the system that `first` was trained under, where `system` has another lift: the first step starts
    from the trained field, not from what the network adds up to with the new lift, which may be far worse.
    """

    def __init__(
        self,
        system: System,
        first: Model,
        model: Model,
        points: int,
        seed: int,
        tangents: bool,
        trained_with: System | None = None,
    ) -> None:
        self.still = None if tangents else [n.direction for n in model.networks]
        model = model if tangents else _along(model, [None] * len(model.networks))  # a third less to compile
        nothing = jax.tree.map(lambda _: False, model)
        own = lambda m: [part for n in m.networks for part in (*jax.tree.leaves(n.direction), n.coefficients)]
        self.system, self.trained = system, eqx.tree_at(own, nothing, [True] * len(own(model)))
        trained, self.rest = eqx.partition(model, self.trained)
        flat, self.unravel = jax.flatten_util.ravel_pytree(trained)
        self.start = np.asarray(flat)
        # As many unseen points as usual, or a narrow feature that few points miss would pass as solved.
        draws = [1, *range(2, 2 + min(8, max(1, POINTS // points)))]
        drawn, *self.unseen = (Points(interior=points).draw(system, seed + k * UNSEEN) for k in draws)
        self.batches, self.before = drawn, None
        if tangents:  # where the trained residual is large: after a change of the lift it is large elsewhere
            self.batches = ResidualAdaptive().spread(trained_with or system, first, drawn, seed + UNSEEN)
        if trained_with:
            self.batches, self.before = system.relifted(self.batches), trained_with.relifted(self.batches)
        self.weights, self.unseen_norms = Fixed().start(system), []
        self._jacobian = jit(lambda p, part: system.jacobian(self._at(p), part, self.weights, self.trained))
        self._towards = jit(self._rows_towards, seldom=True)
        rows, columns = self._size, self.start.size
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

    @property
    def _size(self) -> int:
        """The number of rows."""
        groups, batches = self.system.groups, self.batches
        counts = {name: 1 if groups[name].integral else len(batch.points) for name, batch in batches.items()}
        return sum(count * sum(groups[name].widths) for name, count in counts.items())

    def _split(self, rows: Any, part: Batches) -> dict[str, Any]:
        """The sum of the squares of each residual, out of the rows of a part."""
        (name,) = part
        group = self.system.groups[name]
        own = np.split(np.asarray(rows).reshape(-1, sum(group.widths)), np.cumsum(group.widths)[:-1], axis=1)
        return {k: np.sum(each**2) for k, each in zip(group.residuals, own, strict=True)}

    def _rows_towards(self, p: Array, part: Batches, other: Batches) -> Array:
        """The rows of a part, and by how much they change with its lift, to first order."""
        with_lift = lambda lifts: self.system.rows(
            self._at(p), {name: batch._replace(lift=lifts[name]) for name, batch in part.items()}, self.weights
        )
        lift, lifts = ({name: batch.lift for name, batch in batches.items()} for batches in (part, other))
        rows, change = jax.jvp(with_lift, (lift,), (jax.tree.map(jnp.subtract, lifts, lift),))
        return rows + change

    def equations(self, p: Any, batches: Batches, before: Batches | None = None) -> Float[Any, "rows p+1"]:
        """The matrix `(J, -r)`; with the batches of the trained field, J is taken there, and r is extrapolated."""

        def parts() -> Iterator[tuple[Any, Any]]:
            pairs = zip(_sliced(self.system, before or batches), _sliced(self.system, batches), strict=True)
            for (part, count), (other, _) in pairs:
                rows, slopes = self._jacobian(p, part)
                rows = self._towards(p, part, other) if before else rows
                (name,) = part
                own = count * sum(self.system.groups[name].widths)
                yield slopes[:own], rows[:own]

        return stacked(parts(), (self._size, self.start.size + 1))

    def squares(self, p: Any, batches: Batches) -> dict[str, float]:
        """The sum of the squares of each residual, weighted as in the loss.

        Of the Jacobian's function, which takes little longer than rows alone would, and is compiled once.
        """
        found: dict[str, float] = {}
        for part, _ in _sliced(self.system, batches):
            for name, square in self._split(self._jacobian(p, part)[0], part).items():
                found[name] = found.get(name, 0.0) + float(square)
        return found

    def norm(self, p: Any, batches: Batches) -> float:
        """The root of the loss."""
        return _root(self.squares(p, batches))

    def elsewhere(self, p: Any) -> float:
        """The same at points that are not fitted: all of them, where the first do not say that much is left."""
        found = self.norm(p, self.unseen[0])
        if not self.unseen_norms or found > LITTLE * self.unseen_norms[0]:
            return found
        others = (self.norm(p, batches) for batches in self.unseen[1:])
        return math.sqrt(sum((other**2 for other in others), found**2) / len(self.unseen))

    def other(self, system: System, model: Model) -> float:
        """The same of another model under a system with another lift."""
        loss = jit(lambda batches: system.loss(model, batches, self.weights), seldom=True)
        return math.sqrt(sum(float(loss(system.relifted(batches))) for batches in self.unseen) / len(self.unseen))

    def run(self, steps: int, until: float, signals: Interrupts) -> Model:
        """The model at the end.

        Also `unseen_norms`, the norm of the residual at points that are not fitted before and after each of the steps
        `taken`, and `at_end`, the mean squares of the residuals at those that are.

        A full step after which nothing but what is quadratic in it is left may raise a small residual and be right all
        the same: errors that grow along the equation are large beside it. Such a step is taken, and the next as long as
        each lowers the residual; they count once it is below where they began, else the first is made shorter (the
        watchdog of Chamberlain, Powell, Lemarechal and Pedersen 1982).
        """
        p = found = self.start
        least, turn, at_end = 0.0, None, {}
        self.unseen_norms.append(self.elsewhere(p))
        for number in range(steps):
            began = time.perf_counter()
            if signals.stopped:
                break
            before = None if number else self.before
            matrix = self.equations(p, self.batches, before)
            began = began if number else time.perf_counter()  # the first Jacobian was compiled, no other will be
            norm = self.norm(p, self.batches) if before else float(np.linalg.norm(np.asarray(matrix[:, -1])))
            least = least or ROUND_OFF * norm
            if signals.stopped or not math.isfinite(norm):
                break
            step, left = least_squares(matrix)
            del matrix
            squares = self.squares(p + step, self.batches)
            after, now = _root(squares), time.perf_counter()
            goal, follow = (turn.norm if turn else norm), min(steps - number - 1, (until - now) / (now - began))
            promises = after < norm and follow >= 1 if turn else left < LITTLE * norm and follow >= 2
            if math.isfinite(after) and not after < goal and promises:
                turn, p = turn or Turn(p, step, norm), p + step
                continue
            if turn and not after < goal:
                p, step = turn.start, turn.step
            length = 1.0
            while not after < goal and length > 0.5**HALVINGS:
                length /= 2
                squares = self.squares(p + length * step, self.batches)
                after = _root(squares)
            elsewhere = self.elsewhere(p + length * step)
            if not (after < goal and elsewhere < self.unseen_norms[-1]):
                break
            p = found = p + length * step
            turn, at_end = None, squares
            self.unseen_norms.append(elsewhere)
            now = time.perf_counter()
            if after > PROGRESS * goal or after < max(REACHED * left, least) or now + (now - began) > until:
                break
        at_end = at_end or self.squares(found, self.batches)
        self.at_end = {name: square / float(self.weights[name]) for name, square in at_end.items()}
        model = self._at(jnp.asarray(found))
        return model if self.still is None else _along(model, self.still)

    @property
    def taken(self) -> int:
        """How many steps were taken."""
        return len(self.unseen_norms) - 1


def _root(squares: dict[str, float]) -> float:
    """The norm of rows with these sums of squares."""
    return math.sqrt(sum(squares.values()))


def _along(model: Model, directions: list[Any]) -> Model:
    """The model whose second stages have these directions."""
    return eqx.tree_at(lambda m: [n.direction for n in m.networks], model, directions, is_leaf=lambda n: n is None)


def _sliced(system: System, batches: Batches) -> Iterator[tuple[Batches, int]]:
    """Parts of batches, each of one group, whose rows are those of the whole one after the other, and how many of their
    points count: the last part of a group repeats a point. An integral condition has one row, and is one part.
    """
    for name, group in system.groups.items():
        if name not in batches:
            continue
        batch, count = batches[name], len(batches[name].points)
        if group.integral is not None:
            yield {name: batch}, 1
            continue
        size = -(-count // -(-count // (WIDE_SLICE if on_accelerator() else SLICE)))
        whole = jax.tree.map(np.asarray, batch._replace(shares=np.asarray(batch.shares) * (size / count)))
        for at in range(0, count, size):
            which = np.arange(at, at + size)
            own, within = np.minimum(which, count - 1), which < count
            part = jax.tree.map(lambda leaf, own=own: leaf[own], whole)
            yield {name: part._replace(shares=part.shares * within)}, int(np.sum(within))
