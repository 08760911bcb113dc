"""The repulsion of nuclei at short distances, which data from ordinary temperatures do not show."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.potentials.cutoffs import bump
from pinnact.potentials.neighbours import Neighbours

COULOMB = 14.399645  # eV angstrom: e^2 / (4 pi epsilon_0)
BOHR = 0.529177  # angstrom
SCREENING = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))


@dataclass(frozen=True)
class ZBL:
    """Screened repulsion of nuclei, switched off smoothly towards `cutoff` (angstrom).

    `E = 1/2 sum_ij COULOMB Z_i Z_j / r phi(r / a) bump(r^2 / cutoff^2)`, `a = 0.8854 BOHR / (Z_i^0.23 + Z_j^0.23)`,
    `phi(x) = 0.18175 e^(-3.19980 x) + 0.50986 e^(-0.94229 x) + 0.28022 e^(-0.40290 x) + 0.02817 e^(-0.20162 x)`
    (Ziegler, Biersack and Littmark 1985, doi:10.1007/978-3-642-68779-2_5).
    """

    cutoff: float = 2.0

    def __call__(self, charges: Float[Array, " i"], near: Neighbours) -> Float[Array, ""]:
        """The energy in eV; `charges` are the atomic numbers of the atoms whose neighbours are given."""
        square = jnp.sum(near.vectors**2, axis=-1)
        close = near.present & (square < self.cutoff**2)
        distance = jnp.sqrt(jnp.where(close, square, 1.0))  # a safe root where nothing is counted
        first, second = charges[:, None], near.numbers.astype(charges.dtype)[None, :]
        # Padding has charge 0, whose power has no derivative to speak of but also none that is asked for.
        x = distance * (first**0.23 + second**0.23) / (0.8854 * BOHR)
        screening = sum(weight * jnp.exp(-decay * x) for weight, decay in SCREENING)
        energy = COULOMB * first * second / distance * screening * bump(square / self.cutoff**2)
        return jnp.sum(jnp.where(close, energy, 0.0)) / 2
