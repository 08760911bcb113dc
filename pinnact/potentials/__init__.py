"""Potential energy surfaces of molecules and materials, learnt from energies and forces.

One unit system everywhere: energies in eV, lengths in angstrom, forces in eV/angstrom, masses in atomic mass units,
times in fs, wave numbers in 1/cm.
"""

from pinnact.potentials.configurations import Configurations as Configurations
from pinnact.potentials.configurations import Geometry as Geometry
from pinnact.potentials.potential import AbstractPotential as AbstractPotential
from pinnact.potentials.potential import Recipe as Recipe
