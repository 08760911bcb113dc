"""Union, intersection and difference of domains, by rejection."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from pinnact.domains.base import SLACK, SpaceDomain
from pinnact.domains.charts import PROBE, Chart, Points, Sampler, probe_size
from pinnact.domains.regions import Piece

# Points of a boundary are judged by their neighbours at this distance on both sides, relative to the domain's size:
# far above SLACK, far below anything drawn.
_STEP = 1e-6
_MEASURE_POINTS = 2**16


class Solid(SpaceDomain):
    """A space domain with an inside: it can be united with (|), cut by (&) and relieved of (-) another one."""

    def __or__(self, other: object) -> "Combination":
        return Combination(self, "|", other) if isinstance(other, Solid) else NotImplemented

    def __and__(self, other: object) -> "Combination":
        return Combination(self, "&", other) if isinstance(other, Solid) else NotImplemented

    def __sub__(self, other: object) -> "Combination":
        return Combination(self, "-", other) if isinstance(other, Solid) else NotImplemented


class Combination(Solid):
    """`A | B`, `A & B` or `A - B`: the boundary is made of the pieces of A and B that bound the result.

    Pieces that stay whole keep their distance and projection (not in a union, where a distance of one part may be
    negative in the other). Names of B that A has already get a number: "rim" becomes "rim_2".

    >>> from pinnact.domains import Disk, Rectangle
    >>> (Rectangle(x=(-2, 2), y=(-2, 2)) - Disk()).boundary.names
    ('x_min', 'x_max', 'y_min', 'y_max', 'rim')

    Args:
        first: the domain A.
        operation: "|", "&" or "-".
        second: the domain B, with the same coordinates in the same order.

    Raises:
        ValueError: different coordinates, a periodic axis where it makes no sense, or an empty result.
    """

    first: Solid
    second: Solid
    operation: str

    def __init__(self, first: Solid, operation: str, second: Solid) -> None:
        if first.coordinates != second.coordinates:
            raise ValueError(f"{first} and {second} have different coordinates: give both the same, in the same order")
        if second.periodic or (first.periodic and operation != "-"):
            raise ValueError(f"{operation!r} of periodic domains is not defined: only 'periodic - other' is")
        bounds = first.bounds.items()
        if operation != "-":
            ends = max, min
            if operation == "|":
                ends = min, max
            pairs = [(name, (first.bounds[name], second.bounds[name])) for name in first.bounds]
            bounds = [(n, (ends[0](a[0], b[0]), ends[1](a[1], b[1]))) for n, (a, b) in pairs]
            if gap := [n for n, (lower, upper) in bounds if lower >= upper]:
                raise ValueError(f"{first} {operation} {second} is empty: they don't overlap in {gap[0]}")
        super().__init__(bounds, periodic=first.periodic)
        self._fix(first=first, second=second, operation=operation)
        if not self._accepted(PROBE)[1].any():
            raise ValueError(f"{self} is empty: none of {PROBE} points lies in it")

    @cached_property
    def _host(self) -> tuple[Sampler, float]:
        """The sampler to reject from and the measure of its set: the smallest one known to hold the result."""
        if self.operation == "-":
            return self.first.sampler, self.first.measure
        if self.operation == "&":
            smaller = min((self.first, self.second), key=lambda domain: domain.measure)
            return smaller.sampler, smaller.measure
        sides = np.array(list(self.bounds.values()))
        return Chart.box(*sides.T), float(np.prod(sides[:, 1] - sides[:, 0]))

    def _accepted(self, n: int) -> tuple[Points, np.ndarray]:
        drawn = self._host[0].sample(n, "sobol", 0)
        return drawn, self.within(drawn.points, 0.0)

    @cached_property
    def measure(self) -> float:
        """By quasi-Monte Carlo with 65,536 points of A, of the smaller one (&) or of the bounding box (|)."""
        return self._host[1] * float(np.mean(self._accepted(_MEASURE_POINTS)[1]))

    @property
    def sampler(self) -> Sampler:
        """Rejection from A, from the smaller one (&), or from the bounding box (|)."""
        return self._host[0].where(lambda drawn: self.within(drawn.points, 0.0))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of A and B where they bound the result, outward normals included."""
        step = _STEP * min(upper - lower for lower, upper in self.bounds.values())

        def sides(domain: Solid, drawn: Points) -> tuple[np.ndarray, np.ndarray]:
            shift = step * np.asarray(drawn.normals)
            return domain.within(drawn.points - shift, SLACK), domain.within(drawn.points + shift, SLACK)

        def bounds_result(drawn: Points) -> np.ndarray:
            behind, ahead = sides(self, drawn)
            return behind & ~ahead

        def new(drawn: Points) -> np.ndarray:
            # Where faces of A and B coincide, A's is taken: such points have A on one side only.
            behind, ahead = sides(self.first, drawn)
            return bounds_result(drawn) & (behind == ahead)

        others = [piece.flipped() if self.operation == "-" else piece for piece in self.second.pieces]
        probe = probe_size(len(self.first.pieces) + len(others))
        kept = [piece.where(bounds_result, probe) for piece in self.first.pieces]
        kept += [piece.where(new, probe) for piece in others]
        pieces = [piece.rough() if self.operation == "|" else piece for piece in kept if piece is not None]
        return _with_names_apart(pieces)

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether points (n, d) lie in the combination of the grown (slack > 0) or shrunk domains."""
        first = self.first.within(points, slack)
        if self.operation == "|":
            return first | self.second.within(points, slack)
        if self.operation == "&":
            return first & self.second.within(points, slack)
        return first & ~self.second.within(points, -slack)

    def __repr__(self) -> str:
        return f"({self.first} {self.operation} {self.second})"


def _with_names_apart(pieces: list[Piece]) -> tuple[Piece, ...]:
    taken: set[str] = set()
    apart = []
    for piece in pieces:
        name, number = piece.name, 2
        while name in taken:
            name, number = f"{piece.name}_{number}", number + 1
        aliases = tuple(alias for alias in piece.aliases if alias not in taken)
        taken |= {name, *aliases}
        apart.append(replace(piece, name=name, aliases=aliases))
    return tuple(apart)
