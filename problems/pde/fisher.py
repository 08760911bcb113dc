"""Fisher's equation: what is born spreads, and a front invades the interval."""

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def fisher(diffusion: float = 0.024, growth: float = 57.6) -> pn.Problem:
    """u_t = diffusion u_xx + growth u (1 - u) on [0, 1] x [0, 1/4], u prescribed at the walls and at the start.

    Reference (exact): u = (1 + exp(sqrt(growth / (6 diffusion)) (x - 1/5) - 5 growth t / 6))^-2, a front of width
    sqrt(6 diffusion / growth) = 0.05 that travels from 0.2 to 0.8: every point grows by itself, and errors with it.
    Source: Ablowitz and Zeppetella 1979, doi:10.1007/BF02462380.
    """
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 0.25))

    def exact(x: Array, t: Array) -> Array:
        return (1 + jnp.exp(jnp.sqrt(growth / (6 * diffusion)) * (x - 0.2) - 5 * growth * t / 6)) ** -2.0

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"diffusion": diffusion, "growth": growth},
        equations={"population": lambda u, diffusion, growth: u.t - diffusion * u.xx - growth * u * (1 - u)},
        conditions={
            "walls": pn.On(domain.boundary, lambda u, x, t: u - exact(x, t)),
            "start": pn.On(domain.initial, lambda u, x: u - exact(x, 0.0)),
        },
        reference=exact,
        name="fisher",
    )
