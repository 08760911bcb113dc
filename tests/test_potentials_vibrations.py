"""Hessians, relaxation, normal modes and the probes of smoothness, against formulas and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import constants
from toys import ETHANOL, InverseDistanceMLP, Springs, ammonia, argon_crystal, diatomic, water

from pinnact.potentials import AbstractPotential, Geometry
from pinnact.potentials.evaluation import evaluate, hessian
from pinnact.potentials.jumps import largest_jump, stretch
from pinnact.potentials.mechanics import rigid_motions
from pinnact.potentials.relaxation import relax
from pinnact.potentials.units import masses
from pinnact.potentials.vibrations import normal_modes


def rotation(seed=3):
    """A random proper rotation."""
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    return q * np.linalg.det(q)


def differences(potential, geometry, h=1e-3):
    """The Hessian by fourth-order central differences of numpy energies' gradients: nothing of jax.hessian."""

    def gradient(x):
        return -evaluate(potential, Geometry(geometry.numbers, x.reshape(-1, 3), geometry.cell))[1].ravel()

    start, columns = geometry.positions.ravel(), []
    for e in h * np.eye(start.size):
        near, far = gradient(start + e) - gradient(start - e), gradient(start + 2 * e) - gradient(start - 2 * e)
        columns.append((8 * near - far) / (12 * h))
    return np.array(columns)


def test_a_diatomic_vibrates_at_its_formula():
    """sqrt(k / mu) / (2 pi c), in SI, from constants alone."""
    potential, geometry = diatomic(constant=35.0, numbers=(1, 9))
    m = masses(geometry.numbers) * constants.atomic_mass
    k = 35.0 * constants.e / constants.angstrom**2
    wanted = np.sqrt(k * m.sum() / m.prod()) / (2 * np.pi * constants.c * 100)
    found = normal_modes(hessian(potential, geometry), geometry)
    np.testing.assert_allclose(found.wavenumbers, [wanted], rtol=1e-12)
    np.testing.assert_allclose(found.zero_point, constants.h * constants.c * 100 * wanted / 2 / constants.e, rtol=1e-12)


def test_isotopes_slow_a_vibration_down():
    potential, geometry = diatomic()
    second = hessian(potential, geometry)
    light, heavy = normal_modes(second, geometry), normal_modes(second, geometry, masses=[2.016, 2.016])
    np.testing.assert_allclose(light.wavenumbers / heavy.wavenumbers, np.sqrt(2), rtol=1e-12)
    np.testing.assert_allclose(light.reduced_masses, 1.008)  # of a normalised displacement: both atoms move


@pytest.mark.parametrize("case", [water, ammonia, argon_crystal], ids=lambda f: f.__name__)
def test_the_hessian_is_symmetric_and_that_of_differences(case):
    potential, geometry = case()
    second = hessian(potential, geometry)
    assert second.dtype == np.float64
    np.testing.assert_allclose(second, second.T, atol=1e-12 * np.abs(second).max())
    np.testing.assert_allclose(second, differences(potential, geometry), atol=1e-8 * np.abs(second).max())


def test_the_three_vibrations_of_water():
    """Against eigenvalues of the finite-difference Hessian: six vanish, three are ours."""
    potential, geometry = water()
    root = np.repeat(np.sqrt(masses(geometry.numbers) * constants.atomic_mass), 3)
    second = differences(potential, geometry) * constants.e / constants.angstrom**2 / np.outer(root, root)
    squares = np.linalg.eigvalsh(second)
    wanted = np.sqrt(squares[6:]) / (2 * np.pi * constants.c * 100)
    found = normal_modes(hessian(potential, geometry), geometry)
    np.testing.assert_allclose(found.wavenumbers, wanted, rtol=1e-7)
    assert np.abs(squares[:6]).max() < 1e-7 * squares[6]
    assert found.reduced_masses.shape == (3,) and np.all(found.reduced_masses > 1)


