"""Time: a domain of its own (ordinary differential equations) and a factor of space-time."""

from functools import cached_property, partial
from typing import Any

import numpy as np

from pinnact.domains.base import Domain, SpaceDomain, interval_text
from pinnact.domains.charts import Chart, Points, Sampler
from pinnact.domains.regions import Piece, Region


class Time(Domain):
    """A time interval, `Time(t=(0, 1))`; `Interval(x=(-1, 1)) * Time(t=(0, 1))` is space-time.

    >>> Time(t=(0, 2)).grid(3).tolist()
    [[0.0], [1.0], [2.0]]

    Args:
        side: (start, end) of the one coordinate, by name.

    Raises:
        ValueError: not exactly one coordinate; bounds that are not finite, reversed or equal; a bad name.
    """

    def __init__(self, **side: tuple[float, float]) -> None:
        if len(side) != 1:
            raise ValueError(f"{len(side)} time coordinates were given ({', '.join(side)}): write Time(t=(0, 1))")
        super().__init__(side.items(), time=next(iter(side)), tensor=True)

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last instant."""
        return self.bounds[self.coordinates[0]]

    @property
    def measure(self) -> float:
        """The duration."""
        return self.span[1] - self.span[0]

    @property
    def sampler(self) -> Chart:
        """The affine map of the unit interval."""
        return Chart.box([self.span[0]], [self.span[1]])

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """None: the ends are `initial` and `final`."""
        return ()

    @cached_property
    def initial(self) -> Region:
        """The first instant."""
        return _instant(self, self, Chart.of(0, lambda unit: Points(unit)), 1.0, final=False)

    @cached_property
    def final(self) -> Region:
        """The last instant."""
        return _instant(self, self, Chart.of(0, lambda unit: Points(unit)), 1.0, final=True)

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether instants (n, 1) lie in the interval, grown at both ends by slack times its length."""
        margin = slack * self.measure
        return (points[:, 0] >= self.span[0] - margin) & (points[:, 0] <= self.span[1] + margin)

    def __rmul__(self, other: object) -> "SpaceTime":
        """The product of a space domain with time; the time coordinate comes last."""
        return SpaceTime(other, self) if isinstance(other, SpaceDomain) else NotImplemented

    def __mul__(self, other: object) -> "SpaceTime":
        """The same product, written the other way round: the time coordinate comes last."""
        return self.__rmul__(other)

    def __repr__(self) -> str:
        return f"Time({interval_text(self.coordinates[0], self.span)})"


class SpaceTime(Domain):
    """The product of a space domain with a time interval.

    The boundary is the boundary in space at all times, with the same names; points are drawn jointly in space and
    time, so that Sobol points fill space-time.

    Args:
        space_domain: the space domain.
        clock: the time interval.

    Raises:
        ValueError: both have a coordinate of the same name.
    """

    space_domain: SpaceDomain
    clock: Time

    def __init__(self, space_domain: SpaceDomain, clock: Time) -> None:
        sides = [*space_domain.bounds.items(), *clock.bounds.items()]
        tensor = space_domain.axes is not None
        super().__init__(sides, time=clock.time, periodic=space_domain.periodic, tensor=tensor)
        self._fix(space_domain=space_domain, clock=clock)

    @property
    def measure(self) -> float:
        """The measure in space times the duration."""
        return self.space_domain.measure * self.clock.measure

    @property
    def sampler(self) -> Sampler:
        """Draws points of space and time jointly."""
        return self.space_domain.sampler.times(*self.clock.span)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of the boundary in space, times the time interval."""
        return tuple(piece.times(*self.clock.span) for piece in self.space_domain.pieces)

    @cached_property
    def initial(self) -> Region:
        """The space domain at the first instant."""
        return _instant(self, self.clock, self.space_domain.sampler, self.space_domain.measure, final=False)

    @cached_property
    def final(self) -> Region:
        """The space domain at the last instant."""
        return _instant(self, self.clock, self.space_domain.sampler, self.space_domain.measure, final=True)

    def within(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Whether points (n, d) lie in both factors, grown by slack."""
        return self.space_domain.within(points[:, :-1], slack) & self.clock.within(points[:, -1:], slack)

    def __repr__(self) -> str:
        return f"{self.space_domain} * {self.clock}"


def _instant(domain: Domain, clock: Time, space: Sampler, measure: float, *, final: bool) -> Region:
    """The region of `domain` at one end of the clock; `space` draws its space coordinates."""
    instant = clock.span[final]
    length = -clock.measure if final else clock.measure

    def stamp(drawn: Points) -> Points:
        return Points(np.hstack([drawn.points, np.full((len(drawn.points), 1), instant)]))

    kind = "final" if final else "initial"
    piece = Piece(
        name=kind,
        measure=measure,
        sampler=space.then(stamp),
        face=(clock.coordinates[0], "upper" if final else "lower"),
        distance=partial(_since, instant=instant, length=length),
        project=partial(_move, instant=instant),
    )
    return Region(domain, kind, kind, (piece,))


def _since(point: Any, *, instant: float, length: float) -> Any:
    return (point[-1] - instant) / length


def _move(point: Any, *, instant: float) -> Any:
    return point.at[-1].set(instant)
