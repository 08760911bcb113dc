"""Linear advection: a sine wave is carried around a periodic interval many times."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def advection(speed: float = 80.0) -> pn.Problem:
    """u_t + speed u_x = 0 on the periodic interval [0, 2 pi], t in [0, 1], u(x, 0) = sin x.

    Reference (exact): u = sin(x - speed t).
    Source: Krishnapriyan et al. 2021, doi:10.48550/arXiv.2109.01050; the speed of 80 is that of Wang et al. 2023,
    doi:10.48550/arXiv.2308.08468.
    """
    domain = pn.Interval(x=(0, 2 * pi), periodic=True) * pn.Time(t=(0, 1))

    def exact(x: Array, t: Array) -> Array:
        return jnp.sin(x - speed * t)

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"speed": speed},
        equations={"transport": lambda u, speed: u.t + speed * u.x},
        conditions={"start": pn.On(domain.initial, lambda u, x: u - jnp.sin(x))},
        reference=exact,
        name="advection",
    )
