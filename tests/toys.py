"""Toy potentials whose vibrations and motion are known: springs, a double well, Lennard-Jones in a cell."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pinnact.potentials import AbstractPotential, Configurations, Geometry


class Springs(AbstractPotential):
    """Harmonic springs `k (r - r0)^2 / 2` between given pairs of atoms."""

    pairs: tuple = eqx.field(static=True)
    constants: jax.Array
    lengths: jax.Array

    def __call__(self, positions, numbers, cell=None):
        i, j = np.array(self.pairs).T
        r = jnp.linalg.norm(positions[i] - positions[j], axis=-1)
        return jnp.sum(self.constants * (r - self.lengths) ** 2) / 2


class LennardJones(AbstractPotential):
    """`4 e ((s/r)^12 - (s/r)^6)` over pairs, in a cell with the 27 nearest images, times a smooth cutoff."""

    depth: float = 0.0104
    size: float = 3.4
    cutoff: float = 6.0

    def __call__(self, positions, numbers, cell=None):
        shifts = np.zeros((1, 3)) if cell is None else np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
        images = jnp.zeros((1, 3)) if cell is None else jnp.asarray(shifts, positions.dtype) @ cell
        apart = positions[:, None, None] - positions[None, :, None] + images[None, None]
        same = np.eye(len(positions), dtype=bool)[..., None] & np.all(shifts == 0, axis=1)[None, None]
        squares = jnp.where(same, 1e6, jnp.sum(apart**2, -1))
        r = jnp.sqrt(jnp.minimum(squares, 0.999 * self.cutoff**2))
        fade = jnp.exp(1 - 1 / (1 - (r / self.cutoff) ** 2)) * (squares < 0.999 * self.cutoff**2)
        sixth = (self.size / r) ** 6
        return 2 * self.depth * jnp.sum(fade * (sixth**2 - sixth))


def diatomic(constant=35.0, length=0.74, numbers=(1, 1)):
    """A molecule of two atoms on one spring, at rest."""
    potential = Springs(((0, 1),), jnp.array([constant]), jnp.array([length]))
    return potential, Geometry(np.array(numbers), np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3 + length]]))


def water():
    """Three springs between O, H and H: three vibrations, at rest."""
    bond, across = 0.96, 1.52
    potential = Springs(((0, 1), (0, 2), (1, 2)), jnp.array([50.0, 50.0, 9.0]), jnp.array([bond, bond, across]))
    half = across / 2
    height = np.sqrt(bond**2 - half**2)
    return potential, Geometry(np.array([8, 1, 1]), np.array([[0.0, 0, 0], [half, height, 0], [-half, height, 0]]))


def ammonia(repulsion=8.0):
    """N and three H on springs that hold a pyramid; its mirror image is as low. Returns it with a start near rest."""
    pairs = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    potential = Springs(pairs, jnp.array([40.0] * 3 + [repulsion] * 3), jnp.array([1.02] * 3 + [1.64] * 3))
    angles = 2 * np.pi * np.arange(3) / 3
    ring = np.stack([0.95 * np.cos(angles), 0.95 * np.sin(angles), np.full(3, -0.35)], axis=1)
    return potential, Geometry(np.array([7, 1, 1, 1]), np.vstack([np.zeros(3), ring]))


def argon_crystal(cells=2, lattice=5.3, shake=0.1, seed=0):
    """A shaken face-centred cubic crystal in a slightly skew cell."""
    corner = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    base = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = cells * lattice * (np.eye(3) + 0.03 * np.array([[0, 1.0, 0], [0, 0, 1], [0, 0, 0]]))
    positions = ((corner + base).reshape(-1, 3) / cells) @ cell
    positions = positions + shake * np.random.default_rng(seed).standard_normal(positions.shape)
    return LennardJones(), Geometry(np.full(len(positions), 18), positions, cell)


class InverseDistanceMLP(AbstractPotential):
    """A small network on inverse distances, for any molecule of `atoms` atoms: the usual shape of a trained model."""

    weights: list
    atoms: int = eqx.field(static=True)

    def __init__(self, atoms=9, width=64, seed=0, scale=0.3):
        keys = jax.random.split(jax.random.key(seed), 3)
        sizes = [atoms * (atoms - 1) // 2, width, width, 1]
        pairs = zip(sizes[:-1], sizes[1:], keys, strict=True)
        self.weights = [scale * jax.random.normal(key, (n, m)) / np.sqrt(m) for m, n, key in pairs]
        self.atoms = atoms

    def __call__(self, positions, numbers, cell=None):
        i, j = np.triu_indices(self.atoms, 1)
        h = 1 / jnp.linalg.norm(positions[i] - positions[j], axis=-1)
        for weight in self.weights[:-1]:
            h = jax.nn.silu(weight @ h)
        return (self.weights[-1] @ h)[0]


class Held(AbstractPotential):
    """A network and springs between all atoms that hold the molecule together: smooth, anharmonic, and stable."""

    network: InverseDistanceMLP
    springs: Springs

    def __call__(self, positions, numbers, cell=None):
        return self.network(positions, numbers) + self.springs(positions, numbers)


def held(geometry, constant=3.0):
    """`Held` at this geometry."""
    i, j = np.triu_indices(len(geometry.numbers), 1)
    lengths = np.linalg.norm(geometry.positions[i] - geometry.positions[j], axis=1)
    pairs = tuple((int(a), int(b)) for a, b in zip(i, j, strict=True))
    springs = Springs(pairs, jnp.full(len(pairs), constant), jnp.asarray(lengths))
    return Held(InverseDistanceMLP(len(geometry.numbers)), springs)


ETHANOL = Geometry(
    np.array([6, 6, 8, 1, 1, 1, 1, 1, 1]),
    np.array(
        [
            [1.17, -0.39, 0.00],
            [-0.03, 0.56, 0.00],
            [-1.20, -0.25, 0.00],
            [2.10, 0.18, 0.00],
            [1.15, -1.03, 0.89],
            [1.15, -1.03, -0.89],
            [0.00, 1.21, 0.88],
            [0.00, 1.21, -0.88],
            [-1.97, 0.33, 0.00],
        ]
    ),
)


def hydrogen(count):
    """Frames of H2 on a spring."""
    apart = 0.7 + 0.02 * np.arange(count)
    positions, forces = np.zeros((count, 2, 3)), np.zeros((count, 2, 3))
    positions[:, 1, 2] = apart
    forces[:, 1, 2] = -30 * (apart - 0.74)
    return Configurations([1, 1], positions, 15 * (apart - 0.74) ** 2, forces - forces[:, ::-1])


def same(one, other, tolerance=1e-12):
    """Two sets of configurations are equal."""
    for name in ("numbers", "positions", "energies", "forces"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance)
