"""Frames from the files that ASE reads: extended XYZ, trajectories, the outputs of many programs. eV and angstrom."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinnact.potentials.configurations import Configurations, Geometry


def read_frames(path: Path) -> Configurations:
    """All frames of a file with their energies and forces; shorter ones are padded.

    A frame that holds a single atom, and is not periodic or says `config_type=IsolatedAtom`, is an isolated atom.
    Energies and forces are those of ASE's calculator, else what the file calls `..._energy` and `..._forces`; stresses
    likewise, or `..._virial`, which is minus the stress times the volume.
    """
    frames = _read(path, ":")
    whole = [(k, frame) for k, frame in enumerate(frames) if not _is_isolated(frame)]
    if not whole:
        raise ValueError("no frames of more than one atom in it; give frames of molecules or crystals with forces")
    alone = {int(frame.numbers[0]): _energy(k, frame) for k, frame in enumerate(frames) if _is_isolated(frame)}
    forces = [_forces(k, frame) for k, frame in whole]
    most = max(len(frame) for _, frame in whole)
    stresses = [_stress(frame) for _, frame in whole]
    return Configurations(
        np.array([_padded(frame.numbers, most) for _, frame in whole]),
        np.array([_padded(frame.positions, most) for _, frame in whole]),
        np.array([_energy(k, frame) for k, frame in whole]),
        np.array([_padded(rows, most) for rows in forces]),
        cells=_cells(whole),
        stresses=np.array(stresses) if all(stress is not None for stress in stresses) else None,
        isolated=alone or None,
        name=path.stem,
    )


def first_geometry(path: Path) -> Geometry:
    """The first geometry of a file, with or without energies and forces."""
    return Geometry.of(_read(path, "0"))


def _read(path: Path, index: str) -> Any:
    try:
        from ase.io import read  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(f"reading {path.name} needs ase: pip install 'pinnact[chem]'; npz needs nothing") from error
    try:
        return read(path, index=index)
    except Exception as error:  # each of ASE's hundred readers raises what it likes
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"ASE can't read it ({first}); give npz or extended XYZ") from error


def _is_isolated(frame: Any) -> bool:
    return len(frame) == 1 and (not frame.pbc.any() or frame.info.get("config_type") == "IsolatedAtom")


def _padded(rows: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), rows.dtype)])


def _energy(index: int, frame: Any) -> float:
    value = _stored(frame, "energy", frame.info)
    if value is None:
        raise ValueError(f"frame {index} has no energy; write it as energy=... in the comment line, in eV")
    return float(value)


def _forces(index: int, frame: Any) -> np.ndarray:
    value = _stored(frame, "forces", frame.arrays)
    if value is None:
        raise ValueError(f"frame {index} has no forces; write them as the columns forces:R:3, in eV/angstrom")
    return np.asarray(value, float)


def _stress(frame: Any) -> np.ndarray | None:
    """(1/V) dE/d strain as a matrix. ASE's sign is ours; its six numbers are xx, yy, zz, yz, xz, xy."""
    if not frame.pbc.all():
        return None
    value = _stored(frame, "stress", frame.info)
    if value is None:
        virial = _stored(frame, "virial", frame.info)
        value = None if virial is None else -np.asarray(virial, float) / frame.get_volume()
    if value is None:
        return None
    value = np.asarray(value, float)
    return value[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3) if value.shape == (6,) else value.reshape(3, 3)


def _stored(frame: Any, what: str, named: Mapping[str, Any]) -> Any:
    """What the calculator of a frame holds, else the one entry whose name ends so (`REF_energy`, `dft_forces`)."""
    results = {} if frame.calc is None else frame.calc.results
    if what in results:
        return results[what]
    names = [name for name in named if name.lower().endswith(what)]
    if len(names) > 1:
        raise ValueError(f"several entries could be the {what}: {', '.join(names)}; keep one, or call one {what!r}")
    return named[names[0]] if names else None


def _cells(whole: list[tuple[int, Any]]) -> np.ndarray | None:
    if not any(frame.pbc.any() for _, frame in whole):
        return None
    for index, frame in whole:
        if not frame.pbc.all():
            raise ValueError(
                f"frame {index} is periodic in {frame.pbc.sum()} of 3 directions while others may be in all; "
                "give every frame pbc='T T T' (with vacuum where it is open), or none"
            )
    return np.array([frame.cell.array for _, frame in whole])
