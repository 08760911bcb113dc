"""Units and masses: what other units are in eV, angstrom, amu and fs.

Constants are CODATA's, through `scipy.constants`. Masses are standard atomic weights (abridged values of CIAAW 2021,
doi:10.1515/pac-2019-0603), or the mass number of the longest-lived isotope where an element has none.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import constants

from pinnact.potentials.configurations import SYMBOLS

KCAL_PER_MOL = 1000 * constants.calorie / (constants.N_A * constants.e)
"""1 kcal/mol in eV (thermochemical calorie, 4.184 J)."""
KJ_PER_MOL = 1000 / (constants.N_A * constants.e)
"""1 kJ/mol in eV."""
HARTREE = constants.physical_constants["Hartree energy in eV"][0]
"""1 Hartree in eV."""
BOHR = constants.physical_constants["Bohr radius"][0] / constants.angstrom
"""1 bohr in angstrom."""
BOLTZMANN = constants.k / constants.e
"""Boltzmann's constant in eV/K."""
INVERSE_CM = constants.h * constants.c * 100 / constants.e
"""The energy of 1/cm, in eV."""
ACCELERATION = constants.e / constants.atomic_mass * 1e-10
"""1 eV/angstrom/amu in angstrom/fs^2: the acceleration of 1 amu by 1 eV/angstrom."""
WAVE_NUMBER = (constants.e / constants.atomic_mass) ** 0.5 / constants.angstrom / (2 * pi * constants.c * 100)
"""sqrt(1 eV/angstrom^2/amu) as a wave number in 1/cm: omega = sqrt(k / m), wave number = omega / (2 pi c)."""

ENERGIES = {
    "ev": 1.0,
    "mev": 1e-3,
    "kcal/mol": KCAL_PER_MOL,
    "kj/mol": KJ_PER_MOL,
    "hartree": HARTREE,
    "ha": HARTREE,
    "rydberg": HARTREE / 2,
    "ry": HARTREE / 2,
    "1/cm": INVERSE_CM,
}
LENGTHS = {"angstrom": 1.0, "ang": 1.0, "a": 1.0, "å": 1.0, "bohr": BOHR, "nm": 10.0, "pm": 0.01}


@dataclass(frozen=True)
class Units:
    """The units of a file: what its energies and lengths are multiplied by to be eV and angstrom."""

    energy: float = 1.0
    length: float = 1.0

    @staticmethod
    def of(words: str) -> "Units":
        """The units that words say: an energy, and a length where it is not angstrom: `"kcal/mol"`, `"hartree, bohr"`.

        Raises ValueError for an unknown unit, with those that are known.
        """
        energy, _, length = (word.strip() for word in words.partition(","))
        return Units(_known(energy, ENERGIES, "energy"), _known(length or "angstrom", LENGTHS, "length"))


def _known(word: str, table: dict[str, float], kind: str) -> float:
    if word.lower() not in table:
        raise ValueError(f"unknown unit of {kind} {word!r}; known are {', '.join(table)}")
    return table[word.lower()]


def masses(numbers: ArrayLike) -> Float[np.ndarray, "..."]:
    """Masses in amu by atomic number; 1 for the padding 0, so that a division by them is safe.

    Raises ValueError for an element after radon.
    """
    numbers = np.asarray(numbers, int)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(_MASSES):
        raise ValueError(f"atomic number {numbers.max()} has no mass here; elements up to {SYMBOLS[-1]} (86) have")
    return _MASSES[numbers]


_WEIGHTS = """
1
1.008 4.0026
6.94 9.0122 10.81 12.011 14.007 15.999 18.998 20.180
22.990 24.305 26.982 28.085 30.974 32.06 35.45 39.95
39.098 40.078 44.956 47.867 50.942 51.996 54.938 55.845 58.933 58.693 63.546 65.38
69.723 72.630 74.922 78.971 79.904 83.798
85.468 87.62 88.906 91.224 92.906 95.95 97 101.07 102.91 106.42 107.87 112.41
114.82 118.71 121.76 127.60 126.90 131.29
132.91 137.33 138.91 140.12 140.91 144.24 145 150.36 151.96 157.25 158.93 162.50 164.93 167.26 168.93 173.05 174.97
178.49 180.95 183.84 186.21 190.23 192.22 195.08 196.97 200.59
204.38 207.2 208.98 209 210 222
"""
_MASSES = np.array([float(weight) for weight in _WEIGHTS.split()])
