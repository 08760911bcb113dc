"""Data: measured values of unknowns at points, checked against the problem that they are of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinnact.domains import Domain
from pinnact.residuals import Unknown

_FORGIVEN = 0.01  # of the domain's size: measured points may lie a little beyond a wall


@dataclass(frozen=True)
class Observation:
    """Data: values `(n, ...)` of unknowns at `points (n, d)`, to be matched in the least-squares sense."""

    points: np.ndarray
    values: Mapping[str, np.ndarray]

    @staticmethod
    def of(
        domain: Domain, fields: Mapping[str, Unknown], points: np.ndarray, values: Mapping[str, np.ndarray]
    ) -> "Observation":
        """Checked: shapes, finite numbers, names, bounds; raises ValueError with what to repair."""
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != domain.dimension or len(points) == 0:
            raise ValueError(
                f"observe: points of shape {points.shape}; give (n, {domain.dimension}) with columns "
                f"{', '.join(domain.coordinates)}"
            )
        if not np.all(np.isfinite(points)):
            raise ValueError("observe: a point is not finite; drop such rows")
        _check_bounds(domain, points)
        if not values:
            raise ValueError("observe: no values; give them by unknown, as in observe(points, u=speeds)")
        for name in values:
            if name not in fields:
                raise ValueError(f"observe({name}=...): no such unknown; the unknowns are {', '.join(fields)}")
        return Observation(points, {name: _checked(fields[name], len(points), value) for name, value in values.items()})


def _check_bounds(domain: Domain, points: np.ndarray) -> None:
    for column, (name, (lower, upper)) in zip(points.T, domain.bounds.items(), strict=True):
        margin = _FORGIVEN * (upper - lower)
        far = column[(column < lower - margin) | (column > upper + margin)]
        if name not in domain.periodic and len(far):
            raise ValueError(
                f"observe: {name}={far[0]:.6g} lies outside {name}=({lower:.6g}, {upper:.6g}), where no equation "
                f"holds ({len(far)} of {len(points)} points); drop such rows, or widen the domain"
            )


def _checked(unknown: Unknown, count: int, value: np.ndarray) -> np.ndarray:
    name = unknown.name
    value = np.asarray(value) + (0j if unknown.kind == "complex" else 0)
    if np.iscomplexobj(value) and unknown.kind != "complex":
        raise ValueError(f"observe: {name} has complex values; give real ones, or declare {name} as complex")
    shape = (count, unknown.size) if unknown.kind == "vector" else (count,)
    if value.shape != shape:
        raise ValueError(f"observe: {name} of shape {value.shape}; give values of shape {shape}")
    if not np.all(np.isfinite(value)):
        raise ValueError(f"observe: {name} is not finite in row {np.argwhere(~np.isfinite(value))[0, 0]}; drop it")
    return value
