"""Viscous Burgers' equation: a sine wave steepens into a layer of width `viscosity`."""

from math import pi

import jax.numpy as jnp

import pinnact as pn
from pinnact.references import cole_hopf


def burgers(viscosity: float = 0.01 / pi) -> pn.Problem:
    """u_t + u u_x = viscosity u_xx on [-1, 1] x [0, 1], u(x, 0) = -sin(pi x), u = 0 at the walls.

    Reference: the Cole-Hopf transform (Basdevant et al. 1986, doi:10.1016/0045-7930(86)90036-8).
    """
    domain = pn.Interval(x=(-1, 1)) * pn.Time(t=(0, 1))
    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"viscosity": viscosity},
        equations={"momentum": lambda u, viscosity: u.t + u * u.x - viscosity * u.xx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u + jnp.sin(pi * x)),
        },
        reference=cole_hopf(viscosity),
        name="burgers",
    )
