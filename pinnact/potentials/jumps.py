"""Probes of smoothness: the force along a bond stretch, and its largest jump.

After the bond-stretch test of arXiv 2602.04861: a force that is a staircase shows between neighbouring points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from pinnact.potentials.configurations import Geometry
from pinnact.potentials.evaluation import prepared
from pinnact.potentials.potential import AbstractPotential
from pinnact.precision import precision


@dataclass(frozen=True)
class Stretch:
    """Bond lengths (angstrom), energies (eV), forces along the bond `-dE/dr` and their slopes `-d^2E/dr^2`."""

    lengths: Float[np.ndarray, " n"]
    energies: Float[np.ndarray, " n"]
    forces: Float[np.ndarray, " n"]
    slopes: Float[np.ndarray, " n"]

    @property
    def jump(self) -> float:
        """The largest change of the force between neighbouring points, `max |F_(k+1) - F_k|` in eV/angstrom."""
        return float(np.abs(np.diff(self.forces)).max())

    @property
    def roughness(self) -> float:
        """`largest_jump` of the forces."""
        return largest_jump(self.forces)


def stretch(
    potential: AbstractPotential,
    geometry: Geometry,
    bond: tuple[int, int],
    span: float = 0.2,
    points: int = 401,
    moving: Sequence[int] | None = None,
) -> Stretch:
    """Energy and force while the bond `(i, j)` goes from `r - span/2` to `r + span/2` (angstrom) in equal steps.

    The atoms `moving` (by default `j` alone) are shifted along the bond together, all others stay. Raises ValueError
    for a bond of one atom, an atom that isn't there, fewer than three points, or a span beyond the bond's length.
    """
    i, j = bond
    atoms = len(geometry.numbers)
    moved = [j] if moving is None else list(moving)
    if i == j or not all(0 <= k < atoms for k in (i, j, *moved)) or i in moved or j not in moved:
        raise ValueError(f"bond={bond} with moving={moved} is no stretch of {atoms} atoms; j moves away from i")
    bond_vector = geometry.positions[j] - geometry.positions[i]
    length = float(np.linalg.norm(bond_vector))
    if points < 3 or not 0 < span < 2 * length:
        raise ValueError(f"span={span}, points={points} do not suit a bond of {length:.3f} angstrom; shorten the span")
    shifts = np.linspace(-span / 2, span / 2, points)
    direction = np.zeros((atoms, 3))
    direction[moved] = bond_vector / length
    with precision("float64"):
        found = _along(*map(jnp.asarray, (geometry.positions, direction, shifts)), *prepared(potential, geometry))
        energies, slopes, curvatures = (np.asarray(part) for part in found)
    return Stretch(length + shifts, energies, -slopes, -curvatures)


def largest_jump(forces: Float[ArrayLike, " n"]) -> float:
    """`max_k |F_(k+1) - F_k| / median_k |F_(k+1) - F_k|` of a force at equally spaced points.

    The spacing cancels: both are slopes. A differentiable force has a ratio near `max |F'| / median |F'|`, whatever
    the number of points. Of a staircase the median step is (almost) flat and the ratio grows as the points: it is
    infinite where most neighbours are equal.
    """
    steps = np.abs(np.diff(np.asarray(forces, float)))
    median = float(np.median(steps))
    return float(steps.max()) / median if median > 0 else (np.inf if steps.max() > 0 else 1.0)


@eqx.filter_jit
def _along(
    positions: Float[Array, "a 3"],
    direction: Float[Array, "a 3"],
    shifts: Float[Array, " n"],
    potential: AbstractPotential,
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
) -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]:
    energy = lambda s: potential(positions + s * direction, numbers, cell)
    with_slope = lambda s: jax.jvp(energy, (s,), (jnp.ones_like(s),))

    def point(s: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        (value, slope), (_, curvature) = jax.jvp(with_slope, (s,), (jnp.ones_like(s),))
        return value, slope, curvature

    return jax.lax.map(point, shifts)
