"""Potentials: energies of one arrangement of atoms as Equinox modules, and the recipes that begin them.

A potential is `potential(positions, numbers, cell) -> energy`; forces are minus its gradient, so they always fit it.
Energies in eV, positions `(a, 3)` in angstrom. Padding atoms have number 0 and take no part.
"""

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.potentials.configurations import Configurations


class AbstractPotential(eqx.Module):
    """The energy of one arrangement of atoms."""

    @abstractmethod
    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, ""]:
        """The energy in eV."""

    def sampled(
        self,
        positions: Float[Array, "a 3"],
        numbers: Int[Array, " a"],
        cell: Float[Array, "3 3"] | None,
        key: PRNGKeyArray,
    ) -> Float[Array, ""]:
        """What training takes for the energy: itself, or where that is cheaper, a random part with the same mean."""
        return self(positions, numbers, cell)

    def described(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None
    ) -> Any:
        """What training needs of a frame, computed once before it starts: the frame itself, or what it is described by.

        It may depend on what is not trained only.
        """
        return positions, numbers, cell

    def matched(self, description: Any, key: PRNGKeyArray | None) -> tuple[Float[Array, ""], Float[Array, "a 3"]]:
        """Energy and forces of a frame as `described`: with a key as training takes them (`sampled`), else exact."""
        positions, numbers, cell = description
        energy_of = lambda p: self(p, numbers, cell) if key is None else self.sampled(p, numbers, cell, key)
        energy, gradient = jax.value_and_grad(energy_of)(positions)
        return energy, jnp.negative(gradient)

    def constant(self, numbers: Int[Array, " a"]) -> Float[Array, ""]:
        """The part of the energy in eV that the atomic numbers alone decide."""
        return jnp.zeros(())

    def bare(self) -> "AbstractPotential":
        """The potential without its `constant`: in float32, thousands of eV would take the digits of training."""
        return self

    def finished(self) -> "AbstractPotential":
        """The same function in the form that predicts, where it was trained in another."""
        return self


@runtime_checkable
class Recipe(Protocol):
    """What a potential is made of, before it has met data: `InvariantMLP(width=128)`, `KernelPotential()`.

    `fitted` says whether `begin` already returns the best potential of its kind (a linear solve), so that nothing is
    left to train. `smoothness` is the k of C^k of the energy. `one_molecule` says whether only the molecule that it
    was made for can be asked for. `periodic` says whether a cell is understood.
    """

    @property
    def smoothness(self) -> float: ...

    @property
    def fitted(self) -> bool: ...

    @property
    def one_molecule(self) -> bool: ...

    @property
    def periodic(self) -> bool: ...

    def begin(self, train: Configurations, key: PRNGKeyArray, budget: float) -> AbstractPotential: ...


def is_trained(leaf: Any) -> bool:
    """Whether a leaf of a potential is trained: a floating array of JAX. Arrays of NumPy are constants."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def energy_and_forces(
    potential: AbstractPotential,
    positions: Float[Array, "a 3"],
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None = None,
) -> tuple[Float[Array, ""], Float[Array, "a 3"]]:
    """The energy and minus its gradient."""
    energy, gradient = jax.value_and_grad(lambda p: potential(p, numbers, cell))(positions)
    return energy, jnp.negative(gradient)


def stress(
    potential: AbstractPotential, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"]
) -> Float[Array, "3 3"]:
    """The derivative of the energy by strain over the volume, `(1/V) dE/d epsilon`, in eV/angstrom^3."""

    def strained(strain: Float[Array, "3 3"]) -> Float[Array, ""]:
        deformation = jnp.eye(3, dtype=positions.dtype) + (strain + strain.T) / 2
        return potential(positions @ deformation, numbers, cell @ deformation)

    return jax.grad(strained)(jnp.zeros((3, 3), positions.dtype)) / jnp.abs(jnp.linalg.det(cell))
