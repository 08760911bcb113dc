"""Disks, ellipses, balls and ellipsoids of any dimension."""

from collections.abc import Iterable, Mapping
from functools import partial
from math import gamma, inf, pi, prod
from numbers import Real
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.special import ellipe, elliprg, ndtri

from pinnact.domains.charts import Chart, Points
from pinnact.domains.csg import Solid
from pinnact.domains.regions import Piece
from pinnact.sampling import unit_cube


class Ellipsoid(Solid):
    """The set rho(x) <= 1 with rho^2 = sum ((x_i - centre_i) / radius_i)^2; its boundary is one piece, "rim".

    Points are uniform inside by volume, and on the rim by length (area), which unequal radii reach by rejection.

    Args:
        centre: its centre by coordinate, two or more of them.
        radii: one positive number for each coordinate.

    Raises:
        ValueError: fewer than two coordinates, or radii that are not positive or don't fit.
    """

    centre: np.ndarray
    radii: np.ndarray

    def __init__(self, centre: Mapping[str, float], radii: Iterable[float]) -> None:
        radii = tuple(float(radius) for radius in radii)
        if len(centre) < 2 or len(radii) != len(centre):
            raise ValueError(f"{len(radii)} radii for the coordinates {list(centre)}: give one each, two or more")
        if not all(0.0 < radius < inf for radius in radii):
            raise ValueError(f"radii {radii} must be positive and finite: correct them")
        super().__init__((name, (at - r, at + r)) for (name, at), r in zip(centre.items(), radii))
        self._fix(centre=np.array(list(centre.values()), float), radii=np.array(radii))

    @property
    def measure(self) -> float:
        """Volume of the unit ball times the product of the radii."""
        return pi ** (self.dimension / 2) / gamma(self.dimension / 2 + 1) * prod(self.radii.tolist())

    @property
    def sampler(self) -> Chart:
        """Radius u^(1/d) times a uniform direction, stretched."""

        def place(unit: np.ndarray) -> Points:
            radius = unit[:, :1] ** (1.0 / self.dimension)
            return Points(self.centre + self.radii * radius * _directions(unit[:, 1:]))

        return Chart.of(1 + _direction_size(self.dimension), place)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The rim."""
        shape = {"centre": self.centre, "radii": self.radii}
        return (
            Piece(
                "rim",
                self._rim_measure(),
                self._rim_sampler(),
                distance=partial(_inside, **shape),
                project=partial(_project, **shape),
                outside=partial(_outside, **shape),
            ),
        )

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether points (n, d) have rho <= 1 + slack."""
        return np.linalg.norm((points - self.centre) / self.radii, axis=1) <= 1.0 + slack

    @property
    def _round(self) -> bool:
        return bool(np.all(self.radii == self.radii[0]))

    def _rim_measure(self) -> float:
        dimension, radii = self.dimension, self.radii
        sphere = 2.0 * pi ** (dimension / 2) / gamma(dimension / 2)
        if self._round:
            return float(sphere * radii[0] ** (dimension - 1))
        if dimension == 2:
            return float(4.0 * radii.max() * ellipe(1.0 - (radii.min() / radii.max()) ** 2))
        if dimension == 3:
            a, b, c = radii**2
            return float(4.0 * pi * elliprg(a * b, a * c, b * c))
        directions = _directions(unit_cube("sobol", 2**14, dimension, 0))
        return float(sphere * np.prod(radii) * np.mean(np.linalg.norm(directions / radii, axis=1)))

    def _rim_sampler(self) -> Chart:
        def place(unit: np.ndarray) -> tuple[Points, np.ndarray]:
            spare = 0 if self._round else 1
            directions = _directions(unit[:, spare:])
            slopes = directions / self.radii
            lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
            # The stretched sphere has the area |s / r| prod(r) for each unit of area: thin out in proportion.
            kept = unit[:, 0] <= lengths[:, 0] * self.radii.min() if spare else np.ones(len(unit), bool)
            return Points(self.centre + self.radii * directions, slopes / lengths), kept

        return Chart(_direction_size(self.dimension) + (not self._round), place)

    def __repr__(self) -> str:
        centre = ", ".join(f"{name}={value:.6g}" for name, value in zip(self.coordinates, self.centre))
        if self._round and self.dimension <= 3:
            return f"{'Disk' if self.dimension == 2 else 'Ball'}({centre}, radius={self.radii[0]:.6g})"
        name = "Ellipse" if self.dimension == 2 else "Ellipsoid"
        return f"{name}({centre}, radii=({', '.join(f'{radius:.6g}' for radius in self.radii)}))"


