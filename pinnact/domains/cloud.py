"""Domains known by scattered points only."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from pinnact.domains.base import SpaceDomain
from pinnact.domains.charts import Points, Rows
from pinnact.domains.regions import Piece


class PointCloud(SpaceDomain):
    """Given points inside, and given points (with normals if known) on named parts of the boundary.

    Measures count points. Sampling draws rows without replacement, whatever the method (in a product with time: with
    replacement). `contains` is true at the given points only, as nothing is known between them.

    Args:
        points: interior points (n, d).
        coordinates: the names of the d coordinates.
        boundary: points (m, d), or a pair of points (m, d) and outward normals (m, d) or None, for each part by name.
            Normals are scaled to length 1.

    Raises:
        ValueError: shapes that don't fit, numbers that are not finite, a normal of length 0, no points.
    """

    points: np.ndarray
    parts: dict[str, Points]
    _tree: KDTree

    def __init__(
        self,
        points: ArrayLike,
        coordinates: tuple[str, ...] = ("x", "y"),
        boundary: Mapping[str, ArrayLike | tuple[ArrayLike, ArrayLike | None]] | None = None,
    ) -> None:
        inside = _rows(points, len(coordinates), "the interior")
        parts = {name: _part(name, given, len(coordinates)) for name, given in (boundary or {}).items()}
        everything = np.concatenate([inside, *(part.points for part in parts.values())])
        super().__init__(zip(coordinates, zip(everything.min(axis=0), everything.max(axis=0))))
        self._fix(points=inside, parts=parts, _tree=KDTree(everything))

    @property
    def measure(self) -> float:
        """The number of interior points."""
        return float(len(self.points))

    @property
    def sampler(self) -> Rows:
        """Draws interior points without replacement."""
        return Rows(Points(self.points))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The named parts, with the normals that were given."""
        return tuple(Piece(name, float(len(part.points)), Rows(part)) for name, part in self.parts.items())

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether each point (n, d) is one of the given ones, up to slack times the longest side."""
        side = max(upper - lower for lower, upper in self.bounds.values())
        return self._tree.query(points)[0] <= max(slack, 0.0) * side

    def __repr__(self) -> str:
        parts = "".join(f", {name}: {len(part.points)}" for name, part in self.parts.items())
        return f"PointCloud({', '.join(self.coordinates)}: {len(self.points)} points{parts})"


def _rows(points: ArrayLike, dimension: int, place: str) -> np.ndarray:
    rows = np.array(points, float)
    if rows.ndim != 2 or rows.shape[1] != dimension or len(rows) == 0:
        raise ValueError(f"points of {place} have the shape {rows.shape}: give (n, {dimension}) for the coordinates")
    if not np.isfinite(rows).all():
        raise ValueError(f"points of {place} are not all finite: remove row {np.argwhere(~np.isfinite(rows))[0, 0]}")
    return rows


def _part(name: str, given: ArrayLike | tuple[ArrayLike, ArrayLike | None], dimension: int) -> Points:
    points, normals = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    rows = _rows(points, dimension, f"'{name}'")
    if normals is None:
        return Points(rows)
    directions = _rows(normals, dimension, f"the normals of '{name}'")
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if len(directions) != len(rows) or not np.all(lengths > 0.0):
        raise ValueError(f"normals of '{name}' don't fit: give one of positive length for each of {len(rows)} points")
    return Points(rows, directions / lengths)
