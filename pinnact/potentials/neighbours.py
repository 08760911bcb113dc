"""Neighbours of every atom in arrays of fixed shape: all pairs of a molecule, all pairs with images in a cell."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Real

Images = tuple[int, int, int]


class Neighbours(NamedTuple):
    """Vectors (angstrom) from atom i to its j-th neighbour, the neighbours' atomic numbers, and which are real."""

    vectors: Float[Array, "i j 3"]
    numbers: Real[Array, " j"]
    present: Bool[Array, "i j"]


def heights(cell: Float[ArrayLike, "3 3"]) -> Float[Array, " 3"]:
    """The distances between opposite faces of a cell whose rows are its vectors."""
    cell = jnp.asarray(cell)
    faces = jnp.cross(cell[jnp.array([1, 2, 0])], cell[jnp.array([2, 0, 1])])
    return jnp.abs(jnp.linalg.det(cell)) / jnp.linalg.norm(faces, axis=1)


def images_within(cell: Float[ArrayLike, "3 3"], cutoff: float) -> Images:
    """How many images to each side, along each cell vector, lie within `cutoff` of an atom's nearest image."""
    cell = np.asarray(cell, float)
    faces = np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]])
    between = abs(np.linalg.det(cell)) / np.linalg.norm(faces, axis=1)
    first, second, third = (max(0, math.ceil(cutoff / height - 0.5)) for height in between)
    return first, second, third


def neighbours(
    positions: Float[Array, "a 3"],
    numbers: Real[Array, " a"],
    cell: Float[Array, "3 3"] | None,
    cutoff: float,
    images: Images,
) -> Neighbours:
    """All other atoms, and in a cell their images: the nearest and `images` to each side of it.

    Nothing jumps where another image becomes the nearest, as both are then listed or beyond the cutoff. A cell so small
    that `images` miss neighbours within the cutoff raises ValueError, or where it is traced gives vectors of nan.
    """
    atoms = len(positions)
    real = (numbers[:, None] > 0) & (numbers[None, :] > 0)
    apart = positions[None, :] - positions[:, None]
    if cell is None:
        return Neighbours(apart, numbers, real & ~np.eye(atoms, dtype=bool))
    if not isinstance(cell, jax.core.Tracer) and any(np.greater(images_within(cell, cutoff), images)):
        raise ValueError(
            f"the cell needs {images_within(cell, cutoff)} images within {cutoff} angstrom, the potential was made for "
            f"{images}; repeat the cell, or fit to frames with cells as small"
        )
    shifts = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in images], indexing="ij"), -1).reshape(-1, 3)
    apart = apart - jnp.round(jax.lax.stop_gradient(apart @ jnp.linalg.inv(cell))) @ cell
    enough = jnp.all(jnp.ceil(cutoff / heights(cell) - 0.5) <= jnp.asarray(images))
    vectors = apart[:, None] + (jnp.asarray(shifts, positions.dtype) @ cell)[None, :, None]
    other = ~np.eye(atoms, dtype=bool)[:, None] | np.any(shifts != 0, axis=1)[None, :, None]
    return Neighbours(
        jnp.where(enough, vectors, jnp.nan).reshape(atoms, -1, 3),
        jnp.tile(numbers, len(shifts)),
        (real[:, None] & other).reshape(atoms, -1),
    )
