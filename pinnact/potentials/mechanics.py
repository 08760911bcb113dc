"""What vibrations and dynamics share: the masses of a geometry's atoms, and its rigid motions."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pinnact.potentials.configurations import Geometry
from pinnact.potentials.units import masses as standard_masses

_LINEAR = 1e-3  # an axis is no rotation when its radius of gyration is this fraction of the largest


def masses_of(geometry: Geometry, masses: ArrayLike | None = None) -> Float[np.ndarray, " a"]:
    """The mass of each atom in amu: standard atomic weights, or `masses` themselves (isotopes).

    Raises ValueError for an element without a known weight, for a wrong number of masses, and for one not positive.
    """
    if masses is None:
        return standard_masses(geometry.numbers)
    given = np.asarray(masses, float)
    if given.shape != geometry.numbers.shape or not np.all(given > 0):
        raise ValueError(
            f"masses of shape {given.shape}, or one not positive; {geometry.formula()} has {len(geometry.numbers)} "
            "atoms: give a mass in amu for each"
        )
    return given


def rigid_motions(geometry: Geometry, masses: Float[np.ndarray, " a"]) -> Float[np.ndarray, "n k"]:
    """An orthonormal basis of translations and rotations in mass-weighted coordinates `sqrt(m) x`, of length `n = 3a`.

    Translation along axis `c`: `sqrt(m_i) e_c`; rotation: `sqrt(m_i) e_c x (x_i - centre of mass)`: the Eckart frame
    (Eckart 1935, doi:10.1103/PhysRev.47.552). `k` is 6, 5 for a linear molecule, 3 for an atom or a periodic cell.
    """
    root = np.sqrt(masses)[:, None]
    shifts = np.array([(root * axis).ravel() for axis in np.eye(3)]).T / np.sqrt(masses.sum())
    if geometry.cell is not None:
        return shifts
    centred = geometry.positions - masses @ geometry.positions / masses.sum()
    turns = np.array([(root * np.cross(axis, centred)).ravel() for axis in np.eye(3)]).T  # orthogonal to the shifts
    left, size, _ = np.linalg.svd(turns, full_matrices=False)
    return np.hstack([shifts, left[:, size > _LINEAR * max(size[0], 1e-9)]])
