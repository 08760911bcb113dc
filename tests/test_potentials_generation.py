"""Making configurations: dynamics on an engine, its Hessian and rest, and the engines themselves."""

import numpy as np
import pytest
from toys import same

from pinnact.potentials import generation, units
from pinnact.potentials.checks import force_slope
from pinnact.potentials.configurations import Geometry
from pinnact.potentials.vibrations import normal_modes


@pytest.fixture
def argon():
    """Three argon atoms on ASE's Lennard-Jones forces, away from rest."""
    ase, lj = pytest.importorskip("ase"), pytest.importorskip("ase.calculators.lj")
    atoms = ase.Atoms("Ar3", [[0, 0, 0], [3.9, 0, 0], [1.8, 3.5, 0.2]])
    atoms.calc = lj.LennardJones(sigma=3.4, epsilon=0.0104, rc=30.0)
    return atoms


def test_dynamics_makes_frames_that_fit_their_forces(argon):
    settings = {"temperature": 10.0, "frames": 40, "spacing": 20.0, "step": 2.0, "equilibration": 100.0}
    data = generation.langevin(argon, seed=3, **settings)
    again = generation.langevin(argon, seed=3, **settings)
    np.testing.assert_array_equal(data.positions, again.positions)
    assert data.numbers.tolist() == [[18] * 3] * 40
    np.testing.assert_allclose(data.positions.mean(axis=1), 0, atol=1e-12)
    slope, correlation = force_slope(data)
    assert slope == pytest.approx(1, abs=0.05) and correlation > 0.99
    bursts = generation.langevin(argon, burst=10, **(settings | {"equilibration": 0.0}))
    start = argon.positions - argon.positions.mean(axis=0)
    moved = np.linalg.norm(bursts.positions - start, axis=(1, 2))
    assert np.all(moved[::10] < moved[9::10])  # each burst begins again where the first one did
    same(generation.label(data, argon.calc), data, 1e-10)
    assert len(generation.joined([data, bursts])) == 80


def test_the_engine_s_hessian_and_rest(argon):
    """Lennard-Jones atoms rest in an equilateral triangle at 2^(1/6) sigma; a breathing mode moves all three bonds.

    Its force constant is that of one bond, k = 72 epsilon / (2^(1/3) sigma^2): omega^2 = 3 k / m.
    """
    rest = generation.stationary(argon)
    np.testing.assert_allclose(rest.get_all_distances()[np.triu_indices(3, 1)], 2 ** (1 / 6) * 3.4, rtol=1e-2)
    tight = generation.stationary(argon, force=1e-9)
    waves = normal_modes(generation.hessian(tight), Geometry.of(tight)).wavenumbers
    constant = 72 * 0.0104 / (2 ** (1 / 3) * 3.4**2)
    assert waves[-1] == pytest.approx(units.WAVE_NUMBER * np.sqrt(3 * constant / units.masses(18)), rel=1e-3)
    np.testing.assert_allclose(waves[:2], waves[-1] / np.sqrt(2), rtol=1e-3)
    assert generation.inconsistency(argon) < 1e-6
    with pytest.raises(RuntimeError, match="not relaxed to 1e-12 eV/angstrom after 1 steps"):
        generation.stationary(argon, force=1e-12, steps=1)


def test_quantum_engines_fit_their_forces():
    pytest.importorskip("tblite")
    pytest.importorskip("pyscf")
    build = pytest.importorskip("ase.build")
    for calculator in (generation.gfn2_xtb(), generation.pyscf("mp2", "sto-3g")):
        atoms = build.molecule("H2")
        atoms.positions[0, 2] += 0.05
        atoms.calc = calculator
        assert generation.inconsistency(atoms) < 1e-4
    with pytest.raises(ValueError, match="method 'pbe' is unknown; choose one of hf, mp2, b3lyp"):
        generation.pyscf("pbe")
