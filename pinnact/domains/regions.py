"""Regions: the parts of a domain that equations and conditions hold on."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pinnact.domains.charts import Keep, Points, Sampler, probe_size

if TYPE_CHECKING:
    from pinnact.domains.base import Domain

Distance = Callable[[Any], Any]  # jnp: one point (d,) -> a number
Projection = Callable[[Any], Any]  # jnp: one point (d,) -> a point (d,)


@dataclass(frozen=True, eq=False)
class Piece:
    """One smooth part of a boundary, or the whole domain at one instant.

    Attributes:
        name: its name, unique in its domain.
        measure: length, area or volume (times duration); 1 for a single point.
        sampler: draws its points.
        aliases: further names, such as "left".
        face: (coordinate, "lower" | "upper") where the piece is the face of a box or an instant, else None.
        distance: a smooth jnp function of one point (d,) of the full domain, zero exactly on the piece, positive
            inside the domain, of maximum about 1; None where there is no such closed form.
        project: a jnp function of one point (d,) that gives the point of the piece it belongs to; None likewise.
        outside: what `distance` becomes when the domain is the complement; None where that isn't smooth.
    """

    name: str
    measure: float
    sampler: Sampler
    aliases: tuple[str, ...] = ()
    face: tuple[str, str] | None = None
    distance: Distance | None = None
    project: Projection | None = None
    outside: Distance | None = None

    def sample(self, n: int, method: str = "sobol", seed: int = 0) -> Points:
        """n points of the piece (at least n for the method "grid"), with outward unit normals where they exist."""
        return self.sampler.sample(n, method, seed)

    def where(self, keep: Keep, probe: int) -> "Piece | None":
        """The sub-piece that `keep` accepts, judged by `probe` points: None if empty, itself if all is kept.

        A part of a piece has no face, distance or projection: these hold for the whole piece only.
        """
        fraction = float(np.mean(keep(self.sampler.probe(probe))))
        if fraction in (0.0, 1.0):
            return self if fraction else None
        part = replace(self, measure=self.measure * fraction, sampler=self.sampler.where(keep))
        return part.rough()

    def rough(self) -> "Piece":
        """The piece without face, distance and projection."""
        return replace(self, face=None, distance=None, project=None, outside=None)

    def flipped(self) -> "Piece":
        """The piece seen from the complement: normals turned round, the distance that of the other side."""
        flip = lambda drawn: Points(drawn.points, None if drawn.normals is None else -drawn.normals)
        project = self.project if self.outside else None
        return replace(
            self, sampler=self.sampler.then(flip), face=None, distance=self.outside, project=project, outside=None
        )

    def times(self, lower: float, upper: float) -> "Piece":
        """The product of the piece with a time interval (time last)."""
        from_space, project = self.distance, self.project
        return replace(
            self,
            measure=self.measure * (upper - lower),
            sampler=self.sampler.times(lower, upper),
            distance=from_space and (lambda point: from_space(point[:-1])),
            project=project and (lambda point: point.at[:-1].set(project(point[:-1]))),
            outside=None,
        )


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a domain: its interior, pieces of its boundary, its first or last instant, or given points.

    Attributes:
        domain: the domain it belongs to.
        name: for messages.
        kind: "interior", "boundary", "initial", "final" or "points".
        pieces: the smooth pieces it is made of; empty for "interior" and "points".
        body: the sampler and measure of an "interior" or of "points".
    """

    domain: "Domain"
    name: str
    kind: str
    pieces: tuple[Piece, ...] = ()
    body: Piece | None = None

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The coordinates of the domain, time last."""
        return self.domain.coordinates

    @property
    def measure(self) -> float:
        """Length, area or volume, times duration; the number of points where they are isolated."""
        return float(sum(part.measure for part in self._parts))

    @property
    def _parts(self) -> tuple[Piece, ...]:
        return self.pieces if self.body is None else (self.body,)

    def sample(self, n: int, method: str = "sobol", seed: int = 0) -> Points:
        """Draws n points, shared among the pieces by measure (each has one at least where n allows it).

        Args:
            n: number of points; of given points ("points") at most all of them are drawn.
            method: one of `pinnact.sampling.METHODS`; "grid" gives about n points or more.
            seed: non-negative integer.

        Returns:
            Points (n, d), grouped by pieces, and outward unit normals (n, s) on a boundary that has them.

        Raises:
            ValueError: the region is empty, or the method, n or seed is not valid.
        """
        if not self._parts:
            hint = " (time only: use .initial or .final)" if not self.domain.space else ""
            raise ValueError(f"the {self.name} of {self.domain} is empty{hint}: there is nothing to sample")
        if n < 1:
            raise ValueError(f"n={n!r} points were asked for: n must be at least 1")
        if self.kind == "points":
            n = min(n, round(self.measure))
        counts = _shares(n, np.array([part.measure for part in self._parts]), seed)
        seeds = [seed] if len(counts) == 1 else np.random.SeedSequence(seed).generate_state(len(counts))
        drawn = [
            part.sample(int(count), method, int(own)) for part, count, own in zip(self._parts, counts, seeds) if count
        ]
        normals = [each.normals for each in drawn if each.normals is not None]
        together = np.concatenate(normals) if len(normals) == len(drawn) else None
        return Points(np.concatenate([each.points for each in drawn]), together)

    def where(self, predicate: Callable[..., Any]) -> "Region":
        """The sub-region where a predicate holds; the names of its arguments pick coordinates.

        Args:
            predicate: vectorised, e.g. `lambda x, y: x < y`: each argument has the shape (n,), the result too.
                Further arguments must have defaults.

        Returns:
            A region of the same kind. Pieces that are kept whole stay as they are; the others lose their distance
            and projection. Its measure is that of a probe of 16,384 points, shared among the pieces.

        Raises:
            ValueError: an argument is no coordinate, the result is not a mask, or no probed point is kept.
        """
        keep = _on_points(predicate, self.domain.coordinates)
        name = f"{self.name} where f({', '.join(inspect.signature(predicate).parameters)})"
        probe = probe_size(len(self._parts))
        kept = tuple(part for piece in self._parts if (part := piece.where(keep, probe)) is not None)
        if not kept:
            raise ValueError(f"'{name}' of {self.domain} is empty: no probed point satisfies the predicate, correct it")
        if self.body is None:
            return Region(self.domain, name, self.kind, kept)
        return Region(self.domain, name, self.kind, body=kept[0])

    def __or__(self, other: "Region") -> "Region":
        """The union of two regions made of pieces; pieces that both have are taken once."""
        if other.domain is not self.domain or other.kind != self.kind or self.body is not None:
            raise ValueError(f"'{self.name}' and '{other.name}' don't unite: give two boundary parts of one domain")
        new = tuple(piece for piece in other.pieces if piece not in self.pieces)
        return Region(self.domain, f"{self.name} | {other.name}", self.kind, self.pieces + new)

    def __repr__(self) -> str:
        return f"<{self.name} of {self.domain}>"


@dataclass(frozen=True, eq=False, repr=False)
class Boundary(Region):
    """The whole boundary; parts are picked by name: `boundary["left"]`, `boundary["left", "right"]`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the pieces (without aliases)."""
        return tuple(piece.name for piece in self.pieces)

    def __getitem__(self, names: str | tuple[str, ...]) -> Region:
        names = (names,) if isinstance(names, str) else names
        chosen = {}
        for name in names:
            found = [piece for piece in self.pieces if name == piece.name or name in piece.aliases]
            if not found:
                known = ", ".join(" = ".join((piece.name, *piece.aliases)) for piece in self.pieces)
                raise ValueError(f"the boundary of {self.domain} has no part {name!r}: it has {known or 'no parts'}")
            chosen |= {piece.name: piece for piece in found}
        return Region(self.domain, " | ".join(names), self.kind, tuple(chosen.values()))


def _shares(n: int, measures: np.ndarray, seed: int) -> np.ndarray:
    """Shares n among pieces by systematic sampling: unbiased, and within 1 of n times the piece's part."""
    steps = np.cumsum(measures) / np.sum(measures) * n
    steps[-1] = n
    offset = np.random.default_rng(seed).uniform(0.01, 0.99)
    counts = np.diff(np.floor(steps - offset).astype(int), prepend=-1)
    counts[-1] += n - counts.sum()
    if n >= len(counts):
        for empty in np.flatnonzero(counts == 0):
            counts[np.argmax(counts)] -= 1
            counts[empty] = 1
    return counts


def _on_points(predicate: Callable[..., Any], coordinates: tuple[str, ...]) -> Keep:
    arguments = inspect.signature(predicate).parameters
    # An argument with a default may carry anything (`lambda x, edge=edge: x < edge`).
    unknown = [name for name, given in arguments.items() if name not in coordinates and given.default is given.empty]
    wanted = [name for name in arguments if name in coordinates]
    if unknown:
        raise ValueError(f"the predicate asks for {', '.join(unknown)}: the coordinates are {', '.join(coordinates)}")

    def keep(drawn: Points) -> np.ndarray:
        columns = dict(zip(coordinates, drawn.points.T))
        mask = np.asarray(predicate(**{name: columns[name] for name in wanted}))
        if mask.dtype != bool or mask.shape not in ((), (len(drawn.points),)):
            raise ValueError(f"the predicate gave {mask.dtype} of shape {mask.shape}: return one bool for each point")
        return np.broadcast_to(mask, (len(drawn.points),))

    return keep
