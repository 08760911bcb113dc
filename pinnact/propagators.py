"""A lift of initial values whose periodic extension has kinks: the equation's own linear part carries them in time.

On a periodic interval, a kink of the initial data can be built into no smooth network. The solution however keeps it,
damped or dispersed by the linear part of the equation. So the lift solves the equation linearised at the seam, where
the kink lies (where waves carry it off: linearised at the mean of what they cross),

    T z_t + sum_j A_j d_x^j z = 0,   z(x, 0) = u0(x),   z = Re sum_k exp(i k (x - x0)) exp(t S(k)) u0_k,

with `S(k) = -T^-1 sum_j A_j (i k)^j` and `u0_k` the Fourier coefficients of `u0`; the network adds a smoother rest.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact.fields import Field, Frame
from pinnact.operators import Index, PointFunction
from pinnact.problem import Problem

SAMPLES = 1024
MOST_GROWTH = 3.0  # the largest exponent (growth rate times duration) that a lift may have
Linear = dict[Index, np.ndarray]


def propagator(problem: Problem, initial: list[PointFunction]) -> PointFunction | None:
    """The lift of all real outputs, `point -> (m,)`, from initial values by output; None where there is no such lift.

    Needs one space coordinate, periodic, and equations of first order in time whose linearisation has constant
    coefficients and does not grow by more than a factor of e^3.
    """
    domain = problem.domain
    if domain.dimension != 2 or domain.time is None or domain.space != domain.periodic:
        return None
    low, high = domain.bounds[domain.space[0]]
    start, end = domain.bounds[domain.time]
    grid = np.stack([np.linspace(low, high, SAMPLES, endpoint=False), np.full(SAMPLES, start)], axis=1)
    values = np.stack([np.asarray(jax.vmap(data)(jnp.asarray(grid))) for data in initial], axis=1)
    waves = 2 * np.pi / (high - low) * np.arange(SAMPLES // 2 + 1)
    modes = _modes(problem, values[:1], waves)
    if modes is not None and np.max(np.abs(modes[0].real)) * (end - start) < 1:
        modes = _modes(problem, values[::4], waves)  # kinks travel as waves, and see the mean of what they cross
    if modes is None:
        return None
    rates, vectors = modes
    if np.max(rates.real) * (end - start) > MOST_GROWTH or np.max(np.linalg.cond(vectors)) > 1e6:
        return None
    spectrum = np.fft.rfft(values, axis=0) / SAMPLES
    spectrum[1:-1] *= 2  # the negative wave numbers
    amplitudes = vectors * np.linalg.solve(vectors, spectrum[:, :, None]).transpose(0, 2, 1)
    keep = np.max(np.abs(spectrum), axis=1) > 1e-15 * np.max(np.abs(spectrum))
    waves, rates, amplitudes = waves[keep], rates[keep], amplitudes[keep]

    def lift(point: Array) -> Array:
        along = 1j * jnp.asarray(waves)[:, None] * (point[0] - low) + jnp.asarray(rates) * (point[1] - start)
        return jnp.einsum("kim,km->i", jnp.asarray(amplitudes), jnp.exp(along)).real.astype(point.dtype)

    return lift


def _modes(problem: Problem, bases: np.ndarray, waves: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Rates `(k, m)` and vectors `(k, m, m)` of the waves that the equation linearised at `bases` lets grow or turn."""
    linear = _linearised(problem, bases)
    if linear is None:
        return None
    time_part = linear.pop((1,))
    if np.linalg.cond(time_part) > 1e8:
        return None
    symbols = np.zeros((len(waves), *time_part.shape), complex)
    for index, matrix in linear.items():
        symbols -= np.linalg.solve(time_part, matrix) * (1j * waves[:, None, None]) ** len(index)
    return tuple(np.linalg.eig(symbols))  # type: ignore[return-value]


def _linearised(problem: Problem, bases: np.ndarray) -> Linear | None:
    """The matrices of the equations linearised at constant outputs, by index: the mean over `bases (n, m)`.

    None unless the equations are of first order in time with coefficients that depend on nothing but the outputs.
    """
    indices: set[Index] = set()
    size = bases.shape[1]
    coefficients = problem.coefficient_functions()
    for name in problem.equations:
        record = problem.residuals_by_name[name].record
        if set(problem.residuals_by_name[name].arguments) & set(problem.inferred) or record.probed:
            return None
        indices |= {i for unknown in problem.fields for i in record.indices.get(unknown, set())}
    space_only = all(set(index) <= {0} for index in indices - {(1,)})
    if not space_only or (1,) not in indices:
        return None
    order = sorted(indices)

    def rows(table: dict[Index, Array], point: Array) -> Array:
        fields, span = {}, 0
        for name, unknown in problem.fields.items():
            own = {i: unknown.assemble(table[i][span : span + unknown.size]) for i in order}
            fields[name] = _fixed(name, point, problem.frame, own)
            span += unknown.size
        for name, f in coefficients.items():
            fields[name] = Field(name, f, point, problem.frame, {})
        return jnp.concatenate([problem.residuals_by_name[name](fields, point) for name in problem.equations])

    zero = {index: jnp.zeros(size) for index in order}
    points = jnp.asarray(problem.domain.sample(5, seed=7))

    def at(base: Array, point: Array) -> dict[Index, Array]:
        return jax.jacfwd(rows)(zero | ({(): base} if () in zero else {}), point)

    matrices = jax.vmap(lambda p: jax.vmap(lambda b: at(b, p))(jnp.asarray(bases)))(points)
    found = {index: np.mean(np.asarray(matrix), axis=1) for index, matrix in matrices.items()}
    scale = max(np.max(np.abs(matrix)) for matrix in found.values())
    if any(m.shape[1:] != (size, size) or np.max(np.ptp(m, axis=0)) > 1e-10 * scale for m in found.values()):
        return None
    return {index: matrix[0] for index, matrix in found.items()}


def _fixed(name: str, point: Array, frame: Frame, table: dict[Index, Array]) -> Field:
    def no_function(q: Array) -> Array:
        raise TypeError(f"{name}(q) can't be linearised here")

    return Field(name, no_function, point, frame, table)
