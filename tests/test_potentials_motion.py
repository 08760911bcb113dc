"""Constant-energy dynamics: conserved quantities, order of accuracy, exact solutions, and explosions."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from toys import ETHANOL, Springs, ammonia, argon_crystal, diatomic, held, water

from pinnact.potentials import AbstractPotential, Geometry
from pinnact.potentials.dynamics import Trajectory, constant_energy, thermal_velocities
from pinnact.potentials.evaluation import evaluate
from pinnact.potentials.units import ACCELERATION, BOLTZMANN, masses


def momenta(geometry, velocities):
    """Momentum, and angular momentum about the origin."""
    p = masses(geometry.numbers)[:, None] * velocities
    return p.sum(axis=0), np.cross(geometry.positions, p).sum(axis=0)


def test_a_diatomic_keeps_the_period_of_its_formula():
    """r - r0 = A cos(w t); velocity Verlet turns exactly with w' = 2 asin(w dt / 2) / dt."""
    potential, rest = diatomic(constant=35.0, numbers=(1, 9))
    start = Geometry(rest.numbers, rest.positions + np.array([[0, 0, 0], [0, 0, 0.05]]))
    run = constant_energy(potential, start, steps=2000, every=1, timestep=0.25, velocities=np.zeros((2, 3)))
    m = masses(rest.numbers)
    w = np.sqrt(35.0 * ACCELERATION * m.sum() / m.prod())
    stretched = np.linalg.norm(run.positions[:, 1] - run.positions[:, 0], axis=1) - 0.74
    np.testing.assert_allclose(stretched, 0.05 * np.cos(2 * np.arcsin(w * 0.125) / 0.25 * run.times), atol=1e-10)
    np.testing.assert_allclose(stretched[:60], 0.05 * np.cos(w * run.times[:60]), atol=5e-4)


def test_time_runs_backwards():
    potential = held(ETHANOL)
    there = constant_energy(potential, ETHANOL, steps=400, every=100)
    end = Geometry(ETHANOL.numbers, there.positions[-1])
    back = constant_energy(potential, end, steps=400, every=100, velocities=-there.velocities[-1])
    np.testing.assert_allclose(back.positions[::-1], there.positions, atol=1e-10)
    np.testing.assert_allclose(back.velocities[::-1], -there.velocities, atol=1e-11)


def test_the_energy_is_kept_to_second_order():
    potential, start = ammonia()
    coarse, fine = (
        constant_energy(potential, start, steps=round(100 / dt), every=1, timestep=dt).deviation for dt in (0.2, 0.1)
    )
    np.testing.assert_allclose(coarse / fine, 4, rtol=0.05)


def test_momentum_and_angular_momentum_stay_zero():
    run = constant_energy(held(ETHANOL), ETHANOL, steps=1000, every=200, seed=3)
    for x, v in zip(run.positions, run.velocities, strict=True):
        for total in momenta(Geometry(ETHANOL.numbers, x), v):
            np.testing.assert_allclose(total, 0, atol=1e-12)


def test_kinetic_and_potential_energy_share_alike():
    """The virial theorem: equal means for a harmonic system; at 0.01 K a molecule is one, and stays near T / 2."""
    potential, start = water()
    run = constant_energy(potential, start, steps=100_000, every=5, timestep=0.1, temperature=0.01)
    np.testing.assert_allclose(run.kinetic_energies.mean(), run.potential_energies.mean(), rtol=0.01)
    np.testing.assert_allclose(run.temperatures.mean(), 0.005, rtol=0.02)


@pytest.mark.parametrize(
    ("geometry", "freedoms"), [(ETHANOL, 21), (diatomic()[1], 1), (argon_crystal()[1], 93)], ids=str
)
def test_starting_velocities(geometry, freedoms):
    """Nothing moves as a whole, and the temperature is exact."""
    velocities = thermal_velocities(geometry, 300.0, seed=5)
    momentum, angular = momenta(geometry, velocities)
    np.testing.assert_allclose(momentum, 0, atol=1e-13)
    if geometry.cell is None:
        np.testing.assert_allclose(angular, 0, atol=1e-13)
    twice = np.sum(masses(geometry.numbers)[:, None] * velocities**2) / ACCELERATION
    np.testing.assert_allclose(twice, freedoms * BOLTZMANN * 300, rtol=1e-12)


def test_starting_velocities_are_spread_over_all_coordinates_alike():
    """Over seeds, the mean of `sqrt(m) v` outer itself is the projector on vibrations times k_B T."""
    geometry = water()[1]
    root = np.sqrt(masses(geometry.numbers))[:, None]
    drawn = np.array([(root * thermal_velocities(geometry, 300.0, seed)).ravel() for seed in range(3000)])
    covariance = drawn.T @ drawn / len(drawn) / (BOLTZMANN * 300 * ACCELERATION)
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance), [0] * 6 + [1] * 3, atol=0.08)
    assert np.all(thermal_velocities(Geometry(np.array([18]), np.zeros((1, 3))), 300.0) == 0)


