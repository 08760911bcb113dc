"""Configurations: frames of atoms with their energies and forces, and a single geometry.

Units: angstrom, eV, eV/angstrom; stresses in eV/angstrom^3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

SYMBOLS = """
X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y
Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os
Ir Pt Au Hg Tl Pb Bi Po At Rn
""".split()  # noqa: SIM905


def symbols(numbers: ArrayLike) -> list[str]:
    """Chemical symbols of atomic numbers; `X` for the padding 0."""
    return [SYMBOLS[number] for number in np.asarray(numbers)]


@dataclass(frozen=True)
class Geometry:
    """One arrangement of atoms: atomic numbers `(a,)`, positions `(a, 3)` in angstrom, a cell `(3, 3)` if periodic."""

    numbers: Int[np.ndarray, " a"]
    positions: Float[np.ndarray, "a 3"]
    cell: Float[np.ndarray, "3 3"] | None = None

    def __post_init__(self) -> None:
        numbers, positions = np.asarray(self.numbers, int), np.asarray(self.positions, float)
        if positions.shape != (*numbers.shape, 3) or numbers.ndim != 1:
            raise ValueError(
                f"positions of shape {positions.shape} for {numbers.size} atoms; give one row x, y, z for each atom"
            )
        if not np.all(np.isfinite(positions)):
            raise ValueError("a position is not finite; give coordinates in angstrom")
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "positions", positions)

    @staticmethod
    def of(value: Any) -> "Geometry":
        """A geometry from a `Geometry`, an `ase.Atoms`, or configurations with a single frame."""
        match value:
            case Geometry():
                return value
            case Configurations() if len(value) == 1:
                return value.geometry(0)
            case _ if hasattr(value, "get_atomic_numbers"):
                cell = np.asarray(value.cell) if np.all(value.pbc) else None
                return Geometry(value.get_atomic_numbers(), value.get_positions(), cell)
        raise ValueError(f"{type(value).__name__} is no geometry; give pn.potentials.Geometry(numbers, positions)")

    def formula(self) -> str:
        """The sum formula, as `C2H6O`."""
        return _formula(self.numbers)


@dataclass(frozen=True)
class Configurations:
    """Frames with energies (eV) and forces (eV/angstrom), of one molecule or of many compositions.

    Shorter frames are padded: atomic number 0, position and force 0. `isolated` gives energies of isolated atoms by
    atomic number. `order` says where a frame stood in its trajectory.
    """

    numbers: Int[np.ndarray, "frames atoms"]
    positions: Float[np.ndarray, "frames atoms 3"]
    energies: Float[np.ndarray, " frames"]
    forces: Float[np.ndarray, "frames atoms 3"]
    cells: Float[np.ndarray, "frames 3 3"] | None = None
    stresses: Float[np.ndarray, "frames 3 3"] | None = None
    isolated: Mapping[int, float] | None = None
    name: str = "configurations"
    order: Int[np.ndarray, " frames"] = field(default_factory=lambda: np.zeros(0, int))

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions, np.float64)
        if positions.ndim != 3 or positions.shape[2] != 3:
            raise ValueError(f"positions of shape {positions.shape}; they must be (frames, atoms, 3), in angstrom")
        frames, atoms, _ = positions.shape
        numbers = np.asarray(self.numbers)
        numbers = np.broadcast_to(numbers, (frames, atoms)) if numbers.shape == (atoms,) else numbers
        wanted = {
            "numbers": (frames, atoms),
            "energies": (frames,),
            "forces": (frames, atoms, 3),
            "cells": (frames, 3, 3),
            "stresses": (frames, 3, 3),
        }
        arrays: dict[str, Any] = {"positions": positions}
        for name, shape in wanted.items():
            value = numbers if name == "numbers" else getattr(self, name)
            if value is None:
                continue
            array = np.asarray(value, int if name == "numbers" else np.float64)
            if array.shape != shape:
                raise ValueError(f"{name} of shape {array.shape}; {frames} frames of {atoms} atoms need {shape}")
            arrays[name] = array
        if len(self.order) == 0:
            arrays["order"] = np.arange(frames)
        for name, array in arrays.items():
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, which: int | slice | Sequence[int] | np.ndarray) -> "Configurations":
        """Some of the frames; a single number gives configurations with one frame."""
        which = [which] if isinstance(which, int | np.integer) else which
        per_frame = {f.name for f in fields(self)} - {"isolated", "name"}
        chosen = {name: getattr(self, name)[which] for name in per_frame if getattr(self, name) is not None}
        return replace(self, **chosen)

    def geometry(self, frame: int) -> Geometry:
        """One frame without its padding."""
        real = self.numbers[frame] > 0
        cell = None if self.cells is None else self.cells[frame]
        return Geometry(self.numbers[frame][real], self.positions[frame][real], cell)

    @property
    def molecule(self) -> Int[np.ndarray, " atoms"] | None:
        """The atomic numbers, where they are the same in every frame (one molecule); None otherwise."""
        first = self.numbers[0]
        return first if np.all(self.numbers == first) and np.all(first > 0) else None

    @property
    def elements(self) -> list[int]:
        """The atomic numbers that occur, in order."""
        return [int(z) for z in np.unique(self.numbers) if z > 0]

    def split(
        self, train: int, test: int | None = None, seed: int = 0, by_block: bool = False, blocks: int = 20
    ) -> tuple["Configurations", "Configurations"]:
        """Frames for training and for testing (all others unless `test` is given).

        At random by seed; or, along a trajectory whose neighbouring frames are alike, `by_block`: the trajectory is
        cut into blocks, and each block goes to one side whole, so that no test frame has its neighbour in training.
        """
        total = len(self)
        test = total - train if test is None else test
        if train < 1 or test < 1 or train + test > total:
            raise ValueError(f"train={train} and test={test} don't fit {total} frames; give at most {total} together")
        if seed < 0:
            raise ValueError(f"seed={seed}: give a whole number, 0 or more")
        rng = np.random.default_rng(seed)
        if not by_block:
            shuffled = rng.permutation(total)
            return self[np.sort(shuffled[:train])], self[np.sort(shuffled[train : train + test])]
        pieces = np.array_split(np.argsort(self.order, kind="stable"), min(blocks, total))
        shuffled_pieces = [pieces[i] for i in rng.permutation(len(pieces))]
        count = int(np.searchsorted(np.cumsum([len(p) for p in shuffled_pieces]), train)) + 1
        first, second = (
            np.concatenate(p or [[]]).astype(int) for p in (shuffled_pieces[:count], shuffled_pieces[count:])
        )
        if len(second) < test:
            raise ValueError(
                f"{len(second)} frames are left for testing beside whole blocks; ask for fewer than {test}"
            )
        thin = lambda frames, n: np.sort(frames)[np.linspace(0, len(frames) - 1, n).round().astype(int)]
        return self[thin(first, train)], self[thin(second, test)]

    def __repr__(self) -> str:
        kinds = "many compositions" if self.molecule is None else _formula(self.molecule)
        return f"<Configurations {self.name}: {len(self)} frames of {kinds}>"


def _formula(numbers: ArrayLike) -> str:
    counts = dict(zip(*np.unique(np.asarray(numbers), return_counts=True), strict=True))
    carbon = [6, 1] if 6 in counts else []
    order = [z for z in carbon if z in counts] + sorted(
        (z for z in counts if z not in carbon), key=lambda z: SYMBOLS[z]
    )
    return "".join(SYMBOLS[z] + (str(counts[z]) if counts[z] > 1 else "") for z in order)
