"""Ensembles: networks of one kind, trained together from different starts; their spread is a measure of doubt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.activations import AbstractActivation
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.matching import Matching
from pinnact.potentials.potential import AbstractPotential, Recipe, energy_and_forces, is_trained


@final
class Committee(AbstractPotential):
    """The mean energy of several potentials of one kind.

    `trained` holds their trained arrays with a first axis for all, `shared` the rest of one of them: the two parts of
    an `eqx.partition`.
    """

    trained: AbstractPotential
    shared: AbstractPotential
    count: int = eqx.field(static=True)

    @staticmethod
    def of(members: Sequence[AbstractPotential]) -> "Committee":
        """Of members that differ in their trained arrays; for the rest that of the first is taken."""
        arrays = [eqx.partition(member, is_trained)[0] for member in members]
        shared = eqx.partition(members[0], is_trained)[1]
        return Committee(jax.tree.map(lambda *x: jnp.stack(x), *arrays), shared, len(members))

    def member(self, index: int) -> AbstractPotential:
        """One of them."""
        return eqx.combine(jax.tree.map(lambda x: x[index], self.trained), self.shared)

    def __call__(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, ""]:
        """The mean energy in eV."""
        return jnp.mean(self._each(lambda member, _: member(positions, numbers, cell)))

    def spread(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None = None
    ) -> Float[Array, "a 3"]:
        """The standard deviation of each force component over the members, in eV/angstrom."""
        forces = self._each(lambda member, _: energy_and_forces(member, positions, numbers, cell)[1])
        return jnp.std(forces, axis=0, ddof=1)

    def described(
        self, positions: Float[Array, "a 3"], numbers: Int[Array, " a"], cell: Float[Array, "3 3"] | None
    ) -> Any:
        """What any member trains on: it depends on what they share only."""
        return self.member(0).described(positions, numbers, cell)

    def matched(self, description: Any, key: PRNGKeyArray | None) -> tuple[Float[Array, "*m"], Float[Array, "*m a 3"]]:
        """With a key energies and forces of each member, each with its own draw; without one the means."""
        if key is None:
            energies, forces = self._each(lambda member, _: member.matched(description, None))
            return jnp.mean(energies), jnp.mean(forces, axis=0)
        return self._each(lambda member, own: member.matched(description, own), key)

    def constant(self, numbers: Int[Array, " a"]) -> Float[Array, ""]:
        """That of every member."""
        return self.member(0).constant(numbers)

    def bare(self) -> "Committee":
        """Of bare members."""
        return Committee.of([self.member(i).bare() for i in range(self.count)])

    def finished(self) -> "Committee":
        """Of finished members."""
        return Committee.of([self.member(i).finished() for i in range(self.count)])

    def _each(self, function: Callable[[Any, Any], Any], key: PRNGKeyArray | None = None) -> Any:
        """`function(member, key)` of each member, stacked."""
        keys = None if key is None else jax.random.split(key, self.count)
        return jax.vmap(lambda arrays, own: function(eqx.combine(arrays, self.shared), own))(self.trained, keys)


@dataclass(frozen=True)
class Ensemble:
    """`members` networks of one `recipe`, trained together in one compiled step; each costs as much as one alone.

    Its surface tells how far they differ (`uncertainty`) once it was `calibrated`, and its calculator warns beyond.
    """

    recipe: Recipe
    members: int = 4

    fitted = False

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members}: one has no spread; give 2 or more")
        if self.recipe.fitted:
            raise ValueError(f"{type(self.recipe).__name__} is solved, not trained: all members would be equal")

    @property
    def name(self) -> str:
        """How it is called in summaries."""
        return f"{self.members} x {type(self.recipe).__name__}"

    @property
    def activation(self) -> AbstractActivation | None:
        """That of the members."""
        return getattr(self.recipe, "activation", None)

    @property
    def smoothness(self) -> float:
        """That of the members."""
        return self.recipe.smoothness

    @property
    def one_molecule(self) -> bool:
        """As the members are."""
        return self.recipe.one_molecule

    @property
    def periodic(self) -> bool:
        """As the members are."""
        return self.recipe.periodic

    @property
    def matching(self) -> Matching:
        """That of the members."""
        return getattr(self.recipe, "matching", Matching())

    def begin(self, train: Configurations, key: PRNGKeyArray, budget: float) -> Committee:
        """The untrained members: each with its own weights, all with the constants of the first."""
        return Committee.of([self.recipe.begin(train, own, budget) for own in jax.random.split(key, self.members)])
