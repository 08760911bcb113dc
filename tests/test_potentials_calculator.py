"""The ASE calculator: against our own forces and dynamics, ASE's numerical stress, and what it refuses."""

import builtins
import pickle
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from toys import ETHANOL, InverseDistanceMLP, argon_crystal, diatomic, held, water

from pinnact.potentials.calculator import _calculator_class, ase_calculator
from pinnact.potentials.dynamics import constant_energy, thermal_velocities
from pinnact.potentials.evaluation import evaluate
from pinnact.potentials.units import ACCELERATION, masses

ase = pytest.importorskip("ase")
GUIDE = Path(__file__).parent.parent / "docs" / "potentials_ase.md"


def atoms_of(geometry, calc=None):
    """ASE's atoms of a geometry."""
    atoms = ase.Atoms(geometry.numbers, geometry.positions, cell=geometry.cell, pbc=geometry.cell is not None)
    atoms.calc = calc
    return atoms


@pytest.mark.parametrize("case", [lambda: (held(ETHANOL), ETHANOL), water, argon_crystal])
def test_energy_and_forces_are_the_potential_s(case):
    potential, geometry = case()
    atoms = atoms_of(geometry, ase_calculator(potential))
    for _ in range(2):
        energy, forces = evaluate(potential, geometry.of(atoms))
        np.testing.assert_allclose(atoms.get_potential_energy(), energy, rtol=1e-13)
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-12)
        assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
        atoms.positions[0] += 0.02


def test_forces_are_ase_s_finite_differences():
    from ase.calculators.fd import calculate_numerical_forces  # noqa: PLC0415

    atoms = atoms_of(ETHANOL, ase_calculator(held(ETHANOL)))
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, 1e-4), atol=1e-6)


def test_stress_is_ase_s_finite_difference():
    """Sign and Voigt order, in a skew cell that is stretched unequally."""
    from ase.calculators.fd import calculate_numerical_stress  # noqa: PLC0415

    potential, geometry = argon_crystal(cells=2)
    atoms = atoms_of(geometry, ase_calculator(potential, elements=[18]))
    atoms.set_cell(atoms.cell @ np.diag([1.02, 1, 0.97]), scale_atoms=True)
    stress = atoms.get_stress()
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, 1e-4), atol=1e-6 * np.abs(stress).max())
    np.testing.assert_allclose(atoms.get_stress(voigt=False)[0, 2], stress[4])
    assert len(set(np.round(stress, 6))) == 6


def test_our_dynamics_is_ase_s():
    from ase.md.verlet import VelocityVerlet  # noqa: PLC0415

    potential, start = held(ETHANOL), thermal_velocities(ETHANOL, 300.0)
    atoms = atoms_of(ETHANOL, ase_calculator(potential))
    atoms.set_masses(masses(ETHANOL.numbers))
    atoms.set_velocities(start / np.sqrt(ACCELERATION))  # ASE's time is in angstrom sqrt(amu / eV)
    VelocityVerlet(atoms, timestep=0.5 * np.sqrt(ACCELERATION)).run(200)
    ours = constant_energy(potential, ETHANOL, steps=200, every=200, velocities=start)
    np.testing.assert_allclose(ours.positions[-1], atoms.positions, atol=1e-8)
    np.testing.assert_allclose(ours.total_energies[-1], atoms.get_total_energy(), rtol=1e-8)


def test_it_is_compiled_once_for_a_shape_and_knows_float64():
    atoms = atoms_of(ETHANOL, ase_calculator(held(ETHANOL)))
    with jax.enable_x64(False):  # what a program that never heard of x64 gets
        forces = atoms.get_forces()
        for _ in range(3):
            atoms.rattle(0.01)
            assert atoms.get_forces().dtype == np.float64
    np.testing.assert_allclose(forces, evaluate(held(ETHANOL), ETHANOL)[1], atol=1e-12)
    assert atoms.calc.evaluate.run._cache_size() == 1


