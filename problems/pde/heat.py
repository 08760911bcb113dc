"""The heat equation: one sine wave decays."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def heat(diffusivity: float = 0.25) -> pn.Problem:
    """u_t = diffusivity u_xx on [0, 1] x [0, 1], u(x, 0) = sin(pi x), u = 0 at the walls.

    Reference (exact): u = exp(-diffusivity pi^2 t) sin(pi x).
    Source: Dangel, Mueller and Zeinhofer 2024, doi:10.48550/arXiv.2405.15603.
    """
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 1))

    def exact(x: Array, t: Array) -> Array:
        return jnp.exp(-diffusivity * pi**2 * t) * jnp.sin(pi * x)

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"diffusivity": diffusivity},
        equations={"heat": lambda u, diffusivity: u.t - diffusivity * u.xx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u - jnp.sin(pi * x)),
        },
        reference=exact,
        name="heat",
    )
