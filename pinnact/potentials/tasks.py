"""Tasks: shipped data, and what its engine says of the molecule."""

from dataclasses import dataclass
from pathlib import Path

from pinnact.potentials.configurations import Configurations, Geometry
from pinnact.potentials.reading import read


@dataclass(frozen=True)
class Task:
    """Frames of one molecule to learn energies and forces from, and reference values that a surface should reproduce.

    `train` and `test` are files for `read`; `engine` says what made them. `minimum` is the engine's own, with its
    `energy` (eV) and its harmonic `frequencies` (1/cm, rising). `saddle` is the top of the way between two minima, if
    the frames cover one: `barrier` (eV) above the minimum, with one imaginary frequency, given as a negative number.
    """

    train: Path
    test: Path
    engine: str
    minimum: Geometry
    energy: float
    frequencies: tuple[float, ...]
    saddle: Geometry | None = None
    barrier: float | None = None
    saddle_frequencies: tuple[float, ...] | None = None

    def data(self) -> tuple[Configurations, Configurations]:
        """The frames for training and for testing."""
        return read(self.train), read(self.test)
