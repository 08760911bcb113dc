"""Directions in which waves travel: what features a network of a pure wave equation is given.

Where all terms of a linear equation are derivatives of one order k with constant coefficients,

    sum_j A_j d_x^(k-j) d_t^j u = 0,

each `u = f(x - c t) v` with `(sum_j (-c)^j A_j) v = 0` solves it, whatever the shape f (d'Alembert). A network of x
and t must find such a direction for itself: along it the solution is constant, across it may be anything, and a wrong
one costs little (errors of 60 to 100 % at residuals of 1e-3). Sines and cosines of `x - c t` tell it. The shapes are
left to the network, and so is what walls do.
"""

from collections.abc import Mapping
from functools import lru_cache

import jax
import numpy as np
from scipy.linalg import eigvals

from pinnact.devices import jit
from pinnact.linearisation import linearised
from pinnact.operators import Index
from pinnact.precision import precision
from pinnact.problem import Problem

TOLERANCE = 1e-10  # relative: of coefficients that are to be constant, and of speeds that are to be real


@lru_cache(maxsize=1)  # asked for each network of a run
def wave_vectors(problem: Problem) -> tuple[tuple[float, ...], ...]:
    """The vectors `q (1, -c)`, one for each speed c other than 0, of features `cos(k q (x - c t)), k = 1, 2, ...`.

    `2 pi / q` is the period of x, or twice its interval, since waves come back from two walls after that. Empty unless
    the problem has one space coordinate and time, and its equations are as above and hyperbolic (all speeds are real).
    """
    domain = problem.domain
    if domain.dimension != 2 or domain.time is None:
        return ()
    with precision("float64"):
        principal = _principal(problem)
    if principal is None:
        return ()
    speeds = _speeds(principal)
    name = domain.space[0]
    low, high = domain.bounds[name]
    wave = (2 if name in domain.periodic else 1) * np.pi / (high - low)
    return tuple((float(wave), float(-wave * c)) for c in speeds)


def _principal(problem: Problem) -> list[np.ndarray] | None:
    """The matrices `A_0 ... A_k`; None unless the equations are linear, of one order, constant and without loads."""
    rows = linearised(problem)
    if rows is None or rows.indices == {()}:
        return None
    orders = {len(index) for index in rows.indices if index}
    if len(orders) > 1:  # said before anything is compiled
        return None
    draw = np.random.default_rng(8)
    tables = [{index: draw.standard_normal(rows.size) for index in rows.indices} for _ in range(3)]
    points = problem.domain.sample(5, seed=8)
    zero = {index: np.zeros(rows.size) for index in rows.indices}
    slopes = jit(jax.vmap(lambda p: ([jax.jacfwd(rows)(table, p) for table in tables], rows(zero, p))), seldom=True)
    each, loads = slopes(points)
    found = {index: np.stack([np.asarray(one[index]) for one in each]) for index in rows.indices}
    if not all(np.all(np.isfinite(matrix)) for matrix in (*found.values(), loads)):
        return None  # roots and logarithms of the unknown, at values that it will not have
    scale = max(float(np.max(np.abs(matrix))) for matrix in found.values())
    if next(iter(found.values())).shape[2] != rows.size or np.max(np.abs(loads)) > TOLERANCE * scale:
        return None
    if any(np.max(np.ptp(matrix, axis=(0, 1))) > TOLERANCE * scale for matrix in found.values()):
        return None
    if np.max(np.abs(found[()])) > TOLERANCE * scale:
        return None
    return _by_time(found, orders.pop(), rows.size)


def _by_time(found: Mapping[Index, np.ndarray], order: int, size: int) -> list[np.ndarray]:
    """The matrix of `d_x^(k-j) d_t^j` for j = 0 ... k; axis 1 is time."""
    matrices = [np.zeros((size, size)) for _ in range(order + 1)]
    for index, matrix in found.items():
        if index:
            matrices[index.count(1)] += matrix[0, 0]
    return matrices


def _speeds(matrices: list[np.ndarray]) -> list[float]:
    """The speeds other than 0, the slowest first; none unless all are real and finite: eigenvalues of the companion
    pencil of `sum_j (-c)^j A_j`."""
    size, order = len(matrices[0]), len(matrices) - 1
    left, right = np.eye(size * order, k=size), np.eye(size * order)
    left[-size:] = np.hstack([-((-1) ** j) * matrix for j, matrix in enumerate(matrices[:-1])])
    right[-size:, -size:] = (-1) ** order * matrices[-1]
    speeds = eigvals(left, right)
    if not np.all(np.isfinite(speeds)):
        return []
    largest = np.max(np.abs(speeds))
    if np.max(np.abs(speeds.imag)) > np.sqrt(TOLERANCE) * largest:  # a double speed is known to half the digits
        return []
    kept: list[float] = []
    for speed in sorted(speeds.real, key=abs):
        if abs(speed) > np.sqrt(TOLERANCE) * largest and not np.any(np.isclose(speed, kept, rtol=np.sqrt(TOLERANCE))):
            kept.append(float(speed))
    return kept
