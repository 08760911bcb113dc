"""A lift of initial values whose periodic extension has kinks: the equation's own linear part carries them in time.

On a periodic interval, a kink of the initial data can be built into no smooth network. The solution however keeps it,
damped or dispersed by the linear part of the equation. So the lift `z` solves a linearised equation,

    T z_t + sum_j A_j d_x^j z + Q z = 0,   z(x, 0) = u0(x),

and the network adds a smoother rest. Where waves are damped, a kink stays where it was and `Q` is taken there, at the
seam: each wave has its own rate. Where waves travel, they cross all of the data and are refracted: `Q(x)` is taken at
`u0(x)`, and the lift is a sum over the eigenfunctions of the self-adjoint operator that this makes.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact.fields import Field, Frame
from pinnact.operators import Index, PointFunction
from pinnact.problem import Problem

SAMPLES = 1024
MOST_GROWTH = 3.0  # the largest exponent (growth rate times duration) that a lift may have
WORST_CONDITION = 1e6  # of matrices of eigenvectors and of the time derivative's matrix
Linear = dict[Index, np.ndarray]
Evolution = Callable[[Array, Array], Array]  # from position and time, both from 0, to complex outputs (m,)


def propagator(problem: Problem, initial: list[PointFunction]) -> PointFunction | None:
    """The lift of all real outputs, `point -> (m,)`, from initial values by output; None where there is no such lift.

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
    spectrum = np.fft.fft(values, axis=0) / SAMPLES
    keep = np.max(np.abs(spectrum), axis=1) > 1e-15 * np.max(np.abs(spectrum))
    spectrum, waves = spectrum[keep], 2 * np.pi / (high - low) * np.fft.fftfreq(SAMPLES, 1 / SAMPLES)[keep]
    linear = _linearised(problem, values)
    if linear is None:
        return None
    evolved = _damped(linear, waves, spectrum)
    if evolved and np.max(np.abs(evolved[0].real)) * (end - start) < 1 and _varies(linear):
        evolved = _refracted(linear, waves, spectrum)
    if evolved is None or np.max(evolved[0].real) * (end - start) > MOST_GROWTH:
        return None
    return lambda point: evolved[1](point[0] - low, point[1] - start).real.astype(point.dtype)


def _varies(linear: Linear) -> bool:
    """Whether the term without derivatives depends on the outputs."""
    matrices = linear.get((), np.zeros((1, 1, 1)))
    return bool(np.max(np.ptp(matrices, axis=0)) > 1e-10 * np.max(np.abs(matrices)))


def _damped(linear: Linear, waves: np.ndarray, spectrum: np.ndarray) -> tuple[np.ndarray, Evolution] | None:
    """Each wave with its own rates `S(k)`, the equation linearised at the seam: `sum_k exp(i k x + t S(k)) u0_k`."""
    rates, vectors = np.linalg.eig(_symbols({index: matrices[0] for index, matrices in linear.items()}, waves))
    if np.max(np.linalg.cond(vectors)) > WORST_CONDITION:
        return None
    amplitudes = vectors * np.linalg.solve(vectors, spectrum[:, :, None]).transpose(0, 2, 1)

    def evolution(x: Array, t: Array) -> Array:
        phases = jnp.exp(1j * jnp.asarray(waves)[:, None] * x + jnp.asarray(rates) * t)
        return jnp.einsum("kim,km->i", jnp.asarray(amplitudes), phases)

    return rates, evolution


def _refracted(linear: Linear, waves: np.ndarray, spectrum: np.ndarray) -> tuple[np.ndarray, Evolution] | None:
    """Waves in the potential `Q(u0(x))`: for each direction `m` in which the fastest waves turn (the eigenvectors of
    the highest derivative's matrix) `sum_n e_n(x) exp(t E_n) <e_n, u0>` over eigenfunctions of a self-adjoint operator.

    Directions turn too fast against each other to couple, so only the diagonal of `Q` is kept, and of that the
    imaginary part, which turns waves and does not grow; real parts act by their mean.
    """
    mean = {index: np.mean(matrices, axis=0) for index, matrices in linear.items()}
    time_part, highest = mean[(1,)], max(linear, key=lambda index: (set(index) <= {0}, len(index)))
    _, directions = np.linalg.eig(np.linalg.solve(time_part, mean[highest]))
    if np.linalg.cond(directions) > WORST_CONDITION:
        return None
    diagonal = lambda matrices: np.diagonal(np.linalg.solve(directions, matrices @ directions), axis1=1, axis2=2)
    symbols = diagonal(_symbols(mean, waves))
    potential = diagonal(np.linalg.solve(time_part, mean[()] - linear[()])).imag
    coupling = np.fft.fft(potential, axis=0) / len(potential)
    numbers = np.rint(waves / np.min(waves[waves > 0])).astype(int)
    operators = np.moveaxis(coupling[numbers[:, None] - numbers], 2, 0)
    operators = operators + np.stack([np.diag(symbol.imag) for symbol in symbols.T])
    energies, modes = np.linalg.eigh(operators)
    rates = np.mean(symbols.real, axis=0)[:, None] + 1j * energies
    shares = np.einsum("mkn,km->mn", modes.conj(), np.linalg.solve(directions, spectrum.T).T)

    def evolution(x: Array, t: Array) -> Array:
        shapes = jnp.einsum("k,mkn->mn", jnp.exp(1j * jnp.asarray(waves) * x), jnp.asarray(modes))
        amplitudes = jnp.sum(shapes * jnp.exp(jnp.asarray(rates) * t) * jnp.asarray(shares), axis=1)
        return jnp.asarray(directions) @ amplitudes

    return rates, evolution


def _symbols(matrices: dict[Index, np.ndarray], waves: np.ndarray) -> np.ndarray:
    """`S(k) = -T^-1 (sum_j A_j (i k)^j + Q)`, `(k, m, m)`, of matrices by index."""
    space = sum(
        matrix * (1j * waves[:, None, None]) ** len(index) for index, matrix in matrices.items() if index != (1,)
    )
    return -np.linalg.solve(matrices[(1,)], space)


def _linearised(problem: Problem, bases: np.ndarray) -> Linear | None:
    """The matrices `(n, m, m)` by index of the equations linearised at constant outputs, at each of `bases (n, m)`.

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
    found = {index: np.asarray(matrix) for index, matrix in matrices.items()}
    scale = max(np.max(np.abs(matrix)) for matrix in found.values())
    if any(m.shape[2:] != (size, size) or np.max(np.ptp(m, axis=0)) > 1e-10 * scale for m in found.values()):
        return None
    linear = {index: matrix[0] for index, matrix in found.items()}
    return linear if np.max(np.linalg.cond(linear[(1,)])) < WORST_CONDITION else None


def _fixed(name: str, point: Array, frame: Frame, table: dict[Index, Array]) -> Field:
    def no_function(q: Array) -> Array:
        raise TypeError(f"{name}(q) can't be linearised here")

    return Field(name, no_function, point, frame, table)
