"""Equivariant message passing: atoms carry scalars, vectors and tensors, which turn with the molecule.

After PaiNN (Schuett, Unke, Gastegger 2021, arXiv 2102.03150), with tensors of degree 2 beside its vectors, every root
and unit vector softened and a C-infinity cutoff, so that the energy is as smooth as its activation. Of any composition
and number of atoms, molecules and cells.
"""

# ruff: noqa: E741 (l is the degree of a harmonic, as in every book)

from dataclasses import dataclass, field
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.activations import AbstractActivation, silu
from pinnact.networks import Dense, dense_layers
from pinnact.potentials.atomic import shifts
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.cutoffs import Radial
from pinnact.potentials.harmonics import coupling, solid_harmonics
from pinnact.potentials.matching import Matching
from pinnact.potentials.neighbours import Images, images_within, neighbours
from pinnact.potentials.potential import AbstractPotential
from pinnact.potentials.repulsion import ZBL

_SOFT = 0.1  # of the length of a channel: its square root stays smooth where the vector or tensor vanishes
_UNIT = [np.sqrt(4 * np.pi / (2 * l + 1)) for l in range(3)]  # makes harmonics of unit vectors unit vectors
_COUPLING = np.sqrt(5) * coupling(1, 1, 2)  # of vector, vector and tensor
Features = list[Float[Array, "a f m"]]  # by degree l: scalars (m = 1), vectors (3), traceless symmetric tensors (5)


class Pair(eqx.Module):
    """Two affine layers with an activation between."""

    first: Dense
    second: Dense

    @staticmethod
    def of(inputs: int, hidden: int, outputs: int, key: PRNGKeyArray) -> "Pair":
        """With random weights."""
        return Pair(*dense_layers([(inputs, hidden), (hidden, outputs)], list(jax.random.split(key))))

    def __call__(self, activation: AbstractActivation, x: Float[Array, "a m"]) -> Float[Array, "a n"]:
        return jax.vmap(self.second)(activation(jax.vmap(self.first)(x)))


class Block(eqx.Module):
    """One round: messages from neighbours, then the features x_l of each atom mix.

    A message is `phi(s_j) W R(r_ij)`, split in parts: `s_i += first`, and for each degree l above 0
    `x_l,i += second x_l,j + third Y_l(u_ij)` with harmonics of the softened direction `u_ij`. The update is of
    `phi'(s_i, |V_l x_l,i|)`: `s += a + sum_l b_l <U_l x_l, V_l x_l>`, `x_l += c_l U_l x_l`, and with tensors
    `x_1 += d (U_2 x_2) . (U_1 x_1)`, `x_2 += e` times the traceless square of `U_1 x_1`.
    """

    filters: Float[Array, "k g"]
    message: Pair
    mixing: Float[Array, "l 2 f f"]
    update: Pair

    @staticmethod
    def of(radial: int, width: int, degree: int, key: PRNGKeyArray) -> "Block":
        """With random weights."""
        k_filters, k_message, k_mixing, k_update = jax.random.split(key, 4)
        sent, mixed = 1 + 2 * degree, 1 + 2 * degree + 2 * (degree > 1)
        return Block(
            jax.random.normal(k_filters, (radial, sent * width)) / np.sqrt(radial),
            Pair.of(width, width, sent * width, k_message),
            jax.random.normal(k_mixing, (degree, 2, width, width)) / np.sqrt(width),
            Pair.of((1 + degree) * width, width, mixed * width, k_update),
        )

    def __call__(
        self,
        activation: AbstractActivation,
        features: Features,
        radial: Float[Array, "a j k"],
        harmonics: list[Float[Array, "a j m"]],
    ) -> Features:
        """The next features; in a cell the neighbours j are the atoms, image after image."""
        s, *turning = features
        s, degree, images = s[..., 0], len(turning), radial.shape[1] // len(s)
        sent = jnp.tile(self.message(activation, s), (images, 1))
        own, *parts = jnp.split((radial @ self.filters) * sent[None], 1 + 2 * degree, axis=-1)
        s, ones, lengths, products = s + own.sum(axis=1), [], [], []
        for l, (passed, pointed) in enumerate(zip(parts[:degree], parts[degree:], strict=True)):
            moved = jnp.einsum("ijf,jfm->ifm", passed, jnp.tile(turning[l], (images, 1, 1)))
            turning[l] += moved + jnp.einsum("ijf,ijm->ifm", pointed, harmonics[l])
            one, other = jnp.einsum("oef,afm->oaem", self.mixing[l], turning[l])
            ones.append(one)
            lengths.append(jnp.sqrt(jnp.sum(other**2, axis=-1) + _SOFT**2))
            products.append(jnp.sum(one * other, axis=-1))
        mixed = self.update(activation, jnp.concatenate([s, *lengths], axis=-1))
        changed, *gates = jnp.split(mixed, 1 + 2 * degree + 2 * (degree > 1), axis=-1)
        s = s + changed + sum(gate * product for gate, product in zip(gates[:degree], products, strict=True))
        turning = [x + gate[..., None] * one for x, gate, one in zip(turning, gates[degree:], ones, strict=False)]
        if degree > 1:
            couple = jnp.asarray(_COUPLING, s.dtype)
            turning[0] += gates[-2][..., None] * jnp.einsum("mnp,afp,afn->afm", couple, ones[1], ones[0])
            turning[1] += gates[-1][..., None] * jnp.einsum("mnp,afm,afn->afp", couple, ones[0], ones[0])
        return [s[..., None], *turning]


