"""Atom-centred potentials: the energy is a sum over atoms, of their element and of invariants of their surroundings.

Of any composition and number of atoms, molecules and periodic cells. Energies in eV, positions in angstrom.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pinnact.activations import AbstractActivation
from pinnact.potentials.bodyorder import BodyOrder, density, invariants, table
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.neighbours import Images, images_within, neighbours
from pinnact.potentials.potential import AbstractPotential
from pinnact.potentials.repulsion import ZBL


@final
class Surroundings(eqx.Module):
    """The map from an arrangement of atoms to the invariants of every atom's surroundings.

    `elements` are the atomic numbers that it knows; `images` how many periodic images to each side it looks at.
    """

    spec: BodyOrder = eqx.field(static=True)
    elements: tuple[int, ...] = eqx.field(static=True)
    images: Images = eqx.field(static=True, default=(0, 0, 0))

    @staticmethod
    def of(spec: BodyOrder, frames: Configurations) -> "Surroundings":
        """For the elements and the cells of `frames`."""
        cells = () if frames.cells is None else np.unique(frames.cells, axis=0)
        counts = np.array([(0, 0, 0), *(images_within(cell, spec.radial.cutoff) for cell in cells)])
        first, second, third = map(int, counts.max(axis=0))
        return Surroundings(spec, tuple(frames.elements), (first, second, third))

    @property
    def count(self) -> int:
        """The number of invariants of an atom."""
        return len(table(self.spec, len(self.elements)).degree)

    def kinds(self, numbers: Int[Array, " a"], dtype: np.dtype) -> Float[Array, "a e"]:
        """One-hot elements; a row of zeros for padding."""
        return jnp.stack([numbers == z for z in self.elements], axis=-1).astype(dtype)

    def near(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None
    ) -> Float[Array, "c m a"]:
        """The projections A of every atom's neighbours (see `density`)."""
        found = neighbours(positions, numbers, cell, self.spec.radial.cutoff, self.images)
        element = jnp.where(found.present[..., None], self.kinds(found.numbers, positions.dtype)[None], 0.0)
        return density(self.spec.radial, self.spec.angular, found.vectors, element)

    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None
    ) -> Float[Array, "a b"]:
        """The invariants of every atom."""
        return invariants(table(self.spec, len(self.elements)), self.near(positions, numbers, cell)).T

    def with_derivatives(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None
    ) -> tuple[Float[Array, "a b"], Float[Array, "b a n"]]:
        """The invariants, and their derivatives by all 3 a coordinates: first of A, and from A on, both forwards."""
        basis = jnp.eye(positions.size, dtype=positions.dtype).reshape(*positions.shape, -1)
        scalars = lambda a: invariants(table(self.spec, len(self.elements)), a)
        a, slopes = _forwards(lambda p: self.near(p, numbers, cell), positions, basis)
        b, derivatives = _forwards(scalars, a, slopes)
        return b.T, derivatives


def _forwards(function: Callable[[Array], Array], at: Array, tangents: Float[Array, "*n t"]) -> tuple[Array, Array]:
    """A function's value and its derivatives along tangents, which are the last axis (so that gathers move rows)."""
    value, push = jax.linearize(function, at)
    return value, jax.vmap(push, in_axes=-1, out_axes=-1)(tangents)


class Layer(NamedTuple):
    """One affine layer for each element: weights `(e, n, m)` and biases `(e, n)`."""

    weight: Float[Array, "e n m"]
    bias: Float[Array, "e n"]

    def __call__(self, x: Float[Array, "a m"], kinds: Float[Array, "a e"]) -> Float[Array, "a n"]:
        """`W x + b` of each atom with the weights of its element."""
        every = jnp.einsum("am,enm->aen", x, self.weight) + self.bias[None]
        return jnp.einsum("aen,ae->an", every, kinds)


def perceptron(
    layers: tuple[Layer, ...], activation: AbstractActivation, x: Float[Array, "a m"], kinds: Float[Array, "a e"]
) -> Float[Array, "a n"]:
    """A multilayer perceptron for each element, applied to each atom."""
    for layer in layers[:-1]:
        x = activation(layer(x, kinds))
    return layers[-1](x, kinds)


@final
class Atomic(AbstractPotential):
    """`E = sum_i shift_z + w_z . B_i + f_z(B_i)`, with z the element of atom i and B_i the invariants around it.

    `linear` holds w, `shifts` the energies of elements; f is a perceptron (`layers` may be empty: a linear model).
    """

    surroundings: Surroundings
    shifts: Float[np.ndarray, " e"]
    linear: Float[Array, "e b"]
    layers: tuple[Layer, ...]
    activation: AbstractActivation
    repulsion: ZBL | None = eqx.field(static=True, default=None)

    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, ""]:
        """The energy in eV; an element that the potential was not made for counts as no atom."""
        b = self.surroundings(positions, numbers, cell)
        kinds = self.surroundings.kinds(numbers, b.dtype)
        energy = jnp.sum((b @ self.linear.T) * kinds) + jnp.sum(kinds @ jnp.asarray(self.shifts, b.dtype))
        if self.layers:
            energy += jnp.sum(perceptron(self.layers, self.activation, b, kinds))
        return energy + repelled(self.repulsion, self.surroundings, positions, numbers, cell)


def repelled(
    repulsion: ZBL | None,
    surroundings: Surroundings,
    positions: Float[Array, "a 3"],
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
) -> Float[Array, ""]:
    """The energy of a repulsion in eV, 0 without one."""
    if repulsion is None:
        return jnp.zeros((), positions.dtype)
    found = neighbours(positions, numbers, cell, repulsion.cutoff, surroundings.images)
    return repulsion(numbers.astype(positions.dtype), found)


def shifts(frames: Configurations, elements: tuple[int, ...], isolated: Mapping[int, float] | None) -> np.ndarray:
    """The energy of each element in eV: of its isolated atom where all are given, else fitted to the total energies."""
    if isolated is not None and set(elements) <= set(isolated):
        return np.array([isolated[z] for z in elements])
    counts = np.stack([(frames.numbers == z).sum(axis=1) for z in elements], axis=1).astype(float)
    return np.linalg.lstsq(counts, frames.energies, rcond=None)[0]
