"""Transfinite lifts: functions that take prescribed values on faces, rims and at the first instant.

The lift of an output uses data only at the projection of a point onto the part of the boundary where they are
prescribed: a Boolean sum (transfinite interpolation, Gordon 1971, doi:10.1137/0708019) of one-axis projectors

    L_k = L_{k-1} + P_k (g_k - L_{k-1}),

where `P_k` interpolates linearly between the faces of axis `k`, or extends initial data `u0 + (t - t0) v0` in time.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact.devices import jit
from pinnact.operators import PointFunction
from pinnact.prescribed import Prescribed, is_instant, vanishes, wall_values
from pinnact.problem import Problem


def lift_and_factor(problem: Problem, entries: list[Prescribed]) -> tuple[PointFunction | None, PointFunction]:
    """The lift (None where all data are 0) and the factor (of maximum about 1) of one real output."""
    if not entries:
        return None, (lambda point: jnp.ones((), point.dtype))
    values = [p for p in entries if not p.rate]
    rates = [p for p in entries if p.rate]
    distances = [p.piece.distance for p in [*values, *rates]]

    def product(point: Array) -> Array:
        return jnp.asarray(math.prod(distance(point) for distance in distances if distance is not None))

    largest = float(np.max(np.abs(jit(jax.vmap(product), seldom=True)(problem.domain.sample(4096, seed=3)))))
    factor: PointFunction = lambda point: product(point) / largest
    if all(vanishes(p.data, problem.domain.dimension) for p in entries):
        return None, factor
    walls = [p for p in values if not is_instant(p, problem)]
    start = [p for p in values if is_instant(p, problem)]
    if problem.domain.axes is not None:
        groups: dict[str, list[Prescribed]] = {}
        for p in walls:
            groups.setdefault(p.piece.face[0], []).append(p)  # type: ignore[index]
        projectors = [_between_faces(group) for group in groups.values()]
    elif walls:
        projectors = [_radial(walls)]
    else:
        projectors = []
    if start:
        projectors.append(_from_start(start[0], rates[0] if rates else None))

    lift: PointFunction = lambda point: jnp.zeros((), point.dtype)
    for project in projectors:
        lift = project(lift)
    return lift, factor


# The next three give L + P (g - L). They take L at all its points in one vmap: a call for each would make the traced
# graph grow as 3^k with the number k of axes (20 seconds of compilation for three), and not as k.


def _between_faces(entries: list[Prescribed]) -> Callable[[PointFunction], PointFunction]:
    """`L + P (g - L)` along one axis, P linear between two faces, constant from one."""

    def project(lower: PointFunction) -> PointFunction:
        def value(point: Array) -> Array:
            feet = [p.piece.project(point) for p in entries]  # type: ignore[misc]
            here, *below = jax.vmap(lower)(jnp.stack([point, *feet]))
            gaps = [p.data(foot) - low for p, foot, low in zip(entries, feet, below, strict=True)]
            if len(entries) == 1:
                return here + gaps[0]
            s = [p.piece.distance(point) for p in entries]  # type: ignore[misc]
            return here + (s[1] * gaps[0] + s[0] * gaps[1]) / (s[0] + s[1])

        return value

    return project


def _from_start(start: Prescribed, rate: Prescribed | None) -> Callable[[PointFunction], PointFunction]:
    """`L + P (g - L)` in time: the initial value, and `(t - t0)` times the initial rate where one is prescribed."""

    def project(lower: PointFunction) -> PointFunction:
        def value(point: Array) -> Array:
            foot = start.piece.project(point)  # type: ignore[misc]
            both = jnp.stack([point, foot])
            if rate is None:
                here, below = jax.vmap(lower)(both)
                return here + start.data(foot) - below
            clock = jnp.zeros_like(point).at[-1].set(1)
            (here, below), (_, slope) = jax.vmap(lambda q: jax.jvp(lower, (q,), (clock,)))(both)
            return here + start.data(foot) - below + (point[-1] - foot[-1]) * (rate.data(foot) - slope)

        return value

    return project


def _radial(walls: list[Prescribed]) -> Callable[[PointFunction], PointFunction]:
    """`L + P (g - L)` from curved walls: one constant for all, or radial with a weight that is C^3 at the centre."""
    values = np.concatenate([wall_values(p) for p in walls])
    constant = np.ptp(values) <= 1e-12 * (1 + np.max(np.abs(values)))
    wall = walls[0]

    def project(lower: PointFunction) -> PointFunction:
        def value(point: Array) -> Array:
            if constant:
                return jnp.asarray(values[0], point.dtype)
            foot = wall.piece.project(point)  # type: ignore[misc]
            here, below = jax.vmap(lower)(jnp.stack([point, foot]))
            weight = (1 - wall.piece.distance(point)) ** 2  # type: ignore[misc]
            return here + weight * (wall.data(foot) - below)

        return value

    return project
