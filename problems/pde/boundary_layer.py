"""Convection against a wall: what the wind carries must end in a thin layer."""

from math import exp, pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def boundary_layer(diffusion: float = 0.02) -> pn.Problem:
    """-diffusion Lap u + u_x = f on the unit square, u = 0 at the walls.

    Reference (exact): u = sin(pi y) (x - g), g = (exp((x - 1) / diffusion) - exp(-1 / diffusion)) /
    (1 - exp(-1 / diffusion)), which fixes f: a layer of width `diffusion` at x = 1.
    Source: Roos, Stynes and Tobiska 2008, doi:10.1007/978-3-540-34467-4.
    """
    domain = pn.Rectangle(x=(0, 1), y=(0, 1))

    def along(x: Array) -> Array:
        return x - (jnp.exp((x - 1) / diffusion) - exp(-1 / diffusion)) / (1 - exp(-1 / diffusion))

    def exact(x: Array, y: Array) -> Array:
        return jnp.sin(pi * y) * along(x)

    def source(x: Array, y: Array) -> Array:  # along' - diffusion along'' = 1
        return jnp.sin(pi * y) * (1 + diffusion * pi**2 * along(x))

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"diffusion": diffusion},
        equations={"transport": lambda u, x, y, diffusion: u.x - diffusion * u.laplacian - source(x, y)},
        conditions={"walls": pn.On(domain.boundary, lambda u: u)},
        reference=exact,
        name="boundary_layer",
    )
