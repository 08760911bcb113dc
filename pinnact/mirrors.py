"""Mirror symmetries: what a problem shares with its reflection, its only solution shares as well.

With `R` the reflection of one space coordinate of a box about its centre, and `S` a sign for each real output: where
`S u(R x)` solves whenever `u(x)` does, and there is one solution, `u(x) = S u(R x)`. Networks are then taken in the
mean `(f(x) + S f(R x)) / 2`, which can be nothing else, and need half of the points: each holds at its image, too.
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact.devices import jit
from pinnact.linearisation import Rows, linearised
from pinnact.operators import SUM, Index, PointFunction
from pinnact.problem import Problem

if TYPE_CHECKING:
    from pinnact.lifts import Ansatz

POINTS, TABLES = 2048, 3  # where all is compared, no fewer than are trained on; made-up fields for the equations
MOST_OUTPUTS = 6  # whose signs are tried, 64 of them
SAME, ZERO = 1e-10, 1e-15  # relative difference up to which numbers are equal, lifts that are round-off: sin(pi)


class Mirror(NamedTuple):
    """The reflection `x -> about - x` of the coordinate `axis`, and the sign of each raw output in it."""

    axis: int
    about: float
    signs: tuple[float, ...]


def symmetric(outputs: PointFunction, mirrors: Sequence[Mirror]) -> PointFunction:
    """The part of a function of a point, `(d,) -> (m,)`, that has all of these symmetries."""
    for mirror in mirrors:
        outputs = _symmetric(outputs, mirror)
    return outputs


def _symmetric(outputs: PointFunction, mirror: Mirror) -> PointFunction:
    def mean(point: Array) -> Array:
        both = jax.vmap(outputs)(jnp.stack([point, _image(point, mirror.axis, mirror.about)]))
        return (both[0] + jnp.asarray(mirror.signs, both.dtype) * both[1]) / 2

    return mean


def _image(point: Array, axis: int, about: float) -> Array:
    at = np.arange(point.size) == axis
    return jnp.where(at, about - point, point)


def mirrors(problem: Problem, ansatz: "Ansatz") -> tuple[tuple[Mirror, ...], tuple[str, ...]]:
    """The mirror symmetries of a problem on a box, each checked by evaluation, and a note on each.

    Only where all conditions are built in, which makes theirs that of the lift and of its factor, and where no second
    solution could break it: of linear equations, and of evolution from a start, from which it takes its symmetry.
    """
    domain, rows = problem.domain, linearised(problem)
    count = sum(unknown.size for unknown in problem.fields.values())
    everything = bool(problem.conditions) and set(problem.conditions) <= set(ansatz.built_in)
    known = not (problem.ansatz or problem.observations or problem.inferred)
    if rows is None or domain.axes is None or not (everything and known) or count > MOST_OUTPUTS:
        return (), ()
    starts = any(condition.region.kind == "initial" for condition in problem.conditions.values())
    if not (starts or (domain.time is None and rows.affine())):
        return (), ()
    found, notes, sides = [], [], _Sides(rows, ansatz, count)
    for axis, name in enumerate(domain.space):
        about = sum(domain.bounds[name])
        for signs in itertools.product((1.0, -1.0), repeat=count):
            if sides.agree(axis, about, np.array(signs)) and (of_raw := sides.raw(axis, about, signs)):
                found.append(Mirror(axis, about, of_raw))
                notes.append(_note(problem, name, about / 2, signs))
                break
    return tuple(found), tuple(notes)


def _note(problem: Problem, coordinate: str, centre: float, signs: Sequence[float]) -> str:
    kinds = {1.0: "even", -1.0: "odd", 0.0: "even and odd by parts"}
    parts = {name: signs[problem.spans[name]] for name in problem.fields}
    said = [f"{name} {kinds[part[0] if len(set(part)) == 1 else 0.0]}" for name, part in parts.items()]
    return f"symmetry: {', '.join(said)} about {coordinate}={centre:g}"


class _Sides:
    """What a problem says at points, to be compared with what it says at their images; compiled once a function."""

    def __init__(self, rows: Rows, ansatz: "Ansatz", count: int) -> None:
        draw, of_point = np.random.default_rng(0), lambda f: jit(jax.vmap(f), seldom=True)
        self.indices = sorted(rows.indices)
        self.equations = jit(jax.vmap(rows, in_axes=(None, 0)), seldom=True)
        self.lift = None if ansatz.lift is None else of_point(ansatz.lift)
        self.factor = of_point(lambda point: ansatz.trial(jnp.ones(count), point))
        self.points = jnp.asarray(rows.problem.domain.sample(POINTS, seed=3))
        self.tables = [{index: draw.normal(size=rows.size) for index in self.indices} for _ in range(TABLES)]

    def agree(self, axis: int, about: float, signs: np.ndarray) -> bool:
        """Whether each equation, at a reflected point and given the reflected field, says what it said, or minus it."""
        flips, images = {index: signs * _parity(index, axis) for index in self.indices}, self._images(axis, about)
        for table in self.tables:
            here = np.asarray(self.equations(table, self.points))
            there = np.asarray(self.equations({i: flips[i] * value for i, value in table.items()}, images))
            if not all(_same(a, b) or _same(a, -b) for a, b in zip(here.T, there.T, strict=True)):
                return False
        return True

    def raw(self, axis: int, about: float, signs: Sequence[float]) -> tuple[float, ...] | None:
        """The signs of the raw outputs: those of the factor are left out; None where lift or factor differ."""
        images = self._images(axis, about)
        if self.lift is not None:
            here, there = np.asarray(self.lift(self.points)), np.asarray(self.lift(images))
            if not (_same(here, np.asarray(signs) * there) or np.max(np.abs(here)) <= ZERO):
                return None
        here, there = np.asarray(self.factor(self.points)), np.asarray(self.factor(images))
        own = [sign if _same(a, b) else -sign if _same(a, -b) else 0.0 for a, b, sign in zip(here.T, there.T, signs)]
        return tuple(own) if all(own) else None

    def _images(self, axis: int, about: float) -> Array:
        return jax.vmap(lambda point: _image(point, axis, about))(self.points)


def _parity(index: Index, axis: int) -> float:
    return 1.0 if index[:1] == (SUM,) else (-1.0) ** index.count(axis)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.max(np.abs(a - b)) <= SAME * np.max(np.abs(a)))
