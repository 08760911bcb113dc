"""The sine-Gordon equation: a bump that swings in its place and sends nothing out."""

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def breather(frequency: float = 0.6) -> pn.Problem:
    """u_tt - u_xx + sin u = 0 on [-6, 6] x [0, 10], u prescribed at the walls, u and u_t at the start.

    Reference (exact): u = 4 arctan(s cos(frequency t) / (frequency cosh(s x))), s = sqrt(1 - frequency^2): nearly one
    period of a nonlinear wave of amplitude 3.7.
    Source: Ablowitz, Kaup, Newell and Segur 1973, doi:10.1103/PhysRevLett.30.1262.
    """
    if not 0 < frequency < 1:
        raise ValueError(f"frequency={frequency!r}: a breather has one between 0 and 1")
    domain = pn.Interval(x=(-6, 6)) * pn.Time(t=(0, 10))
    steep = (1 - frequency**2) ** 0.5

    def exact(x: Array, t: Array) -> Array:
        return 4 * jnp.arctan(steep / frequency * jnp.cos(frequency * t) / jnp.cosh(steep * x))

    return pn.Problem(
        domain,
        unknowns=("u",),
        equations={"sine_gordon": lambda u: u.tt - u.xx + jnp.sin(u)},
        conditions={
            "walls": pn.On(domain.boundary, lambda u, x, t: u - exact(x, t)),
            "start": pn.On(domain.initial, lambda u, x: u - exact(x, 0.0)),
            "start_velocity": pn.On(domain.initial, lambda u: u.t),
        },
        reference=exact,
        name="breather",
    )
