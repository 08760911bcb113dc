"""Real spherical harmonics as polynomials, and the tensors that couple them to invariants.

Orthonormal on the unit sphere, ordered m = -l, ..., l. As polynomials in x, y, z they are C-infinity everywhere.
"""

# ruff: noqa: E741 (l is the degree of a harmonic, as in every book)

import functools
from math import factorial, pi, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float


def solid_harmonics(vectors: Float[Any, "*n 3"], degree: int) -> list[Float[Any, "*n m"]]:
    """Real solid harmonics `r^l Y_lm` of every l up to `degree`; the l-th entry has 2 l + 1 values, m = -l, ..., l.

    `r^l Y_lm = N_lm Q_lm(z, r^2) Re or Im (x + i y)^|m|`, where `Q_mm = (2 m - 1)!!` and
    `(l - m) Q_lm = (2 l - 1) z Q_(l-1)m - (l + m - 1) r^2 Q_(l-2)m`. On unit vectors they are orthonormal:
    the integral of `Y_lm Y_l'm'` over the sphere is 1 or 0.
    """
    stack = jnp.stack if isinstance(vectors, jax.Array) else np.stack  # NumPy stays NumPy: couplings are constants
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    square = x * x + y * y + z * z
    cosine, sine = [0 * x + 1], [0 * x]
    for _ in range(degree):
        cosine, sine = cosine + [x * cosine[-1] - y * sine[-1]], sine + [x * sine[-1] + y * cosine[-1]]
    q: dict[tuple[int, int], Any] = {}
    for m in range(degree + 1):
        double_factorial = factorial(2 * m) // (2**m * factorial(m))
        q[m, m] = 0 * x + double_factorial
        for l in range(m + 1, degree + 1):
            before = (l + m - 1) * square * q[l - 2, m] if l > m + 1 else 0.0
            q[l, m] = ((2 * l - 1) * z * q[l - 1, m] - before) / (l - m)
    result = []
    for l in range(degree + 1):
        size = [sqrt((2 * l + 1) / (4 * pi) * factorial(l - m) / factorial(l + m)) for m in range(l + 1)]
        negative = [sqrt(2) * size[m] * q[l, m] * sine[m] for m in range(l, 0, -1)]
        positive = [sqrt(2) * size[m] * q[l, m] * cosine[m] for m in range(1, l + 1)]
        result.append(stack([*negative, size[0] * q[l, 0], *positive], axis=-1))
    return result


def rotations(degree: int) -> tuple[Float[np.ndarray, "g 3 3"], Float[np.ndarray, " g"]]:
    """A quadrature over all rotations, exact for products of harmonics whose degrees add up to `degree`.

    Euler angles: equidistant about the two z axes, Gauss-Legendre in the cosine of the angle between; weights sum to 1.
    """
    cosines, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    angles = 2 * pi * np.arange(degree + 1) / (degree + 1)

    def about(axis: int, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
        i, j = [k for k in range(3) if k != axis]
        matrices = np.zeros((len(cos), 3, 3))
        matrices[:, axis, axis], matrices[:, i, i], matrices[:, j, j] = 1, cos, cos
        matrices[:, i, j], matrices[:, j, i] = -sin, sin
        return matrices

    around = about(2, np.cos(angles), np.sin(angles))
    tilt = about(0, cosines, np.sqrt(1 - cosines**2))
    product = np.einsum("aij,bjk,ckl->abcil", around, tilt, around)
    weight = np.broadcast_to((weights / 2)[None, :, None] / len(angles) ** 2, product.shape[:3])
    return product.reshape(-1, 3, 3), weight.ravel()


@functools.cache
def coupling(l1: int, l2: int, l3: int) -> Float[np.ndarray, "m1 m2 m3"]:
    """The tensor that makes an invariant of three harmonics, of Frobenius norm 1 (a real Wigner 3-j symbol).

    It is unique up to sign where |l1 - l2| <= l3 <= l1 + l2 (ValueError elsewhere), so that any average over all
    rotations g yields it: `C_abc ~ integral of Y_l1a(g p) Y_l2b(g q) Y_l3c(g r) dg` for three points p, q, r. The
    quadrature is exact. Some points make it nearly 0 (p.r = 0 does for 1, 0, 1): the best of several is taken.
    """
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise ValueError(
            f"degrees {l1}, {l2}, {l3} make no triangle, so nothing couples them; choose |l1-l2|<=l3<=l1+l2"
        )
    points = np.random.default_rng(0).normal(size=(12, 3, 3))
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    turns, weights = rotations(l1 + l2 + l3)
    turned = np.einsum("gij,tkj->ktgi", turns, points)
    first, second, third = (solid_harmonics(p, l)[l] for p, l in zip(turned, (l1, l2, l3), strict=True))
    tensors = np.einsum("g,tga,tgb,tgc->tabc", weights, first, second, third, optimize=True)
    tensor = max(tensors, key=lambda tensor: float(np.linalg.norm(tensor)))
    tensor = tensor / np.linalg.norm(tensor)
    return tensor * np.sign(tensor.ravel()[np.argmax(np.abs(tensor) > 1e-3)])
