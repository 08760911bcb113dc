"""Kernels of the squared distance s in a space of coordinates, and the matrix of their second derivatives.

The energy's covariance is k(x, x') = sum_g a_g sum_q phi(s), s = |w_g (P_q x - x')|^2, over parts g, each with a
scale a_g and weights w_g of the coordinates, and over the molecule's permutations q. The permutations map the set of
parts to itself, so that k is symmetric in x and x' and invariant in each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from pinnact.potentials.cholesky import factorise, substitute

E = 2.718281828459045


@dataclass(frozen=True)
class Radial:
    """A function phi(s) by `slope` = -2 phi'(s) and `bend` = 4 phi''(s), written so that NumPy and JAX both take them.

    `smoothness` is the k of C^k of an energy that is a sum of first derivatives of phi(|x|^2).
    """

    name: str
    smoothness: float
    slope: Callable[[Any], Any]
    bend: Callable[[Any], Any]


def _root(s: Any) -> Any:
    return (5 * (abs(s) + 1e-30)) ** 0.5  # differentiable, and real where round-off makes s negative


_INF = float("inf")
# Rasmussen and Williams 2006, chapter 4. The rational quadratic is a mixture of Gaussians of all lengths.
rational_quadratic = Radial(
    "rational_quadratic", _INF, lambda s: (1 + s / 2) ** -2.0, lambda s: 2 * (1 + s / 2) ** -3.0
)
gaussian = Radial("gaussian", _INF, lambda s: E ** (-s / 2), lambda s: E ** (-s / 2))
matern52 = Radial("matern52", 3, lambda s: 5 / 3 * (1 + _root(s)) * E ** -_root(s), lambda s: 25 / 3 * E ** -_root(s))


class Parts(eqx.Module):
    """The parts of a kernel: scales a `(g,)` and squared weights w^2 `(g, P)`."""

    scales: Float[Array | np.ndarray, " g"]
    squares: Float[Array | np.ndarray, "g P"]


def second_derivatives(
    kernel: Radial,
    parts: Parts,
    permuted: Int[np.ndarray, "p P"],
    x: Float[np.ndarray, "n P"],
    derivatives: Float[np.ndarray, "n P m"],
) -> Float[np.ndarray, "nm nm"]:
    """The covariance of the gradients at n frames, K_ij = B_i^T d2k/dx dx' B_j; in Fortran order, the lower half only.

    With d = P_q x_i - x_j, z = w^2 d and A = P_q B_i it is sum_gq a_g (slope(s) A^T w^2 B_j - bend(s) A^T z z^T B_j).
    Both terms are first summed over g and q to one matrix (P, m) for each j, so that B_j is applied once:
    4 g p P m + 2 P m^2 multiplications a block. The memory is that of the result, whose place a Cholesky factor takes.
    """
    frames, _, m = derivatives.shape
    result = np.zeros((frames * m, frames * m), order="F")
    for i in range(frames):
        images = derivatives[i][permuted]  # (p, P, m)
        apart = x[i][permuted] - x[i:, None]  # (n', p, P)
        inner = np.zeros((frames - i, *derivatives.shape[1:]))
        for scale, squares in zip(np.asarray(parts.scales), np.asarray(parts.squares)):
            z = apart * squares
            s = np.einsum("jqk,jqk->jq", z, apart)
            along = np.matmul(z.transpose(1, 0, 2), images).transpose(1, 0, 2)  # (n', p, m)
            flat = (scale * kernel.slope(s)) @ images.reshape(len(images), -1)
            inner += flat.reshape(inner.shape) * squares[:, None]
            inner -= z.transpose(0, 2, 1) @ ((scale * kernel.bend(s))[:, :, None] * along)
        block = derivatives[i:].transpose(0, 2, 1) @ inner
        result[i * m :, i * m : (i + 1) * m] = block.reshape(-1, m)
    return result


def solve(
    matrix: Float[np.ndarray, "nm nm"], right: Float[np.ndarray, " nm"], regularisation: float
) -> Float[np.ndarray, " nm"]:
    """(K + lambda mean(diag K) I)^-1 right by a Cholesky factor in the place of K, of which the lower half is read.

    Raises numpy.linalg.LinAlgError where round-off leaves the matrix indefinite: a larger regularisation repairs it.
    """
    diagonal = np.einsum("ii->i", matrix)
    diagonal += regularisation * diagonal.mean()
    factorise(matrix)
    return substitute(matrix, right)
