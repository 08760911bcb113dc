"""Potential energy surfaces of molecules and materials, learnt from energies and forces.

One unit system everywhere: energies in eV, lengths in angstrom, forces in eV/angstrom, masses in atomic mass units,
times in fs, wave numbers in 1/cm.
"""

from pinnact.potentials.calculator import Doubtful as Doubtful
from pinnact.potentials.calculator import ase_calculator as ase_calculator
from pinnact.potentials.configurations import Configurations as Configurations
from pinnact.potentials.configurations import Geometry as Geometry
from pinnact.potentials.dynamics import Trajectory as Trajectory
from pinnact.potentials.dynamics import constant_energy as constant_energy
from pinnact.potentials.dynamics import thermal_velocities as thermal_velocities
from pinnact.potentials.elementnets import AtomicNetwork as AtomicNetwork
from pinnact.potentials.ensemble import Ensemble as Ensemble
from pinnact.potentials.equivariant import EquivariantPotential as EquivariantPotential
from pinnact.potentials.evaluation import evaluate as evaluate
from pinnact.potentials.evaluation import hessian as hessian
from pinnact.potentials.fitting import fit as fit
from pinnact.potentials.invariant import InvariantMLP as InvariantMLP
from pinnact.potentials.jumps import Stretch as Stretch
from pinnact.potentials.jumps import largest_jump as largest_jump
from pinnact.potentials.jumps import stretch as stretch
from pinnact.potentials.kernel import KernelPotential as KernelPotential
from pinnact.potentials.leastsquares import AtomicLinear as AtomicLinear
from pinnact.potentials.matching import Matching as Matching
from pinnact.potentials.potential import AbstractPotential as AbstractPotential
from pinnact.potentials.potential import Recipe as Recipe
from pinnact.potentials.reading import read as read
from pinnact.potentials.reading import read_geometry as read_geometry
from pinnact.potentials.reading import write_npz as write_npz
from pinnact.potentials.relaxation import relax as relax
from pinnact.potentials.surface import Surface as Surface
from pinnact.potentials.surface import load as load
from pinnact.potentials.tasks import Task as Task
from pinnact.potentials.uncertainty import Calibration as Calibration
from pinnact.potentials.vibrations import Vibrations as Vibrations
from pinnact.potentials.vibrations import normal_modes as normal_modes
