"""Small problems that tests of solutions use; `HEAT` and `DECAY` are sources, for files of their own."""

import jax.numpy as jnp
import numpy as np

import pinnact as pn

HEAT = """
from math import pi
import jax.numpy as jnp
import numpy as np
import pinnact as pn

def heat(diffusivity=0.2, amplitude=1.0):
    domain = pn.Interval(x=(-1, 1)) * pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        coefficients={"diffusivity": diffusivity},
        equations={"heat": lambda u, diffusivity: u.t - diffusivity * u.xx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u - amplitude * jnp.sin(pi * x)),
        },
        reference=lambda x, t: amplitude * np.exp(-diffusivity * pi**2 * t) * np.sin(pi * x),
        name="heat",
    )
"""
DECAY = """
import numpy as np
import pinnact as pn

def decay(rate=1.0):
    domain = pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        equations={"decay": lambda u: u.t + rate * u},
        conditions={"start": pn.On(domain.initial, lambda u: u - 1)},
        reference=lambda t: np.exp(-rate * t),
    )
"""
namespace: dict = {}
exec(HEAT, namespace)
heat = namespace["heat"]


def swirl() -> pn.Problem:
    """A vector and a complex unknown in the plane."""
    domain = pn.Rectangle(x=(0, 1), y=(0, 2))
    return pn.Problem(
        domain,
        unknowns={"v": 2, "h": complex},
        equations={"div": lambda v: v.div, "wave": lambda h: 1j * h.x + h.yy},
        conditions={"walls": pn.On(domain.boundary["x_min"], lambda h: h - 1)},
        reference={"v": lambda x, y: np.stack([y, x], axis=-1)},
        name="swirl",
    )


def disk(**reference) -> pn.Problem:
    domain = pn.Disk()
    return pn.Problem(domain, equations={"poisson": lambda u: u.laplacian + 4}, name="disk", **reference)


def decay(equation=lambda u, rate: u.t + rate * u):
    """u' = -u, u(0) = 1."""
    domain = pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        coefficients={"rate": 1.0},
        equations={"decay": equation},
        conditions={"start": pn.On(domain.initial, lambda u: u - 1)},
        reference=lambda t: np.exp(-t),
    )


def fisher():
    """u_t = u_xx / 10 + u (1 - u) + f between walls, with u = exp(-t) sin(pi x)."""
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 2))
    exact = lambda x, t: jnp.exp(-t) * jnp.sin(jnp.pi * x)

    def growth(u, x, t):
        load = (jnp.pi**2 / 10 - 2) * exact(x, t) + exact(x, t) ** 2
        return u.t - u.xx / 10 - u * (1 - u) - load

    return pn.Problem(
        domain,
        equations={"growth": growth},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u - jnp.sin(jnp.pi * x)),
        },
        reference=exact,
        name="fisher",
    )
