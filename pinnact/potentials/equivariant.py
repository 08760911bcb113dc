"""Equivariant message passing: atoms carry scalars and vectors, which turn with the molecule.

After PaiNN (Schuett, Unke, Gastegger 2021, arXiv 2102.03150), with every root and unit vector softened and a C-infinity
cutoff, so that the energy is as smooth as its activation. Of any composition and number of atoms, molecules and cells.
"""

from dataclasses import dataclass, field
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.activations import AbstractActivation, silu
from pinnact.networks import Dense
from pinnact.potentials.atomic import shifts
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.cutoffs import Radial
from pinnact.potentials.neighbours import Images, images_within, neighbours
from pinnact.potentials.potential import AbstractPotential
from pinnact.potentials.repulsion import ZBL

_SOFT = 0.1  # of the length of a vector channel: its square root stays smooth where the vector vanishes
Scalars = Float[Array, "a f"]
Vectors = Float[Array, "a f 3"]


class Pair(eqx.Module):
    """Two affine layers with an activation between."""

    first: Dense
    second: Dense

    @staticmethod
    def of(inputs: int, hidden: int, outputs: int, key: PRNGKeyArray) -> "Pair":
        """With random weights."""
        k_first, k_second = jax.random.split(key)
        return Pair(Dense(inputs, hidden, k_first), Dense(hidden, outputs, k_second))

    def __call__(self, activation: AbstractActivation, x: Float[Array, "a m"]) -> Float[Array, "a n"]:
        return jax.vmap(self.second)(activation(jax.vmap(self.first)(x)))


class Block(eqx.Module):
    """One round: messages from neighbours, then scalars and vectors of each atom mix.

    A message is `phi(s_j) W R(r_ij)`, split in three: `s_i += first`, `v_i += second v_j + third u_ij` with the
    softened direction `u_ij`. The update is of `phi'(s_i, |V v_i|)`: `s += a + b <U v, V v>`, `v += c U v`.
    """

    filters: Float[Array, "k g"]
    message: Pair
    mixing: Float[Array, "2 f f"]
    update: Pair

    @staticmethod
    def of(radial: int, width: int, key: PRNGKeyArray) -> "Block":
        """With random weights."""
        k_filters, k_message, k_mixing, k_update = jax.random.split(key, 4)
        return Block(
            jax.random.normal(k_filters, (radial, 3 * width)) / np.sqrt(radial),
            Pair.of(width, width, 3 * width, k_message),
            jax.random.normal(k_mixing, (2, width, width)) / np.sqrt(width),
            Pair.of(2 * width, width, 3 * width, k_update),
        )

    def __call__(
        self,
        activation: AbstractActivation,
        s: Scalars,
        v: Vectors,
        radial: Float[Array, "a j k"],
        directions: Float[Array, "a j 3"],
    ) -> tuple[Scalars, Vectors]:
        """The next scalars and vectors; in a cell the neighbours j are the atoms, image after image."""
        images = radial.shape[1] // len(s)
        sent = jnp.tile(self.message(activation, s), (images, 1))
        weights = (radial @ self.filters) * sent[None]
        own, passed, pointed = jnp.split(weights, 3, axis=-1)
        moved = jnp.einsum("ijf,jfc->ifc", passed, jnp.tile(v, (images, 1, 1)))
        s, v = s + own.sum(axis=1), v + moved + jnp.einsum("ijf,ijc->ifc", pointed, directions)
        one, other = jnp.einsum("oef,afc->oaec", self.mixing, v)
        length = jnp.sqrt(jnp.sum(other**2, axis=-1) + _SOFT**2)
        changed, product, turned = jnp.split(self.update(activation, jnp.concatenate([s, length], axis=-1)), 3, axis=-1)
        return s + changed + product * jnp.sum(one * other, axis=-1), v + turned[..., None] * one


