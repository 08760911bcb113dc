"""Solutions for other tools: arrays (xarray), meshes with data (VTK, read by ParaView); networks as C (`c_source`)."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.spatial import Delaunay, KDTree

from pinnact.c_source import c_source as c_source
from pinnact.domains import Domain, Mesh, Polygon, SpaceTime
from pinnact.figures import is_cloud
from pinnact.files import atomic
from pinnact.plotting import Trained
from pinnact.precision import precision
from pinnact.scoring import reference_values

AXIS_POINTS = {1: 1001, 2: 129, 3: 41}
MOST_POINTS = 10**7
VTK_AXIS_POINTS = {1: 201, 2: 129, 3: 33}


def _optional(module: str, what: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{what} needs {module}: pip install 'pinnact[{extra}]'") from error


def _references(solution: Trained, points: np.ndarray) -> dict[str, np.ndarray]:
    with precision("float64"):
        return reference_values(solution.problem, points)


# -- xarray ----------------------------------------------------------------------------------------------


def to_xarray(solution: Trained, grid: int | Mapping[str, int | ArrayLike] | None = None) -> Any:
    """A dataset with a variable an unknown (and `<unknown>_reference`) over the coordinates; nan outside the domain."""
    xarray = _optional("xarray", "to_xarray", "data")
    domain = solution.problem.domain
    attributes = {key: _attribute(value) for key, value in solution.summary.items() if value is not None}
    if is_cloud(domain):
        points = solution.score.points
        coordinates = {name: ("point", column) for name, column in zip(domain.coordinates, points.T, strict=True)}
        return xarray.Dataset(_variables(solution, points, ("point",), (len(points),), None), coordinates, attributes)
    ticks = _ticks(domain, grid)
    shape = tuple(len(values) for values in ticks.values())
    nodes = np.stack(np.meshgrid(*ticks.values(), indexing="ij"), axis=-1).reshape(-1, domain.dimension)
    inside = domain.contains(nodes)
    return xarray.Dataset(_variables(solution, nodes, tuple(ticks), shape, inside), ticks, attributes)


def _attribute(value: Any) -> Any:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else json.dumps(value)


def _ticks(domain: Domain, grid: int | Mapping[str, int | ArrayLike] | None) -> dict[str, np.ndarray]:
    if grid is None:
        if domain.dimension > 3:
            raise ValueError(
                f"a grid in {domain.dimension} coordinates is large: give grid=11, or values by coordinate"
            )
        grid = AXIS_POINTS[domain.dimension]
    by_name = dict(grid) if isinstance(grid, Mapping) else dict.fromkeys(domain.coordinates, grid)
    if set(by_name) != set(domain.coordinates):
        raise ValueError(f"grid for {', '.join(by_name)}; give one for each of {', '.join(domain.coordinates)}")
    ticks = {}
    for name, side in domain.bounds.items():
        given = by_name[name]
        ticks[name] = np.linspace(*side, given) if isinstance(given, int) else np.atleast_1d(np.asarray(given, float))
        if ticks[name].ndim != 1 or len(ticks[name]) == 0:
            raise ValueError(f"grid of {name!r} is {given!r}; give a number of points or coordinate values (n,)")
    if (size := float(np.prod([float(len(values)) for values in ticks.values()]))) > MOST_POINTS:
        raise ValueError(f"a grid of {size:.1e} points is too large; give fewer on each axis")
    return ticks


def _variables(
    solution: Trained, points: np.ndarray, names: tuple[str, ...], shape: tuple[int, ...], inside: np.ndarray | None
) -> dict[str, Any]:
    keep = np.ones(len(points), bool) if inside is None else inside
    found = solution.evaluator.values(points[keep])
    found |= {f"{name}_reference": value for name, value in _references(solution, points[keep]).items()}
    variables = {}
    for name, value in found.items():
        whole = np.full((len(points), *value.shape[1:]), np.nan, value.dtype)
        whole[keep] = value
        last = (f"{name.removesuffix('_reference')}_component",) if value.ndim > 1 else ()
        variables[name] = ((*names, *last), whole.reshape(*shape, *value.shape[1:]))
    return variables


# -- VTK ----------------------------------------------------------------------------------------------


class Cells(NamedTuple):
    """Vertices `(n, k)` of a mesh over k coordinates, and its cells by vertex number; `kind` is meshio's name."""

    vertices: Float[np.ndarray, "n k"]
    kind: str
    numbers: Int[np.ndarray, "m c"]


