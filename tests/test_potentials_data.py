"""Reading, writing and checking configurations: every layout of a file says the same, every fault gets its line."""

import warnings
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from toys import argon_crystal

from pinnact.potentials import generation, units
from pinnact.potentials.checks import check, force_slope
from pinnact.potentials.configurations import Configurations, Geometry
from pinnact.potentials.potential import energy_and_forces
from pinnact.potentials.reading import read, write_npz
from pinnact.potentials.units import Units
from pinnact.potentials.vibrations import normal_modes

ETHANOL = Path(__file__).parents[1] / "problems" / "potentials" / "ethanol_test.npz"
KCAL = units.KCAL_PER_MOL


@pytest.fixture(scope="module")
def ethanol():
    return read(ETHANOL)


@pytest.fixture
def few(ethanol):
    return ethanol[:12]


def same(one, other, tolerance=1e-12):
    for name in ("numbers", "positions", "energies", "forces"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance)


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
        "told otherwise": ({"z": z, "R": r, "E": e, "F": f, "e_unit": "kcal/mol"}, "eV"),
    }


@pytest.mark.parametrize("layout", range(9))
def test_every_layout_of_npz_says_the_same(few, tmp_path, layout):
    arrays, said = list(layouts(few).values())[layout]
    np.savez(tmp_path / "data.npz", **arrays)
    same(read(tmp_path / "data.npz", units=said), few)


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


# Checks ---------------------------------------------------------------------------------------------------------------


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


# Making data ----------------------------------------------------------------------------------------------------------


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
