"""The symmetries of a molecule: its bonds from its geometries, and the permutations of like atoms that keep them.

Lengths in angstrom.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from pinnact.potentials.configurations import Configurations, symbols

# Covalent radii in hundredths of an angstrom, H to Cm: Cordero et al. 2008, doi:10.1039/b801115j (carbon sp3; Mn, Fe
# and Co of low spin).
_RADII = """
31 28 128 96 84 76 71 66 57 58 166 141 121 111 107 105 102 106 203 176 170 160 153 139 139 132 126 124 132 122 122 120
119 120 120 116 220 195 190 175 164 154 147 146 142 139 145 144 142 139 139 138 139 140 244 215 207 204 203 201 199 198
198 196 194 192 192 189 190 187 187 175 170 162 151 144 141 136 136 132 145 146 148 140 150 150 260 221 215 206 200 196
190 187 180 169
""".split()  # noqa: SIM905
_COVALENT = np.array([np.nan, *(int(radius) / 100 for radius in _RADII)])
_STRETCH = 1.25  # what a bond may be longer than the sum of its radii: a vibration reaches 1.15, a hydrogen bond 1.5


def bond_graph(configurations: Configurations) -> Bool[np.ndarray, "atoms atoms"]:
    """Which atoms of one molecule are bonded: nearer than 1.25 (r_i + r_j) in at least half of the frames.

    Half of the frames, so that a bond stretched in passing stays one and a hydrogen bond that is short in passing is
    none. Raises ValueError as `bonded_share` does.
    """
    return bonded_share(configurations) >= 0.5


def bonded_share(configurations: Configurations) -> Float[np.ndarray, "atoms atoms"]:
    """In what share of the frames of one molecule two atoms are nearer than 1.25 (r_i + r_j); 0 on the diagonal.

    The r are covalent radii (Cordero et al. 2008, doi:10.1039/b801115j). Raises ValueError for frames of different
    molecules, and for an element without a radius.
    """
    numbers = configurations.molecule
    if numbers is None:
        raise ValueError(
            f"{configurations.name} holds more than one molecule; a bond graph wants frames of a single one"
        )
    unknown = [int(z) for z in np.unique(numbers) if z >= len(_COVALENT)]
    if unknown:
        raise ValueError(
            f"no covalent radius is known for atomic number {unknown[0]}; they end at {len(_COVALENT) - 1}"
        )
    radii = _COVALENT[numbers]
    longest = _STRETCH * (radii[:, None] + radii[None, :])
    near = np.zeros(longest.shape)
    for positions in configurations.positions:  # a frame at a time: memory stays small
        near += np.linalg.norm(positions[:, None] - positions[None, :], axis=-1) < longest
    np.fill_diagonal(near, 0.0)
    return near / len(configurations)


def bonds(configurations: Configurations) -> list[tuple[int, int]]:
    """The pairs of bonded atoms of one molecule (see `bond_graph`)."""
    return [(int(i), int(j)) for i, j in np.argwhere(np.triu(bond_graph(configurations)))]


def hops(adjacency: Bool[np.ndarray, "atoms atoms"]) -> Int[np.ndarray, "atoms atoms"]:
    """How many bonds lie between two atoms on the shortest path; the number of atoms where no path joins them."""
    atoms = len(adjacency)
    steps = np.full((atoms, atoms), atoms)
    reached = np.eye(atoms, dtype=bool)
    for step in range(atoms):
        steps[reached & (steps == atoms)] = step
        reached = reached | (reached @ adjacency)
    return steps


def automorphisms(
    numbers: ArrayLike, adjacency: Bool[np.ndarray, "atoms atoms"], limit: int = 10_000, fixed: ArrayLike = ()
) -> Int[np.ndarray, "p atoms"] | None:
    """All permutations of like atoms that keep the bonds, the identity first; None where there are more than `limit`.

    Row q maps atom i to atom q[i]: numbers[q] = numbers and adjacency[q][:, q] = adjacency. Atoms in `fixed` stay in
    their place. Backtracking over candidates that colour refinement leaves (element, then the multiset of neighbours'
    colours, until nothing changes). Ethanol has 12, methane 24, benzene 12.
    """
    numbers, adjacency = np.asarray(numbers), np.asarray(adjacency, bool)
    if adjacency.shape != (numbers.size, numbers.size) or not np.array_equal(adjacency, adjacency.T):
        raise ValueError(f"adjacency of shape {adjacency.shape} for {numbers.size} atoms; give a symmetric square one")
    colours = _refine(numbers, adjacency, np.asarray(fixed, int))
    order = _outwards(adjacency)
    images = np.full(numbers.size, -1)
    found: list[np.ndarray] = []

    def extend(depth: int) -> bool:
        """Places the atoms of `order` from `depth` on in every way; False once there are too many."""
        if depth == len(order):
            found.append(images.copy())
            return len(found) <= limit
        atom, placed = order[depth], order[:depth]
        for image in np.flatnonzero(colours == colours[atom]):
            taken = images[placed]
            if image not in taken and np.array_equal(adjacency[atom, placed], adjacency[image, taken]):
                images[atom] = image
                if not extend(depth + 1):
                    return False
        return True

    return np.array(sorted(map(tuple, found))) if extend(0) else None


def largest_group(
    numbers: ArrayLike, adjacency: Bool[np.ndarray, "atoms atoms"], limit: int
) -> Int[np.ndarray, "p atoms"]:
    """The automorphisms, or a subgroup where there are more than `limit`: those that fix the first atoms in place.

    As many of the first atoms are fixed as it takes. What is left is a group, so that a sum over it is a symmetry.
    """
    atoms = np.asarray(numbers).size
    groups = (automorphisms(numbers, adjacency, limit, np.arange(count)) for count in range(atoms + 1))
    return next(group for group in groups if group is not None)


def describe(numbers: ArrayLike, group: Int[np.ndarray, "p atoms"]) -> str:
    """One line on a group: its size and which atoms it exchanges, as `12 permutations: H3 H4; H6 H7 H8`."""
    names = symbols(numbers)
    orbits = {tuple(sorted(set(group[:, atom].tolist()))) for atom in range(group.shape[1])}
    moved = "; ".join(" ".join(f"{names[i]}{i}" for i in orbit) for orbit in sorted(orbits) if len(orbit) > 1)
    return f"{len(group)} permutations: {moved}" if moved else "no symmetry"


def _refine(numbers: np.ndarray, adjacency: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """A colour for each atom that every automorphism keeps."""
    own = np.zeros(numbers.size, int)
    own[fixed] = 1 + np.arange(fixed.size)
    keys: list[tuple] = list(zip(numbers.tolist(), own.tolist()))
    colours = np.zeros(numbers.size, int)
    for _ in range(numbers.size + 1):
        names = {key: colour for colour, key in enumerate(sorted(set(keys)))}
        colours = np.array([names[key] for key in keys])
        keys = [(colours[i], tuple(sorted(colours[adjacency[i]]))) for i in range(numbers.size)]
    return colours


def _outwards(adjacency: np.ndarray) -> list[int]:
    """The atoms so that each but the first of a fragment has a bonded one before it: wrong branches end early."""
    order: list[int] = []
    for start in range(len(adjacency)):
        queue = [start] if start not in order else []
        while queue:
            order.append(queue.pop(0))
            queue += [int(i) for i in np.flatnonzero(adjacency[order[-1]]) if i not in order and i not in queue]
    return order
