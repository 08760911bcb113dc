"""Radial functions that end smoothly: a C-infinity cutoff, softened distances, polynomials of a distance."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float


def bump(square: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """`exp(1 - 1 / (1 - s))` of `s = (r / cutoff)^2`: 1 at 0, 0 from 1 on, every derivative continuous everywhere."""
    inside = square < 1
    room = jnp.where(inside, 1 - square, 1.0)  # a safe argument outside, so that derivatives there are 0 and not nan
    return jnp.where(inside, jnp.exp(1 - 1 / room), 0.0)


@dataclass(frozen=True)
class Radial:
    """`count` radial functions on `[0, cutoff]` (angstrom): Chebyshev polynomials of a mapped distance times `bump`.

    `R_n(r) = T_n(x(r)) bump(r^2 / cutoff^2)`, with `x` linear in `(1 + rho / scale)^-2`, 1 at the distance `inner` and
    -1 at the cutoff: the smaller `scale`, the finer the resolution of short distances (Kovacs et al. 2021,
    doi:10.1021/acs.jctc.1c00647, take 1 to 2; here a nearly linear map learns from half as many frames).
    `rho = sqrt(r^2 + softening^2)` is the softened distance: all is C-infinity, also where two atoms meet.
    """

    cutoff: float = 4.5
    count: int = 8
    inner: float = 0.8
    scale: float = 10.0
    softening: float = 0.2

    def soft(self, square: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The softened distance `sqrt(r^2 + softening^2)` of squared distances."""
        return jnp.sqrt(square + self.softening**2)

    def __call__(self, square: Float[Array, "*n"]) -> Float[Array, "*n count"]:
        """The radial functions at squared distances."""
        transform = lambda rho: (1 + rho / self.scale) ** -2
        near, far = transform(self.inner), transform(self.cutoff)
        x = 2 * (transform(self.soft(square)) - far) / (near - far) - 1
        chebyshev = [jnp.ones_like(x), x]
        for _ in range(self.count - 2):
            chebyshev.append(2 * x * chebyshev[-1] - chebyshev[-2])
        return jnp.stack(chebyshev[: self.count], axis=-1) * bump(square / self.cutoff**2)[..., None]
