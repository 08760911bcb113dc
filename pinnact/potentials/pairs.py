"""The pairs of atoms of one molecule: their distances as coordinates, and how its symmetries permute them.

Positions in angstrom. The coordinate of a pair is log r (power 0) or (1 - r^-power) / power, of which power 1 is the
inverse distance of sGDML but for sign and shift. Its derivative by position is r^-power times that of log r.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pinnact.potentials.configurations import Configurations
from pinnact.potentials.symmetries import bond_graph, hops, largest_group


@dataclass(frozen=True, eq=False)
class Pairs:
    """All P = a (a - 1) / 2 pairs of a molecule's atoms.

    `permuted[q]` lists where the coordinates come from under the q-th permutation, so that `x[permuted]` holds all
    equivalent copies of x. `kinds` numbers the pairs, and `atom_kinds` the atoms, that no permutation tells apart.
    """

    numbers: Int[np.ndarray, " a"]
    permutations: Int[np.ndarray, "p a"]
    bonds: Int[np.ndarray, "a a"]
    first: Int[np.ndarray, " P"]
    second: Int[np.ndarray, " P"]
    permuted: Int[np.ndarray, "p P"]
    kinds: Int[np.ndarray, " P"]
    atom_kinds: Int[np.ndarray, " a"]

    @staticmethod
    def of(numbers: Int[np.ndarray, " a"], adjacency: Bool[np.ndarray, "a a"], limit: int) -> "Pairs":
        """The pairs of a molecule of these bonds, under at most `limit` of its symmetries."""
        permutations = largest_group(numbers, adjacency, limit)
        first, second = np.triu_indices(len(numbers), 1)
        place = np.zeros(adjacency.shape, int)
        place[first, second] = place[second, first] = np.arange(len(first))
        permuted = place[permutations[:, first], permutations[:, second]]
        kinds = np.unique(permuted.min(0), return_inverse=True)[1]
        atom_kinds = np.unique(permutations.min(0), return_inverse=True)[1]
        return Pairs(numbers, permutations, hops(adjacency), first, second, permuted, kinds, atom_kinds)

    @staticmethod
    def of_frames(train: Configurations, limit: int) -> "Pairs":
        """The pairs of the molecule of these frames, its bonds found in them."""
        adjacency = bond_graph(train)
        numbers = train.molecule
        assert numbers is not None  # bond_graph has raised otherwise
        return Pairs.of(numbers, adjacency, limit)

    def coordinates(
        self, positions: Float[np.ndarray, "n a 3"], power: float
    ) -> tuple[Float[np.ndarray, "n P"], Float[np.ndarray, "n P m"], Float[np.ndarray, "n c m"]]:
        """The coordinates x, their derivatives B = dx/dR Q, and bases Q of the m internal motions (c = 3 a).

        Q spans the row space of dx/dR, of dimension m = 3 a - 6 (1 for two atoms): the forces of a distance-based
        energy have no part outside it, so nothing is lost, and a matrix of second derivatives shrinks.
        """
        frames, atoms = positions.shape[:2]
        apart = positions[:, self.first] - positions[:, self.second]
        r = np.linalg.norm(apart, axis=-1)
        slope = r ** (-power - 2)
        jacobian = np.zeros((frames, r.shape[1], atoms, 3))
        pair = np.arange(r.shape[1])
        jacobian[:, pair, self.first] = slope[..., None] * apart
        jacobian[:, pair, self.second] = -slope[..., None] * apart
        jacobian = jacobian.reshape(frames, -1, 3 * atoms)
        internal = max(3 * atoms - 6, 1)
        basis = np.linalg.eigh(jacobian.transpose(0, 2, 1) @ jacobian)[1][:, :, -internal:]
        x = np.log(r) if power == 0 else (1 - r**-power) / power
        return x, jacobian @ basis, basis
