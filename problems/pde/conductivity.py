"""Heat conduction in an uneven body; its conductivity is the field that an inverse problem looks for."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array, Float

import pinnact as pn


def conductivity(dimension: int = 2) -> pn.Problem:
    """-div(k grad u) = f on (0, 1)^d, d = 1, 2, 3, u = 0 on the boundary, k a declared, positive function.

    `conductivity().infer(k=pn.PositiveField(pn.MLP(width=16, depth=2))).observe(points, u=temperatures)` makes k an
    unknown field. Along lines of steepest ascent of u the equation is an ordinary one for k, with one bounded solution
    through the maximum at the centre, where grad u = 0 and k = -f / Lap u. So u fixes k in the whole open cube, without
    values of k on the boundary. Where faces meet (d > 1), grad u and Lap u vanish: noisy data say little of k close by.
    Reference (exact): u = prod_i sin(pi x_i); exact k = 1 / (1 + sum_i (x_i^2 + (x_i - 1)^2)); they fix f.
    Source: Hao et al. 2023, doi:10.48550/arXiv.2306.08827 (the inverse Poisson problem of PINNacle, d = 2).
    """
    if dimension not in (1, 2, 3):
        raise ValueError(f"dimension={dimension}: give 1, 2 or 3")
    domain = pn.Box(**dict.fromkeys("xyz"[:dimension], (0, 1)))

    def exact(point: Float[Array, " d"]) -> Array:
        return jnp.prod(jnp.sin(pi * point))

    def exact_k(point: Float[Array, " d"]) -> Array:
        return 1 / (1 + jnp.sum(point**2 + (point - 1) ** 2))

    def source(point: Float[Array, " d"]) -> Array:
        slopes = pn.gradient(exact_k)(point) @ pn.gradient(exact)(point)
        return dimension * pi**2 * exact_k(point) * exact(point) - slopes

    return pn.Problem(
        domain,
        unknowns=("u",),
        coefficients={"k": exact_k},
        equations={"conduction": lambda u, k, point: k * u.laplacian + k.grad @ u.grad + source(point)},
        conditions={"walls": pn.On(domain.boundary, lambda u: u)},
        reference=exact,
        name="conductivity",
    )
