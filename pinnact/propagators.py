"""A lift of initial values whose periodic extension has kinks: the equation itself carries them in time.

On a periodic interval, a kink of the initial data can be built into no smooth network. The solution however keeps it,
damped or dispersed by the linear part of the equation. Where the term without derivatives, too, is linear, the lift `z`
solves the equation itself,

    T z_t + sum_j A_j d_x^j z + Q z = 0,   z = u0 at the start,

each wave with its own rate, and the network adds a smoother rest. Where that term is not linear, waves are refracted by
the field: only the kink is carried, by the equation beside a smooth field, and the lift can be made again (`carry`)
beside one that is better known (`pinnact.kinks`). Other equations are linearised at the seam, where the kink is.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.signal import resample

from pinnact.devices import jit
from pinnact.kinks import Waves
from pinnact.linearisation import Rows, linearised
from pinnact.operators import Index, PointFunction
from pinnact.problem import Problem

SAMPLES = 1024
MORE = 1.5  # times as many waves are carried beside a field as its initial data have
MOST_GROWTH = 3.0  # the largest exponent (growth rate times duration) that a lift may have
WORST_CONDITION = 1e6  # of matrices of eigenvectors and of the time derivative's matrix
Linear = dict[Index, np.ndarray]


class Propagated(NamedTuple):
    """A lift of all real outputs, `point -> (m,)`, and, where waves travel, how to make it again along a field."""

    lift: PointFunction
    carry: Callable[[PointFunction], PointFunction | None] | None = None


def propagator(problem: Problem, initial: list[PointFunction]) -> Propagated | None:
    """The lift that carries initial values, given by output; None where there is no such lift.

    Needs one space coordinate, periodic, and equations of first order in time whose linearisation has coefficients
    that depend on nothing but the outputs and does not grow by more than a factor of e^3.
    """
    domain = problem.domain
    if domain.dimension != 2 or domain.time is None or domain.space != domain.periodic:
        return None
    low, high = domain.bounds[domain.space[0]]
    start, end = domain.bounds[domain.time]
    grid = np.stack([np.linspace(low, high, SAMPLES, endpoint=False), np.full(SAMPLES, start)], axis=1)
    values = np.stack([np.asarray(jax.vmap(data)(jnp.asarray(grid))) for data in initial], axis=1)
    rows = _first_order(problem)
    linear = rows and _constant(rows, values, problem)
    if rows is None or linear is None:
        return None
    if _reacts(linear) and (beside := _beside(rows, linear, values, problem)):
        return beside
    spectrum = np.fft.fft(values, axis=0) / SAMPLES
    keep = np.max(np.abs(spectrum), axis=1) > 1e-15 * np.max(np.abs(spectrum))
    spectrum, waves = spectrum[keep], 2 * np.pi / (high - low) * np.fft.fftfreq(SAMPLES, 1 / SAMPLES)[keep]
    damped = _damped({index: matrices[0] for index, matrices in linear.items()}, waves, spectrum)
    if damped is None:
        return None
    rates, evolution = damped
    if _reacts(linear) and np.max(np.abs(rates.real)) * (end - start) < 1:
        return None  # waves that travel leave the seam
    if np.max(rates.real) * (end - start) > MOST_GROWTH:
        return None
    return Propagated(lambda point: evolution(point[0] - low, point[1] - start).astype(point.dtype))


def _reacts(linear: Linear) -> bool:
    """Whether the term without derivatives depends on the outputs."""
    matrices = linear.get((), np.zeros((1, 1, 1)))
    return bool(np.max(np.ptp(matrices, axis=0)) > 1e-10 * np.max(np.abs(matrices)))


def _damped(
    linear: Linear, waves: np.ndarray, spectrum: np.ndarray
) -> tuple[np.ndarray, Callable[[Array, Array], Array]] | None:
    """Each wave with its own rates `S(k)`: `sum_k exp(i k x + t S(k)) u0_k`, position and time from 0."""
    rates, vectors = np.linalg.eig(_symbols(linear, waves))
    if np.max(np.linalg.cond(vectors)) > WORST_CONDITION:
        return None
    amplitudes = vectors * np.linalg.solve(vectors, spectrum[:, :, None]).transpose(0, 2, 1)

    def evolution(x: Array, t: Array) -> Array:
        phases = jnp.exp(1j * jnp.asarray(waves)[:, None] * x + jnp.asarray(rates) * t)
        return jnp.einsum("kim,km->i", jnp.asarray(amplitudes), phases).real

    return rates, evolution


def _beside(rows: Rows, linear: Linear, values: np.ndarray, problem: Problem) -> Propagated | None:
    """The kink's waves beside a smooth field, at first the smooth part of the initial data."""
    (low, high), (start, end) = problem.domain.bounds.values()
    turning = {index: np.mean(m, axis=0) if index else np.zeros_like(m[0]) for index, m in linear.items()}
    spectrum = np.abs(np.fft.rfft(values, axis=0))
    count = 1 + np.flatnonzero(np.max(spectrum, axis=1) > 1e-15 * np.max(spectrum))[-1]
    samples = values if 2 * count > SAMPLES else np.asarray(resample(values, 2 * int(count) - 2))
    waves = 2 * np.pi / (high - low) * np.arange(int(MORE * count))
    rates, vectors = np.linalg.eig(_symbols(turning, waves))
    if np.max(np.linalg.cond(vectors)) > WORST_CONDITION:
        return None
    point, inverse = jnp.array([low, start]), np.linalg.inv(turning[(1,)])
    still = {index: jnp.zeros(rows.size) for index in sorted(rows.indices)}
    reaction = jax.vmap(lambda u: -inverse @ rows(still | {(): u}, point))
    carried = Waves(samples, high - low, end - start, rates, vectors, reaction)

    def function(lift: Callable[[Array, Array], Array] | None) -> PointFunction | None:
        return lift and (lambda point: lift(point[0] - low, point[1] - start).astype(point.dtype))

    def carry(added: PointFunction) -> PointFunction | None:
        x, t = np.meshgrid(low + carried.positions, start + carried.times)
        points = jnp.asarray(np.stack([x.ravel(), t.ravel()], axis=1))
        known = jit(lambda points: jax.lax.map(added, points, batch_size=SAMPLES))(points)
        return function(carried.lift(np.asarray(known).reshape(*x.shape, -1)))

    lift = function(carried.lift())
    return lift and Propagated(lift, carry)


