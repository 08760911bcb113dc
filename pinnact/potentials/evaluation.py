"""Energies, forces and second derivatives of one geometry, compiled, in float64, as NumPy arrays."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pinnact.potentials.configurations import Geometry
from pinnact.potentials.potential import AbstractPotential, energy_and_forces
from pinnact.precision import precision

Prepared = tuple[AbstractPotential, Int[Array, " a"], Float[Array, "3 3"] | None]


def in_float64(potential: AbstractPotential) -> AbstractPotential:
    """The potential with its parameters in float64, whatever they were trained in; called within that precision."""
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64) if eqx.is_inexact_array(x) else x, potential)


def prepared(potential: AbstractPotential, geometry: Geometry) -> Prepared:
    """What compiled functions take beside positions: the potential in float64, the atomic numbers, and the cell."""
    cell = None if geometry.cell is None else jnp.asarray(geometry.cell)
    return in_float64(potential), jnp.asarray(geometry.numbers), cell


def evaluate(potential: AbstractPotential, geometry: Geometry) -> tuple[float, Float[np.ndarray, "a 3"]]:
    """The energy in eV and the forces `-dE/dx` in eV/angstrom."""
    with precision("float64"):
        energy, forces = at(jnp.asarray(geometry.positions), *prepared(potential, geometry))
        return float(energy), np.asarray(forces)


def hessian(potential: AbstractPotential, geometry: Geometry) -> Float[np.ndarray, "n n"]:
    """The second derivatives `d^2 E / dx_i dx_j`, `n = 3a`, in eV/angstrom^2 by `jax.hessian`; x, y, z of atom 0 first.

    Returned as computed: its asymmetry is round-off.
    """
    with precision("float64"):
        second = _hessian(jnp.asarray(geometry.positions), *prepared(potential, geometry))
        return np.asarray(second).reshape(geometry.positions.size, geometry.positions.size)


@eqx.filter_jit
def at(
    positions: Float[Array, "a 3"],
    potential: AbstractPotential,
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
) -> tuple[Float[Array, ""], Float[Array, "a 3"]]:
    """Energy and forces at positions, compiled: what `prepared` returns goes with them."""
    return energy_and_forces(potential, positions, numbers, cell)


@eqx.filter_jit
def _hessian(
    positions: Float[Array, "a 3"],
    potential: AbstractPotential,
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
) -> Float[Array, "a 3 a 3"]:
    return jax.hessian(lambda p: potential(p, numbers, cell))(positions)
