"""Surfaces: a fitted potential with what it was fitted to, and what users ask of it.

Energies in eV, forces in eV/angstrom, errors in meV and meV/angstrom, wave numbers in 1/cm.
"""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from pinnact.history import History
from pinnact.potentials import calculator, relaxation, storage, uncertainty
from pinnact.potentials.checks import other_bonds
from pinnact.potentials.configurations import Configurations, Geometry, symbols
from pinnact.potentials.evaluation import evaluate, hessian, in_float64
from pinnact.potentials.matching import Frames
from pinnact.potentials.potential import AbstractPotential, energy_and_forces
from pinnact.potentials.vibrations import Vibrations, normal_modes
from pinnact.precision import precision


@dataclass(frozen=True)
class Surface:
    """A potential energy surface: of one `molecule` (atomic numbers in order), or of any made of `elements`."""

    potential: AbstractPotential
    molecule: tuple[int, ...] | None
    elements: tuple[int, ...]
    summary: dict[str, Any]
    history: History

    def energy(self, geometry: Any) -> float:
        """The energy in eV of a `Geometry` or an `ase.Atoms`."""
        return evaluate(self.potential, self._known(geometry))[0]

    def forces(self, geometry: Any) -> Float[np.ndarray, "a 3"]:
        """The forces in eV/angstrom, minus the energy's gradient."""
        return evaluate(self.potential, self._known(geometry))[1]

    def hessian(self, geometry: Any) -> Float[np.ndarray, "n n"]:
        """The second derivatives of the energy in eV/angstrom^2, by `jax.hessian`."""
        return hessian(self.potential, self._known(geometry))

    def relax(self, geometry: Any, force_tolerance: float = 1e-4) -> Geometry:
        """The nearest minimum: the geometry at which no force component exceeds `force_tolerance`."""
        return relaxation.relax(self.potential, self._known(geometry), force_tolerance)

    def vibrations(self, geometry: Any) -> Vibrations:
        """The normal modes at a geometry, which should be relaxed."""
        known = self._known(geometry)
        return normal_modes(hessian(self.potential, known), known)

    def frequencies(self, geometry: Any) -> Float[np.ndarray, " modes"]:
        """The harmonic wave numbers in 1/cm of the minimum next to a geometry, without translations and rotations."""
        return self.vibrations(self.relax(geometry)).wavenumbers

    def calibrated(self, data: Configurations) -> "Surface":
        """The surface of an ensemble with its `calibration` on frames it was not trained on; ValueError for others."""
        return replace(
            self, summary=self.summary | {"calibration": asdict(uncertainty.calibrate(self.potential, data))}
        )

    @property
    def calibration(self) -> uncertainty.Calibration | None:
        """What `calibrated` found, None before it."""
        found = self.summary.get("calibration")
        lists = ("expected", "found")
        return found and uncertainty.Calibration(**found | {name: tuple(found[name]) for name in lists})

    def uncertainty(self, geometry: Any) -> Float[np.ndarray, "a 3"]:
        """The root mean square error in eV/angstrom to expect of each force component: an ensemble's calibrated spread.

        Raises ValueError for a surface that is no ensemble, or is not `calibrated` yet.
        """
        spread = uncertainty.spread(self.potential, self._known(geometry))
        if self.calibration is None:
            raise ValueError("the spread is not calibrated; take surface.calibrated(test) with frames not trained on")
        return self.calibration.factor * spread

    def calculator(self) -> Any:
        """An ASE calculator: molecular dynamics, relaxation, phonons as ASE users expect.

        That of a `calibrated` ensemble warns (`Doubtful`) where a force is less certain than on any frame it was
        calibrated on.
        """
        doubt = self.calibration and (self.calibration.factor, self.calibration.limit)
        return calculator.ase_calculator(self.potential, self.molecule, self.elements, doubt)

    def predict(self, data: Configurations) -> tuple[Float[np.ndarray, " frames"], Float[np.ndarray, "frames a 3"]]:
        """Energies and forces of many frames."""
        for numbers in np.unique(data.numbers, axis=0):
            self._check(numbers[numbers > 0])
        with precision("float64"):
            energies, forces = _predict(in_float64(self.potential), Frames.of(data))
            return np.asarray(energies), np.asarray(forces)

    def errors(self, data: Configurations) -> dict[str, float]:
        """Mean absolute, root mean square and largest errors: energies in meV, force components in meV/angstrom.

        Warns of frames with other bonds than those of training: most often their atoms come in another order.
        """
        energies, forces = self.predict(data)
        if (known := self.summary.get("bonds")) and (doubt := other_bonds(known, data)):
            warnings.warn(doubt, stacklevel=2)
        off = 1e3 * (energies - data.energies)
        wrong = 1e3 * (forces - data.forces)[data.numbers > 0]
        return {
            "energy_mae_mev": float(np.mean(np.abs(off))),
            "energy_rmse_mev": float(np.sqrt(np.mean(off**2))),
            "force_mae_mev_per_angstrom": float(np.mean(np.abs(wrong))),
            "force_rmse_mev_per_angstrom": float(np.sqrt(np.mean(wrong**2))),
            "force_max_mev_per_angstrom": float(np.max(np.abs(wrong))),
        }

    def save(self, folder: str | PathLike[str]) -> None:
        """Write `surface.npz` (arrays and a header of text, no pickle) into a folder, made if missing."""
        storage.save(Path(folder), self.potential, self.molecule, self.elements, self.summary, self.history)

    def _known(self, geometry: Any) -> Geometry:
        known = Geometry.of(geometry)
        self._check(known.numbers)
        return known

    def _check(self, numbers: np.ndarray) -> None:
        if self.molecule is not None and tuple(numbers) != self.molecule:
            theirs, own = " ".join(symbols(numbers)), " ".join(symbols(self.molecule))
            raise ValueError(f"atoms {theirs}; this surface is of the molecule {own}, in that order")
        if unknown := sorted(set(map(int, numbers)) - set(self.elements)):
            known = ", ".join(symbols(self.elements))
            raise ValueError(f"the element {symbols(unknown)[0]} was not trained on; this surface knows {known}")

    def __repr__(self) -> str:
        return f"<Surface {self.summary.get('model')} of {self.summary.get('data')}>"


def load(folder: str | PathLike[str]) -> Surface:
    """The surface that `save` wrote; raises FileNotFoundError without one, ValueError where it is damaged."""
    return Surface(*storage.load(Path(folder)))


@eqx.filter_jit
def _predict(potential: AbstractPotential, frames: Frames) -> tuple[jax.Array, jax.Array]:
    one: Callable[[Frames], tuple[jax.Array, jax.Array]]
    one = lambda frame: energy_and_forces(potential, frame.positions, frame.numbers, frame.cells)
    return jax.lax.map(one, frames, batch_size=32)