def _symbols(matrices: dict[Index, np.ndarray], waves: np.ndarray) -> np.ndarray:
    """`S(k) = -T^-1 (sum_j A_j (i k)^j + Q)`, `(k, m, m)`, of matrices by index."""
    space = sum(
        matrix * (1j * waves[:, None, None]) ** len(index) for index, matrix in matrices.items() if index != (1,)
    )
    return -np.linalg.solve(matrices[(1,)], space)


def _first_order(problem: Problem) -> Rows | None:
    """The equations as a function of derivatives; None unless they are of first order in time and know all their
    coefficients and take no value at another point."""
    rows = linearised(problem)
    if rows is None or (1,) not in rows.indices or not all(set(index) <= {0} for index in rows.indices - {(1,)}):
        return None
    return rows


def _constant(rows: Rows, bases: np.ndarray, problem: Problem) -> Linear | None:
    """The matrices `(n, m, m)` by index of the equations linearised at each of `bases (n, m)`, constant in space and
    time; None where they depend on the point or don't fit."""
    points, size = jnp.asarray(problem.domain.sample(5, seed=7)), bases.shape[1]
    zero = {index: jnp.zeros(rows.size) for index in sorted(rows.indices)}
    at = lambda outputs, point: jax.jacfwd(rows)(zero | {(): outputs}, point)
    matrices = jax.vmap(lambda p: jax.vmap(lambda b: at(b, p))(jnp.asarray(bases)))(points)
    found = {index: np.asarray(matrix) for index, matrix in matrices.items()}
    scale = max(np.max(np.abs(matrix)) for matrix in found.values())
    if any(m.shape[2:] != (size, size) or np.max(np.ptp(m, axis=0)) > 1e-10 * scale for m in found.values()):
        return None
    linear = {index: matrix[0] for index, matrix in found.items()}
    return linear if np.max(np.linalg.cond(linear[(1,)])) < WORST_CONDITION else None
