"""A lift of initial values whose periodic extension has kinks: the equation's own linear part carries them in time.

On a periodic interval, a kink of the initial data can be built into no smooth network. The solution however keeps it,
damped or dispersed by the linear part of the equation. So the lift `z` solves a linearised equation,

    T z_t + sum_j A_j d_x^j z + Q z = 0,

and the network adds a smoother rest. Where waves are damped, a kink stays where it was: `Q` is taken there, at the
seam, `z` starts from all of `u0`, and each wave has its own rate. Where waves travel, they cross all of the field and
are refracted: only the kink travels, `Q` is taken along the field, and the lift can be made again (`carry`) along a
field that is better known (`pinnact.kinks`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.signal import resample

from pinnact.kinks import Waves
from pinnact.linearisation import linearised
from pinnact.operators import Index, PointFunction
from pinnact.problem import Problem

SAMPLES = 1024
MOST_GROWTH = 3.0  # the largest exponent (growth rate times duration) that a lift may have
WORST_CONDITION = 1e6  # of matrices of eigenvectors and of the time derivative's matrix
Linear = dict[Index, np.ndarray]
Linearisation = Callable[[Array, Array], dict[Index, Array]]  # at outputs and a point: matrices (m, m) by index


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
    at = _linearisation(problem)
    linear = None if at is None else _constant(at, values, problem)
    if at is None or linear is None:
        return None
    spectrum = np.fft.fft(values, axis=0) / SAMPLES
    keep = np.max(np.abs(spectrum), axis=1) > 1e-15 * np.max(np.abs(spectrum))
    spectrum, waves = spectrum[keep], 2 * np.pi / (high - low) * np.fft.fftfreq(SAMPLES, 1 / SAMPLES)[keep]
    damped = _damped({index: matrices[0] for index, matrices in linear.items()}, waves, spectrum)
    if damped is None:
        return None
    rates, evolution = damped
    if np.max(np.abs(rates.real)) * (end - start) < 1 and _varies(linear):
        return _travelling(at, linear, values, problem)
    if np.max(rates.real) * (end - start) > MOST_GROWTH:
        return None
    return Propagated(lambda point: evolution(point[0] - low, point[1] - start).astype(point.dtype))


def _varies(linear: Linear) -> bool:
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


def _travelling(at: Linearisation, linear: Linear, values: np.ndarray, problem: Problem) -> Propagated | None:
    """The kink's waves in the potential `-T^-1 Q(h(x, t))`, first `h = u0`; derivatives act by their mean matrices."""
    (low, high), (start, end) = problem.domain.bounds.values()
    mean = {index: np.mean(matrices, axis=0) for index, matrices in linear.items()}
    time_part = mean[(1,)]
    spectrum = np.abs(np.fft.rfft(values, axis=0))
    count = 1 + np.flatnonzero(np.max(spectrum, axis=1) > 1e-15 * np.max(spectrum))[-1]
    samples = values if 2 * count > SAMPLES else np.asarray(resample(values, 2 * int(count) - 2))
    turning = mean | {(): np.zeros_like(time_part)}
    rates, vectors = np.linalg.eig(_symbols(turning, 2 * np.pi / (high - low) * np.arange(count)))
    if np.max(np.linalg.cond(vectors)) > WORST_CONDITION:
        return None
    point = jnp.array([low, start])
    inverse = np.linalg.inv(time_part)
    potential = jax.vmap(lambda h: -inverse @ at(h, point)[()])
    waves = Waves(samples, high - low, end - start, rates, vectors, potential)

    def function(lift: Callable[[Array, Array], Array] | None) -> PointFunction | None:
        return lift and (lambda point: lift(point[0] - low, point[1] - start).astype(point.dtype))

    def carry(field: PointFunction) -> PointFunction | None:
        x, t = np.meshgrid(low + waves.positions, start + waves.times)
        points = jnp.asarray(np.stack([x.ravel(), t.ravel()], axis=1))
        known = jax.jit(lambda points: jax.lax.map(field, points, batch_size=SAMPLES))(points)
        return function(waves.lift(np.asarray(known).reshape(*x.shape, -1)))

    lift = function(waves.lift(waves.initial[None]))
    return lift and Propagated(lift, carry)


def _symbols(matrices: dict[Index, np.ndarray], waves: np.ndarray) -> np.ndarray:
    """`S(k) = -T^-1 (sum_j A_j (i k)^j + Q)`, `(k, m, m)`, of matrices by index."""
    space = sum(
        matrix * (1j * waves[:, None, None]) ** len(index) for index, matrix in matrices.items() if index != (1,)
    )
    return -np.linalg.solve(matrices[(1,)], space)


def _linearisation(problem: Problem) -> Linearisation | None:
    """The matrices by index of the equations linearised at constant outputs; None unless they are of first order in
    time and know all their coefficients and take no value at another point."""
    rows = linearised(problem)
    if rows is None or (1,) not in rows.indices or not all(set(index) <= {0} for index in rows.indices - {(1,)}):
        return None
    zero = {index: jnp.zeros(rows.size) for index in sorted(rows.indices)}
    return lambda outputs, point: jax.jacfwd(rows)(zero | {(): outputs}, point)


def _constant(at: Linearisation, bases: np.ndarray, problem: Problem) -> Linear | None:
    """The matrices `(n, m, m)` at each of `bases (n, m)`; None where they depend on the point or don't fit."""
    points, size = jnp.asarray(problem.domain.sample(5, seed=7)), bases.shape[1]
    matrices = jax.vmap(lambda p: jax.vmap(lambda b: at(b, p))(jnp.asarray(bases)))(points)
    found = {index: np.asarray(matrix) for index, matrix in matrices.items()}
    scale = max(np.max(np.abs(matrix)) for matrix in found.values())
    if any(m.shape[2:] != (size, size) or np.max(np.ptp(m, axis=0)) > 1e-10 * scale for m in found.values()):
        return None
    linear = {index: matrix[0] for index, matrix in found.items()}
    return linear if np.max(np.linalg.cond(linear[(1,)])) < WORST_CONDITION else None
