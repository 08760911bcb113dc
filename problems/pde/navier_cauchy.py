"""Linear elasticity (Navier-Cauchy): a square plate under a manufactured load."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array

import pinnact as pn


def navier_cauchy(lame: float = 1.0, shear: float = 0.5, load: float = 4.0) -> pn.Problem:
    """div sigma + b = 0 on (0, 1)^2, sigma = lame tr(e) I + 2 shear e, e the strain of the displacement (u, v).

    Left and right: v = 0, sigma_xx = 0. Bottom: u = v = 0. Top: u = 0, sigma_yy = (lame + 2 shear) load sin(pi x).
    The body force b belongs to the default `lame` and `shear` that are given here, also where `infer` looks for them.
    Reference (exact): u = cos(2 pi x) sin(pi y), v = load sin(pi x) y^4 / 4.
    Source: Haghighat et al. 2021, doi:10.1016/j.cma.2021.113741.
    """
    domain = pn.Box(x=(0, 1), y=(0, 1))
    side, bottom, top = domain.boundary["left", "right"], domain.boundary["bottom"], domain.boundary["top"]

    def exact_u(x: Array, y: Array) -> Array:
        return jnp.cos(2 * pi * x) * jnp.sin(pi * y)

    def exact_v(x: Array, y: Array) -> Array:
        return load * jnp.sin(pi * x) * y**4 / 4

    def force_x(x: Array, y: Array) -> Array:
        mixed = pi * load * jnp.cos(pi * x) * y**3  # v_xy
        return (4 * lame + 9 * shear) * pi**2 * exact_u(x, y) - (lame + shear) * mixed

    def force_y(x: Array, y: Array) -> Array:
        mixed = -2 * pi**2 * jnp.sin(2 * pi * x) * jnp.cos(pi * y)  # u_xy
        bending = 3 * load * jnp.sin(pi * x) * y**2  # v_yy
        return shear * pi**2 * exact_v(x, y) - (lame + 2 * shear) * bending - (lame + shear) * mixed

    def pull(x: Array) -> Array:
        return (lame + 2 * shear) * load * jnp.sin(pi * x)

    return pn.Problem(
        domain,
        unknowns=("u", "v"),
        coefficients={"lame": lame, "shear": shear},
        equations={
            "balance_x": lambda u, v, x, y, lame, shear: (
                (lame + 2 * shear) * u.xx + shear * u.yy + (lame + shear) * v.xy + force_x(x, y)
            ),
            "balance_y": lambda u, v, x, y, lame, shear: (
                (lame + 2 * shear) * v.yy + shear * v.xx + (lame + shear) * u.xy + force_y(x, y)
            ),
        },
        conditions={
            "sides": pn.On(side, lambda v: v),
            "sides_stress": pn.On(side, lambda u, v, lame, shear: (lame + 2 * shear) * u.x + lame * v.y),
            "bottom": pn.On(bottom, lambda u, v: (u, v)),
            "top": pn.On(top, lambda u: u),
            "top_stress": pn.On(top, lambda u, v, x, lame, shear: lame * u.x + (lame + 2 * shear) * v.y - pull(x)),
        },
        reference={"u": exact_u, "v": exact_v},
        name="navier_cauchy",
    )
