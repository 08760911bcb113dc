"""Trained fields as NumPy functions: compiled in chunks of few sizes, in float64, callable from any thread."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from pinnact.coefficients import Bounded, Free, Positive
from pinnact.devices import jit
from pinnact.model import Model
from pinnact.operators import Index
from pinnact.precision import precision
from pinnact.residuals import fields_at
from pinnact.system import System

# Points are padded to one of these numbers, so that any array of points costs two compilations at most.
CHUNKS = (64, 2048)


def to_points(
    coordinates: Sequence[str], points: ArrayLike | None, named: Mapping[str, ArrayLike]
) -> tuple[Float[np.ndarray, "n d"], tuple[int, ...]]:
    """Points `(n, d)` and the shape that values on them have: from an array `(n, d)`, or from arrays by coordinate.

    Raises ValueError when a coordinate is missing or unknown, or shapes don't fit.
    """
    wanted = ", ".join(f"{name}=..." for name in coordinates)
    if points is not None:
        if named:
            raise ValueError(f"points and {', '.join(named)} were both given; give points (n, d), or {wanted}")
        array = _real(points, "points")
        if array.ndim != 2 or array.shape[1] != len(coordinates):
            raise ValueError(
                f"points of shape {array.shape} don't fit; give (n, {len(coordinates)}) with columns "
                f"{', '.join(coordinates)}, or {wanted}"
            )
        return array, array.shape[:1]
    for name in named:
        if name not in coordinates:
            raise ValueError(f"{name!r} is no coordinate; give {wanted}")
    for name in coordinates:
        if name not in named:
            raise ValueError(f"the coordinate {name!r} is missing; give {wanted}")
    columns = [_real(named[name], name) for name in coordinates]
    try:
        columns = np.broadcast_arrays(*columns)
    except ValueError as error:
        shapes = ", ".join(f"{name} {column.shape}" for name, column in zip(coordinates, columns, strict=True))
        raise ValueError(f"the shapes {shapes} don't broadcast; reshape, e.g. x[:, None] and t[None, :]") from error
    return np.stack([column.ravel() for column in columns], axis=-1), columns[0].shape


def _real(values: ArrayLike, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise TypeError("it is complex")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is no array of real numbers: {str(error).splitlines()[0]}") from error


def _chunks(points: Float[np.ndarray, "n d"], filler: Float[np.ndarray, " d"]) -> Iterator[tuple[np.ndarray, int]]:
    """The points in pieces padded to the sizes `CHUNKS`, each with the number of its own points; one at least."""
    start = 0
    while True:
        left = len(points) - start
        size = next((size for size in CHUNKS if size >= left), CHUNKS[-1])
        own = points[start : start + size]
        padding = np.broadcast_to(own[-1] if len(own) else filler, (size - len(own), len(filler)))
        yield np.concatenate([own, padding]), len(own)
        start += size
        if start >= len(points):
            return


class Evaluator:
    """Values, derivatives and residuals of one model at points `(n, d)`, computed in float64 however it was trained.

    All methods enter the float64 context themselves (it belongs to a thread) and return NumPy arrays.
    """

    def __init__(self, system: System, model: Model) -> None:
        self.system, self.problem = system, system.problem
        bounds = system.problem.domain.bounds.values()
        self._centre = np.array([(low + high) / 2 for low, high in bounds])
        with precision("float64"):
            widen = lambda a: a.astype(jnp.result_type(a.dtype, jnp.float64)) if eqx.is_inexact_array(a) else a
            self._arrays, self._static = eqx.partition(jax.tree.map(widen, model), eqx.is_array)
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def values(self, points: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
        """All unknowns, `(n,)` or `(n, components)`."""
        return self.derivatives((), points)

    def derivatives(self, index: Index, points: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
        """The partial derivative along the axes `index` of all unknowns."""

        def at(model: Model, point: Array) -> dict[str, Array]:
            functions = self.system.functions(model)
            return {name: self.system.engine(functions[name], point, [index])[index] for name in self.problem.fields}

        return self._map(("derivatives", index), at, points)

    def residuals(self, points: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
        """The residuals of the equations, `(n,)`, or `(n, rows)` where an equation has several real rows."""
        problem = self.problem
        residuals = {name: problem.residuals_by_name[name] for name in problem.equations}

        def at(model: Model, point: Array) -> dict[str, Array]:
            functions, rows = self.system.functions(model), {}
            for name, residual in residuals.items():
                fields = fields_at(functions, point, problem.frame, residual.record.plan, self.system.engine)
                value = residual(fields, point, None)
                rows[name] = value[0] if residual.rows == 1 else value
            return rows

        return self._map("residuals", at, points)

    def coefficient(self, name: str, points: Float[np.ndarray, "n d"]) -> np.ndarray:
        """An inferred coefficient at points."""
        return self._map(("coefficient", name), lambda model, point: model.coefficients[name](point), points)

    def unknowns(self) -> dict[str, "float | np.ndarray | CoefficientField"]:
        """The inferred coefficients: a float (or array) for a constant, a function for a field."""
        found: dict[str, float | np.ndarray | CoefficientField] = {}
        with precision("float64"):
            coefficients = eqx.combine(self._arrays, self._static).coefficients
            for name, module in coefficients.items():
                if isinstance(module, Free | Positive | Bounded):
                    value = np.asarray(module(jnp.asarray(self._centre)))
                    found[name] = float(value) if value.ndim == 0 else value
                else:
                    size = sum(leaf.size for leaf in jax.tree.leaves(module) if eqx.is_inexact_array(leaf))
                    found[name] = CoefficientField(name, self, size)
        return found

    def _map(self, key: Any, at: Callable[[Model, Array], Any], points: Float[np.ndarray, "n d"]) -> Any:
        """`at(model, point)` at every point: compiled once a size of chunk, and kept under `key`."""
        with precision("float64"):
            if key not in self._compiled:
                one = lambda arrays, point: at(eqx.combine(arrays, self._static), point)
                self._compiled[key] = jit(jax.vmap(one, in_axes=(None, 0)))
            compiled = self._compiled[key]
            parts = [
                jax.tree.map(lambda leaf, n=n: np.asarray(leaf)[:n], compiled(self._arrays, jnp.asarray(chunk)))
                for chunk, n in _chunks(points, self._centre)
            ]
            return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


class CoefficientField:
    """An inferred coefficient that is a function of the coordinates: `field(x=..., t=...)` or `field(points)`."""

    def __init__(self, name: str, evaluator: Evaluator, parameters: int) -> None:
        self.name, self.parameters, self._evaluator = name, parameters, evaluator

    def __call__(self, points: ArrayLike | None = None, /, **coordinates: ArrayLike) -> np.ndarray:
        """Its values, in the shape that the coordinates broadcast to."""
        flat, shape = to_points(self._evaluator.problem.domain.coordinates, points, coordinates)
        return self._evaluator.coefficient(self.name, flat).reshape(shape)

    def __repr__(self) -> str:
        names = ", ".join(self._evaluator.problem.domain.coordinates)
        return f"{self.name}({names}): a network of {self.parameters} parameters"
