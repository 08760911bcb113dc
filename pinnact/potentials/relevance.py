"""Which distances matter: the weights of a kernel's coordinates, learnt from few frames by marginal likelihood.

The energy is a Gaussian process (Rasmussen and Williams 2006, chapter 5): of all weights those are best under which the
observed forces are most likely. Weights are shared by pairs that no permutation tells apart. Beside one global part
over all distances stands a local one for each heavy atom A, in which the weight of a pair k, l falls off with
the larger of the numbers of bonds from A to k and to l: what happens at one end of the molecule teaches little about
the other, and a sum of functions of few coordinates needs far fewer frames than one function of all of them.
"""

import contextlib
import itertools
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from pinnact.potentials.kernels import Parts, Radial
from pinnact.potentials.pairs import Pairs

_NOISE = 1e-8  # relative variance of the forces' noise while learning
_WIDTH = 2.0  # standard deviation of the prior of each logarithm: seven times more or less


class Relevance(eqx.Module):
    """Logarithms of what is learnt: weights by kind of pair; scales of local parts by kind of atom, decay and gain."""

    weights: Float[Array, " kinds"]
    scales: Float[Array, " atom_kinds"]
    decay: Float[Array, ""]
    gain: Float[Array, ""]

    @staticmethod
    def first(pairs: Pairs) -> "Relevance":
        """A length of 10 in log r; local parts of equal scale, that lose a factor e with each bond."""
        kinds, atom_kinds = pairs.kinds.max() + 1, pairs.atom_kinds.max() + 1
        return Relevance(jnp.full(kinds, -2.3), jnp.zeros(atom_kinds), jnp.zeros(()), jnp.full((), 3.0))

    def parts(self, pairs: Pairs, local: bool) -> Parts:
        """The global part, and the local ones where wanted."""
        weights = jnp.exp(self.weights)[pairs.kinds][None]
        scales = jnp.ones(1, weights.dtype)
        centres = np.flatnonzero(pairs.numbers > 1)
        if local and len(centres) > 1:
            bonds = np.maximum(pairs.bonds[:, pairs.first], pairs.bonds[:, pairs.second])[centres]
            weights = jnp.concatenate([weights, jnp.exp(self.gain - jnp.exp(self.decay) * bonds) * weights])
            scales = jnp.concatenate([scales, jnp.exp(self.scales)[pairs.atom_kinds[centres]]])
        return Parts(scales, weights**2)


def learn(
    kernel: Radial,
    pairs: Pairs,
    x: Float[np.ndarray, "n P"],
    derivatives: Float[np.ndarray, "n P m"],
    gradients: Float[np.ndarray, "n m"],
    *,
    local: bool,
    seconds: float,
    steps: int = 60,
) -> Parts:
    """The parts under which the gradients of the energy (eV/angstrom) along the internal motions are most likely.

    L-BFGS on the logarithms, from one start; it ends early once `seconds` are over, with the best that it has seen.
    """
    end = time.monotonic() + seconds
    start, unravel = ravel_pytree(Relevance.first(pairs))
    permuted, at, slopes, y = (jnp.asarray(value) for value in (pairs.permuted, x, derivatives, gradients))

    @jax.jit
    @jax.value_and_grad
    def objective(theta: Array) -> Array:
        parts = unravel(theta).parts(pairs, local)
        prior = jnp.sum((theta - start) ** 2) / (2 * _WIDTH**2)
        return surprise(kernel, parts, permuted, at, slopes, y) + prior / y.size

    best = (np.inf, start)

    def follow(theta: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best
        value, slope = objective(jnp.asarray(theta))
        if not np.isfinite(value):  # a step so long that the matrix is no longer definite: the line search shortens it
            return 1e3, np.zeros_like(theta)
        if value < best[0]:
            best = (float(value), jnp.asarray(theta))
        if time.monotonic() > end:
            raise TimeoutError
        return float(value), np.asarray(slope)

    with contextlib.suppress(TimeoutError):  # the best so far is what the time was enough for
        scipy.optimize.minimize(follow, start, jac=True, method="L-BFGS-B", options={"maxiter": steps})
    return jax.tree.map(np.asarray, unravel(best[1]).parts(pairs, local))


def surprise(
    kernel: Radial,
    parts: Parts,
    permuted: Array,
    x: Float[Array, "n P"],
    derivatives: Float[Array, "n P m"],
    gradients: Float[Array, "n m"],
    blocks: int = 3,
) -> Float[Array, ""]:
    """Minus the log likelihood of each gradient, up to a constant, at the best scale of the energy.

    log(y^T K^-1 y / N) / 2 + log(det K) / (2 N), by a differentiable K (`kernels.second_derivatives` is the fast one).
    """
    frames, _, m = derivatives.shape

    def row(xi: Array, bi: Array, xj: Array, bj: Array) -> Array:
        near, images = xi[permuted], bi[permuted]
        apart = near[None] - xj[:, None]

        def add(inner: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
            scale, squares = part
            s = jnp.einsum("jqk,jqk,k->jq", apart, apart, squares)
            weighted = jnp.einsum("k,qkm->qkm", squares, images)
            along = jnp.einsum("qk,qkm->qm", near, weighted)[None] - jnp.einsum("jk,qkm->jqm", xj, weighted)
            bent = (scale * kernel.bend(s))[..., None] * along
            inner += jnp.einsum("jq,qkm->jkm", scale * kernel.slope(s), weighted)
            inner -= jnp.einsum("jqm,k,qk->jkm", bent, squares, near)
            return inner + jnp.einsum("jqm,k,jk->jkm", bent, squares, xj), None

        inner = jax.lax.scan(jax.checkpoint(add), jnp.zeros_like(bj), (parts.scales, parts.squares))[0]
        return jnp.einsum("jka,jkb->bja", bj, inner).reshape(m, -1)

    matrix = jnp.zeros((frames * m, frames * m), x.dtype)
    cuts = [round(frames * k / blocks) for k in range(blocks + 1)]
    for low, high in itertools.pairwise(cuts):  # little of the upper half is computed for nothing
        rows = jax.lax.map(
            lambda i, top=high: row(*i, x[:top], derivatives[:top]), (x[low:high], derivatives[low:high])
        )
        matrix = matrix.at[low * m : high * m, : high * m].set(rows.reshape(-1, high * m))
    matrix = jnp.tril(matrix) + jnp.tril(matrix, -1).T
    matrix = matrix / (jnp.trace(matrix) / len(matrix)) + _NOISE * jnp.eye(len(matrix))
    factor = jnp.linalg.cholesky(matrix)
    y = gradients.ravel()
    fit = y @ jax.scipy.linalg.cho_solve((factor, True), y)
    return jnp.log(fit / y.size) / 2 + jnp.mean(jnp.log(jnp.diag(factor)))
