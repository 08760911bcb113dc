"""Polygons with holes, through shapely."""

from collections.abc import Sequence
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pinnact.domains import simplices
from pinnact.domains.charts import Chart, Sampler
from pinnact.domains.csg import Solid
from pinnact.domains.regions import Piece


class Polygon(Solid):
    """A polygon, `Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])`, with holes if wanted.

    Each edge is a piece of the boundary: "edge0" joins the first two vertices, and so on; those of the holes follow.
    Edges have no distance functions: at corners that point inwards none is smooth.

    >>> Polygon([(0, 0), (2, 0), (0, 1)]).measure
    1.0

    Args:
        vertices: corners (n, 2) in either sense of rotation, the first one not repeated (if it is, no matter).
        coordinates: the names of the two coordinates.
        holes: corners (n, 2) of each hole.
        edges: a name for each edge; edges of the same name form one piece.

    Raises:
        ValueError: fewer than three corners, edges that cross, or names that don't fit.
        ImportError: shapely is not installed.
    """

    shape: Any
    corners: np.ndarray
    normals: np.ndarray
    edges: tuple[str, ...]

    def __init__(
        self,
        vertices: ArrayLike,
        coordinates: tuple[str, str] = ("x", "y"),
        holes: Sequence[ArrayLike] = (),
        edges: Sequence[str] | None = None,
    ) -> None:
        shapely = _shapely()
        rings = [_ring(vertices), *(_ring(hole) for hole in holes)]
        shape = shapely.Polygon(rings[0], rings[1:])
        if not shape.is_valid:
            raise ValueError(f"this is no polygon ({shapely.is_valid_reason(shape)}): correct its corners")
        corners = np.concatenate([np.stack([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in rings])
        # With the area on the left of an edge, outward is its right side; holes run the other way round.
        left = np.concatenate(
            [
                [shapely.is_ccw(shapely.LinearRing(ring)) != (number > 0)] * len(ring)
                for number, ring in enumerate(rings)
            ]
        )
        names = tuple(f"edge{number}" for number in range(len(corners))) if edges is None else tuple(edges)
        if len(names) != len(corners) or len(coordinates) != 2:
            raise ValueError(f"{len(names)} edges and {coordinates} named: give {len(corners)} and 2 names")
        low_x, low_y, high_x, high_y = shape.bounds
        super().__init__(zip(coordinates, [(low_x, high_x), (low_y, high_y)]))
        shapely.prepare(shape)
        along = (corners[:, 1] - corners[:, 0]) * np.where(left, 1.0, -1.0)[:, None]
        normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
        self._fix(shape=shape, corners=corners, normals=normals, edges=names)

    @property
    def measure(self) -> float:
        """The area."""
        return float(self.shape.area)

    @cached_property
    def sampler(self) -> Sampler:
        """Triangles picked by area, or rejection from the bounding box where shapely can't triangulate (< 2.1)."""
        shapely = _shapely()
        try:
            triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(self.shape))
        except (AttributeError, shapely.errors.UnsupportedGEOSVersionError):
            box = Chart.box(*np.array(list(self.bounds.values())).T)
            return box.where(lambda drawn: self.within(drawn.points, 0.0))
        return simplices.chart(shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3])

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """One piece for each name of edges, with outward normals."""
        pieces = []
        for name in dict.fromkeys(self.edges):
            rows = np.array([edge == name for edge in self.edges])
            length = float(simplices.sizes(self.corners[rows]).sum())
            pieces.append(Piece(name, length, simplices.chart(self.corners[rows], self.normals[rows])))
        return tuple(pieces)

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether points (n, 2) lie in the polygon, grown by slack times the longer side of its bounding box."""
        shapely = _shapely()
        margin = abs(slack) * max(upper - lower for lower, upper in self.bounds.values())
        if slack > 0.0:
            return shapely.dwithin(self.shape, shapely.points(points), margin)
        inside = shapely.intersects_xy(self.shape, points[:, 0], points[:, 1])
        if slack < 0.0:
            inside &= ~shapely.dwithin(self.shape.boundary, shapely.points(points), margin)
        return inside

    def __repr__(self) -> str:
        holes = f", {len(self.shape.interiors)} holes" if self.shape.interiors else ""
        return f"Polygon({', '.join(self.coordinates)}: {len(self.corners)} corners{holes})"


def _ring(vertices: ArrayLike) -> np.ndarray:
    ring = np.asarray(vertices, float)
    if ring.ndim != 2 or ring.shape[1] != 2 or not np.isfinite(ring).all():
        raise ValueError(f"corners of shape {ring.shape} are no ring: give finite numbers of shape (n, 2)")
    ring = ring[:-1] if np.array_equal(ring[0], ring[-1]) else ring
    if len(ring) < 3:
        raise ValueError(f"{len(ring)} corners enclose no area: give three or more")
    return ring


def _shapely() -> ModuleType:
    try:
        import shapely  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("polygons need shapely, which is not installed: pip install 'pinnact[geometry]'") from error
    return shapely
