"""Constant-energy molecular dynamics, compiled: velocity Verlet in `lax.scan`, and how well it keeps the energy.

Units: fs, angstrom, amu, eV, K; velocities in angstrom/fs.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int
from matplotlib.figure import Figure

from pinnact.potentials.configurations import Geometry, symbols
from pinnact.potentials.evaluation import prepared
from pinnact.potentials.mechanics import masses_of, rigid_motions
from pinnact.potentials.potential import AbstractPotential, energy_and_forces
from pinnact.potentials.units import ACCELERATION, BOLTZMANN
from pinnact.potentials.xyz import write_xyz
from pinnact.precision import precision

_STEPS, _RECORDS = 5000, 250  # at most, between two looks at whether the molecule is still whole
_BLOCKS = 20  # the drift is fitted through the means of so many blocks
_CLOSEST, _FARTHEST = 0.4, 3.0  # of the smallest and of the largest distance to a nearest neighbour at the start


State = tuple[Array, Array, Array, Array]


@dataclass(frozen=True)
class Drift:
    """The drift of the total energy in meV per atom and 10 ps, and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Trajectory:
    """Records of a run: times `(n,)`, positions and velocities `(n, a, 3)`, potential energies `(n,)`.

    `stopped` says why the run ended early (None if it did not); `speed` is in steps a second, once compiled.
    """

    geometry: Geometry
    masses: Float[np.ndarray, " a"]
    times: Float[np.ndarray, " n"]
    positions: Float[np.ndarray, "n a 3"]
    velocities: Float[np.ndarray, "n a 3"]
    potential_energies: Float[np.ndarray, " n"]
    stopped: str | None
    speed: float

    @cached_property
    def kinetic_energies(self) -> Float[np.ndarray, " n"]:
        """`sum_a m_a |v_a|^2 / 2` in eV."""
        return np.einsum("a,nai->n", self.masses, self.velocities**2) / (2 * ACCELERATION)

    @cached_property
    def total_energies(self) -> Float[np.ndarray, " n"]:
        """Kinetic plus potential energy in eV."""
        return self.potential_energies + self.kinetic_energies

    @cached_property
    def temperatures(self) -> Float[np.ndarray, " n"]:
        """`2 K / (f k_B)` in K; `f` are the coordinates left beside translations and rotations of the whole."""
        freedoms = self.geometry.positions.size - rigid_motions(self.geometry, self.masses).shape[1]
        return 2 * self.kinetic_energies / (max(freedoms, 1) * BOLTZMANN)

    @property
    def exploded(self) -> bool:
        """Whether the run ended early: atoms fell onto each other or flew apart, or a number was not finite."""
        return self.stopped is not None

    @cached_property
    def drift(self) -> Drift:
        """The slope of a straight line through the total energies, in meV per atom and 10 ps, with standard error.

        The line is fitted to means over 20 blocks of time, since neighbouring records are correlated and would make
        the error look too small. nan for fewer than three records.
        """
        count = min(_BLOCKS, len(self.times))
        if count < 3:
            return Drift(float("nan"), float("nan"))
        t, e = (
            np.array([block.mean() for block in np.array_split(x, count)]) for x in (self.times, self.total_energies)
        )
        t, e = t - t.mean(), e - e.mean()
        slope = t @ e / (t @ t)
        error = np.sqrt(np.sum((e - slope * t) ** 2) / (count - 2) / (t @ t))
        scale = 1e3 * 1e4 / len(self.masses)
        return Drift(float(scale * slope), float(scale * error))

    @cached_property
    def deviation(self) -> float:
        """The largest deviation of the total energy from its start, in meV an atom."""
        away = np.abs(self.total_energies - self.total_energies[0]).max()
        return float(1e3 * away / len(self.masses))

    def write(self, path: str | Path) -> None:
        """Writes the records as extended XYZ, with time, energy and temperature of each."""
        facts = [
            {"time": t, "energy": e, "temperature": k}
            for t, e, k in zip(self.times, self.potential_energies, self.temperatures, strict=True)
        ]
        write_xyz(path, self.geometry, self.positions, facts)

    def plot(self) -> Figure:
        """The total energy against time (meV an atom, from its start), and the temperature."""
        figure = Figure(figsize=(7, 4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        ps = self.times / 1e3
        above.plot(ps, 1e3 * (self.total_energies - self.total_energies[0]) / len(self.masses), lw=0.8)
        above.set_ylabel("energy - start\n(meV an atom)")
        above.set_title(f"drift {self.drift.value:.2g} +- {self.drift.error:.1g} meV per atom and 10 ps")
        below.plot(ps, self.temperatures, lw=0.8, color="tab:red")
        below.set(xlabel="time (ps)", ylabel="temperature (K)")
        return figure


def constant_energy(
    potential: AbstractPotential,
    geometry: Geometry,
    *,
    steps: int,
    temperature: float = 300.0,
    timestep: float = 0.5,
    every: int = 10,
    seed: int = 0,
    velocities: Float[ArrayLike, "a 3"] | None = None,
    masses: Float[ArrayLike, " a"] | None = None,
) -> Trajectory:
    """Dynamics at constant energy by velocity Verlet, `v += a dt/2; x += v dt; v += a(x) dt/2`, in float64.

    Swope et al. 1982, doi:10.1063/1.442716. Runs `steps` of `timestep` fs and records each `every`-th, the start
    included. It starts with `velocities` (angstrom/fs), or with those of `thermal_velocities` at `temperature` (K) and
    `seed`. Ends early, and says so in `stopped`, when a number is not finite, two atoms come nearer than 0.4 times the
    shortest distance at the start, or an atom is farther from its nearest neighbour than 3 times the most at the start.

    Raises ValueError for a step that is not positive, steps that are no multiple of `every`, velocities of another
    shape.
    """
    weights = masses_of(geometry, masses)
    check_settings(steps, timestep, every, temperature, seed)
    start = (
        thermal_velocities(geometry, temperature, seed, weights)
        if velocities is None
        else np.asarray(velocities, float)
    )
    if start.shape != geometry.positions.shape:
        raise ValueError(f"velocities of shape {start.shape}; {geometry.formula()} needs {geometry.positions.shape}")
    records = steps // every
    length = min(_RECORDS, max(1, _STEPS // every), -(-records // 2))  # two stretches at least: the first compiles
    with precision("float64"):
        arguments = (*prepared(potential, geometry), jnp.asarray(weights), jnp.asarray(float(timestep)))
        state, first = _begin(jnp.asarray(geometry.positions), jnp.asarray(start), *arguments)
        parts, speed, stopped = [jax.tree.map(lambda x: np.asarray(x)[None], first)], 0.0, None
        for done in range(0, records, length):
            wanted = min(length, records - done)
            counts = np.where(np.arange(_RECORDS) < wanted, every, 0)  # of one shape, so that one compilation does
            began = time.perf_counter()
            state, recorded = _run(state, jnp.asarray(counts), *arguments)
            recorded = jax.tree.map(lambda x, n=wanted: np.asarray(x)[:n], recorded)
            speed = max(speed, every * wanted / (time.perf_counter() - began))
            good, trouble = _trouble(geometry, parts[0][3][0], recorded)
            parts.append(jax.tree.map(lambda x, n=good: x[:n], recorded))
            if trouble:
                stopped = f"stopped at {timestep * every * (done + good + 1):.6g} fs: {trouble}"
                break
    positions, moving, energies, _ = (np.concatenate(part) for part in zip(*parts, strict=True))
    times = timestep * every * np.arange(len(positions))
    return Trajectory(geometry, weights, times, positions, moving, energies, stopped, speed)


def check_settings(steps: int, timestep: float, every: int, temperature: float, seed: int) -> None:
    """Raise ValueError for settings of a motion that can't be meant."""
    if not 0 < timestep < np.inf or every < 1 or steps < 1 or steps % every:
        raise ValueError(
            f"steps={steps}, every={every}, timestep={timestep}: give a positive step in fs, and steps that are a "
            "multiple of every"
        )
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature={temperature} is no temperature; give 0 K or more")
    if seed < 0:
        raise ValueError(f"seed={seed}: give a whole number, 0 or more")


def thermal_velocities(
    geometry: Geometry, temperature: float, seed: int = 0, masses: Float[ArrayLike, " a"] | None = None
) -> Float[np.ndarray, "a 3"]:
    """Maxwell-Boltzmann velocities in angstrom/fs without momentum and angular momentum, at exactly `temperature` (K).

    `v_a ~ N(0, k_B T / m_a)`; rigid motions are projected out, what is left is scaled to a kinetic energy of
    `f k_B T / 2` with the `f` coordinates left (`3a - 6`; `3a - 5` if linear; `3a - 3` in a cell, whose angular
    momentum isn't conserved). Raises ValueError for a negative temperature.
    """
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature={temperature} is no temperature; give 0 K or more")
    weights = masses_of(geometry, masses)
    rigid = rigid_motions(geometry, weights)
    drawn = np.random.default_rng(seed).standard_normal(geometry.positions.size)  # sqrt(m) v, up to a factor
    drawn -= rigid @ (rigid.T @ drawn)
    freedoms = drawn.size - rigid.shape[1]
    if freedoms == 0:
        return np.zeros_like(geometry.positions)
    drawn *= np.sqrt(freedoms * BOLTZMANN * temperature * ACCELERATION / (drawn @ drawn))
    return drawn.reshape(-1, 3) / np.sqrt(weights)[:, None]


def _trouble(
    geometry: Geometry, apart: Float[np.ndarray, " a"], records: tuple[np.ndarray, ...]
) -> tuple[int, str | None]:
    """How many records are good, and what is wrong with the next one; `apart` holds nearest distances at the start."""
    positions, velocities, energies, nearest = records
    finite = np.isfinite(energies) & np.all(np.isfinite(positions) & np.isfinite(velocities), axis=(1, 2))
    close = nearest.min(axis=1) < _CLOSEST * apart.min()
    far = (nearest.max(axis=1) > _FARTHEST * apart.max()) & np.isfinite(apart.max())  # a lone atom has no neighbour
    bad = np.flatnonzero(~finite | close | far)
    if not len(bad):
        return len(energies), None
    k, names = int(bad[0]), symbols(geometry.numbers)
    if not finite[k]:
        return k, "the energy or a position is not finite"
    atom = int(nearest[k].argmin() if close[k] else nearest[k].argmax())
    what = "fell onto its neighbour" if close[k] else "flew off"
    return k, f"atom {atom} ({names[atom]}) {what}, at {nearest[k][atom]:.3g} angstrom from the nearest atom"


def _nearest(positions: Float[Array, "a 3"], cell: Float[Array, "3 3"] | None) -> Float[Array, " a"]:
    """The distance of each atom to the nearest other one (images as in a cell that isn't very skew); inf without."""
    apart = positions[:, None] - positions[None, :]
    if cell is not None:
        apart = apart - jnp.round(apart @ jnp.linalg.inv(cell)) @ cell
    squares = jnp.sum(apart**2, axis=-1)
    return jnp.sqrt(jnp.min(jnp.where(jnp.eye(len(positions), dtype=bool), jnp.inf, squares), axis=1))


@eqx.filter_jit
def _begin(
    positions: Float[Array, "a 3"],
    velocities: Float[Array, "a 3"],
    potential: AbstractPotential,
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
    masses: Float[Array, " a"],
    timestep: Float[Array, ""],
) -> tuple[State, State]:
    """The state (positions, velocities, energy, accelerations) and the record of it."""
    energy, forces = energy_and_forces(potential, positions, numbers, cell)
    state = (positions, velocities, energy, forces * (ACCELERATION / masses)[:, None])
    return state, (positions, velocities, energy, _nearest(positions, cell))


@eqx.filter_jit
def _run(
    state: State,
    counts: Int[Array, " records"],
    potential: AbstractPotential,
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
    masses: Float[Array, " a"],
    timestep: Float[Array, ""],
) -> tuple[State, State]:
    """A record after each of `counts` steps."""
    factors = (ACCELERATION / masses)[:, None]

    def step(_: Int[Array, ""], state: State) -> State:
        x, v, _energy, a = state
        v = v + timestep / 2 * a
        x = x + timestep * v
        energy, forces = energy_and_forces(potential, x, numbers, cell)
        a = forces * factors
        return x, v + timestep / 2 * a, energy, a

    def record(state: State, count: Int[Array, ""]) -> tuple[State, State]:
        x, v, energy, a = jax.lax.fori_loop(0, count, step, state)
        return (x, v, energy, a), (x, v, energy, _nearest(x, cell))

    return jax.lax.scan(record, state, counts)
