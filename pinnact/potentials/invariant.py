"""A network of the inverse distances of one molecule, symmetrised over the permutations that its bonds allow."""

import itertools
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.activations import AbstractActivation, silu
from pinnact.networks import Dense, dense_layers
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.matching import Matching
from pinnact.potentials.potential import AbstractPotential
from pinnact.potentials.symmetries import automorphisms, bond_graph

MOST_PERMUTATIONS = 120  # each costs one pass of the network


class Invariant(AbstractPotential):
    """`E = shift + scale * mean_P f(P z)` of standardised inverse distances `z_ij = (1/r_ij - centre_ij) / deviation`.

    The mean over the permutations `P` makes the energy exactly symmetric; `f` is a multilayer perceptron. `deviation`
    and `scale` are trained with it: `deviation` grows to three times that of the data, which makes `f` smoother, and
    the force error on new frames falls by a third (docs/experiments.md). Arrays of NumPy are fixed.
    """

    layers: tuple[Dense, ...]
    activation: AbstractActivation
    pairs: Int[np.ndarray, "2 d"]
    permutations: Int[np.ndarray, "p d"]
    centre: Float[np.ndarray, " d"]
    shift: Float[np.ndarray, ""]
    deviation: Float[Array, ""]
    scale: Float[Array, ""]

    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, ""]:
        """The energy in eV; numbers and cell play no part, as the model is of one molecule."""
        return self._energy(jax.vmap(self._network)(self._features(positions)[self.permutations]).mean())

    def sampled(
        self,
        positions: Float[Array, "a 3"],
        numbers: Int[Array, " a"],
        cell: Float[Array, "3 3"] | None,
        key: PRNGKeyArray,
    ) -> Float[Array, ""]:
        """The energy by one permutation drawn at random: its mean over the draw is the symmetric energy."""
        chosen = jax.random.randint(key, (), 0, len(self.permutations))
        return self._energy(self._network(self._features(positions)[jnp.asarray(self.permutations)[chosen]]))

    def constant(self, numbers: Int[Array, " a"]) -> Float[Array, ""]:
        """The mean energy of the frames it was begun with."""
        return jnp.asarray(self.shift)

    def bare(self) -> "Invariant":
        """Without that mean."""
        return eqx.tree_at(lambda potential: potential.shift, self, np.zeros(()))

    def _features(self, positions: Float[Array, "a 3"]) -> Float[Array, " d"]:
        first, second = self.pairs
        inverse = jax.lax.rsqrt(jnp.sum((positions[first] - positions[second]) ** 2, axis=1))
        return (inverse - jnp.asarray(self.centre, inverse.dtype)) / self.deviation

    def _network(self, features: Float[Array, " d"]) -> Float[Array, ""]:
        h = features
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        return self.layers[-1](h)[0]

    def _energy(self, value: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.asarray(self.shift, value.dtype) + self.scale * value


@dataclass(frozen=True)
class InvariantMLP:
    """A multilayer perceptron of all inverse distances of one molecule, symmetrised over its bond graph's permutations.

    `width`, `depth` and `activation` are those of the hidden layers. For molecules of up to about 12 atoms.
    """

    width: int = 128
    depth: int = 2
    activation: AbstractActivation = silu

    matching = Matching(batch=16, average=2000)
    fitted = False
    one_molecule = True
    periodic = False

    def __post_init__(self) -> None:
        if min(self.width, self.depth) < 1:
            raise ValueError(f"width={self.width} and depth={self.depth}: both must be at least 1")

    @property
    def smoothness(self) -> float:
        """The k of C^k of the energy: that of the activation."""
        return self.activation.smoothness

    def begin(self, train: Configurations, key: PRNGKeyArray, budget: float) -> Invariant:
        """The untrained model of the molecule of `train`; raises ValueError for frames of several compositions."""
        numbers = train.molecule
        if numbers is None:
            raise ValueError(
                f"{train.name} has frames of different molecules; InvariantMLP is of one: use AtomicNetwork"
            )
        atoms = automorphisms(numbers, bond_graph(train), MOST_PERMUTATIONS)
        if atoms is None:
            raise ValueError(
                f"the bonds of {train.name} allow more than {MOST_PERMUTATIONS} permutations; use AtomicNetwork"
            )
        pairs = np.stack(np.triu_indices(len(numbers), 1))
        index = np.zeros((len(numbers), len(numbers)), int)
        index[pairs[0], pairs[1]] = index[pairs[1], pairs[0]] = np.arange(pairs.shape[1])
        permutations = index[atoms[:, pairs[0]], atoms[:, pairs[1]]]
        gaps = train.positions[:, pairs[0]] - train.positions[:, pairs[1]]
        inverse = (1 / np.linalg.norm(gaps, axis=2))[:, permutations]
        centre = inverse.mean(axis=(0, 1))
        deviation = np.sqrt(np.mean((inverse - centre) ** 2))
        sizes = [pairs.shape[1], *[self.width] * self.depth, 1]
        keys = jax.random.split(key, len(sizes) - 1)
        return Invariant(
            layers=tuple(dense_layers(list(itertools.pairwise(sizes)), list(keys))),
            activation=self.activation,
            pairs=pairs,
            permutations=permutations,
            centre=centre,
            shift=np.asarray(np.mean(train.energies)),
            deviation=jnp.asarray(deviation),
            scale=jnp.asarray(max(np.std(train.energies), 1e-6)),
        )
