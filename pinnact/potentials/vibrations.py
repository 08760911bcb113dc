"""Harmonic vibrations: normal modes of a Hessian, their wave numbers, zero-point energy, pictures and animations.

Wilson, Decius and Cross, Molecular Vibrations (1955); the Eckart frame: Eckart 1935, doi:10.1103/PhysRev.47.552.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float
from matplotlib.figure import Figure

from pinnact.potentials.configurations import Geometry, symbols
from pinnact.potentials.mechanics import masses_of, rigid_motions
from pinnact.potentials.units import INVERSE_CM, WAVE_NUMBER
from pinnact.potentials.xyz import write_xyz


@dataclass(frozen=True)
class Vibrations:
    """Normal modes about a geometry, slowest first; they mean something where the forces vanish.

    `wavenumbers` are in 1/cm; an imaginary one (a mode along which the energy falls) is given as a **negative**
    number. `modes[k]` are the cartesian displacements `u_k` of the atoms in 1/sqrt(amu), with
    `sum_a m_a u_ka . u_la = delta_kl`; `masses` in amu.
    """

    geometry: Geometry
    masses: Float[np.ndarray, " a"]
    wavenumbers: Float[np.ndarray, " k"]
    modes: Float[np.ndarray, "k a 3"]

    @cached_property
    def zero_point(self) -> float:
        """The zero-point energy `sum_k hbar omega_k / 2` in eV, over the real modes."""
        return float(np.sum(np.maximum(self.wavenumbers, 0)) * INVERSE_CM / 2)

    @cached_property
    def reduced_masses(self) -> Float[np.ndarray, " k"]:
        """`1 / sum_a |u_ka|^2` in amu: the mass of a mode whose cartesian displacements are normalised."""
        return 1 / np.sum(self.modes**2, axis=(1, 2))

    def frames(self, mode: int, amplitude: float = 0.3, count: int = 32) -> Float[np.ndarray, "count a 3"]:
        """Positions along one period of `mode`; the atom that moves most goes `amplitude` angstrom either way."""
        shape = self.modes[self._index(mode)]
        phases = np.sin(2 * np.pi * np.arange(count) / count)
        scale = amplitude / np.linalg.norm(shape, axis=1).max()
        return self.geometry.positions + scale * phases[:, None, None] * shape

    def write(self, mode: int, path: str | Path, amplitude: float = 0.3, count: int = 32) -> None:
        """Writes one period of `mode` as an extended XYZ animation (`frames`)."""
        frames, number = self.frames(mode, amplitude, count), float(self.wavenumbers[mode])
        write_xyz(path, self.geometry, frames, [{"wavenumber": number}] * count)

    def plot(self, width: float = 10.0) -> Figure:
        """The density of modes: a stick a mode, and Lorentzians of full `width` 1/cm, each of area one."""
        figure = Figure(figsize=(7, 3), layout="constrained")
        axes = figure.subplots()
        grid = np.linspace(min(0, *self.wavenumbers) - 50, max(0, *self.wavenumbers) + 150, 4001)
        half = width / 2
        density = np.sum(half / np.pi / ((grid[:, None] - self.wavenumbers[None, :]) ** 2 + half**2), axis=1)
        axes.fill_between(grid, density, color="tab:blue", alpha=0.3, lw=0)
        axes.vlines(self.wavenumbers, 0, 0.3 * density.max(), color="tab:blue", lw=1)
        axes.set(xlabel="wave number (1/cm; negative: imaginary)", ylabel="modes per 1/cm", xlim=(grid[0], grid[-1]))
        axes.set_ylim(bottom=0)
        axes.set_title(f"{self.geometry.formula()}: {len(self.modes)} modes, zero-point {self.zero_point:.3f} eV")
        return figure

    def plot_mode(self, mode: int, amplitude: float = 0.6) -> Figure:
        """The atoms in the plane in which the molecule is widest, with the displacements of `mode` as arrows."""
        shape = self.modes[self._index(mode)]
        centred = self.geometry.positions - self.geometry.positions.mean(axis=0)
        plane = np.linalg.svd(centred, full_matrices=True)[2][:2].T
        flat = centred @ plane
        arrows = shape @ plane * amplitude / np.linalg.norm(shape, axis=1).max()
        figure = Figure(figsize=(5, 4), layout="constrained")
        axes = figure.subplots()
        colours = [f"C{z % 10}" for z in self.geometry.numbers]
        axes.scatter(*flat.T, s=60 * np.sqrt(self.masses), c=colours, edgecolors="black", zorder=2)
        axes.quiver(*flat.T, *arrows.T, angles="xy", scale_units="xy", scale=1, width=0.008, zorder=3)
        for name, spot in zip(symbols(self.geometry.numbers), flat, strict=True):
            axes.annotate(name, tuple(spot), ha="center", va="center", zorder=4)
        axes.set(aspect="equal", xlabel="angstrom", title=f"mode {mode}: {self.wavenumbers[mode]:.1f} 1/cm")
        axes.margins(0.25)
        return figure

    def _index(self, mode: int) -> int:
        count = len(self.modes)
        if not -count <= mode < count:
            raise ValueError(f"mode {mode} of {self.geometry.formula()} does not exist; the last one is {count - 1}")
        return mode

    def __repr__(self) -> str:
        numbers = ", ".join(f"{x:.0f}" for x in self.wavenumbers)
        return f"<Vibrations of {self.geometry.formula()}: {numbers} 1/cm, zero-point energy {self.zero_point:.4f} eV>"


def normal_modes(
    hessian: Float[ArrayLike, "n n"], geometry: Geometry, masses: Float[ArrayLike, " a"] | None = None
) -> Vibrations:
    """The normal modes of a Hessian (eV/angstrom^2): `M^(-1/2) H M^(-1/2) l = omega^2 l`, `u = M^(-1/2) l`.

    Translations and rotations about the centre of mass are projected out (the Eckart frame), which leaves `3a - 6`
    modes, `3a - 5` for a linear molecule, `3a - 3` for a periodic cell (at wave vector zero). `masses` in amu replace
    the standard atomic weights (isotopes). The Hessian's symmetric part counts.

    Raises ValueError for a Hessian of another shape, or one that is not finite.
    """
    second = np.asarray(hessian, float)
    size = geometry.positions.size
    if second.shape != (size, size) or not np.all(np.isfinite(second)):
        raise ValueError(
            f"a Hessian of shape {second.shape} for {len(geometry.numbers)} atoms; give finite numbers, {(size, size)}"
        )
    weights = masses_of(geometry, masses)
    root = np.repeat(np.sqrt(weights), 3)
    rigid = rigid_motions(geometry, weights)
    free = np.linalg.qr(rigid, mode="complete")[0][:, rigid.shape[1] :]
    weighted = free.T @ ((second + second.T) / 2 / np.outer(root, root)) @ free
    squares, vectors = np.linalg.eigh(weighted)
    wavenumbers = WAVE_NUMBER * np.sign(squares) * np.sqrt(np.abs(squares))
    modes = (free @ vectors / root[:, None]).T.reshape(-1, len(weights), 3)
    return Vibrations(geometry, weights, wavenumbers, modes)