def test_it_looks_again_only_when_something_has_changed(monkeypatch):
    atoms = atoms_of(water()[1], ase_calculator(water()[0]))
    calls, evaluated = [], atoms.calc.evaluate
    monkeypatch.setattr(atoms.calc, "evaluate", lambda *a: calls.append(a) or evaluated(*a))
    monkeypatch.setattr(atoms.calc.evaluate, "check", evaluated.check, raising=False)
    atoms.get_forces()
    atoms.get_potential_energy()
    assert len(calls) == 1
    atoms.positions[1, 0] += 1e-9
    atoms.get_forces()
    assert len(calls) == 2


def test_it_travels_to_other_processes():
    atoms = atoms_of(ETHANOL, ase_calculator(held(ETHANOL), molecule=ETHANOL.numbers))
    copy = pickle.loads(pickle.dumps(atoms.calc))
    np.testing.assert_array_equal(copy.get_forces(atoms), atoms.get_forces())


def test_other_atoms_are_refused_every_time():
    calc = ase_calculator(InverseDistanceMLP(), molecule=ETHANOL.numbers, elements=[1, 6, 8])
    other = atoms_of(water()[1], calc)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^H2O is another molecule: this model is for C2H6O alone.* C C O H"):
            other.get_forces()
    turned = atoms_of(ETHANOL, calc)[::-1]
    turned.calc = calc
    with pytest.raises(ValueError, match=r"^C2H6O has its atoms in another order: .* order C C O H H H H H H$"):
        turned.get_forces()
    assert atoms_of(ETHANOL, calc).get_forces().shape == (9, 3)  # and the right ones are served after that


def test_an_unknown_element_is_refused():
    potential, geometry = diatomic(numbers=(1, 9))
    with pytest.raises(ValueError, match=r"^the model was not trained on F in FH; it knows H, C, O$"):
        atoms_of(geometry, ase_calculator(potential, elements=[8, 1, 6])).get_potential_energy()


def test_two_atoms_in_one_place_are_refused():
    atoms = atoms_of(ETHANOL, ase_calculator(InverseDistanceMLP()))
    atoms.positions[7] = atoms.positions[2] + 1e-4
    with pytest.raises(ValueError, match=r"^atoms 2 \(O\) and 7 \(H\) are 0.00017 angstrom apart: two atoms cannot"):
        atoms.get_potential_energy()


def test_what_else_cannot_be_is_refused():
    atoms = atoms_of(ETHANOL, ase_calculator(InverseDistanceMLP()))
    atoms.pbc = (True, True, False)
    with pytest.raises(ValueError, match=r"pbc=\[True, True, False\]: make the atoms periodic along all three axes"):
        atoms.get_forces()
    atoms.pbc = False
    atoms.positions[0, 0] = np.nan
    with pytest.raises(ValueError, match="the energy is nan"):
        atoms.get_forces()


def test_without_ase_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("ase"):
            raise ImportError(name)
        return real(name, *rest)

    _calculator_class.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"a calculator needs ase: pip install 'pinnact\[chem\]'"):
        ase_calculator(InverseDistanceMLP())
    monkeypatch.undo()
    _calculator_class.cache_clear()


def test_the_guide_runs(tmp_path, monkeypatch):
    """Every block of the guide, in order; its barrier is that of the formula."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(compile(block, str(GUIDE), "exec"), names)
    # planar: the energy 3/2 k (r - r0)^2 + 3/2 q (sqrt(3) r - d0)^2 at its least over r
    k, q, r0, d0 = 40.0, 8.0, 1.02, 1.64
    r = (k * r0 + np.sqrt(3) * q * d0) / (k + 3 * q)
    planar = 1.5 * k * (r - r0) ** 2 + 1.5 * q * (np.sqrt(3) * r - d0) ** 2
    np.testing.assert_allclose(names["barrier"], planar, rtol=0.01)
    assert np.abs(names["atoms"].get_forces()).max() > 0 and (tmp_path / "langevin.xyz").stat().st_size > 0
    assert 100 < np.mean(names["temperatures"]) < 600
