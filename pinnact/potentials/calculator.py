"""An ASE calculator of a potential: energy, forces, and stress in a periodic cell; compiled once a shape, in float64.

ASE is an optional extra: it is imported when the first calculator is made.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from pinnact.potentials.configurations import SYMBOLS, Geometry, symbols
from pinnact.potentials.evaluation import in_float64
from pinnact.potentials.potential import AbstractPotential
from pinnact.potentials.uncertainty import spread
from pinnact.precision import precision

_SAME_PLACE = 0.01  # angstrom: two atoms so near are one mistake
_VOIGT = np.array([0, 4, 8, 5, 2, 1])  # xx, yy, zz, yz, xz, xy of a flattened 3 x 3, ASE's order


class Doubtful(UserWarning):
    """A geometry at which an ensemble's members differ more than on any frame they were tested on."""


def ase_calculator(
    potential: AbstractPotential,
    molecule: ArrayLike | None = None,
    elements: Sequence[int] | None = None,
    doubt: tuple[float, float] | None = None,
) -> Any:
    """An `ase.calculators.calculator.Calculator` that gives `energy`, `free_energy`, `forces` and, periodic, `stress`.

    `molecule` are the atomic numbers, in order, of the one molecule that the potential is for; `elements` those that
    it knows. Energies in eV, forces in eV/angstrom, the stress `(1/V) dE/d epsilon` in eV/angstrom^3 in ASE's order
    xx, yy, zz, yz, xz, xy. Compiled at the first call for each number of atoms. With `doubt`, the factor and the limit
    of an ensemble's calibration, results also have the `uncertainty` of each force component in eV/angstrom, and one
    above the limit is said as a `Doubtful` warning.

    A calculation raises ValueError for other atoms than the molecule's, an element that isn't known, two atoms in one
    place, a cell that is periodic along some axes only, and an energy that isn't finite;
    ImportError without ASE.
    """
    return _calculator_class()(potential, molecule, elements, doubt)


@cache
def _calculator_class() -> type:
    try:
        from ase.calculators.calculator import Calculator, all_changes  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("a calculator needs ase: pip install 'pinnact[chem]'") from error

    class PinnactCalculator(Calculator):
        """A potential in ASE's clothes."""

        implemented_properties = ["energy", "free_energy", "forces", "stress"]

        def __init__(
            self,
            potential: AbstractPotential,
            molecule: ArrayLike | None,
            elements: Sequence[int] | None,
            doubt: tuple[float, float] | None,
        ) -> None:
            super().__init__()
            self.made_of = (potential, molecule, elements, doubt)
            self.evaluate, self.doubt = Compiled(potential, molecule, elements), doubt

        def check_state(self, atoms: Any, tol: float = 1e-15) -> list[str]:
            """What has changed, of that which counts here: a tenth of the time of ASE's own comparison."""
            if self.atoms is None or len(self.atoms) != len(atoms):
                return list(all_changes)
            old, new = self.atoms, atoms
            same = {
                "positions": np.array_equal(old.positions, new.positions),
                "numbers": np.array_equal(old.numbers, new.numbers),
                "cell": np.array_equal(old.cell.array, new.cell.array),
                "pbc": np.array_equal(old.pbc, new.pbc),
            }
            return [name for name, equal in same.items() if not equal]

        def calculate(
            self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Any = tuple(all_changes)
        ) -> None:
            atoms = self.atoms if atoms is None else atoms
            periodic = bool(np.any(atoms.pbc))
            if periodic and not np.all(atoms.pbc):
                raise ValueError(
                    f"pbc={atoms.pbc.tolist()}: make the atoms periodic along all three axes, or along none"
                )
            if "numbers" in system_changes:
                self.evaluate.check(atoms.numbers)
            results = self.evaluate(atoms.positions, atoms.numbers, atoms.cell.array if periodic else None)
            if self.doubt is not None:
                factor, limit = self.doubt
                results["uncertainty"] = factor * spread(self.made_of[0], Geometry.of(atoms))
                if (largest := np.max(results["uncertainty"])) > limit:
                    warnings.warn(
                        f"a force is uncertain by {largest:.2g} eV/angstrom, more than on any frame of the calibration "
                        f"({limit:.2g}): this geometry is outside what the surface knows; train on frames like it",
                        Doubtful,
                        stacklevel=2,
                    )
            self.atoms, self.results = atoms.copy(), results  # not before: a failure must be found again when repeated

        def __reduce__(self) -> tuple[Any, ...]:
            return ase_calculator, self.made_of

    return PinnactCalculator