def Disk(*, radius: float = 1.0, **centre: float) -> Ellipsoid:
    """A disk, `Disk(x=0.0, y=0.0, radius=1.0)`; without coordinates, the unit disk about x = y = 0.

    >>> Disk(x=2.0, radius=3.0).contains([[4.9, 0.0], [5.1, 0.0]]).tolist()
    [True, False]

    Args:
        radius: positive, in the unit of the coordinates.
        centre: the centre by coordinate; x or y left out is 0, other names must be given both.

    Raises:
        ValueError: not two coordinates, or a radius that is not positive.
    """
    centre = _centre(centre, ("x", "y"))
    return Ellipsoid(centre, [radius] * 2)


def Ellipse(*, radii: Iterable[float], **centre: float) -> Ellipsoid:
    """An ellipse with axes along the coordinates, `Ellipse(x=0.0, y=0.0, radii=(2.0, 1.0))`.

    Args:
        radii: the two half-axes, positive.
        centre: as for `Disk`.

    Raises:
        ValueError: not two coordinates, or radii that don't fit.
    """
    return Ellipsoid(_centre(centre, ("x", "y")), radii)


def Ball(*, radius: float = 1.0, **centre: float) -> Ellipsoid:
    """A ball, `Ball(x=0.0, y=0.0, z=0.0, radius=1.0)`; without coordinates, the unit ball about 0.

    Args:
        radius: positive, in the unit of the coordinates.
        centre: the centre by coordinate; x, y or z left out is 0, other names must be given all three.

    Raises:
        ValueError: not three coordinates, or a radius that is not positive.
    """
    return Ellipsoid(_centre(centre, ("x", "y", "z")), [radius] * 3)


def _centre(given: Mapping[str, float], names: tuple[str, ...]) -> dict[str, float]:
    for name, at in given.items():
        if not isinstance(at, Real):
            raise ValueError(f"{name}={at!r} is no coordinate of a centre: give one number, as in {name}=0.0")
    if set(given) <= set(names):
        return {name: given.get(name, 0.0) for name in names}
    if len(given) != len(names):
        raise ValueError(f"the coordinates {list(given)} are not {len(names)}: name each, as in {names[0]}=0.0")
    return dict(given)


def _direction_size(dimension: int) -> int:
    """How many uniform numbers `_directions` takes for a direction."""
    return dimension - 1 if dimension <= 3 else dimension


def _directions(unit: np.ndarray) -> np.ndarray:
    """Uniform unit vectors: by angle (d = 2), by height and angle (d = 3, Archimedes), by normal numbers (d > 3)."""
    if unit.shape[1] > 2:
        normal = ndtri(unit)
        lengths = np.linalg.norm(normal, axis=1, keepdims=True)
        # The centre of the cube (a point of odd grids) has no direction of its own: it gets the first axis.
        return np.where(lengths > 0.0, normal, np.eye(unit.shape[1])[0]) / np.where(lengths > 0.0, lengths, 1.0)
    angle = 2.0 * pi * unit[:, -1]
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if unit.shape[1] == 1:
        return circle
    height = 1.0 - 2.0 * unit[:, :1]
    return np.hstack([np.sqrt(1.0 - height**2) * circle, height])


def _scaled(point: Any, centre: np.ndarray, radii: np.ndarray) -> Any:
    return (point - jnp.asarray(centre, point.dtype)) / jnp.asarray(radii, point.dtype)


def _inside(point: Any, *, centre: np.ndarray, radii: np.ndarray) -> Any:
    return 1.0 - jnp.sum(_scaled(point, centre, radii) ** 2)


def _outside(point: Any, *, centre: np.ndarray, radii: np.ndarray) -> Any:
    square = jnp.sum(_scaled(point, centre, radii) ** 2)
    # The centre lies outside the domain; a finite value there keeps plots and traces free of infinities.
    return 1.0 - 1.0 / jnp.where(square > 1e-6, square, 1e-6)


def _project(point: Any, *, centre: np.ndarray, radii: np.ndarray) -> Any:
    scaled = _scaled(point, centre, radii)
    square = jnp.sum(scaled**2)
    # Two wheres: the gradient of the branch not taken must be finite too. The centre goes to the first axis.
    at_centre = square == 0.0
    first = jnp.zeros_like(scaled).at[0].set(1.0)
    direction = jnp.where(at_centre, first, scaled / jnp.sqrt(jnp.where(at_centre, 1.0, square)))
    return jnp.asarray(centre, point.dtype) + jnp.asarray(radii, point.dtype) * direction
