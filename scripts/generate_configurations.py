"""Make data for a potential: Langevin dynamics with one quantum engine, energies and forces of the same or another.

Needs `pip install 'pinnact[chem]'`. Prints what the engine says of the minimum and the barrier, and how good it is.

The sets that are shipped were made by (8 and 4 minutes, an hour and 20 minutes on a busy core):

    python scripts/generate_configurations.py CH3CH2OH --frames 1000 --seed 1 \\
        --out problems/potentials/ethanol_train.npz
    python scripts/generate_configurations.py CH3CH2OH --frames 500 --seed 2 \\
        --out problems/potentials/ethanol_test.npz
    python scripts/generate_configurations.py NH3 --temperature 300 600 1200 --planar 400 --frames 600 --seed 1 \\
        --label mp2/aug-cc-pvdz --out problems/potentials/ammonia_train.npz
    python scripts/generate_configurations.py NH3 --temperature 300 600 1200 --planar 120 --frames 180 --seed 2 \\
        --label mp2/aug-cc-pvdz --out problems/potentials/ammonia_test.npz
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import Calculator
from ase.io import read

from pinnact.potentials.checks import force_slope
from pinnact.potentials.configurations import Configurations, Geometry
from pinnact.potentials.generation import (
    gfn2_xtb,
    hessian,
    inconsistency,
    joined,
    label,
    langevin,
    pyscf,
    stationary,
)
from pinnact.potentials.reading import write_npz
from pinnact.potentials.vibrations import normal_modes

ANEW = 1000  # between the seeds of the runs that make one set


def engine(name: str, accuracy: float) -> Calculator:
    """`gfn2-xtb`, or `method/basis` of PySCF."""
    return gfn2_xtb(accuracy) if name == "gfn2-xtb" else pyscf(*name.split("/"))


def flat(atoms: Atoms) -> Atoms:
    """The atoms pressed onto the plane that is nearest to them, as the saddle of an inversion begins."""
    pressed, centre = atoms.copy(), atoms.positions.mean(axis=0)
    normal = np.linalg.svd(atoms.positions - centre)[2][2]
    pressed.positions -= np.outer((atoms.positions - centre) @ normal, normal)
    pressed.calc = atoms.calc
    return pressed


def frames(atoms: Atoms, options: argparse.Namespace) -> Configurations:
    """Frames about the minimum, the same number at each temperature, and frames of falls from the planar saddle."""
    common = {"step": options.step, "friction": options.friction}
    share, seeds = options.frames // len(options.temperature), iter(range(options.seed, 10**6, ANEW))
    runs = [
        langevin(
            atoms,
            temperature=temperature,
            frames=share,
            spacing=options.spacing,
            equilibration=options.equilibration,
            seed=next(seeds),
            **common,
        )
        for temperature in options.temperature
    ]
    if options.planar:
        falls = {"spacing": 5.0, "equilibration": 0.0, "burst": 10}
        saddle, warm = stationary(flat(atoms)), float(np.median(options.temperature))
        runs.append(langevin(saddle, temperature=warm, frames=options.planar, seed=next(seeds), **falls, **common))
    return joined(runs)


def report(atoms: Atoms, planar: bool) -> None:
    """Print what an engine says of the minimum below a geometry: wave numbers, barrier; and how well its forces fit."""
    print(f"forces differ from differences of energies by {inconsistency(atoms):.1e} eV/angstrom at most")
    points = {"minimum": stationary(atoms)} | ({"planar saddle": stationary(flat(atoms))} if planar else {})
    for name, point in points.items():
        waves = normal_modes(hessian(point), Geometry.of(point)).wavenumbers
        print(f"{name}: energy {point.get_potential_energy():.6f} eV")
        print(f"  wave numbers {', '.join(f'{wave:.1f}' for wave in waves)} 1/cm")
        print(f"  positions {np.round(point.positions - point.positions.mean(axis=0), 5).tolist()}")
    if planar:
        energies = [point.get_potential_energy() for point in points.values()]
        print(f"barrier {energies[1] - energies[0]:.5f} eV")


def main() -> None:
    """Make one set, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("molecule", help="a name that ase.build.molecule knows, or a file with one geometry")
    parser.add_argument("--engine", default="gfn2-xtb", help="of the dynamics: gfn2-xtb, or as mp2/aug-cc-pvdz")
    parser.add_argument("--label", help="the engine of energies and forces, if another one")
    parser.add_argument("--accuracy", type=float, default=0.1, help="of gfn2-xtb; smaller is tighter")
    parser.add_argument("--temperature", type=float, nargs="+", default=[500.0], help="in K")
    parser.add_argument("--step", type=float, default=0.5, help="in fs")
    parser.add_argument("--spacing", type=float, default=50.0, help="of frames, in fs")
    parser.add_argument("--equilibration", type=float, default=1000.0, help="before the first frame, in fs")
    parser.add_argument("--friction", type=float, default=0.01, help="in 1/fs")
    parser.add_argument("--frames", type=int, default=1000, help="0: only report, of this geometry")
    parser.add_argument("--planar", type=int, default=0, help="so many frames more, of falls from the planar saddle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("configurations.npz"))
    options = parser.parse_args()
    found = Path(options.molecule)
    atoms = read(found) if found.is_file() else molecule(options.molecule)
    atoms.calc = engine(options.engine, options.accuracy)
    if options.frames:
        data = frames(atoms, options)
        if options.label:
            data = label(data, engine(options.label, options.accuracy))
        write_npz(options.out, data)
        slope, correlation = force_slope(data)
        atoms.set_positions(data.positions[np.argmin(data.energies)])
        print(f"{data}: {options.out}, {options.out.stat().st_size / 1000:.0f} kB")
        print(f"standard deviations {data.energies.std():.3f} eV, {data.forces.std():.3f} eV/angstrom")
        print(f"energies change {slope:.3f} times as the forces say (correlation {correlation:.3f})", flush=True)
    atoms.calc = engine(options.label or options.engine, options.accuracy)
    report(atoms, planar=options.planar > 0)


if __name__ == "__main__":
    main()