def to_vtk(solution: Trained, path: Path, n: int | None, fixed: Mapping[str, float]) -> None:
    """Write unknowns, references and errors on a mesh of the domain; the coordinates that aren't fixed are its axes."""
    meshio = _optional("meshio", "to_vtk", "geometry")
    domain = solution.problem.domain
    for name in fixed:
        if name not in domain.coordinates:
            raise ValueError(f"to_vtk({name}=...): no such coordinate; there are {', '.join(domain.coordinates)}")
    free = tuple(name for name in domain.coordinates if name not in fixed)
    if not 1 <= len(free) <= 3:
        raise ValueError(
            f"VTK has 1 to 3 axes, {len(free)} coordinates are free; fix some, as in {domain.coordinates[-1]}=0"
        )
    cells = mesh_of(domain, free, fixed, n or VTK_AXIS_POINTS[len(free)])
    points = _whole_points(domain, free, fixed, cells.vertices)
    data = {}
    references = _references(solution, points)
    for name, value in solution.evaluator.values(points).items():
        data |= _arrays(name, value)
        if name in references:
            difference = np.abs(value - references[name])
            error = np.linalg.norm(difference, axis=-1) if difference.ndim > 1 else difference
            data |= _arrays(f"{name}_reference", references[name]) | {f"{name}_error": error}
    places = np.pad(cells.vertices, ((0, 0), (0, 3 - len(free))))
    with atomic(path) as temporary:
        meshio.Mesh(places, [(cells.kind, cells.numbers)], point_data=data).write(temporary)


def _arrays(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """As VTK has them: complex numbers by parts, plane vectors with a third component."""
    if np.iscomplexobj(value):
        return {f"{name}_abs": np.abs(value), f"{name}_real": value.real.copy(), f"{name}_imag": value.imag.copy()}
    return {name: np.pad(value, ((0, 0), (0, 1))) if value.ndim == 2 and value.shape[1] == 2 else value}


def _whole_points(
    domain: Domain, free: tuple[str, ...], fixed: Mapping[str, float], vertices: np.ndarray
) -> Float[np.ndarray, "n d"]:
    columns = dict(zip(free, vertices.T, strict=True)) | {k: np.full(len(vertices), v) for k, v in fixed.items()}
    return np.stack([columns[name] for name in domain.coordinates], axis=-1)


def mesh_of(domain: Domain, free: tuple[str, ...], fixed: Mapping[str, float], n: int) -> Cells:
    """A mesh of a domain over its `free` coordinates: structured on boxes, else simplices, drawn out along time."""
    if is_cloud(domain):
        points = domain.sample(min(n ** len(free), len(getattr(domain, "points", [0] * n))))
        columns = points[:, [domain.coordinates.index(name) for name in free]]
        return Cells(columns, "vertex", np.arange(len(points))[:, None])
    ticks = {name: np.linspace(*domain.bounds[name], n) for name in free}
    if domain.axes is not None:
        return _structured(list(ticks.values()))
    if domain.time not in free:
        return _simplices(domain, free, fixed, ticks)
    space = tuple(name for name in free if name != domain.time)
    if len(space) == 3:
        raise ValueError(f"three space coordinates and time are four axes; fix the time, as in {domain.time}=0")
    start = {**fixed, domain.time: domain.bounds[domain.time][0]}  # type: ignore[dict-item]
    base = _simplices(domain, space, start, ticks) if space else None
    times = ticks[domain.time]  # type: ignore[index]
    return _structured([times]) if base is None else _drawn_out(base, times)


def _structured(ticks: list[np.ndarray]) -> Cells:
    shape = [len(values) for values in ticks]
    vertices = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, len(ticks))
    number = np.arange(len(vertices)).reshape(shape)
    low, high = slice(None, -1), slice(1, None)
    corners = {
        1: ("line", [(low,), (high,)]),
        2: ("quad", [(low, low), (high, low), (high, high), (low, high)]),
    }
    if len(ticks) == 3:
        ring = corners[2][1]
        kind, places = "hexahedron", [(*corner, end) for end in (low, high) for corner in ring]
    else:
        kind, places = corners[len(ticks)]
    return Cells(vertices, kind, np.stack([number[place].ravel() for place in places], axis=-1))


