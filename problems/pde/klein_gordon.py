"""The cubic Klein-Gordon equation with a manufactured solution."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def klein_gordon() -> pn.Problem:
    """u_tt - u_xx + u^3 = f on [0, 1] x [0, 1], u prescribed at the walls and, with u_t = 0, at the start.

    Reference (exact): u = x cos(5 pi t) + (x t)^3, which fixes f and the prescribed values.
    Source: Wang, Teng and Perdikaris 2021, doi:10.1137/20M1318043.
    """
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 1))

    def exact(x: Array, t: Array) -> Array:
        return x * jnp.cos(5 * pi * t) + (x * t) ** 3

    def source(x: Array, t: Array) -> Array:
        return -25 * pi**2 * x * jnp.cos(5 * pi * t) + 6 * x * t * (x**2 - t**2) + exact(x, t) ** 3

    return pn.Problem(
        domain,
        unknowns=("u",),
        equations={"klein_gordon": lambda u, x, t: u.tt - u.xx + u**3 - source(x, t)},
        conditions={
            "walls": pn.On(domain.boundary, lambda u, x, t: u - exact(x, t)),
            "start": pn.On(domain.initial, lambda u, x: u - x),
            "start_velocity": pn.On(domain.initial, lambda u: u.t),
        },
        reference=exact,
        name="klein_gordon",
    )
