"""Frames of atoms and meshes that chance has changed: what is read is finite, the rest refused in one line."""

import re

import meshio
import numpy as np
import pytest
from corruption import changed_bytes, contents, npz, read_or_refused, some
from hypothesis import given
from hypothesis import strategies as st
from toys import hydrogen

import pinnact as pn
from pinnact.potentials import reading

pytestmark = pytest.mark.usefixtures("no_hang")

# -- frames ------------------------------------------------------------------------------------------------------------

ODD = st.sampled_from([np.nan, np.inf, -1.0, 0.0, 1e300, -1e300, 1e-300, 86, 87, 2.0**63])


@given(data=st.data())
@some(120)
def test_frames_in_npz(data, tmp_path):
    c = hydrogen(6)
    parts = {"z": c.molecule, "R": c.positions, "E": c.energies, "F": c.forces, "e_unit": np.array("eV")}
    parts |= {
        "cells": np.broadcast_to(9.0 * np.eye(3), (6, 3, 3)),
        "isolated_z": np.array([1]),
        "isolated_E": np.ones(1),
    }
    if data.draw(st.booleans()):
        written = data.draw(contents(npz(**parts)))
    else:
        name = data.draw(st.sampled_from([*parts, "order", "stresses"]))
        array = np.array(parts.get(name, np.zeros(6)))
        if data.draw(st.booleans()) and array.dtype.kind != "U":
            array = array.astype(float)
            array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(ODD)
        else:
            others = [
                array[..., None],
                array[:0] if array.ndim else array,
                array.astype(str),
                array.astype("S"),
                3.0,
                "",
            ]
            others += [
                array.astype(complex) if array.dtype.kind != "U" else 1j,
                np.zeros((2, 0, 3)),
                array.T,
                ["eV", "a"],
            ]
            array = np.array(data.draw(st.sampled_from(others)))
        written = npz(**parts | {name: array})
    file = tmp_path / "frames.npz"
    file.write_bytes(written)
    found = read_or_refused(reading.read, file)
    assert found is None or np.all(np.isfinite(found.positions))


XYZ = """2
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 stress="1 2 3 4 5 6" pbc="T T T"
H 0.0 0.0 0.0 0.0 0.0 2.5
H 0.0 0.0 0.8 0.0 0.0 -2.5
2
Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.4 virial="1 0 0 0 1 0 0 0 1" pbc="T T T"
H 0.0 0.0 0.0 0.0 0.0 2.4
H 0.0 0.0 0.9 0.0 0.0 -2.4
"""
WORDS = [
    "T",
    "F",
    "R",
    "S",
    "I",
    "energy",
    "energy={}",
    "forces",
    "Xx",
    "_JSON",
    "-1",
    "99999999999",
    "1e400",
    "nan",
    '"',
]


@given(data=st.data())
@some(120)
def test_frames_in_extended_xyz(data, tmp_path):
    pytest.importorskip("ase")
    text = XYZ
    if data.draw(st.booleans()):
        found = list(re.finditer(r"[\w.+-]+", text))
        one = data.draw(st.sampled_from(found))
        text = text[: one.start()] + data.draw(st.sampled_from(WORDS)) + text[one.end() :]
    file = tmp_path / "frames.xyz"
    file.write_bytes(
        data.draw(st.one_of(st.just(text.encode()), changed_bytes(text.encode()), st.binary(max_size=200)))
    )
    found = read_or_refused(reading.read, file)
    assert found is None or np.all(np.isfinite(found.positions))
    read_or_refused(reading.read_geometry, file)


# -- meshes ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    """A square of two triangles in several formats."""
    folder, found = tmp_path_factory.mktemp("meshes"), {}
    square = meshio.Mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [("triangle", [[0, 1, 2], [0, 2, 3]])])
    for name, suffix in {"gmsh": ".msh", "vtk": ".vtk", "vtu": ".vtu", "abaqus": ".inp"}.items():
        square.write(folder / f"square{suffix}", file_format=name)
        found[suffix] = (folder / f"square{suffix}").read_bytes()
    return found


@given(data=st.data())
@some(120)
def test_meshes(data, meshes, tmp_path, capsys):
    suffix = data.draw(st.sampled_from([*meshes, ".xdmf", ".stl", ".ply", ".med", ".nonsense"]))
    file = tmp_path / f"square{suffix}"
    file.write_bytes(data.draw(contents(meshes.get(suffix, meshes[".vtu"]))))
    found = read_or_refused(pn.read_mesh, file)
    assert found is None or 0 < found.measure < np.inf
