"""Helmholtz' equation on a square, with a solution that waves faster along one axis."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def helmholtz(wave_number: float = 1.0, waves_x: int = 1, waves_y: int = 4) -> pn.Problem:
    """Lap u + wave_number^2 u = q on [-1, 1]^2, u = 0 on the boundary.

    Reference (exact): u = sin(waves_x pi x) sin(waves_y pi y), which fixes q; whole numbers of waves keep the boundary
    at zero.
    Source: Wang, Teng and Perdikaris 2021, doi:10.1137/20M1318043.
    """
    if waves_x != int(waves_x) or waves_y != int(waves_y):
        raise ValueError(f"waves_x={waves_x}, waves_y={waves_y}: give whole numbers, so that u = 0 on the boundary")
    domain = pn.Box(x=(-1, 1), y=(-1, 1))

    def exact(x: Array, y: Array) -> Array:
        return jnp.sin(waves_x * pi * x) * jnp.sin(waves_y * pi * y)

    def source(x: Array, y: Array) -> Array:
        return (wave_number**2 - (waves_x**2 + waves_y**2) * pi**2) * exact(x, y)

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"wave_number": wave_number},
        equations={"helmholtz": lambda u, wave_number, x, y: u.laplacian + wave_number**2 * u - source(x, y)},
        conditions={"walls": pn.On(domain.boundary, lambda u: u)},
        reference=exact,
        name="helmholtz",
    )
