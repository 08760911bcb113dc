"""Scoring a solution against the problem's reference, on fixed points that training never sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pinnact.collocation import available
from pinnact.domains import PointCloud
from pinnact.metrics import max_error, relative_l2
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.residuals import POINT, argument_names, by_name

GRIDS = {1: (1001,), 2: (129, 129), 3: (41, 41, 41)}
SCATTERED = 10_000


def scoring_points(problem: Problem) -> Float[np.ndarray, "n d"]:
    """A grid with end points in up to three dimensions (256 x 101 for one space dimension and time), else Sobol.

    A point cloud is scored at its own points, as nothing is known between them.
    """
    domain = problem.domain
    if domain.dimension > 3 or isinstance(getattr(domain, "space_domain", domain), PointCloud):
        return domain.sample(available(domain.interior, SCATTERED), seed=12345)
    counts = dict(zip(domain.coordinates, GRIDS[domain.dimension], strict=True))
    if domain.time is not None and domain.dimension == 2:
        counts = {domain.coordinates[0]: 256, domain.time: 101}
    try:
        return domain.grid(counts)
    except (ValueError, NotImplementedError):  # a cloud or mesh that cannot tell inside from outside
        return domain.sample(SCATTERED, seed=12345)


def reference_values(problem: Problem, points: Float[np.ndarray, "n d"]) -> dict[str, np.ndarray]:
    """The reference solution at points, by unknown; empty without a reference."""
    reference = problem.reference
    if reference is None:
        return {}
    functions: Mapping[str, Callable[..., Any]]
    functions = reference if isinstance(reference, Mapping) else {next(iter(problem.fields)): reference}
    columns = dict(zip(problem.domain.coordinates, points.T, strict=True))
    values = {}
    for name, function in functions.items():
        wanted = argument_names(function, f"reference of {name!r}")
        if POINT in wanted:
            function, wanted = _of_columns(function, problem.domain.coordinates), problem.domain.coordinates
        if missing := [argument for argument in wanted if argument not in columns]:
            raise ValueError(f"reference of {name!r} asks for {missing[0]!r}; it can have {', '.join(columns)}")
        unknown = problem.fields[name]
        try:
            with precision("float64"):
                value = np.asarray(function(**{argument: columns[argument] for argument in wanted}))
        except Exception as error:  # any, for it is the user's own function
            said = str(error).strip().splitlines() or [""]
            raise ValueError(f"reference of {name!r} raised {type(error).__name__}: {said[0]}") from error
        if unknown.kind == "vector" and value.shape == (unknown.size, len(points)):
            value = value.T
        shape = (len(points), unknown.size) if unknown.kind == "vector" else (len(points),)
        if value.size == 1:
            value = np.broadcast_to(value, shape)
        if value.shape != shape:
            raise ValueError(f"reference of {name!r} gives shape {value.shape} for {len(points)} points, not {shape}")
        values[name] = value
    return values


def _of_columns(function: Callable[..., Any], coordinates: tuple[str, ...]) -> Callable[..., Any]:
    """A function of one `point`, written with `jax.numpy`, as a function of the columns of many points."""
    at = by_name(function, coordinates, "reference")
    return lambda **columns: jax.vmap(at)(jnp.stack([jnp.asarray(columns[name]) for name in coordinates], axis=1))


@dataclass(frozen=True)
class Score:
    """Points and reference values, computed once; `errors` compares predictions with them."""

    points: Float[np.ndarray, "n d"]
    reference: dict[str, np.ndarray]

    @staticmethod
    def of(problem: Problem) -> "Score":
        """The score of a problem on its own scoring points; ValueError where a reference is not finite there."""
        points = scoring_points(problem)
        values = reference_values(problem, points)
        for name, value in values.items():
            finite = np.isfinite(value).reshape(len(points), -1).all(axis=1)
            if not finite.all():
                at = zip(problem.domain.coordinates, points[~finite][0], strict=True)
                place = ", ".join(f"{coordinate}={number:.6g}" for coordinate, number in at)
                raise ValueError(f"reference of {name!r} is not finite at {place}; give it its value there")
        return Score(points, values)

    def errors(self, predictions: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Relative L2 errors by unknown."""
        return {name: float(relative_l2(predictions[name], value)) for name, value in self.reference.items()}

    def largest(self, predictions: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Largest absolute errors by unknown."""
        return {name: float(max_error(predictions[name], value)) for name, value in self.reference.items()}
