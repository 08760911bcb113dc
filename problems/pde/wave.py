"""The wave equation: a string that swings in two of its own frequencies."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def wave(speed: float = 2.0) -> pn.Problem:
    """u_tt = speed^2 u_xx on [0, 1] x [0, 1], u = 0 at the walls, at rest in the beginning.

    Reference (exact): u = sin(pi x) cos(speed pi t) + 0.5 sin(4 pi x) cos(4 speed pi t). Networks whose features are
    sines of the domain's own frequencies contain this solution; `pulse` is the same equation without that shortcut.
    Source: Wang, Yu and Perdikaris 2022, doi:10.1016/j.jcp.2021.110768.
    """
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 1))

    def exact(x: Array, t: Array) -> Array:
        low = jnp.sin(pi * x) * jnp.cos(speed * pi * t)
        return low + 0.5 * jnp.sin(4 * pi * x) * jnp.cos(4 * speed * pi * t)

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"speed": speed},
        equations={"wave": lambda u, speed: u.tt - speed**2 * u.xx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u - exact(x, 0.0)),
            "start_velocity": pn.On(domain.initial, lambda u: u.t),
        },
        reference=exact,
        name="wave",
    )
