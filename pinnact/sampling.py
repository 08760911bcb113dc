"""Point sets in the unit cube: the one source of randomness of every domain."""

from math import ceil

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

METHODS = ("uniform", "sobol", "lhs", "grid", "halton")

# Points stay this far from the faces of the cube: a scrambled Sobol point may be exactly 0, where logarithms and
# inverse distribution functions are infinite.
_MARGIN = 2.0**-40


def unit_cube(method: str, n: int, dimension: int, seed: int) -> Float[np.ndarray, "m dimension"]:
    """Draws n points strictly inside the unit cube (0, 1)^dimension.

    >>> unit_cube("grid", 4, 1, seed=0).T
    array([[0.125, 0.375, 0.625, 0.875]])

    Args:
        method: "uniform" (independent), "sobol" (scrambled; the first n of the next power of two, so that a longer
            draw with the same seed begins with the shorter one), "lhs" (Latin hypercube), "halton" (scrambled) or
            "grid" (cell centres of the tensor grid with k = ceil(n^(1/dimension)) cells an axis: the seed is unused,
            and there are k^dimension >= n points, all of which are returned).
        n: number of points, at least 1.
        dimension: number of coordinates; 0 is allowed (a single place) and gives an array of shape (n, 0).
        seed: non-negative integer; the same seed gives the same points.

    Returns:
        Array of shape (n, dimension); m = k^dimension rows for "grid".

    Raises:
        ValueError: unknown method, n < 1, or a negative dimension or seed.
    """
    if method not in METHODS:
        raise ValueError(f"unknown sampling method {method!r}: choose one of {', '.join(METHODS)}")
    if n != int(n) or n < 1:
        raise ValueError(f"n={n!r} points were asked for: n must be a whole number, at least 1")
    if dimension < 0 or seed < 0:
        raise ValueError(f"dimension={dimension} and seed={seed} must not be negative")
    n = int(n)
    if dimension == 0:
        return np.empty((n, 0))
    if method == "grid":
        return _cell_centres(n, dimension)
    generator = np.random.default_rng(seed)
    if method == "uniform":
        points = generator.random((n, dimension))
    elif method == "sobol":
        # A full power of two keeps the balance of the sequence (and scipy's warning about it away).
        points = qmc.Sobol(dimension, scramble=True, seed=generator).random_base2((n - 1).bit_length())[:n]
    elif method == "halton":
        points = qmc.Halton(dimension, scramble=True, seed=generator).random(n)
    else:
        points = qmc.LatinHypercube(dimension, seed=generator).random(n)
    return np.clip(points, _MARGIN, 1.0 - _MARGIN)


def _cell_centres(n: int, dimension: int) -> np.ndarray:
    count = ceil(n ** (1.0 / dimension) - 1e-9)
    if count**dimension > 10**8:
        raise ValueError(f"a grid of {count}^{dimension} points is too large: use the method 'sobol' instead")
    centres = (np.arange(count) + 0.5) / count
    return np.stack(np.meshgrid(*[centres] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
