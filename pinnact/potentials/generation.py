"""Making data: dynamics and labels with quantum engines, as ASE calculators.

Everything here needs `pip install 'pinnact[chem]'`. Energies in eV, forces in eV/angstrom, times in fs, temperatures
in K, wave numbers in 1/cm.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float

from pinnact.potentials import units
from pinnact.potentials.configurations import Configurations

METHODS = ("hf", "mp2", "b3lyp")


def gfn2_xtb(accuracy: float = 0.1) -> Any:
    """The tight-binding engine GFN2-xTB as an ASE calculator. Bannwarth et al. 2019, doi:10.1021/acs.jctc.8b01176.

    A smaller `accuracy` converges charges more tightly: at 0.1 forces of ethanol agree with finite differences of
    energies to 1e-5 eV/angstrom, at the engine's own default of 1 to 1e-4.
    """
    try:
        from tblite.ase import TBLite  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("GFN2-xTB needs ase and tblite: pip install 'pinnact[chem]'") from error
    return TBLite(method="GFN2-xTB", accuracy=accuracy, verbosity=0)


def pyscf(method: str = "b3lyp", basis: str = "def2-svp") -> Any:
    """Hartree-Fock, MP2 or B3LYP of a closed-shell molecule by PySCF, as an ASE calculator.

    Sun et al. 2020, doi:10.1063/5.0006074. Raises ValueError for another method, RuntimeError where the
    self-consistent field does not converge.
    """
    try:
        from ase.calculators.calculator import Calculator, all_changes  # noqa: PLC0415
        from pyscf import gto  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("this engine needs ase and pyscf: pip install 'pinnact[chem]'") from error
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown; choose one of {', '.join(METHODS)}")

    class PySCF(Calculator):
        implemented_properties = ["energy", "forces"]

        def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            molecule = gto.M(atom=list(zip(atoms.numbers, atoms.positions)), basis=basis, unit="angstrom", verbose=0)
            field = molecule.RKS(xc="b3lyp") if method == "b3lyp" else molecule.RHF()
            field.run(conv_tol=1e-10)
            if not field.converged:
                raise RuntimeError(f"{method}/{basis} did not converge for {atoms.get_chemical_formula()}")
            solved = field.MP2().run() if method == "mp2" else field
            gradient = solved.nuc_grad_method().kernel()
            self.results = {"energy": solved.e_tot * units.HARTREE, "forces": -gradient * units.HARTREE / units.BOHR}

    return PySCF()


def langevin(
    atoms: Any,
    *,
    temperature: float,
    frames: int,
    spacing: float = 50.0,
    step: float = 0.5,
    equilibration: float = 1000.0,
    friction: float = 0.01,
    burst: int | None = None,
    seed: int = 0,
) -> Configurations:
    """Frames along Langevin dynamics of an `ase.Atoms` with a calculator, `spacing` fs apart, centred at the origin.

    A `friction` of 0.01/fs makes velocities forget themselves in 100 fs. With `burst`, the dynamics begins anew after
    so many frames, at the first geometry with new velocities: begun at a saddle, it falls off on all sides, so that
    the barrier and what leads up to it are covered. Raises RuntimeError when a force is no longer finite.
    """
    try:
        from ase.md.langevin import Langevin  # noqa: PLC0415
        from ase.units import fs, kB  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("dynamics needs ase: pip install 'pinnact[chem]'") from error
    rng = np.random.default_rng(seed)
    moving, taken = atoms.copy(), []
    moving.calc = atoms.calc
    stride, widths = max(1, round(spacing / step)), np.sqrt(atoms.get_masses() * (kB * temperature))[:, None]
    for frame in range(frames):
        if frame % (burst or frames) == 0:
            moving.set_positions(atoms.positions)
            moving.set_momenta(widths * rng.standard_normal(size=moving.positions.shape))
            motion = Langevin(
                moving, step * fs, temperature_K=temperature, friction=friction / fs, fixcm=False, rng=rng
            )
            motion.run(round(equilibration / step))
        motion.run(stride)
        energy, forces = moving.get_potential_energy(), moving.get_forces()
        if not np.all(np.isfinite(forces)):
            raise RuntimeError(f"a force is not finite at frame {frame}; give a smaller step than {step} fs")
        taken.append((moving.positions - moving.positions.mean(axis=0), energy, forces))
    return _configurations(atoms, taken)


def label(configurations: Configurations, calculator: Any) -> Configurations:
    """The same frames of one molecule with energies and forces of another engine."""
    try:
        from ase import Atoms  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("engines need ase: pip install 'pinnact[chem]'") from error
    if configurations.molecule is None:
        raise ValueError(f"{configurations} has many compositions; label those of one molecule")
    atoms = Atoms(configurations.molecule, configurations.positions[0])
    atoms.calc = calculator
    taken = []
    for positions in configurations.positions:
        atoms.set_positions(positions)
        taken.append((positions, atoms.get_potential_energy(), atoms.get_forces()))
    return _configurations(atoms, taken)


def joined(parts: Iterable[Configurations]) -> Configurations:
    """Frames of several runs of one molecule, one after the other."""
    parts = list(parts)
    return Configurations(
        parts[0].numbers[0],
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.energies for part in parts]),
        np.concatenate([part.forces for part in parts]),
        name=parts[0].name,
    )


def stationary(atoms: Any, *, force: float = 2e-4, steps: int = 500) -> Any:
    """A copy of `atoms`, relaxed until no force exceeds `force` (eV/angstrom).

    Forces keep the symmetry of where they are taken, so that a symmetric start may lead to a saddle: planar ammonia
    to that of its inversion. Raises RuntimeError where `steps` don't suffice.
    """
    try:
        from ase.optimize import BFGS  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("relaxation needs ase: pip install 'pinnact[chem]'") from error
    relaxed = atoms.copy()
    relaxed.calc = atoms.calc
    if not BFGS(relaxed, logfile=None).run(fmax=force, steps=steps):
        raise RuntimeError(f"not relaxed to {force} eV/angstrom after {steps} steps; give a larger force")
    return relaxed


def hessian(atoms: Any, displacement: float = 0.005) -> Float[np.ndarray, "n n"]:
    """Second derivatives of the energy by central differences of forces, in eV/angstrom^2; n = 3 atoms."""
    moved, rows = atoms.copy(), []
    moved.calc = atoms.calc
    for shift in displacement * np.eye(3 * len(atoms)).reshape(-1, len(atoms), 3):
        forces = []
        for sign in (1, -1):
            moved.set_positions(atoms.positions + sign * shift)
            forces.append(moved.get_forces().ravel())
        rows.append((forces[1] - forces[0]) / (2 * displacement))
    return (np.array(rows) + np.array(rows).T) / 2


def inconsistency(atoms: Any, displacement: float = 0.0005) -> float:
    """The largest difference between an engine's forces and central differences of its energies, in eV/angstrom."""
    moved, worst = atoms.copy(), 0.0
    moved.calc = atoms.calc
    forces = moved.get_forces().ravel()
    for force, shift in zip(forces, displacement * np.eye(3 * len(atoms)).reshape(-1, len(atoms), 3)):
        energies = []
        for sign in (1, -1):
            moved.set_positions(atoms.positions + sign * shift)
            energies.append(moved.get_potential_energy())
        worst = max(worst, abs((energies[1] - energies[0]) / (2 * displacement) - force))
    return worst


def _configurations(atoms: Any, taken: list[tuple[np.ndarray, float, np.ndarray]]) -> Configurations:
    positions, energies, forces = (np.array(column) for column in zip(*taken))
    return Configurations(np.asarray(atoms.numbers), positions, energies, forces, name=atoms.get_chemical_formula())
