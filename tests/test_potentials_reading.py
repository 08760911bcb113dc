"""Reading and writing configurations: every layout of a file says the same, every fault gets its line."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import ETHANOL
from toys import same

from pinnact.potentials import units
from pinnact.potentials.reading import read, write_npz
from pinnact.potentials.units import Units

KCAL = units.KCAL_PER_MOL


# Units ----------------------------------------------------------------------------------------------------------------


def test_units_are_those_of_the_tables():
    """CODATA 2018 (NIST): Hartree in eV, bohr in angstrom, 1/cm in eV; kcal in kJ; Hartree in kcal/mol."""
    found = [units.HARTREE, units.BOHR, units.INVERSE_CM, KCAL / units.KJ_PER_MOL, units.HARTREE / KCAL]
    listed = [27.211386245988, 0.529177210903, 1.239841984e-4, 4.184, 627.5094740631]
    np.testing.assert_allclose(found, listed, rtol=1e-8)


def test_a_wave_number_is_that_of_its_oscillator():
    """omega = sqrt(k / m) in 1/fs from ACCELERATION, over 2 pi c, is WAVE_NUMBER sqrt(k / m)."""
    light = 2.99792458e-5  # cm/fs
    assert np.sqrt(units.ACCELERATION) / (2 * np.pi * light) == pytest.approx(units.WAVE_NUMBER, rel=1e-12)


def test_masses():
    np.testing.assert_array_equal(units.masses([[0, 1], [6, 86]]), [[1, 1.008], [12.011, 222]])
    with pytest.raises(ValueError, match="atomic number 87 has no mass"):
        units.masses([1, 87])
    data = pytest.importorskip("ase.data")
    np.testing.assert_allclose(units.masses(range(1, 87)), data.atomic_masses[1:87], rtol=0.01)  # Tc has no one mass


@pytest.mark.parametrize("words", ["kcal/mol", "KCAL/mol, Ang", "kcal/mol,angstrom"])
def test_units_in_words(words):
    assert Units.of(words) == Units(KCAL, 1.0)


def test_an_unknown_unit_is_named():
    with pytest.raises(ValueError, match=r"unknown unit of energy 'cal'; known are ev, mev, kcal/mol"):
        Units.of("cal")
    with pytest.raises(ValueError, match="unknown unit of length 'miles'"):
        Units.of("eV, miles")


# Layouts --------------------------------------------------------------------------------------------------------------


def layouts(c):
    z, r, e, f = c.molecule, c.positions, c.energies, c.forces
    hartree, bohr = units.HARTREE, units.BOHR
    words = {"e_unit": "Hartree", "r_unit": "bohr"}
    return {
        "rmd17": ({"nuclear_charges": z, "coords": r, "energies": e / KCAL, "forces": f / KCAL}, None),
        "sgdml without units": ({"z": z, "R": r, "E": e[:, None] / KCAL, "F": f / KCAL, "type": "d"}, None),
        "sgdml": ({"z": z, "R": r / bohr, "E": e / hartree, "F": f / hartree * bohr, **words}, None),
        "sgdml in bytes": ({"z": z, "R": r, "E": e / KCAL, "F": f / KCAL, "e_unit": b"kcal/mol"}, None),
        "plain": ({"z": z, "R": r, "E": e, "F": f}, None),
        "one row a frame": ({"z": c.numbers, "R": r, "E": e[:, None], "F": f}, None),
        "synonyms": ({"numbers": z, "positions": r, "energy": e, "forces": f}, None),
        "told": ({"z": z, "R": r / bohr, "E": e / KCAL, "F": f / KCAL * bohr}, "kcal/mol, bohr"),
    }


@pytest.mark.parametrize("layout", range(8))
def test_every_layout_of_npz_says_the_same(few, tmp_path, layout):
    arrays, said = list(layouts(few).values())[layout]
    np.savez(tmp_path / "data.npz", **arrays)
    same(read(tmp_path / "data.npz", units=said), few)


def test_units_that_are_told_go_before_those_of_the_file(few, tmp_path):
    arrays = {"z": few.molecule, "R": few.positions, "E": few.energies, "F": few.forces, "e_unit": "kcal/mol"}
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.warns(UserWarning, match="says that it is in kcal/mol, angstrom; taken as eV, as asked for"):
        same(read(tmp_path / "data.npz", units="eV"), few)
    np.savez(tmp_path / "same.npz", **(arrays | {"e_unit": "eV"}))
    same(read(tmp_path / "same.npz", units="ev"), few)  # no warning: they are the same


def test_what_is_written_is_read(few, tmp_path):
    """Energies to the last bit, positions and forces to the seven digits of float32; cells and all that goes along."""
    cells = np.broadcast_to(12.34567890123 * np.eye(3), (len(few), 3, 3))
    stresses = np.random.default_rng(0).normal(size=cells.shape)
    order = np.arange(len(few))[::-1]
    whole = replace(few, cells=cells, stresses=stresses, isolated={1: -13.6, 6: -1030.0}, order=order)
    write_npz(tmp_path / "data.npz", whole)
    again = read(tmp_path / "data.npz")
    same(again, whole, 1e-6)
    for name in ("energies", "cells", "stresses", "order", "isolated"):
        assert np.all(getattr(again, name) == getattr(whole, name))
    assert read(tmp_path / "data.npz", isolated={1: -1.0}).isolated == {1: -1.0}


def test_rmd17_remembers_where_frames_stood(few, tmp_path):
    arrays, _ = layouts(few)["rmd17"]
    np.savez(tmp_path / "data.npz", **arrays, old_indices=np.arange(len(few)) * 7 + 3)
    assert read(tmp_path / "data.npz").order.tolist() == [7 * k + 3 for k in range(len(few))]


# Extended XYZ ---------------------------------------------------------------------------------------------------------


def xyz(path, frames):
    """Writes (comment, rows) as extended XYZ."""
    text = [
        f"{len(rows)}\n{comment}\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows)
        for comment, rows in frames
    ]
    path.write_text("".join(text))
    return path


COLUMNS = "Properties=species:S:1:pos:R:3:forces:R:3"
WATER = [("O", 0, 0, 0.1, 0, 0, 1), ("H", 0.8, 0, 0.6, 0.5, 0, 0), ("H", -0.8, 0, 0.6, -0.5, 0, -1)]
HYDROGEN = [("H", 0, 0, 0, 0, 0, 2.5), ("H", 0, 0, 0.8, 0, 0, -2.5)]


def test_extended_xyz_pads_and_takes_isolated_atoms(tmp_path):
    pytest.importorskip("ase")
    alone = f"{COLUMNS} energy=-13.5 config_type=IsolatedAtom"
    frames = [
        (alone, [("H", 0, 0, 0, 0, 0, 0)]),
        (f"{COLUMNS} energy=-31.7", HYDROGEN),
        (f"{COLUMNS} energy=-2000", WATER),
    ]
    data = read(xyz(tmp_path / "data.xyz", frames))
    assert data.numbers.tolist() == [[1, 1, 0], [8, 1, 1]]
    assert data.energies.tolist() == [-31.7, -2000]
    assert data.isolated == {1: -13.5}
    assert data.cells is None and np.all(data.positions[0, 2] == 0) and np.all(data.forces[0, 2] == 0)
    np.testing.assert_array_equal(data.forces[1], [row[4:] for row in WATER])
    calories = read(tmp_path / "data.xyz", units="kcal/mol")
    assert calories.isolated == {1: -13.5 * KCAL} and calories.energies[0] == -31.7 * KCAL


def test_extended_xyz_with_names_of_its_own(tmp_path):
    pytest.importorskip("ase")
    columns = COLUMNS.replace("forces", "dft_forces")
    data = read(xyz(tmp_path / "data.xyz", [(f"{columns} dft_energy=-31.7", HYDROGEN)]))
    assert data.energies.tolist() == [-31.7] and data.forces[0, 0, 2] == 2.5
    xyz(tmp_path / "two.xyz", [(f"{columns} dft_energy=-31.7 xtb_energy=-3", HYDROGEN)])
    with pytest.raises(ValueError, match="several entries could be the energy: dft_energy, xtb_energy"):
        read(tmp_path / "two.xyz")


@pytest.mark.parametrize("as_virial", [False, True])
def test_a_stress_is_the_derivative_by_strain(tmp_path, as_virial):
    """Written by ASE from its own Lennard-Jones crystal; the oracle is a difference of energies by strain."""
    build, lj = pytest.importorskip("ase.build"), pytest.importorskip("ase.calculators.lj")
    atoms = build.bulk("Ar", "fcc", a=5.0, cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * np.array([[0, 1, 0.5], [0, 0, -1], [0, 0, 1]])), True)
    atoms.calc = lj.LennardJones(sigma=3.4, epsilon=0.01, rc=8.0, smooth=True)
    found, volume = atoms.get_stress(voigt=False), atoms.get_volume()
    atoms.get_forces()
    if as_virial:
        rows = [("Ar", *place, *force) for place, force in zip(atoms.positions, atoms.get_forces())]
        flat = lambda matrix: " ".join(map(repr, np.ravel(matrix).tolist()))
        comment = f'Lattice="{flat(atoms.cell.array)}" {COLUMNS} energy=0 virial="{flat(-volume * found)}"'
        data = read(xyz(tmp_path / "data.xyz", [(comment, rows)]))
    else:
        atoms.write(tmp_path / "data.traj")
        data = read(tmp_path / "data.traj")
    energy = lambda strain: _strained_energy(atoms, np.eye(3) + strain)
    expected = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        strain = np.zeros((3, 3))
        strain[i, j] += 5e-5
        strain[j, i] += 5e-5
        expected[i, j] = (energy(strain) - energy(-strain)) / 2e-4 / volume
    assert data.stresses is not None
    np.testing.assert_allclose(data.stresses[0], expected, atol=1e-7)
    np.testing.assert_allclose(data.cells[0], atoms.cell.array)


def _strained_energy(atoms, deformation):
    strained = atoms.copy()
    strained.calc = atoms.calc
    strained.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return strained.get_potential_energy()


# Faults ---------------------------------------------------------------------------------------------------------------


def changed(c, **arrays):
    whole = {"z": c.molecule, "R": c.positions, "E": c.energies, "F": c.forces} | arrays
    return {name: array for name, array in whole.items() if array is not None}


FAULTS = {
    "no forces": (lambda c: changed(c, F=None), r"has no forces \(one of F, forces, force\); it has z, R, E"),
    "no energies": (lambda c: changed(c, E=None), "has no energies"),
    "unit": (lambda c: changed(c, e_unit="furlong"), "unknown unit of energy 'furlong'"),
    "atoms": (lambda c: changed(c, z=c.molecule[:-1]), r"numbers of shape \(8,\) and positions of shape \(12, 9, 3\)"),
    "flat": (lambda c: changed(c, R=c.positions.reshape(12, 27)), r"positions of shape \(12, 27\) don't fit"),
    "energies": (lambda c: changed(c, E=c.energies[:-1]), r"energies of shape \(11,\); 12 frames of 9 atoms need"),
    "forces": (lambda c: changed(c, F=c.forces[:, :-1]), r"forces of shape \(12, 8, 3\)"),
    "words": (lambda c: changed(c, z=np.array(list("CCOHHHHHH"))), "numbers are of type <U1; they must be numbers"),
    "finite": (
        lambda c: changed(c, F=np.where(np.arange(12)[:, None, None] == 7, np.nan, c.forces)),
        "frame 7 are not",
    ),
    "element": (lambda c: changed(c, z=c.molecule + 100), "atom 0 of frame 0 has number 106; give 1"),
    "empty": (lambda c: changed(c, R=c.positions[:0], E=c.energies[:0], F=c.forces[:0]), "there are no frames in it"),
    "cell": (lambda c: changed(c, cells=np.diag([9.0, 9, 0])), "the cell of frame 0 has no volume"),
    "objects": (lambda c: changed(c, z=np.array([{}], object)), "can't be read as npz"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_npz_gets_one_line(few, tmp_path, fault):
    make, line = FAULTS[fault]
    np.savez(tmp_path / "data.npz", **make(few))
    with pytest.raises(ValueError, match=line) as caught:
        read(tmp_path / "data.npz")
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(tmp_path))


def test_what_is_no_data_gets_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere\.npz; give an npz"):
        read(tmp_path / "nowhere.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.npz: can't be read as npz"):
        read(tmp_path / "text.npz")
    whole = ETHANOL.read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.npz: can't be read as npz"):
        read(tmp_path / "cut.npz")
    pytest.importorskip("ase")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"notes\.txt: ASE can't read it .*; give npz or extended XYZ"):
        read(tmp_path / "notes.txt")
    bare = [("", [row[:4] for row in WATER])]
    with pytest.raises(ValueError, match=r"frame 0 has no forces; write them as the columns forces:R:3"):
        read(xyz(tmp_path / "bare.xyz", bare))
    with pytest.raises(ValueError, match="frame 0 has no energy"):
        read(xyz(tmp_path / "forces.xyz", [(COLUMNS, WATER)]))
    slab = f'Lattice="9 0 0 0 9 0 0 0 9" pbc="T T F" {COLUMNS} energy=-1'
    with pytest.raises(ValueError, match="frame 0 is periodic in 2 of 3 directions"):
        read(xyz(tmp_path / "slab.xyz", [(slab, WATER)]))
