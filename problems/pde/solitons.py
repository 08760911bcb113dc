"""The Korteweg-de Vries equation: a fast soliton overtakes a slow one, and both go on as they were."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def solitons(fast: float = 2.0, slow: float = 1.2) -> pn.Problem:
    """u_t + 6 u u_x + u_xxx = 0 on [-8, 8] x [-1, 1], u prescribed at the walls and at the start, u_x on the right.

    Waves of heights fast^2 / 2 and slow^2 / 2 meet at x = t = 0. With P, M = (fast +- slow) / 2,
    p = P x - (fast^3 + slow^3) t / 2 and m = M x - (fast^3 - slow^3) t / 2, reference (exact):
    u = 2 (log(M cosh p + P cosh m))_xx
      = 2 P M ((P^2 + M^2) cosh p cosh m + 2 P M (1 - sinh p sinh m)) / (M cosh p + P cosh m)^2.
    Source: Hirota 1971, doi:10.1103/PhysRevLett.27.1192.
    """
    domain = pn.Interval(x=(-8, 8)) * pn.Time(t=(-1, 1))
    plus, minus = (fast + slow) / 2, (fast - slow) / 2

    def exact(x: Array, t: Array) -> Array:
        p, m = plus * x - (fast**3 + slow**3) * t / 2, minus * x - (fast**3 - slow**3) * t / 2
        both = jnp.cosh(p) * jnp.cosh(m)
        above = (plus**2 + minus**2) * both + 2 * plus * minus * (1 - jnp.sinh(p) * jnp.sinh(m))
        return 2 * plus * minus * above / (minus * jnp.cosh(p) + plus * jnp.cosh(m)) ** 2

    return pn.Problem(
        domain,
        unknowns=("u",),
        equations={"momentum": lambda u: u.t + 6 * u * u.x + u.xxx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u, x, t: u - exact(x, t)),
            "right_slope": pn.On(domain.boundary["right"], lambda u, x, t: u.x - jax.grad(exact)(x, t)),
            "start": pn.On(domain.initial, lambda u, x: u - exact(x, -1.0)),
        },
        reference=exact,
        name="solitons",
    )
