"""Reading configurations from files of all kinds, and writing them as npz. Inside: eV, angstrom, eV/angstrom."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pinnact.files import read_npz
from pinnact.potentials.ase_files import first_geometry, read_frames
from pinnact.potentials.checks import check
from pinnact.potentials.configurations import Configurations, Geometry
from pinnact.potentials.units import Units

KEYS = {
    "numbers": ("z", "Z", "numbers", "nuclear_charges", "atomic_numbers"),
    "positions": ("R", "coords", "coordinates", "positions"),
    "energies": ("E", "energies", "energy"),
    "forces": ("F", "forces", "force"),
    "cells": ("cells", "cell", "lattice"),
    "stresses": ("stresses", "stress"),
    "order": ("order", "old_indices"),
}
RMD17 = {"nuclear_charges", "coords", "energies", "forces"}
SGDML = {"type", "md5", "theory"}


def read(path: str | Path, *, units: str | None = None, isolated: Mapping[int, float] | None = None) -> Configurations:
    """Frames with energies and forces from a file, in eV, angstrom and eV/angstrom (stresses in eV/angstrom^3).

    * npz as rMD17 has it (`nuclear_charges, coords, energies, forces`): kcal/mol and angstrom.
    * npz as sGDML has it (`z, R, E, F`): its own unit strings `e_unit`, `r_unit`; kcal/mol and angstrom without.
    * any other npz of `z, R, E, F` (or numbers, positions, energies, forces): eV and angstrom without unit strings.
    * extended XYZ, trajectories and whatever else ASE reads (`pip install 'pinnact[chem]'`): eV and angstrom. Frames of
      different composition are padded; a frame that holds a single atom gives that element's isolated energy.

    `units` says otherwise: an energy, and a length where it is not angstrom, as `"kcal/mol"` or `"hartree, bohr"`. It
    goes before unit strings of the file, with a warning where they differ.
    `isolated`, energies (eV) of isolated atoms by atomic number, goes before what the file has.

    Raises FileNotFoundError, and ValueError for a file that can't be read, has no forces, unknown units, shapes that
    don't fit, values that aren't finite or forces of the wrong sign. Warns of what is only suspicious: see `check`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; give an npz, extended XYZ or another file of frames with forces")
    said = None if units is None else Units.of(units)
    try:
        data, words, stated = _from_npz(path) if path.suffix == ".npz" else (read_frames(path), "eV", False)
        in_file = Units.of(words)
        with np.errstate(over="ignore"):  # `check` tells of it
            data = _converted(data, said or in_file)
        if isolated is not None:
            data = replace(data, isolated=dict(isolated))
        doubts = check(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if stated and said not in (None, in_file):
        doubts = [*doubts, f"says that it is in {words}; taken as {units}, as asked for"]
    for doubt in doubts:
        warnings.warn(f"{path}: {doubt}", stacklevel=2)
    return data


def write_npz(path: str | Path, configurations: Configurations) -> None:
    """Write frames as compressed npz that `read` reads: energies in float64, positions and forces in float32.

    Keys as sGDML's: `z` (one row where all frames are of one molecule), `R`, `E`, `F` and the units. Seven digits hold
    positions of a molecule to 1e-7 angstrom; periodic cells and stresses stay in float64.
    """
    c = configurations
    arrays: dict[str, Any] = {"z": c.numbers if c.molecule is None else c.molecule}
    arrays["z"] = arrays["z"].astype(np.uint8)
    arrays |= {"R": c.positions.astype(np.float32), "E": c.energies, "F": c.forces.astype(np.float32)}
    arrays |= {name: value for name, value in (("cells", c.cells), ("stresses", c.stresses)) if value is not None}
    if c.isolated is not None:
        arrays |= {"isolated_z": np.array(list(c.isolated)), "isolated_E": np.array(list(c.isolated.values()))}
    if not np.array_equal(c.order, np.arange(len(c))):
        arrays["order"] = c.order
    np.savez_compressed(path, e_unit="eV", r_unit="angstrom", **arrays)


def read_geometry(path: str | Path) -> Geometry:
    """The first geometry of a file, which need not hold forces: npz as `read` takes it, or what ASE reads."""
    path = Path(path)
    if path.suffix == ".npz":
        return read(path).geometry(0)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; give an xyz or another file with a geometry")
    try:
        return first_geometry(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _from_npz(path: Path) -> tuple[Configurations, str, bool]:
    """Its frames as they stand there, their units in words, and whether the file itself says so."""
    try:
        arrays = read_npz(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"can't be read as npz ({error}); write plain arrays by numpy.savez") from error
    found = {name: arrays[key] for name, keys in KEYS.items() for key in keys if key in arrays}
    for name in ("numbers", "positions", "energies", "forces"):
        if name not in found:
            raise ValueError(f"has no {name} (one of {', '.join(KEYS[name])}); it has {', '.join(arrays) or 'nothing'}")
    for name, array in found.items():
        if array.dtype.kind not in "iuf":
            raise ValueError(f"{name} are of type {array.dtype}; they must be numbers")
    numbers, positions = found["numbers"], found["positions"]
    if positions.ndim != 3 or numbers.shape not in (positions.shape[:2], positions.shape[1:2]):
        raise ValueError(
            f"atomic numbers of shape {numbers.shape} and positions of shape {positions.shape} don't fit; "
            "give (atoms,) or (frames, atoms), and (frames, atoms, 3)"
        )
    order = found.get("order", np.zeros(0))
    if not np.all((numbers == np.round(numbers)) & (numbers > -1000) & (numbers < 1000)):
        raise ValueError("an atomic number is not whole; give 1 (H) to 86 (Rn)")
    data = Configurations(
        numbers,
        positions,
        found["energies"].reshape(-1),
        found["forces"],
        cells=_for_each_frame(found.get("cells"), len(positions)),
        stresses=found.get("stresses"),
        isolated=_isolated(arrays),
        name=path.stem,
        order=order.astype(int) if order.shape == (len(positions),) and order.dtype.kind in "iu" else np.zeros(0, int),
    )
    energy, length = _word(arrays.get("e_unit")), _word(arrays.get("r_unit"))
    usual = "kcal/mol" if set(arrays) >= RMD17 or SGDML & set(arrays) else "eV"
    return data, f"{energy or usual}, {length or 'angstrom'}", bool(energy or length)


def _isolated(arrays: Mapping[str, np.ndarray]) -> dict[int, float] | None:
    """Energies of isolated atoms by atomic number, where a file has them."""
    if not {"isolated_z", "isolated_E"} <= set(arrays):
        return None
    numbers, energies = arrays["isolated_z"], arrays["isolated_E"]
    if numbers.dtype.kind not in "iu" or energies.dtype.kind not in "iuf" or not np.all(np.isfinite(energies)):
        raise ValueError("isolated_z and isolated_E are no atomic numbers and energies; give both as numbers")
    if numbers.ndim != 1 or numbers.shape != energies.shape:
        raise ValueError(f"isolated_z of shape {numbers.shape}, isolated_E of shape {energies.shape}; give one each")
    return dict(zip(numbers.tolist(), energies.tolist()))


def _word(value: np.ndarray | None) -> str:
    """A unit string of an npz file, which may be bytes; "" without one."""
    item = "" if value is None else value.item()
    return item.decode() if isinstance(item, bytes) else str(item)


def _for_each_frame(cells: np.ndarray | None, frames: int) -> np.ndarray | None:
    return np.broadcast_to(cells, (frames, 3, 3)) if cells is not None and cells.shape == (3, 3) else cells


def _converted(data: Configurations, units: Units) -> Configurations:
    """The same frames in eV and angstrom, from these units."""
    energy, length = units.energy, units.length
    return replace(
        data,
        positions=data.positions * length,
        energies=data.energies * energy,
        forces=data.forces * (energy / length),
        cells=None if data.cells is None else data.cells * length,
        stresses=None if data.stresses is None else data.stresses * (energy / length**3),
        isolated=None if data.isolated is None else {z: e * energy for z, e in data.isolated.items()},
    )