def _drawn_out(base: Cells, times: np.ndarray) -> Cells:
    """The product of a mesh of lines or triangles with instants: quadrilaterals or wedges."""
    count = len(base.vertices)
    vertices = np.concatenate([np.hstack([base.vertices, np.full((count, 1), t)]) for t in times])
    lower = np.concatenate([base.numbers + count * k for k in range(len(times) - 1)])
    upper = lower + count
    if base.kind == "line":
        return Cells(vertices, "quad", np.hstack([lower, upper[:, ::-1]]))
    return Cells(vertices, "wedge", np.hstack([lower, upper]))


def _simplices(
    domain: Domain, free: tuple[str, ...], fixed: Mapping[str, float], ticks: Mapping[str, np.ndarray]
) -> Cells:
    """Lines, triangles or tetrahedra over `free` space coordinates of a domain that is no box."""
    space = domain.space_domain if isinstance(domain, SpaceTime) else domain
    kind = {1: "line", 2: "triangle", 3: "tetra"}[len(free)]
    whole = free == space.coordinates
    if isinstance(space, Mesh) and whole:
        vertices, numbers = np.unique(space.corners.reshape(-1, len(free)), axis=0, return_inverse=True)
        return Cells(vertices, kind, numbers.reshape(space.corners.shape[:2]))
    inside = lambda vertices: domain.contains(_whole_points(domain, free, fixed, vertices))
    axes = [ticks[name] for name in free]
    vertices = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(free))
    vertices = vertices[inside(vertices)]
    if len(vertices) <= len(free):
        raise ValueError(f"no mesh of {len(axes[0])} points an axis fits into {domain}; give a larger n")
    if len(free) == 1:
        numbers = np.stack([np.arange(len(vertices) - 1), np.arange(1, len(vertices))], axis=-1)
    else:
        step = max(float(values[1] - values[0]) for values in axes)
        if whole:
            vertices = _with_boundary(space, vertices, step)
        numbers = Delaunay(vertices).simplices
    corners = vertices[numbers]
    kept = inside(corners.mean(axis=1))
    if len(free) > 1:  # round-off leaves flat simplices along straight edges
        edges = corners[:, 1:] - corners[:, :1]
        kept &= np.abs(np.linalg.det(edges)) > 1e-9 * step ** len(free)
    return Cells(vertices, kind, numbers[kept])


def _with_boundary(space: Domain, vertices: np.ndarray, step: float) -> np.ndarray:
    """Grid points with points of the boundary as dense as the grid, and without those too close to it."""
    size = space.boundary.measure / step ** (space.dimension - 1)
    rim = space.boundary.sample(max(16, int(1.2 * size)), "grid").points
    if isinstance(space, Polygon):
        rim = np.concatenate([rim, space.corners[:, 0]])
    rim = rim[np.unique(np.round(rim / (1e-6 * step)), axis=0, return_index=True)[1]]
    far = KDTree(rim).query(vertices)[0] > 0.4 * step
    return np.concatenate([vertices[far], rim])
