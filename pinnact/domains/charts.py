"""Samplers: maps from the unit cube onto a set of points that carry equal volume to equal volume."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pinnact.sampling import unit_cube

PROBE = 2**14


def probe_size(pieces: int) -> int:
    """How many points probe each of several pieces: 16,384 in all, but 512 or more for each."""
    return max(512, PROBE // max(pieces, 1))


class Points(NamedTuple):
    """Points (n, d) of a domain and, on a boundary, the outward unit normals (n, s) over the s space coordinates."""

    points: np.ndarray
    normals: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Points":
        """The points of the given rows (indices, or a mask of shape (n,)), with their normals."""
        return Points(self.points[rows], None if self.normals is None else self.normals[rows])


Keep = Callable[[Points], np.ndarray]  # n points -> mask of shape (n,)
Change = Callable[[Points], Points]  # n points -> n other points


class Sampler(ABC):
    """Draws points of one set, and makes the samplers of its parts, images and products with an interval."""

    @abstractmethod
    def sample(self, n: int, method: str, seed: int) -> Points:
        """n points (at least n for the method "grid"); the same seed gives the same points."""

    @abstractmethod
    def where(self, keep: Keep) -> "Sampler":
        """The sampler of the points that `keep` accepts."""

    @abstractmethod
    def then(self, change: Change) -> "Sampler":
        """The sampler of the images; `change` must keep volumes up to one factor."""

    @abstractmethod
    def times(self, lower: float, upper: float) -> "Sampler":
        """The sampler of the product with an interval, appended as the last coordinate."""

    @abstractmethod
    def probe(self, n: int) -> Points:
        """A fixed sample of about n points that tells which fraction of the set a predicate accepts."""


@dataclass(frozen=True)
class Chart(Sampler):
    """A sampler by a map of the unit cube, with rejection: `place(unit)` gives n points and a mask of those kept."""

    dimension: int
    place: Callable[[np.ndarray], tuple[Points, np.ndarray]]

    @classmethod
    def of(cls, dimension: int, place: Callable[[np.ndarray], Points]) -> "Chart":
        """The chart of a map (n, dimension) -> n points that keeps every point."""
        return cls(dimension, lambda unit: (place(unit), np.ones(len(unit), bool)))

    @classmethod
    def box(cls, lower: ArrayLike, upper: ArrayLike) -> "Chart":
        """The chart of an axis-parallel box: x = lower + (upper - lower) u."""
        lower, upper = np.asarray(lower, float), np.asarray(upper, float)
        return cls.of(len(lower), lambda unit: Points(lower + (upper - lower) * unit))

    def sample(self, n: int, method: str, seed: int) -> Points:
        """n points, drawn again in larger numbers until n are kept (the first n of them; all for "grid").

        Raises:
            ValueError: unknown method, n < 1, or next to nothing of the drawn points is kept.
        """
        draw = n
        while True:
            placed, kept = self.place(unit_cube(method, draw, self.dimension, seed))
            rows = np.flatnonzero(kept)
            if len(rows) >= n:
                return placed.take(rows if method == "grid" else rows[:n])
            if draw > max(2**22, 64 * n):
                raise ValueError(f"only {len(rows)} of {draw} drawn points lie in the region: it is (almost) empty")
            draw = int(1.1 * draw * min(n / max(len(rows), 1), 16.0)) + 64

    def where(self, keep: Keep) -> "Chart":
        """The chart that rejects what `keep` does not accept."""

        def place(unit: np.ndarray) -> tuple[Points, np.ndarray]:
            placed, kept = self.place(unit)
            return placed, kept & keep(placed)

        return Chart(self.dimension, place)

    def then(self, change: Change) -> "Chart":
        """The chart of the images."""

        def place(unit: np.ndarray) -> tuple[Points, np.ndarray]:
            placed, kept = self.place(unit)
            return change(placed), kept

        return Chart(self.dimension, place)

    def times(self, lower: float, upper: float) -> "Chart":
        """The chart of the product: one more unit coordinate, so that the low-discrepancy set is drawn jointly."""

        def place(unit: np.ndarray) -> tuple[Points, np.ndarray]:
            placed, kept = self.place(unit[:, :-1])
            last = lower + (upper - lower) * unit[:, -1:]
            return Points(np.hstack([placed.points, last]), placed.normals), kept

        return Chart(self.dimension + 1, place)

    def probe(self, n: int) -> Points:
        """The kept ones of n Sobol points (or of more, until there are some)."""
        placed, kept = self.place(unit_cube("sobol", n, self.dimension, 0))
        return placed.take(kept) if kept.any() else self.sample(1, "sobol", 0)


@dataclass(frozen=True)
class Rows(Sampler):
    """A sampler of given points, without replacement; the method only has to be a known one."""

    rows: Points

    def sample(self, n: int, method: str, seed: int) -> Points:
        """n different rows in random order.

        Raises:
            ValueError: there are fewer than n rows.
        """
        unit_cube(method, n, 0, seed)  # the checks of n, method and seed
        if n > len(self.rows.points):
            raise ValueError(f"n={n} points were asked for, but only {len(self.rows.points)} are given: ask for fewer")
        return self.rows.take(np.random.default_rng(seed).permutation(len(self.rows.points))[:n])

    def where(self, keep: Keep) -> "Rows":
        """The rows that `keep` accepts."""
        return Rows(self.rows.take(keep(self.rows)))

    def then(self, change: Change) -> "Rows":
        """The images of the rows."""
        return Rows(change(self.rows))

    def times(self, lower: float, upper: float) -> Chart:
        """Rows drawn with replacement, jointly with the last coordinate."""
        count = len(self.rows.points)
        pick = Chart.of(1, lambda unit: self.rows.take(np.minimum((unit[:, 0] * count).astype(int), count - 1)))
        return pick.times(lower, upper)

    def probe(self, n: int) -> Points:
        """All rows, whatever n."""
        return self.rows
