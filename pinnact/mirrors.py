"""Mirror symmetries: what a problem shares with its reflection, its only solution shares as well.

With `R` the reflection of one space coordinate of a box about its centre, and `S` a sign for each real output: where
`S u(R x)` solves whenever `u(x)` does, and there is one solution, `u(x) = S u(R x)`. Networks are then taken in the
mean `(f(x) + S f(R x)) / 2`, which can be nothing else, and need half of the points: each holds at its image, too.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

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
    solution could break it: of linear equations, and of evolution equations, which take their symmetry from the start.
    """
    domain, rows = problem.domain, linearised(problem)
    count = sum(unknown.size for unknown in problem.fields.values())
    everything = bool(problem.conditions) and set(problem.conditions) <= set(ansatz.built_in)
    known = not (problem.ansatz or problem.observations or problem.inferred)
    if rows is None or domain.axes is None or not (everything and known) or count > MOST_OUTPUTS:
        return (), ()
    if not (rows.affine() if domain.time is None else domain.time not in domain.periodic):
        return (), ()
    found, notes = [], []
    for axis, name in enumerate(domain.space):
        about = sum(domain.bounds[name])
        for signs in itertools.product((1.0, -1.0), repeat=count):
            if _holds(rows, axis, about, np.array(signs)) and (of_raw := _raw(ansatz, problem, axis, about, signs)):
                found.append(Mirror(axis, about, of_raw))
                notes.append(_note(problem, name, about / 2, signs))
                break
    return tuple(found), tuple(notes)


def _note(problem: Problem, coordinate: str, centre: float, signs: Sequence[float]) -> str:
    kinds = {1.0: "even", -1.0: "odd", 0.0: "even and odd by parts"}
    parts = {name: signs[problem.spans[name]] for name in problem.fields}
    said = [f"{name} {kinds[part[0] if len(set(part)) == 1 else 0.0]}" for name, part in parts.items()]
    return f"symmetry: {', '.join(said)} about {coordinate}={centre:g}"


def _holds(rows: Rows, axis: int, about: float, signs: np.ndarray) -> bool:
    """Whether each equation, at a reflected point and given the reflected field, says what it said, or its negative."""
    points = jnp.asarray(rows.problem.domain.sample(POINTS, seed=3))
    draw, flips = np.random.default_rng(0), {index: signs * _parity(index, axis) for index in sorted(rows.indices)}
    at, image = jax.jit(jax.vmap(rows, in_axes=(None, 0))), lambda p: _image(p, axis, about)
    for _ in range(TABLES):
        table = {index: draw.normal(size=rows.size) for index in flips}
        here = np.asarray(at(table, points))
        there = np.asarray(at({i: flips[i] * value for i, value in table.items()}, jax.vmap(image)(points)))
        if not all(_same(a, b) or _same(a, -b) for a, b in zip(here.T, there.T, strict=True)):
            return False
    return True


def _parity(index: Index, axis: int) -> float:
    return 1.0 if index[:1] == (SUM,) else (-1.0) ** index.count(axis)


def _raw(
    ansatz: "Ansatz", problem: Problem, axis: int, about: float, signs: Sequence[float]
) -> tuple[float, ...] | None:
    """The signs of the raw outputs, those of the factor that they take left out; None where lift or factor differ."""
    points = jnp.asarray(problem.domain.sample(POINTS, seed=4))
    ones, image = jnp.ones(len(signs)), lambda p: _image(p, axis, about)

    def pair(function: Callable[[Array], Array]) -> tuple[np.ndarray, np.ndarray]:
        both = jax.jit(jax.vmap(lambda p: (function(p), function(image(p)))))(points)
        return np.asarray(both[0]), np.asarray(both[1])

    if ansatz.lift is not None:
        here, there = pair(ansatz.lift)
        if not (_same(here, np.asarray(signs) * there) or np.max(np.abs(here)) <= ZERO):
            return None
    here, there = pair(lambda p: ansatz.trial(ones, p))
    own = [sign if _same(a, b) else -sign if _same(a, -b) else 0.0 for a, b, sign in zip(here.T, there.T, signs)]
    return tuple(own) if all(own) else None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.max(np.abs(a - b)) <= SAME * np.max(np.abs(a)))