class Compiled:
    """A potential as a function of NumPy arrays to NumPy results, compiled once for each number of atoms."""

    def __init__(
        self, potential: AbstractPotential, molecule: ArrayLike | None, elements: Sequence[int] | None
    ) -> None:
        self.molecule = None if molecule is None else np.asarray(molecule, int)
        self.elements = None if elements is None else {int(z) for z in elements}
        with precision("float64"):
            arrays, rest = eqx.partition(in_float64(potential), eqx.is_array)
        self.leaves, structure = jax.tree.flatten(arrays)
        # A flat list of arrays in and one array out: dispatching modules, or five results, doubles a call's cost.
        self.run = jax.jit(
            lambda leaves, *atoms: _results(eqx.combine(jax.tree.unflatten(structure, leaves), rest), *atoms)
        )

    def check(self, numbers: Int[np.ndarray, " a"]) -> None:
        """Raises ValueError where the potential is not for these atoms."""
        formula = Geometry(numbers, np.zeros((len(numbers), 3))).formula()
        if self.molecule is not None and not np.array_equal(numbers, self.molecule):
            own = Geometry(self.molecule, np.zeros((len(self.molecule), 3))).formula()
            order = " ".join(symbols(self.molecule))
            wrong = "has its atoms in another order" if own == formula else "is another molecule"
            raise ValueError(f"{formula} {wrong}: this model is for {own} alone, with its atoms in the order {order}")
        foreign = set() if self.elements is None else {int(z) for z in numbers} - self.elements
        if foreign:
            known = ", ".join(SYMBOLS[z] for z in sorted(self.elements or ()))
            raise ValueError(f"the model was not trained on {SYMBOLS[min(foreign)]} in {formula}; it knows {known}")

    def __call__(
        self,
        positions: Float[np.ndarray, "a 3"],
        numbers: Int[np.ndarray, " a"],
        cell: Float[np.ndarray, "3 3"] | None,
    ) -> dict[str, Any]:
        """ASE's results by name."""
        with precision("float64"):
            row = np.array(self.run(self.leaves, positions, numbers, cell))
        energy, nearest, pair = row[:3].tolist()
        if nearest < _SAME_PLACE:
            i, j = sorted(divmod(int(pair), len(numbers)))
            raise ValueError(
                f"atoms {i} ({SYMBOLS[numbers[i]]}) and {j} ({SYMBOLS[numbers[j]]}) are {nearest:.2g} angstrom apart: "
                "two atoms cannot be in one place; move one of them"
            )
        if not np.isfinite(energy):
            raise ValueError(f"the energy is {energy} at this geometry, far from what the model knows; check positions")
        end = 3 + positions.size
        results = {"energy": energy, "free_energy": energy, "forces": row[3:end].reshape(positions.shape)}
        return results if cell is None else results | {"stress": row[end:][_VOIGT]}


def _results(
    potential: AbstractPotential,
    positions: Float[Array, "a 3"],
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
) -> Float[Array, " n"]:
    """Energy, smallest distance, which pair it is, forces, and the stress of a periodic cell, as one row of numbers."""
    apart = positions[:, None] - positions[None, :]
    squares = jnp.sum(apart**2, axis=-1).ravel() + jnp.diag(jnp.full(len(positions), jnp.inf)).ravel()
    pair = jnp.argmin(squares)

    def strained(p: Float[Array, "a 3"], strain: Float[Array, "3 3"]) -> Float[Array, ""]:
        if cell is None:
            return potential(p, numbers, None)
        deformation = jnp.eye(3, dtype=p.dtype) + (strain + strain.T) / 2
        return potential(p @ deformation, numbers, cell @ deformation)

    energy, (gradient, tension) = jax.value_and_grad(strained, (0, 1))(positions, jnp.zeros((3, 3), positions.dtype))
    head = jnp.stack([energy, jnp.sqrt(squares[pair]), pair.astype(energy.dtype)])
    stress = [] if cell is None else [tension.ravel() / jnp.abs(jnp.linalg.det(cell))]
    return jnp.concatenate([head, jnp.negative(gradient).ravel(), *stress])
