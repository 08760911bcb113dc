"""Poisson's equation on the unit cube of any dimension, with four exact solutions."""

from math import pi

import jax.numpy as jnp
from jaxtyping import Array, Float

import pinnact as pn


def poisson(dimension: int = 2, solution: str = "sin_product") -> pn.Problem:
    r"""-Lap u = f on (0, 1)^d, u prescribed on the boundary. `solution` names the exact solution, which fixes f:

    | `solution`    | u                                      | f                       |
    |---------------|----------------------------------------|-------------------------|
    | `sin_product` | prod_i sin(pi x_i)                     | d pi^2 u                |
    | `cos_sum`     | sum_i cos(pi x_i)                      | pi^2 u                  |
    | `harmonic`    | (1 / 1.34) sum_k x_{2k-1} x_{2k}       | 0 (d must be even)      |
    | `norm`        | |x|^2 / 33.47                          | -2 d / 33.47            |

    The coordinates are x, y, z in up to three dimensions, else x1, ..., xd. Raises ValueError for a dimension below 1
    or one that does not fit, and for an unknown solution.
    Source: Mueller and Zeinhofer 2023, doi:10.48550/arXiv.2302.13163; the last two, for d = 10 and 100, are those of
    Dangel et al. 2024, doi:10.48550/arXiv.2405.15603.
    """
    if dimension < 1 or dimension != int(dimension):
        raise ValueError(f"dimension={dimension}: give a whole number, 1 or more")
    if solution not in _SOLUTIONS:
        raise ValueError(f"solution={solution!r} is unknown: choose one of {', '.join(_SOLUTIONS)}")
    if solution == "harmonic" and dimension % 2:
        raise ValueError(f"dimension={dimension}: the harmonic solution pairs coordinates, so give an even dimension")
    exact, source = _SOLUTIONS[solution]
    names = "xyz"[:dimension] if dimension <= 3 else [f"x{i}" for i in range(1, dimension + 1)]
    domain = pn.Box(**dict.fromkeys(names, (0, 1)))
    return pn.Problem(
        domain,
        unknowns=("u",),
        equations={"poisson": lambda u, point: u.laplacian + source(point)},
        conditions={"walls": pn.On(domain.boundary, lambda u, point: u - exact(point))},
        reference=exact,
        name="poisson",
    )


def _sin_product(point: Float[Array, " d"]) -> Array:
    return jnp.prod(jnp.sin(pi * point))


def _cos_sum(point: Float[Array, " d"]) -> Array:
    return jnp.sum(jnp.cos(pi * point))


def _harmonic(point: Float[Array, " d"]) -> Array:
    return point[0::2] @ point[1::2] / 1.34


def _norm(point: Float[Array, " d"]) -> Array:
    return point @ point / 33.47


_SOLUTIONS = {  # u and f = -Lap u
    "sin_product": (_sin_product, lambda point: point.size * pi**2 * _sin_product(point)),
    "cos_sum": (_cos_sum, lambda point: pi**2 * _cos_sum(point)),
    "harmonic": (_harmonic, lambda point: 0.0),
    "norm": (_norm, lambda point: -2 * point.size / 33.47),
}
