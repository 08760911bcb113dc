"""Whether prescribed data fit together: at corners, and across the seam of a periodic coordinate."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pinnact.devices import jit
from pinnact.domains import Domain, Piece
from pinnact.operators import PointFunction


class Held(Protocol):
    """Data held on a piece: values, or rates in time."""

    @property
    def piece(self) -> Piece: ...
    @property
    def data(self) -> PointFunction: ...
    @property
    def rate(self) -> bool: ...


def agree_at_corners(domain: Domain, a: Held, b: Held, tolerance: float = 1e-8) -> bool:
    """Whether the data of two pieces agree where the pieces meet (parallel faces never do).

    Values meet values; an initial rate must equal the time derivative of the data on the wall it meets.
    """
    if a.rate and b.rate:
        return True
    if a.piece.name == b.piece.name:
        return a.rate != b.rate  # one piece can't be held twice
    if a.piece.face and b.piece.face and a.piece.face[0] == b.piece.face[0]:
        return True
    if domain.axes is None and not any(p.piece.face and p.piece.face[0] == domain.time for p in (a, b)):
        return True  # pieces of other domains are compared as constants, not at corners

    def both(point: Array) -> tuple[Array, Array]:
        corner = b.piece.project(a.piece.project(point))  # type: ignore[misc]
        if not (a.rate or b.rate):
            return a.data(corner), b.data(corner)
        wall, start = (b, a) if a.rate else (a, b)
        clock = jnp.zeros(domain.dimension).at[-1].set(1.0)
        return jax.jvp(wall.data, (corner,), (clock,))[1], start.data(corner)

    left, right = (np.asarray(part) for part in jit(jax.vmap(both), seldom=True)(domain.sample(128, seed=5)))
    return bool(np.max(np.abs(left - right)) <= tolerance * (1 + np.max(np.abs(right))))


def smooth_periodic_extension(domain: Domain, data: PointFunction, order: int, tolerance: float = 1e-4) -> bool:
    """Whether data extend periodically with `order` derivatives, judged by the decay of their Fourier coefficients.

    On 512 points a line, the highest quarter of the band that the data fill must hold less than `tolerance` of the norm
    of the derivative of that order. A kink across the seam gives coefficients like k^-2 and fails from order 2 on, also
    when the data are its trigonometric interpolant, which fills the band up to its own number of waves only. Sums of
    up to 64 waves always pass.
    """
    n = 512
    base = np.asarray(domain.sample(3, seed=6))
    for name in domain.periodic:
        axis = domain.coordinates.index(name)
        low, high = domain.bounds[name]
        for point in base:
            line = np.tile(point, (n, 1))
            line[:, axis] = np.linspace(low, high, n, endpoint=False)
            values: Any = np.asarray(jax.vmap(data)(_at_start(domain, jnp.asarray(line))))
            spectrum = np.abs(np.fft.rfft(values))
            band = np.flatnonzero(spectrum > 1e-13 * n * np.max(np.abs(values)))
            if band.size == 0 or band[-1] <= 64:
                continue
            derivative = (spectrum * np.arange(n // 2 + 1) ** order)[: band[-1] + 1]
            if np.linalg.norm(derivative[3 * band[-1] // 4 :]) > tolerance * np.linalg.norm(derivative):
                return False
    return True


def _at_start(domain: Domain, points: Array) -> Array:
    return points if domain.time is None else points.at[:, -1].set(domain.bounds[domain.time][0])