def test_modes_are_orthonormal_by_mass_and_free_of_rigid_motion():
    potential, start = ammonia()
    geometry = relax(potential, start)
    found = normal_modes(hessian(potential, geometry), geometry)
    modes = (found.modes * np.sqrt(found.masses)[:, None]).reshape(6, -1)
    np.testing.assert_allclose(modes @ modes.T, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(modes @ rigid_motions(geometry, found.masses), 0, atol=1e-12)


@pytest.mark.parametrize("case", [water, ammonia], ids=lambda f: f.__name__)
def test_rotation_translation_and_permutation_change_no_frequency(case):
    """Also away from the minimum, where an unprojected Hessian's rotations would mix in."""
    potential, geometry = case()
    turned = Geometry(geometry.numbers, geometry.positions @ rotation().T + np.array([1.0, -2, 0.5]))
    first, other = (normal_modes(hessian(potential, g), g) for g in (geometry, turned))
    np.testing.assert_allclose(first.wavenumbers, other.wavenumbers, rtol=1e-9)
    r = np.kron(np.eye(len(geometry.numbers)), rotation())
    second = hessian(potential, geometry)
    np.testing.assert_allclose(hessian(potential, turned), r @ second @ r.T, atol=1e-10 * np.abs(second).max())
    order = [0, *range(len(geometry.numbers) - 1, 0, -1)]
    relabelled = Geometry(geometry.numbers[order], geometry.positions[order])
    third = normal_modes(hessian(potential, relabelled), relabelled)
    np.testing.assert_allclose(first.wavenumbers, third.wavenumbers, rtol=1e-9)


def test_the_number_of_modes():
    """3a - 6; 3a - 5 if linear; 3a - 3 in a cell; none of an atom."""
    line = Geometry(np.array([8, 6, 8]), np.array([[-1.16, 0, 0], [0, 0, 0], [1.16, 0, 0]]) @ rotation().T)
    springs = Springs(((0, 1), (1, 2)), jnp.array([100.0, 100.0]), jnp.array([1.16, 1.16]))
    dioxide = normal_modes(hessian(springs, line), line)
    assert len(dioxide.wavenumbers) == 4
    m_o, m_c = masses([8, 6])
    ratio = dioxide.wavenumbers[-1] / dioxide.wavenumbers[-2]  # antisymmetric over symmetric stretch
    np.testing.assert_allclose(ratio, np.sqrt(1 + 2 * m_o / m_c), rtol=1e-12)
    _, crystal = argon_crystal()
    assert rigid_motions(crystal, masses(crystal.numbers)).shape == (96, 3)
    atom = Geometry(np.array([18]), np.zeros((1, 3)))
    assert len(normal_modes(np.zeros((3, 3)), atom).wavenumbers) == 0


@pytest.mark.parametrize("tolerance", [1e-4, 1e-9])
def test_relaxation_ends_in_a_minimum(tolerance):
    potential, start = ammonia()
    found = relax(potential, start, tolerance)
    energy, forces = evaluate(potential, found)
    assert np.abs(forces).max() <= tolerance and energy < 1e-9
    distances = np.linalg.norm(found.positions[1:] - found.positions[0], axis=1)
    np.testing.assert_allclose(distances, 1.02, atol=1e-5)
    assert np.all(normal_modes(hessian(potential, found), found).wavenumbers > 500)


def test_relaxation_of_a_crystal_in_its_cell():
    potential, start = argon_crystal()
    found = relax(potential, start, 1e-6)
    assert np.abs(evaluate(potential, found)[1]).max() <= 1e-6
    assert evaluate(potential, found)[0] < evaluate(potential, start)[0]
    np.testing.assert_array_equal(found.cell, start.cell)
    assert np.all(normal_modes(hessian(potential, found), found).wavenumbers > 0)


def test_a_saddle_has_one_negative_wave_number():
    """Planar ammonia falls to either side; a relaxation that starts planar stays so."""
    potential, start = ammonia()
    flat = relax(potential, Geometry(start.numbers, start.positions * np.array([1.0, 1, 0])), 1e-8)
    found = normal_modes(hessian(potential, flat), flat).wavenumbers
    assert found[0] < -100 and np.all(found[1:] > 100)


class Slope(AbstractPotential):
    """No minimum: two atoms that push each other apart with a constant force."""

    def __call__(self, positions, numbers, cell=None):
        return -jnp.linalg.norm(positions[0] - positions[1])


def test_no_minimum_is_an_error():
    with pytest.raises(ValueError, match=r"H2 stopped with a largest force of .* eV/angstrom after 50 steps"):
        relax(Slope(), diatomic()[1], steps=50)


def test_a_wrong_hessian_is_an_error():
    geometry = water()[1]
    with pytest.raises(ValueError, match=r"shape \(6, 6\) for 3 atoms; give finite numbers, \(9, 9\)"):
        normal_modes(np.eye(6), geometry)
    with pytest.raises(ValueError, match="finite"):
        normal_modes(np.full((9, 9), np.nan), geometry)
    with pytest.raises(ValueError, match="give a mass in amu for each"):
        normal_modes(np.eye(9), geometry, masses=[1.0, 2.0])


def test_an_animation_and_the_figures(tmp_path):
    potential, geometry = water()
    found = normal_modes(hessian(potential, geometry), geometry)
    frames = found.frames(1, amplitude=0.2, count=8)
    np.testing.assert_allclose(frames[0], geometry.positions)
    moved = np.linalg.norm(frames[2] - geometry.positions, axis=1)
    np.testing.assert_allclose(moved.max(), 0.2)
    found.write(1, tmp_path / "mode.xyz", count=8)
    lines = (tmp_path / "mode.xyz").read_text().splitlines()
    assert len(lines) == 8 * 5 and lines[0] == "3" and "Properties=species:S:1:pos:R:3 wavenumber=38" in lines[1]
    np.testing.assert_allclose([float(x) for x in lines[2].split()[1:]], geometry.positions[0], atol=1e-9)
    assert isinstance(found.plot(), Figure) and isinstance(found.plot_mode(0), Figure)
    with pytest.raises(ValueError, match="mode 3 of H2O does not exist; the last one is 2"):
        found.plot_mode(3)


def test_single_precision_parameters_are_taken_to_double():
    potential = InverseDistanceMLP()
    single = jax.tree.map(lambda x: x.astype(jnp.float32), potential)
    double = jax.tree.map(lambda x: x.astype(jnp.float64), single)
    assert evaluate(single, ETHANOL)[0] == evaluate(double, ETHANOL)[0]
    with jax.enable_x64(False):  # what a program that never heard of x64 gets
        assert evaluate(single, ETHANOL)[0] == evaluate(double, ETHANOL)[0]
        assert hessian(single, ETHANOL).dtype == np.float64


def test_a_stretch_against_the_formula_of_a_spring():
    potential, geometry = diatomic(constant=35.0, length=0.74)
    found = stretch(potential, geometry, (0, 1), span=0.2, points=11)
    away = np.linspace(-0.1, 0.1, 11)
    np.testing.assert_allclose(found.lengths, 0.74 + away)
    np.testing.assert_allclose(found.energies, 17.5 * away**2, atol=1e-14)
    np.testing.assert_allclose(found.forces, -35 * away, atol=1e-12)
    np.testing.assert_allclose(found.slopes, -35.0)
    np.testing.assert_allclose([found.jump, found.roughness], [35 * 0.02, 1.0], rtol=1e-10)


def test_a_stretch_moves_what_it_is_told_to():
    """The force is the derivative of the energy along the way, whichever atoms move."""
    potential = InverseDistanceMLP()
    found = stretch(potential, ETHANOL, (1, 0), points=201, moving=(0, 3, 4, 5))
    np.testing.assert_allclose(-np.gradient(found.energies, found.lengths)[1:-1], found.forces[1:-1], atol=2e-6)
    np.testing.assert_allclose(np.gradient(found.forces, found.lengths)[1:-1], found.slopes[1:-1], atol=2e-5)
    with pytest.raises(ValueError, match="is no stretch of 9 atoms"):
        stretch(potential, ETHANOL, (0, 9))
    with pytest.raises(ValueError, match="shorten the span"):
        stretch(potential, ETHANOL, (0, 1), span=4.0)


class Rough(AbstractPotential):
    """Kinks of the energy every 0.01 angstrom: the force is a staircase along a spring's."""

    def __call__(self, positions, numbers, cell=None):
        r = jnp.linalg.norm(positions[0] - positions[1])
        knots = 0.5 + 0.01 * jnp.arange(60)
        return 0.3 * jnp.sum(jax.nn.relu(r - knots))


def test_a_staircase_shows_and_a_smooth_force_does_not():
    geometry = diatomic()[1]
    coarse, fine = (stretch(Rough(), geometry, (0, 1), points=n) for n in (501, 5001))
    np.testing.assert_allclose([coarse.jump, fine.jump], 0.3)  # a jump stays when the points come nearer
    assert coarse.roughness == fine.roughness == np.inf and np.abs(fine.slopes).max() < 1e-10
    smooth = [stretch(InverseDistanceMLP(), ETHANOL, (0, 1), points=n) for n in (501, 5001)]
    np.testing.assert_allclose(smooth[0].jump / smooth[1].jump, 10, rtol=0.01)
    np.testing.assert_allclose(smooth[0].roughness, smooth[1].roughness, rtol=0.01)
    assert smooth[0].roughness < 10
    assert largest_jump([1.0, 1.0, 1.0]) == 1.0