@final
class Equivariant(AbstractPotential):
    """`E = sum_i shift_z + scale f(s_i)` of the scalars after all rounds, f a perceptron."""

    radial: Radial = eqx.field(static=True)
    degree: int = eqx.field(static=True)
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
        harmonics = [u * y for u, y in zip(_UNIT, solid_harmonics(directions, self.degree))][1:]
        s = kinds @ self.embedding
        features = [s[..., None], *(jnp.zeros((*s.shape, 2 * l + 1), float_) for l in range(1, self.degree + 1))]
        for block in self.blocks:
            features = block(self.activation, features, radial, harmonics)
        each = jnp.asarray(self.scale, float_) * self.readout(self.activation, features[0][..., 0])[:, 0]
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
    """Message passing with `width` channels of each degree in `rounds` rounds, and `radial` functions of distances.

    `degree` 1 has scalars and vectors, as PaiNN; 2, the default, tensors beside them.
    Far slower a step than networks of fixed descriptors: for accelerators, or where surroundings beyond the cutoff
    matter (each round reaches one cutoff further). It trains best on small batches at a high rate, its `matching`.
    """

    width: int = 32
    rounds: int = 3
    degree: int = 2
    activation: AbstractActivation = silu
    radial: Radial = field(default_factory=lambda: Radial(cutoff=5.0, count=12))
    repulsion: ZBL | None = None

    matching = Matching(batch=4, rate=5e-3)
    fitted = False
    one_molecule = False
    periodic = True

    def __post_init__(self) -> None:
        for name in ("width", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: it must be at least 1")
        if self.degree not in (1, 2):
            raise ValueError(f"degree={self.degree}: give 1 for scalars and vectors, 2 for tensors too")

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
            degree=self.degree,
            elements=elements,
            images=(first, second, third),
            crowd=float(np.sqrt(max(1.0, atoms - 1 if train.cells is None else 30.0))),
            shifts=energies,
            scale=np.asarray(max(np.std(train.energies - per_frame) / np.sqrt(atoms), 1e-6)),
            embedding=jax.random.normal(k_embedding, (len(elements), self.width)),
            blocks=tuple(Block.of(self.radial.count, self.width, self.degree, k) for k in keys),
            readout=Pair.of(self.width, self.width, 1, k_readout),
            activation=self.activation,
            repulsion=self.repulsion,
        )
