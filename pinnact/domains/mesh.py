"""Domains given by a mesh of triangles (2-D) or tetrahedra (3-D), read through meshio."""

from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from pinnact.domains import simplices
from pinnact.domains.charts import Chart
from pinnact.domains.csg import Solid
from pinnact.domains.regions import Piece
from pinnact.files import one_line

_FACETS = {2: "line", 3: "triangle"}
_CELLS = {2: "triangle", 3: "tetra"}


class Mesh(Solid):
    """The union of the triangles or tetrahedra of a mesh.

    Args:
        vertices: array (v, d), d = 2 or 3.
        cells: vertex numbers (m, d + 1).
        coordinates: the names of the coordinates; x, y, z by default.
        boundary: vertex numbers (f, d) of the facets of each named part. Facets inside the mesh are left out; outer
            facets without a name form the part "boundary".

    Raises:
        ValueError: shapes or numbers that don't fit, or a cell without volume.
    """

    corners: np.ndarray
    facets: dict[str, tuple[np.ndarray, np.ndarray]]
    _sizes: np.ndarray

    def __init__(
        self,
        vertices: ArrayLike,
        cells: ArrayLike,
        coordinates: tuple[str, ...] | None = None,
        boundary: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        places, cells = np.array(vertices, float), np.array(cells, int)
        if places.ndim != 2 or places.shape[1] not in _CELLS or cells.shape[1:] != (places.shape[1] + 1,):
            raise ValueError(f"vertices {places.shape} and cells {cells.shape} don't fit: give (v, d) and (m, d + 1)")
        if not np.all(np.isfinite(places)):
            raise ValueError("a vertex is not finite: correct the coordinates of the mesh")
        if len(cells) == 0 or cells.min() < 0 or cells.max() >= len(places):
            raise ValueError(f"the cells must name vertices from 0 to {len(places) - 1}: correct them")
        names = coordinates or ("x", "y", "z")[: places.shape[1]]
        if len(names) != places.shape[1]:
            raise ValueError(f"coordinates {names} don't fit vertices of shape {places.shape}: give one name each")
        corners = places[cells]
        used = corners.reshape(-1, places.shape[1])
        super().__init__(zip(names, zip(used.min(axis=0), used.max(axis=0))))
        sizes = simplices.sizes(corners)
        if flat := np.flatnonzero(sizes <= 1e-14 * np.prod(np.ptp(used, axis=0))).tolist():
            raise ValueError(f"cell {flat[0]} has no volume (and {len(flat) - 1} more): remove it from the mesh")
        self._fix(corners=corners, facets=_outer_facets(places, cells, boundary or {}), _sizes=sizes)

    @property
    def measure(self) -> float:
        """The sum of the areas (volumes) of the cells."""
        return float(self._sizes.sum())

    @cached_property
    def sampler(self) -> Chart:
        """Cells picked by size, uniform in each."""
        return simplices.chart(self.corners)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The named parts of the boundary, with outward normals."""
        return tuple(
            Piece(name, float(simplices.sizes(corners).sum()), simplices.chart(corners, normals))
            for name, (corners, normals) in self.facets.items()
        )

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether points (n, d) lie in a cell, grown by slack times the longest side of the bounding box.

        A mesh shrinks (slack < 0) to the points whose neighbours along each axis, at that distance, lie in it too.
        """
        margin = abs(slack) * max(upper - lower for lower, upper in self.bounds.values())
        if slack >= 0.0:
            return self._in_a_cell(points, margin)
        steps = margin * np.concatenate([np.eye(self.dimension), -np.eye(self.dimension)])
        return np.logical_and.reduce([self._in_a_cell(points + step, 0.0) for step in steps])

    def _in_a_cell(self, points: np.ndarray, margin: float) -> np.ndarray:
        inside = np.zeros(len(points), bool)
        if len(points) == 0:
            return inside
        # Only points in the ball round a cell can be in it: each cell asks for its own, so graded meshes are cheap.
        near = KDTree(points).query_ball_point(self._balls[0], self._balls[1] + 2.0 * margin, return_sorted=False)
        cells = np.repeat(np.arange(len(near)), [len(found) for found in near])
        rows = np.concatenate([np.asarray(found, int) for found in near])
        inverse, heights = self._inverses
        weights = np.einsum("ndk,nd->nk", inverse[cells], points[rows] - self.corners[cells, 0])
        weights = np.column_stack([1.0 - weights.sum(axis=1), weights])
        # A barycentric coordinate times the height over its facet is the distance from that facet.
        inside[rows[np.all(weights * heights[cells] >= -margin, axis=1)]] = True
        return inside

    @cached_property
    def _balls(self) -> tuple[np.ndarray, np.ndarray]:
        centres = self.corners.mean(axis=1)
        return centres, np.linalg.norm(self.corners - centres[:, None], axis=2).max(axis=1) * (1.0 + 1e-12)

    @cached_property
    def _inverses(self) -> tuple[np.ndarray, np.ndarray]:
        inverse = np.linalg.inv(self.corners[:, 1:] - self.corners[:, :1])
        slopes = np.concatenate([-inverse.sum(axis=2, keepdims=True), inverse], axis=2)
        return inverse, 1.0 / np.linalg.norm(slopes, axis=1)

    def __repr__(self) -> str:
        kind = "triangles" if self.dimension == 2 else "tetrahedra"
        return f"Mesh({', '.join(self.coordinates)}: {len(self.corners)} {kind})"


def read_mesh(path: str | PathLike[str], coordinates: tuple[str, ...] | None = None) -> Mesh:
    """Reads a mesh file of any format that meshio knows (Gmsh, VTK, Abaqus, XDMF ...).

    Physical groups (or cell sets) of lines, or of triangles round tetrahedra, name the parts of the boundary.

    Args:
        path: the file; tetrahedra make it 3-D, else its triangles must lie in a plane z = constant.
        coordinates: the names of the coordinates; x, y, z by default.

    Returns:
        The domain.

    Raises:
        ValueError: the file is missing or unreadable, or has no triangles or tetrahedra in its space.
        ImportError: meshio is not installed.
    """
    try:
        import meshio  # noqa: PLC0415
    except ImportError as error:
        raise ImportError("meshes need meshio, which is not installed: pip install 'pinnact[geometry]'") from error
    if not Path(path).is_file():
        raise ValueError(f"there is no mesh file {str(path)!r}: correct the path")
    try:
        mesh = meshio.read(path)
    except (Exception, SystemExit) as error:  # each of its readers raises what it likes, and some call sys.exit
        raise ValueError(f"meshio can't read {str(path)!r} ({one_line(error)}): save it as Gmsh 4.1 or VTK") from error
    try:
        return _domain(mesh, coordinates)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"the mesh in {str(path)!r} can't be used: {one_line(error)}") from error


