"""Checking configurations: what can't be right, or fits its own energies badly, gets its line."""

import warnings
from dataclasses import replace

import jax
import numpy as np
import pytest
from toys import argon_crystal

from pinnact.potentials import units
from pinnact.potentials.checks import check, force_slope
from pinnact.potentials.configurations import Configurations
from pinnact.potentials.potential import energy_and_forces
from pinnact.potentials.reading import read, write_npz

KCAL = units.KCAL_PER_MOL


def test_good_data_is_not_suspected(ethanol):
    assert check(ethanol) == []
    slope, correlation = force_slope(ethanol)
    assert abs(slope - 1) < 0.05 and correlation > 0.97


@pytest.mark.parametrize("frames", [60, 500])
def test_the_wrong_sign_is_found_in_any_order(ethanol, frames, tmp_path):
    shuffled = ethanol[np.random.default_rng(0).permutation(500)[:frames]]
    write_npz(tmp_path / "data.npz", replace(shuffled, forces=-shuffled.forces))
    with pytest.raises(ValueError, match=r"forces have the wrong sign: .*; they are the gradient, give minus it"):
        read(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("energy", "force", "line"),
    [
        (1 / KCAL, 1, "energies were in kcal/mol and forces in eV"),
        (1, 1 / KCAL, "energies were in eV and forces in kcal/mol"),
        (1, units.BOHR / units.HARTREE, "energies were in eV and forces in Hartree/bohr"),
        (1, units.BOHR, "forces were per bohr and positions in angstrom"),
    ],
)
def test_different_units_are_found(ethanol, energy, force, line):
    mixed = replace(ethanol, energies=ethanol.energies * energy, forces=ethanol.forces * force)
    with pytest.raises(ValueError, match=f"energies and forces don't fit: .* as if {line}"):
        check(mixed)


def test_frames_too_far_apart_say_nothing(ethanol):
    """Forces that have nothing to do with the energies don't correlate with them, so nothing is claimed."""
    rng = np.random.default_rng(0)
    noise = replace(ethanol, forces=rng.normal(size=ethanol.forces.shape))
    assert abs(force_slope(noise)[1]) < 0.5 and check(noise) == []
    assert force_slope(ethanol[:3])[1] == 0 and check(ethanol[:3]) == []
    still = ethanol[np.zeros(40, int)]
    assert force_slope(still)[1] == 0


@pytest.fixture(scope="module")
def crystal():
    """A walk of an argon crystal, atoms put back into the cell where they leave it."""
    potential, geometry = argon_crystal()
    rng = np.random.default_rng(0)
    places = geometry.positions + np.cumsum(rng.normal(scale=0.03, size=(40, *geometry.positions.shape)), axis=0)
    both = jax.jit(jax.vmap(lambda p: energy_and_forces(potential, p, geometry.numbers, geometry.cell)))
    energies, forces = both(places)
    wrapped = (places @ np.linalg.inv(geometry.cell)) % 1.0 @ geometry.cell
    cells = np.broadcast_to(geometry.cell, (40, 3, 3))
    return Configurations(geometry.numbers, wrapped, energies, forces, cells=cells)


def test_a_crystal_that_is_wrapped_is_checked_too(crystal):
    slope, correlation = force_slope(crystal)
    assert abs(slope - 1) < 0.05 and correlation > 0.99
    assert check(crystal) == []
    with pytest.raises(ValueError, match="wrong sign"):
        check(replace(crystal, forces=-crystal.forces))


def test_two_atoms_in_one_place(ethanol, crystal):
    places = ethanol.positions.copy()
    places[4, 7] = places[4, 2] + 0.01
    with pytest.raises(ValueError, match=r"atoms 2 and 7 of frame 4 are 0\.017 angstrom apart"):
        check(replace(ethanol, positions=places))
    places = crystal.positions.copy()
    places[3, 9] = places[3, 5] + crystal.cells[3].T @ [1, 0, -1]  # its image in another cell
    with pytest.raises(ValueError, match="atoms 5 and 9 of frame 3"):
        check(replace(crystal, positions=places))


def test_frames_that_are_there_twice_warn(few, tmp_path):
    write_npz(tmp_path / "data.npz", few[[0, 1, 2, 1, 3, 0]])
    with pytest.warns(UserWarning, match=r"data\.npz: 2 of 6 frames are there twice \(frame 3 is frame 1\)"):
        read(tmp_path / "data.npz")


def test_atoms_that_change_order(few):
    turned = few.numbers.copy()
    turned[5] = turned[5][::-1]
    lines = check(replace(few, numbers=turned))
    assert len(lines) == 1 and "frame 5 has the atoms of frame 0 in another order (atom 0 is H, not C)" in lines[0]


def test_like_atoms_that_change_places(few):
    """H of the methyl group for that of the hydroxyl group: the numbers are the same, the bonds are not."""
    numbers, bonded = few.molecule, np.linalg.norm(few.positions[0, 2] - few.positions[0], axis=1) < 1.2
    hydroxyl = int(np.flatnonzero((numbers == 1) & bonded)[0])
    other = int(np.flatnonzero((numbers == 1) & ~bonded)[0])
    places = few.positions.copy()
    places[6][[hydroxyl, other]] = places[6][[other, hydroxyl]]
    lines = check(replace(few, positions=places))
    assert len(lines) == 1 and "in frame 6 H" in lines[0] and "change their order between frames" in lines[0]


def test_a_proton_that_goes_over_is_no_change_of_order():
    """O-H...O to O...H-O: the proton is bonded to the other oxygen, but both oxygens stayed where they were."""
    way = np.linspace(1.0, 1.8, 9)
    places = np.array([[[-1.43, 0, 0], [0, 0, 0], [x, 0, 0], [2.8, 0, 0], [4.23, 0, 0]] for x in way])
    data = Configurations([6, 8, 1, 8, 6], places, np.zeros(9), np.zeros_like(places))
    assert check(data) == []


def test_configurations_of_a_single_frame_pass(ethanol):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check(ethanol[3]) == []
