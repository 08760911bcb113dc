"""Large symmetric systems by a Cholesky factor in blocks, of matrix products alone.

LAPACK's own `potrf` stands on `syrk`, and that of OpenBLAS 0.3.30 writes beyond its buffer for more than some 16,000
rows on two threads: the process ends (OpenBLAS issue 2821). Products of two matrices don't, and are as fast.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dtrsm

BLOCK = 512


def factorise(matrix: Float[np.ndarray, "n n"]) -> None:
    """Put the lower factor L, of L L^T, in the place of the lower half of `matrix`, the only one that is read.

    n^3 / 3 multiply-adds and `2 n BLOCK` numbers besides the matrix. Raises numpy.linalg.LinAlgError where the matrix
    is not positive definite; its columns up to there are overwritten then.
    """
    n = len(matrix)
    for begin in range(0, n, BLOCK):
        end = min(begin + BLOCK, n)
        panel = matrix[begin:end, :begin] @ matrix[begin:, :begin].T  # lies transposed, as a Fortran matrix does
        np.subtract(matrix[begin:, begin:end].T, panel, out=panel)
        top = np.linalg.cholesky(panel[:, : end - begin].T)
        matrix[begin:end, begin:end] = top
        if end < n:
            below = panel[:, end - begin :].T
            matrix[end:, begin:end] = dtrsm(1.0, top, below, side=1, lower=1, trans_a=1)  # below L^-T


def substitute(factor: Float[np.ndarray, "n n"], right: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The solution of L L^T x = right."""
    x, starts = right.copy(), range(0, len(factor), BLOCK)
    for begin in starts:
        own, done = slice(begin, begin + BLOCK), slice(0, begin)
        x[own] = solve_triangular(
            factor[own, own], x[own] - factor[own, done] @ x[done], lower=True, check_finite=False
        )
    for begin in reversed(starts):
        own, done = slice(begin, begin + BLOCK), slice(begin + BLOCK, None)
        rest = x[own] - factor[done, own].T @ x[done]
        x[own] = solve_triangular(factor[own, own], rest, lower=True, trans=1, check_finite=False)
    return x
