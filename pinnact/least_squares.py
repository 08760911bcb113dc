"""Dense least squares by Householder QR: on the processor by LAPACK in place, on an accelerator in its own memory.

Columns of tangents and random waves are as good as dependent (numerical ranks of a half), and normal equations would
lose half of the digits that QR keeps. Pivots are sought in the small triangle only, on the processor.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.linalg import lstsq, qr

from pinnact.devices import on_accelerator
from pinnact.memory import MOST, bytes_free

SMALLEST = 1e-13  # relative size of the singular values that count
MATRICES = 2  # of rows times columns that are held at once, with the triangles that are left of one
TRIAL, WIDE_TRIAL = (2_000, 400), (16_000, 1_000)  # matrices whose QR is timed, of a processor, of an accelerator


def fits(rows: int, columns: int) -> bool:
    """Whether the memory that is free is enough for the matrices of a second stage."""
    return 8.0 * MATRICES * rows * columns <= MOST * bytes_free()


def stacked(parts: Iterator[tuple[Any, Any]], shape: tuple[int, int]) -> Float[Any, "m n+1"]:
    """The matrix `(a, b)` of this `shape` whose rows are those of the `parts` `(a, -b)`, where they are computed."""
    if on_accelerator():
        return jnp.concatenate([jnp.column_stack([slopes, -rows]) for slopes, rows in parts])
    matrix, at = np.empty(shape, order="F"), 0
    for slopes, rows in parts:
        matrix[at : at + len(rows), :-1], matrix[at : at + len(rows), -1] = slopes, -np.asarray(rows)
        at += len(rows)
    return matrix


def least_squares(matrix: Float[Any, "m n+1"]) -> tuple[np.ndarray, float]:
    """The shortest x of those that minimise `|a x - b|`, and that norm, of the `matrix` (a, b); columns of a are scaled
    to 1. A NumPy array in Fortran's order is overwritten.

    The QR without pivots runs at the speed of matrix products and leaves a triangle of n + 1 columns, on which pivoting
    is cheap: the digits are those of pivoting on a itself (Golub and Van Loan 2013, section 5.4).
    """
    triangle = _triangle(matrix)
    slopes, right = triangle[:, :-1], triangle[:, -1]
    size = np.linalg.norm(slopes, axis=0)
    size = np.where(size > SMALLEST * np.max(size), size, np.inf)  # what does nothing gets nothing
    found: Any = lstsq(slopes / size, right, cond=SMALLEST, lapack_driver="gelsy", check_finite=False)
    x = found[0] / size
    return x, float(np.linalg.norm(slopes @ x - right))


def timed() -> Callable[[int, int], float]:
    """Seconds that `least_squares` takes of rows and columns on this machine as it is now, from a small one.

    The pivoting on the triangle is counted on an accelerator alone, on which it takes longer than the QR.
    """
    wide = on_accelerator()
    trial = np.random.default_rng(0).normal(size=WIDE_TRIAL if wide else TRIAL)
    if wide:
        _triangle(jnp.asarray(trial))  # compiled
    given = jax.block_until_ready(jnp.asarray(trial)) if wide else np.asfortranarray(trial)
    began = time.perf_counter()
    triangle = _triangle(given)
    factored = time.perf_counter()
    if wide:
        lstsq(triangle, triangle[:, -1], cond=SMALLEST, lapack_driver="gelsy", check_finite=False)
    m, n, pivoted = *trial.shape, time.perf_counter()
    return lambda rows, columns: (
        (factored - began) * rows / m * (columns / n) ** 2 + (pivoted - factored) * (columns / n) ** 3
    )


def _triangle(matrix: Any) -> np.ndarray:
    """The R of a QR; a NumPy array in Fortran's order is overwritten."""
    if isinstance(matrix, np.ndarray):
        found: Any = qr(matrix, mode="raw", overwrite_a=True, check_finite=False)
        return found[1]
    return np.asarray(_jax_triangle(matrix))


@jax.jit
def _jax_triangle(matrix: jax.Array) -> jax.Array:
    return jnp.linalg.qr(matrix, mode="r")
