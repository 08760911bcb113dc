"""Intervals, rectangles and boxes of any dimension."""

from collections.abc import Iterable
from functools import cached_property, partial
from math import prod
from typing import Any

import numpy as np

from pinnact.domains.base import interval_text
from pinnact.domains.charts import Chart, Points
from pinnact.domains.csg import Solid
from pinnact.domains.regions import Piece

_ALIASES = (("left", "right"), ("bottom", "top"), ("back", "front"))


class Box(Solid):
    """An axis-parallel box with named coordinates, `Box(x=(0, 1), y=(0, 2), z=(0, 1), periodic=("x",))`.

    The faces are called `x_min`, `x_max` and so on; the first axis also has left and right, the second bottom and
    top, the third back and front. A periodic axis has no faces.

    Args:
        periodic: True (all axes), False (none) or the names of the periodic axes.
        sides: (lower, upper) for each coordinate by name, in order.

    Raises:
        ValueError: bounds that are not finite, reversed or equal, a bad or repeated name, an unknown periodic axis.
    """

    def __init__(self, *, periodic: bool | str | Iterable[str] = False, **sides: tuple[float, float]) -> None:
        if isinstance(periodic, bool):
            names = tuple(sides) if periodic else ()
        else:
            names = (periodic,) if isinstance(periodic, str) else tuple(periodic)
        super().__init__(sides.items(), periodic=names, tensor=True)

    @cached_property
    def _corners(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = np.array(list(self.bounds.values())).T
        return lower, upper

    @property
    def measure(self) -> float:
        """The product of the side lengths."""
        return prod(upper - lower for lower, upper in self.bounds.values())

    @property
    def sampler(self) -> Chart:
        """The affine map of the unit cube."""
        return Chart.box(*self._corners)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Two faces for each axis that is not periodic."""
        return tuple(
            self._face(axis, upper)
            for axis, name in enumerate(self.bounds)
            if name not in self.periodic
            for upper in (False, True)
        )

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether points (n, d) lie in the box, grown on each side by slack times its length there."""
        lower, upper = self._corners
        margin = slack * (upper - lower)
        return np.all((points >= lower - margin) & (points <= upper + margin), axis=1)

    def _face(self, axis: int, upper: bool) -> Piece:
        name = self.coordinates[axis]
        low, high = self.bounds[name]
        length, place = high - low, high if upper else low
        normal = np.zeros(self.dimension)
        normal[axis] = 1.0 if upper else -1.0
        lower_corner, upper_corner = (np.delete(corner, axis) for corner in self._corners)

        def put(unit: np.ndarray) -> Points:
            along = lower_corner + (upper_corner - lower_corner) * unit
            return Points(np.insert(along, axis, place, axis=1), np.tile(normal, (len(unit), 1)))

        return Piece(
            name=f"{name}_{'max' if upper else 'min'}",
            measure=self.measure / length if self.dimension > 1 else 1.0,
            sampler=Chart.of(self.dimension - 1, put),
            aliases=(_ALIASES[axis][upper],) if axis < len(_ALIASES) else (),
            face=(name, "upper" if upper else "lower"),
            distance=partial(_distance, axis=axis, place=place, length=-length if upper else length),
            project=partial(_project, axis=axis, place=place),
        )

    def __mul__(self, other: object) -> "Box":
        """The product of two boxes with different coordinates (for time see `Time`)."""
        if not isinstance(other, Box):
            return NotImplemented
        if shared := [name for name in other.bounds if name in self.bounds]:
            raise ValueError(f"both factors have the coordinate {shared[0]!r}: rename it in one of them")
        return Box(periodic=self.periodic + other.periodic, **self.bounds, **other.bounds)

    def __repr__(self) -> str:
        name = {1: "Interval", 2: "Rectangle"}.get(self.dimension, "Box")
        inner = [interval_text(*item) for item in self.bounds.items()]
        if len(inner) > 6:
            inner = [*inner[:2], "...", inner[-1]]
        if self.periodic:
            inner.append(f"periodic={True if self.periodic == self.coordinates else self.periodic}")
        return f"{name}({', '.join(inner)})"


def Interval(*, periodic: bool = False, **side: tuple[float, float]) -> Box:
    """A box of one dimension, `Interval(x=(-1, 1))`; its ends are x_min = left and x_max = right.

    >>> Interval(x=(-1, 1)).boundary["right"].sample(1)
    Points(points=array([[1.]]), normals=array([[1.]]))

    Args:
        periodic: whether the ends are the same place.
        side: (lower, upper) of the one coordinate, by name.

    Raises:
        ValueError: not exactly one coordinate, or bounds that `Box` refuses.
    """
    return _with_axes(1, "Interval(x=(0, 1))", periodic, side)


def Rectangle(*, periodic: bool | str | Iterable[str] = False, **sides: tuple[float, float]) -> Box:
    """A box of two dimensions, `Rectangle(x=(0, 1), y=(0, 2))`; left, right, bottom and top are its sides.

    Args:
        periodic: True, False or the names of the periodic axes.
        sides: (lower, upper) of the two coordinates, by name.

    Raises:
        ValueError: not exactly two coordinates, or bounds that `Box` refuses.
    """
    return _with_axes(2, "Rectangle(x=(0, 1), y=(0, 1))", periodic, sides)


def _with_axes(count: int, example: str, periodic: Any, sides: dict[str, tuple[float, float]]) -> Box:
    if len(sides) != count:
        raise ValueError(f"{len(sides)} coordinates were given ({', '.join(sides)}): write {example}")
    return Box(periodic=periodic, **sides)


def _distance(point: Any, *, axis: int, place: float, length: float) -> Any:
    return (point[axis] - place) / length


def _project(point: Any, *, axis: int, place: float) -> Any:
    return point.at[axis].set(place)