@final
class Equivariant(AbstractPotential):
    """`E = sum_i shift_z + scale f(s_i)` of the scalars after all rounds, f a perceptron."""

    radial: Radial = eqx.field(static=True)
    elements: tuple[int, ...] = eqx.field(static=True)
    images: Images = eqx.field(static=True)
    crowd: float = eqx.field(static=True)  # root of the usual number of neighbours: sums of messages stay of order 1
    shifts: Float[np.ndarray, " e"]
    scale: Float[np.ndarray, ""]
    embedding: Float[Array, "e f"]
    blocks: tuple[Block, ...]
    readout: Pair
    activation: AbstractActivation
    repulsion: ZBL | None = eqx.field(static=True, default=None)

    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, ""]:
        """The energy in eV; an element that the potential was not made for counts as no atom."""
        float_ = positions.dtype
        kinds = self._kinds(numbers, float_)
        charges = kinds @ jnp.asarray(self.elements, float_)  # 0 for padding and for elements that are not known
        found = neighbours(positions, charges, cell, self.radial.cutoff, self.images)
        square = jnp.where(found.present, jnp.sum(found.vectors**2, axis=-1), self.radial.cutoff**2)
        radial = self.radial(square) / self.crowd  # 0 for what is not present
        directions = found.vectors / self.radial.soft(square)[..., None]
        s = kinds @ self.embedding
        v = jnp.zeros((*s.shape, 3), float_)
        for block in self.blocks:
            s, v = block(self.activation, s, v, radial, directions)
        each = jnp.asarray(self.scale, float_) * self.readout(self.activation, s)[:, 0]
        energy = jnp.sum(kinds @ jnp.asarray(self.shifts, float_)) + jnp.sum(jnp.where(charges > 0, each, 0.0))
        if self.repulsion is None:
            return energy
        near = neighbours(positions, charges, cell, self.repulsion.cutoff, self.images)
        return energy + self.repulsion(charges, near)

    def constant(self, numbers: Int[Array, " a"]) -> Float[Array, ""]:
        """The energies of the elements."""
        shifts = jnp.asarray(self.shifts)
        return jnp.sum(self._kinds(numbers, shifts.dtype) @ shifts)

    def bare(self) -> "Equivariant":
        """Without the energies of the elements."""
        return eqx.tree_at(lambda potential: potential.shifts, self, np.zeros_like(self.shifts))

    def _kinds(self, numbers: Int[Array, " a"], dtype: np.dtype) -> Float[Array, "a e"]:
        return jnp.stack([numbers == z for z in self.elements], axis=-1).astype(dtype)


@dataclass(frozen=True)
class EquivariantPotential:
    """Message passing with `width` scalar and vector channels in `rounds` rounds, `radial` functions of distances.

    Far slower a step than networks of fixed descriptors: for accelerators, or where surroundings beyond the cutoff
    matter (each round reaches one cutoff further).
    """

    width: int = 64
    rounds: int = 3
    activation: AbstractActivation = silu
    radial: Radial = field(default_factory=lambda: Radial(cutoff=5.0, count=12))
    repulsion: ZBL | None = None

    fitted = False
    one_molecule = False
    periodic = True

    def __post_init__(self) -> None:
        for name in ("width", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: it must be at least 1")

    @property
    def smoothness(self) -> float:
        """The k of C^k of the energy: that of the activation."""
        return self.activation.smoothness

    def begin(self, train: Configurations, key: PRNGKeyArray, budget: float) -> Equivariant:
        """The untrained potential for the elements and cells of `train`."""
        elements = tuple(train.elements)
        cells = () if train.cells is None else np.unique(train.cells, axis=0)
        reach = np.max([(0, 0, 0), *(images_within(cell, self.radial.cutoff) for cell in cells)], axis=0)
        first, second, third = map(int, reach)
        k_embedding, k_readout, *keys = jax.random.split(key, self.rounds + 2)
        energies = shifts(train, elements, train.isolated)
        per_frame = (np.stack([(train.numbers == z).sum(axis=1) for z in elements], axis=1)) @ energies
        atoms = np.mean(np.sum(train.numbers > 0, axis=1))
        return Equivariant(
            radial=self.radial,
            elements=elements,
            images=(first, second, third),
            crowd=float(np.sqrt(max(1.0, atoms - 1 if train.cells is None else 30.0))),
            shifts=energies,
            scale=np.asarray(max(np.std(train.energies - per_frame) / np.sqrt(atoms), 1e-6)),
            embedding=jax.random.normal(k_embedding, (len(elements), self.width)),
            blocks=tuple(Block.of(self.radial.count, self.width, k) for k in keys),
            readout=Pair.of(self.width, self.width, 1, k_readout),
            activation=self.activation,
            repulsion=self.repulsion,
        )
