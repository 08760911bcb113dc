"""The wave equation once more: a pulse splits in two, and both halves bounce off the walls."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def pulse(speed: float = 1.0, width: float = 0.1, centre: float = 0.3) -> pn.Problem:
    """u_tt = speed^2 u_xx on [0, 1] x [0, 1], u = 0 at the walls, a pulse at rest in the beginning.

    With p(s) = exp((cos(pi s) - 1) / (pi width)^2), close to a Gaussian of standard deviation `width`, the start is
    f(x) = p(x - centre) - p(x + centre): smooth, odd and of period 2, so that d'Alembert's formula holds the walls.
    Reference (exact): u = (f(x - speed t) + f(x + speed t)) / 2. It has waves of all lengths, so that no few
    frequencies of the domain contain it.
    Source: Evans 2010, Partial Differential Equations, section 2.4.1, doi:10.1090/gsm/019.
    """
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 1))

    def shape(s: Array) -> Array:
        return jnp.exp((jnp.cos(pi * s) - 1) / (pi * width) ** 2)

    def start(s: Array) -> Array:
        return shape(s - centre) - shape(s + centre)

    def exact(x: Array, t: Array) -> Array:
        return (start(x - speed * t) + start(x + speed * t)) / 2

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"speed": speed},
        equations={"wave": lambda u, speed: u.tt - speed**2 * u.xx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u - start(x)),
            "start_velocity": pn.On(domain.initial, lambda u: u.t),
        },
        reference=exact,
        name="pulse",
    )
