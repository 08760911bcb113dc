"""How far to trust forces: the spread of an ensemble, calibrated against true errors."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from pinnact.potentials.configurations import Configurations, Geometry
from pinnact.potentials.ensemble import Committee
from pinnact.potentials.evaluation import in_float64, prepared
from pinnact.potentials.potential import AbstractPotential, energy_and_forces
from pinnact.precision import precision

GROUPS = 10  # of force components, by rising spread


@dataclass(frozen=True)
class Calibration:
    """What the spread of an ensemble says about its errors, on frames with known forces; all in eV/angstrom.

    `factor` times the spread has the root mean square of the errors. `expected` and `found` are root mean square
    uncertainties and errors of ten groups of force components, by rising spread: equal where the spread tells errors
    apart. `limit` is the largest uncertainty on the frames; what lies above it is outside what was tested.
    """

    factor: float
    limit: float
    expected: tuple[float, ...]
    found: tuple[float, ...]

    def plot(self) -> Figure:
        """Errors found over errors expected, group by group."""
        figure = Figure(figsize=(4.2, 4), layout="constrained")
        axes = figure.subplots()
        expected, found = 1e3 * np.array(self.expected), 1e3 * np.array(self.found)
        axes.loglog(expected, found, "o")
        ends = np.array([min(expected.min(), found.min()), max(expected.max(), found.max())]) * [0.8, 1.25]
        axes.loglog(ends, ends, "k--", lw=1, label="equal")
        axes.set(xlabel="expected force error (meV/Å)", ylabel="found force error (meV/Å)", xlim=ends, ylim=ends)
        for axis in (axes.xaxis, axes.yaxis):  # 1, 2, 5, 10 ...: the logarithmic labels overlap within one decade
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.legend(frameon=False)
        return figure


def calibrate(potential: AbstractPotential, data: Configurations) -> Calibration:
    """Compare the spread of an ensemble's forces with its errors on frames that it was not trained on."""
    with precision("float64"):
        arrays = [jnp.asarray(x) for x in (data.positions, data.numbers, data.cells) if x is not None]
        spread, forces = map(np.asarray, _many(in_float64(_committee(potential)), tuple(arrays)))
    real = data.numbers > 0
    spreads, errors = spread[real].ravel(), (forces - data.forces)[real].ravel()
    rms = lambda x: float(np.sqrt(np.mean(np.square(x))))
    factor = rms(errors) / max(rms(spreads), np.finfo(float).tiny)
    groups = np.array_split(np.argsort(spreads), min(GROUPS, len(spreads)))
    return Calibration(
        factor,
        factor * float(spreads.max()),
        tuple(factor * rms(spreads[group]) for group in groups),
        tuple(rms(errors[group]) for group in groups),
    )


def spread(potential: AbstractPotential, geometry: Geometry) -> Float[np.ndarray, "a 3"]:
    """The standard deviation of each force component over an ensemble's members, in eV/angstrom, not calibrated."""
    with precision("float64"):
        return np.asarray(_spread(jnp.asarray(geometry.positions), *prepared(_committee(potential), geometry)))


def _committee(potential: AbstractPotential) -> Committee:
    if not isinstance(potential, Committee):
        raise ValueError(
            f"{type(potential).__name__} is one potential and has no spread; fit pn.potentials.Ensemble(recipe)"
        )
    return potential


@eqx.filter_jit
def _spread(
    positions: Float[Array, "a 3"],
    potential: AbstractPotential,
    numbers: Int[Array, " a"],
    cell: Float[Array, "3 3"] | None,
) -> Float[Array, "a 3"]:
    return _committee(potential).spread(positions, numbers, cell)


@eqx.filter_jit
def _many(potential: AbstractPotential, frames: tuple[Array, ...]) -> tuple[Array, Array]:
    def one(frame: tuple[Array, ...]) -> tuple[Array, Array]:
        positions, numbers, *rest = frame
        cell = rest[0] if rest else None
        forces = energy_and_forces(potential, positions, numbers, cell)[1]
        return _committee(potential).spread(positions, numbers, cell), forces

    return jax.lax.map(one, frames, batch_size=32)