def test_records_are_what_the_potential_says_there():
    potential = held(ETHANOL)
    run = constant_energy(potential, ETHANOL, steps=170, every=10, timestep=0.3)
    assert run.positions.shape == run.velocities.shape == (18, 9, 3) and run.positions.dtype == np.float64
    np.testing.assert_allclose(run.times, 3.0 * np.arange(18))
    np.testing.assert_allclose(run.temperatures[0], 300)
    energies = [evaluate(potential, Geometry(ETHANOL.numbers, x))[0] for x in run.positions]
    np.testing.assert_allclose(run.potential_energies, energies, rtol=1e-12)
    assert not run.exploded and run.speed > 0
    again = constant_energy(potential, ETHANOL, steps=170, every=17, timestep=0.3)
    np.testing.assert_allclose(again.positions[-1], run.positions[-1], rtol=1e-10)
    with jax.enable_x64(False):  # what a program that never heard of x64 gets
        third = constant_energy(potential, ETHANOL, steps=170, every=10, timestep=0.3)
    np.testing.assert_array_equal(third.positions, run.positions)


def test_a_crystal_moves_in_its_cell():
    potential, start = argon_crystal(shake=0.05)
    run = constant_energy(potential, start, steps=200, every=20, timestep=2.0, temperature=30)
    assert run.deviation < 0.01 and not run.exploded
    np.testing.assert_allclose(momenta(start, run.velocities[-1])[0], 0, atol=1e-12)


class Fall(AbstractPotential):
    """Two atoms that attract each other with nothing between them; with a wall of nan where asked."""

    wall: float = 0.0

    def __call__(self, positions, numbers, cell=None):
        r = jnp.linalg.norm(positions[0] - positions[1])
        return jnp.where(r < self.wall, jnp.nan, 2 * r)


@pytest.mark.parametrize(
    ("potential", "said"),
    [
        (Springs(((0, 1),), jnp.array([-9.0]), jnp.array([0.7])), r"at [\d.]+ fs: atom [01] \(H\) flew off, at [2-9]"),
        (Fall(), r"at [\d.]+ fs: atom [01] \(H\) fell onto its neighbour, at 0.\d+ angstrom"),
        (Fall(0.6), r"at [\d.]+ fs: the energy or a position is not finite"),
    ],
)
def test_an_explosion_ends_the_run(potential, said):
    still = np.zeros((2, 3))
    run = constant_energy(potential, diatomic()[1], steps=100_000, every=1, timestep=0.2, velocities=still)
    assert run.exploded and re.search(said, run.stopped), run.stopped
    assert 1 < len(run.times) == len(run.positions) < 1000 and np.all(np.isfinite(run.total_energies))
    assert f"at {run.times[-1] + 0.2:.6g} fs" in run.stopped


def made(energies, atoms=4):
    """A trajectory of atoms at rest with these energies, one a picosecond."""
    still, times = np.zeros((len(energies), atoms, 3)), 1e3 * np.arange(len(energies))
    return Trajectory(water()[1], np.ones(atoms), times, still, still, np.asarray(energies), None, 1.0)


def test_the_drift_of_made_up_energies():
    """4 meV a ps in all are 10 meV per atom and 10 ps for four atoms; noise shows in the standard error, not below."""
    straight = made(4e-3 * np.arange(100))
    np.testing.assert_allclose([straight.drift.value, straight.deviation], [10, 99.0], rtol=1e-12)
    assert straight.drift.error < 1e-10
    rng = np.random.default_rng(0)
    found = [made(np.convolve(rng.standard_normal(1100), np.ones(20), "valid")).drift for _ in range(200)]
    pull = np.array([drift.value / drift.error for drift in found])
    assert 0.8 < pull.std() < 1.5  # correlated over 20 records, within blocks of 54
    assert np.isnan(made([1.0, 2.0]).drift.value)


def test_what_makes_no_sense_is_refused():
    potential, start = water()
    with pytest.raises(ValueError, match=r"steps=15, every=10, timestep=0.5: .* a multiple of every"):
        constant_energy(potential, start, steps=15)
    with pytest.raises(ValueError, match=r"timestep=0"):
        constant_energy(potential, start, steps=10, timestep=0)
    with pytest.raises(ValueError, match=r"velocities of shape \(2, 3\); H2O needs \(3, 3\)"):
        constant_energy(potential, start, steps=10, velocities=np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"temperature=-1 is no temperature"):
        constant_energy(potential, start, steps=10, temperature=-1)


def test_a_trajectory_is_written_and_drawn(tmp_path):
    potential, start = water()
    run = constant_energy(potential, start, steps=100)
    run.write(tmp_path / "run.xyz")
    lines = (tmp_path / "run.xyz").read_text().splitlines()
    assert len(lines) == 11 * 5 and "time=5 energy=" in lines[6] and "temperature=" in lines[6]
    assert isinstance(run.plot(), Figure)
    crystal = replace(run, geometry=replace(start, cell=9.0 * np.eye(3)))
    crystal.write(tmp_path / "cell.xyz")
    assert (tmp_path / "cell.xyz").read_text().splitlines()[1].startswith('Lattice="9 0 0 0 9 0 0 0 9" Properties=')
