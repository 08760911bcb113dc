"""What every domain is: named coordinates, a bounding box, points inside, a boundary in pieces."""

import keyword
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from math import isfinite, prod

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from pinnact.domains.charts import Points, Rows, Sampler
from pinnact.domains.regions import Boundary, Piece, Region

# Relative width of the closed boundary: points put on it by floating-point arithmetic count as inside.
SLACK = 1e-9


class Domain(ABC):
    """A bounded set with named coordinates; immutable.

    Attributes:
        bounds: the bounding box by coordinate, in order, time last.
        time: the name of the time coordinate, or None.
        periodic: the names of the periodic coordinates.
        axes: the bounds where the whole domain (time included) is a tensor product of intervals, else None.
    """

    bounds: dict[str, tuple[float, float]]
    time: str | None
    periodic: tuple[str, ...]
    axes: dict[str, tuple[float, float]] | None

    def __init__(
        self,
        sides: Iterable[tuple[str, tuple[float, float]]],
        *,
        time: str | None = None,
        periodic: tuple[str, ...] = (),
        tensor: bool = False,
    ) -> None:
        bounds: dict[str, tuple[float, float]] = {}
        for name, side in sides:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"{name!r} can't name a coordinate: choose a Python name that is no keyword")
            if name in bounds:
                raise ValueError(f"two coordinates are called {name!r}: rename one of them")
            bounds[name] = _interval(name, side)
        if not bounds:
            raise ValueError("a domain needs at least one coordinate, e.g. x=(0, 1)")
        if unknown := [name for name in periodic if name not in bounds]:
            raise ValueError(f"periodic={unknown[0]!r} is no coordinate: the coordinates are {', '.join(bounds)}")
        self._fix(bounds=bounds, time=time, periodic=periodic, axes=bounds if tensor else None)

    def _fix(self, **values: object) -> None:
        """Sets attributes during construction, the only time they can be."""
        vars(self).update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"domains are immutable: build a new one instead of setting {name!r}")

    @property
    @abstractmethod
    def measure(self) -> float:
        """Length, area or volume of the domain, times its duration."""

    @property
    @abstractmethod
    def sampler(self) -> Sampler:
        """Draws points of the interior."""

    @property
    @abstractmethod
    def pieces(self) -> tuple[Piece, ...]:
        """The smooth pieces of the boundary in space (times the time interval); none on periodic axes."""

    @property
    @abstractmethod
    def initial(self) -> Region:
        """The domain at its first instant."""

    @property
    @abstractmethod
    def final(self) -> Region:
        """The domain at its last instant."""

    @abstractmethod
    def within(self, points: Float[np.ndarray, "n d"], slack: float) -> Bool[np.ndarray, " n"]:
        """Whether points lie in the domain grown (slack > 0) or shrunk (slack < 0) by slack times its size."""

    @abstractmethod
    def __repr__(self) -> str: ...

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates, time last."""
        return tuple(self.bounds)

    @property
    def space(self) -> tuple[str, ...]:
        """The names of the space coordinates."""
        return tuple(name for name in self.bounds if name != self.time)

    @property
    def dimension(self) -> int:
        """The number of coordinates, time included."""
        return len(self.bounds)

    def contains(self, points: ArrayLike) -> Bool[np.ndarray, " n"]:
        """Whether each of the points (n, d) lies in the closed domain (widened by 1e-9 of its size for round-off).

        Raises:
            ValueError: the points don't have the shape (n, d).
        """
        array = np.asarray(points, float)
        if array.ndim != 2 or array.shape[1] != self.dimension:
            raise ValueError(f"points of shape {array.shape} don't fit {self}: give (n, {self.dimension})")
        return self.within(array, SLACK)

    def sample(self, n: int, method: str = "sobol", seed: int = 0) -> Float[np.ndarray, "n d"]:
        """Draws n points of the interior, uniformly.

        Args:
            n: number of points.
            method: one of `pinnact.sampling.METHODS`; "grid" gives about n points or more.
            seed: non-negative integer; the same seed gives the same points.

        Returns:
            Array (n, d), columns in the order of `coordinates`.

        Raises:
            ValueError: unknown method, n < 1, negative seed.
        """
        return self.interior.sample(n, method, seed).points

    def grid(self, n_per_axis: int | Mapping[str, int]) -> Float[np.ndarray, "m d"]:
        """The tensor grid over the bounding box, end points included, restricted to the closed domain.

        Args:
            n_per_axis: number of points on each axis (2 or more), one for all or by coordinate. On a periodic axis
                the right end point, the same place as the left one, is left out.

        Returns:
            Array (m, d), the last coordinate running fastest: on a box, values reshape to one axis a coordinate.

        Raises:
            ValueError: a coordinate is missing or unknown, fewer than 2 points, no grid point in the domain, or
                more than 10^8 points.
        """
        counts = dict(n_per_axis) if isinstance(n_per_axis, Mapping) else dict.fromkeys(self.bounds, n_per_axis)
        if set(counts) != set(self.bounds) or min(counts.values()) < 2:
            raise ValueError(f"a grid of {counts} doesn't fit: give 2 or more for each of {', '.join(self.bounds)}")
        if prod(counts.values()) > 10**8:
            raise ValueError(f"a grid of {prod(counts.values())} points is too large: use sample(n)")
        ticks = [
            np.linspace(lower, upper, counts[name], endpoint=name not in self.periodic)
            for name, (lower, upper) in self.bounds.items()
        ]
        nodes = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, self.dimension)
        nodes = nodes[self.contains(nodes)]
        if len(nodes) == 0:
            raise ValueError(f"no point of the grid lies in {self}: take more points on each axis, or sample(n)")
        return nodes

    @cached_property
    def interior(self) -> Region:
        """The inside of the domain."""
        return Region(self, "interior", "interior", body=Piece("interior", self.measure, self.sampler))

    @cached_property
    def boundary(self) -> Boundary:
        """The boundary in space, by pieces: `boundary["left"]`; empty for time alone and where all is periodic."""
        return Boundary(self, "boundary", "boundary", self.pieces)

    def at(self, **values: ArrayLike) -> Region:
        """The region of given points, e.g. `at(x=0.0, y=0.0)` or `at(x=0.5, t=times)`.

        Args:
            values: one number or an array (n,) for every coordinate; numbers are repeated.

        Returns:
            A region of the kind "points"; sampling it gives its n points, or fewer if fewer are asked for.

        Raises:
            ValueError: a coordinate is missing or unknown, lengths differ, or a point is outside the domain.
        """
        if set(values) != set(self.bounds):
            raise ValueError(f"at({', '.join(values)}) doesn't fit: give each of {', '.join(self.bounds)}")
        columns = [np.atleast_1d(np.asarray(values[name], float)) for name in self.bounds]
        points = np.stack(np.broadcast_arrays(*columns), axis=-1)
        if not self.contains(points).all():
            raise ValueError(f"{points[~self.contains(points)][0]} lies outside {self}: move it inside")
        return Region(self, "points", "points", body=Piece("points", float(len(points)), Rows(Points(points))))


class SpaceDomain(Domain):
    """A domain without time; `domain * Time(t=(0, 1))` adds it."""

    @property
    def initial(self) -> Region:
        """Not there: only a domain with time has a first instant."""
        raise ValueError(f"{self} has no time, so no initial instant: multiply it by Time(t=(0, 1))")

    @property
    def final(self) -> Region:
        """Not there: only a domain with time has a last instant."""
        raise ValueError(f"{self} has no time, so no final instant: multiply it by Time(t=(0, 1))")


def _interval(name: str, side: object) -> tuple[float, float]:
    try:
        lower, upper = (float(end) for end in side)  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}={side!r} is no interval: give two numbers, e.g. {name}=(0, 1)") from error
    if not (isfinite(lower) and isfinite(upper)):
        raise ValueError(f"{name}={side!r} is not finite: give finite bounds, or map the axis to a finite one")
    if not lower < upper:
        raise ValueError(f"{name}={side!r} has no length: the lower bound must be below the upper one")
    return lower, upper


def interval_text(name: str, side: tuple[float, float]) -> str:
    """Text of one interval as it is typed, e.g. `x=(0, 1)`."""
    return f"{name}=({side[0]:.6g}, {side[1]:.6g})"
