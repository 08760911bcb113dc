"""The shipped tasks: files that are small, whole and consistent, and reference values that fit them."""

from pathlib import Path

import numpy as np
import pytest

from pinnact import library
from pinnact.potentials import generation
from pinnact.potentials.checks import force_slope
from pinnact.potentials.tasks import Task
from pinnact.potentials.units import INVERSE_CM
from pinnact.potentials.vibrations import normal_modes

FILES = sorted((Path(__file__).parents[1] / "problems" / "potentials").glob("*.py"))
TASKS = {path.stem: library.load(path)() for path in FILES}


@pytest.fixture(scope="module", params=TASKS)
def task(request) -> Task:
    return TASKS[request.param]


@pytest.fixture(scope="module")
def data(task):
    return task.data()


def test_files_are_small_and_whole(task, data):
    """Warnings are errors here, so that nothing is there twice and no atoms change their order."""
    for path, frames in zip((task.train, task.test), data):
        assert path.stat().st_size < 600_000
        assert np.array_equal(frames.molecule, task.minimum.numbers)
    assert len(data[0]) == 1000 and len(data[1]) >= 300
    shared = {p.tobytes() for p in data[0].positions} & {p.tobytes() for p in data[1].positions}
    assert not shared


def test_energies_change_as_forces_say(data):
    for frames in data:
        slope, correlation = force_slope(frames)
        assert slope == pytest.approx(1, abs=0.05) and correlation > 0.97


def test_forces_neither_push_nor_turn(data):
    """The energy does not change under translation and rotation: no net force, no net torque (float32: 1e-6)."""
    for frames in data:
        assert np.abs(frames.forces.sum(axis=1)).max() < 2e-3
        assert np.abs(np.cross(frames.positions, frames.forces).sum(axis=1)).max() < 2e-3


def test_the_minimum_lies_below_all_frames(task, data):
    modes = 3 * len(task.minimum.numbers) - 6
    assert len(task.frequencies) == modes and list(task.frequencies) == sorted(task.frequencies)
    assert task.frequencies[0] > 0
    for frames in data:
        assert frames.energies.min() > task.energy


def test_frames_cover_the_barrier():
    """Ammonia: heights of N over the plane of H on both sides and about zero, where energies begin at the barrier."""
    task = TASKS["ammonia"]
    for frames in task.data():
        height = heights(frames.positions)
        assert np.mean(np.abs(height) < 0.1) > 0.03
        assert height.max() > 0.3 and height.min() < -0.3
        least = frames.energies[np.abs(height) < 0.05].min() - task.energy
        assert task.barrier - 0.01 < least < task.barrier + 0.2
    assert heights(task.saddle.positions[None])[0] == pytest.approx(0, abs=1e-6)
    assert task.saddle_frequencies[0] < 0 < task.saddle_frequencies[1]
    assert task.barrier == pytest.approx(2018 * INVERSE_CM, rel=0.15)  # from spectra: Swalen and Ibers 1962


def heights(positions):
    """The distance of atom 0 from the plane of atoms 1, 2, 3, with a sign."""
    first, second, third = (positions[:, k] for k in (1, 2, 3))
    normal = np.cross(second - first, third - first)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.sum((positions[:, 0] - first) * normal, axis=1)


def test_the_engine_says_so():
    """GFN2-xTB itself, where it is installed: at rest in ethanol's minimum, with these frequencies."""
    pytest.importorskip("tblite")
    ase = pytest.importorskip("ase")
    task = TASKS["ethanol"]
    atoms = ase.Atoms(task.minimum.numbers, task.minimum.positions)
    atoms.calc = generation.gfn2_xtb()
    assert np.abs(atoms.get_forces()).max() < 2e-3
    assert atoms.get_potential_energy() == pytest.approx(task.energy, abs=1e-5)
    waves = normal_modes(generation.hessian(atoms), task.minimum).wavenumbers
    np.testing.assert_allclose(waves, task.frequencies, atol=1.0)
    train, _ = task.data()
    atoms.set_positions(train.positions[17])
    np.testing.assert_allclose(atoms.get_forces(), train.forces[17], atol=1e-3)