def _domain(mesh: Any, coordinates: tuple[str, ...] | None) -> Mesh:
    """The domain of a mesh of meshio."""
    dimension = 3 if "tetra" in mesh.cells_dict else 2
    vertices = np.asarray(mesh.points, float)
    if _CELLS[dimension] not in mesh.cells_dict or vertices.ndim != 2 or vertices.shape[1] < dimension:
        found = ", ".join(mesh.cells_dict) or "nothing"
        raise ValueError(f"it has no triangles and no tetrahedra, only {found}: mesh the inside too")
    cells = mesh.cells_dict[_CELLS[dimension]]
    if cells.dtype.kind not in "iu" or cells.min(initial=0) < 0 or cells.max(initial=-1) >= len(vertices):
        raise ValueError(f"its cells name vertices beyond the {len(vertices)} that it has: save it again")
    if dimension == 2 and len(cells) and np.ptp(vertices[np.unique(cells), 2:], axis=0).any():
        raise ValueError("its triangles are not in one plane z = constant: flatten it")
    return Mesh(vertices[:, :dimension], cells, coordinates, _groups(mesh, _FACETS[dimension]))


def _groups(mesh: Any, kind: str) -> dict[str, np.ndarray]:
    """The facets of each physical group or cell set."""
    facets = mesh.cells_dict.get(kind)
    if facets is None:
        return {}
    groups = {}
    tags = mesh.cell_data_dict.get("gmsh:physical", {}).get(kind)
    if tags is not None:
        order = {2: 1, 3: 2}[facets.shape[1]]
        titles = {int(tag): name for name, (tag, size) in mesh.field_data.items() if size == order}
        groups = {titles.get(int(tag), f"group{tag}"): facets[tags == tag] for tag in np.unique(tags) if tag}
    for name, members in mesh.cell_sets_dict.items():
        if kind in members and not name.startswith("gmsh:") and name not in groups:
            groups[name] = facets[members[kind]]
    return groups


def _outer_facets(
    vertices: np.ndarray, cells: np.ndarray, named: Mapping[str, ArrayLike]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Corners (f, d, d) and outward normals (f, d) of the facets that one cell alone has, by name."""
    size = cells.shape[1]
    facets = np.sort(np.concatenate([np.delete(cells, corner, axis=1) for corner in range(size)]), axis=1)
    opposite = np.concatenate([cells[:, corner] for corner in range(size)])
    unique, first, counts = np.unique(facets, axis=0, return_index=True, return_counts=True)
    unique, opposite = unique[counts == 1], opposite[first[counts == 1]]
    owner = {tuple(facet): number for number, facet in enumerate(unique.tolist())}
    left = np.ones(len(unique), bool)
    parts = {}
    for name, given in named.items():
        rows = [owner.get(tuple(sorted(facet))) for facet in np.asarray(given, int).tolist()]
        found = np.array(sorted({row for row in rows if row is not None and left[row]}), int)
        if len(found):
            parts[name], left[found] = found, False
    if left.any():
        parts["boundary" if "boundary" not in parts else "rest"] = np.flatnonzero(left)
    corners = vertices[unique]
    edges = corners[:, 1:] - corners[:, :1]
    if size == 3:
        normals = np.stack([edges[:, 0, 1], -edges[:, 0, 0]], axis=1)
    else:
        normals = np.cross(edges[:, 0], edges[:, 1])
    inward = np.einsum("fd,fd->f", normals, vertices[opposite] - corners[:, 0]) > 0.0
    normals = np.where(inward[:, None], -normals, normals) / np.linalg.norm(normals, axis=1, keepdims=True)
    return {name: (corners[rows], normals[rows]) for name, rows in parts.items()}
