"""Gauss-Newton steps without a matrix: conjugate gradients behind a randomised preconditioner."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pinnact.optimisers.base import AbstractOptimiser, Objective, Parameters, Step
from pinnact.optimisers.gauss_newton import MarquardtState, damped

Product = Callable[[Parameters], Parameters]


class Spectrum(NamedTuple):
    """The leading part `U diag(s) U^T` of a positive matrix, from a random sketch; `s` falls."""

    vectors: Float[Array, "p k"]
    values: Float[Array, " k"]

    def inverse(self, shift: Float[Array, ""], v: Parameters) -> Parameters:
        """`(s_k + shift) (U diag(s) U^T + shift)^-1 v` where the sketch sees, v beside it: what preconditions the
        matrix plus the shift."""
        seen = self.vectors.T @ v
        return v + self.vectors @ (((self.values[-1] + shift) / (self.values + shift) - 1) * seen)


class State(NamedTuple):
    """Loss and damping, and the steps so far."""

    damped: MarquardtState
    count: Int[Array, ""]


class GaussNewtonCG(AbstractOptimiser):
    """Solves `(J^T J + lambda s_1) d = -J^T r` by conjugate gradients that take products with J and its transpose only.

    For networks whose matrices don't fit: p parameters take `7 rank p` numbers. `s_1` is the largest eigenvalue of a
    Nystroem approximation of J^T J from `rank` random vectors, which preconditions up to `iterations` products more,
    until the residual of these equations is below `tolerance` of their right side. The damping follows Nielsen's gain
    ratio as in Levenberg-Marquardt's method.
    Sources: Frangella, Tropp and Udell 2023, doi:10.1137/21M1466244; Rathore, Lei, Frangella, Lu and Udell 2024,
    arXiv 2402.01868.
    """

    damping: float = 1e-3
    rank: int = 60
    iterations: int = 100
    tolerance: float = 1e-3
    tries: int = 4
    seed: int = 0
    name: str = "gncg"
    second_order: bool = True

    def init(self, parameters: Parameters, value: Float[Array, ""], gradient: Parameters) -> State:
        """Start with the given damping."""
        damping, growth = (jnp.asarray(number, value.dtype) for number in (self.damping, 2.0))
        return State(MarquardtState(value, damping, growth), jnp.asarray(0))

    def refresh(self, state: State, value: Float[Array, ""], gradient: Parameters) -> State:
        """Keep the damping, take the new loss."""
        return state._replace(damped=state.damped._replace(value=value))

    @property
    def at_once(self) -> bool:
        """It takes products with the Jacobian of all points."""
        return True

    def numbers(self, rows: int, parameters: int) -> float:
        """The sketch, its products, and what factorising them takes (measured), beside the vectors of the iteration."""
        return (7.0 * self.rank + 10.0) * parameters

    def eased(self, times: int) -> "GaussNewtonCG":
        """A thousand times the first damping each time."""
        return replace(self, damping=self.damping * 1e3**times)

    def step(self, objective: Objective, parameters: Parameters, state: State) -> Step:
        """One linearisation, one sketch, and dampings until the loss falls."""
        rows, forward = jax.linearize(objective.rows, parameters)
        backward = jax.linear_transpose(forward, parameters)
        product = lambda v: backward(forward(v))[0]
        (gradient,) = backward(rows)
        key = jax.random.fold_in(jax.random.key(self.seed), state.count)
        spectrum = sketched(product, parameters, min(self.rank, parameters.size), key)
        largest = spectrum.values[0]
        solve = lambda damping: self._solve(product, spectrum, damping * largest, -gradient)
        change, after, stalled = damped(objective, parameters, state.damped, self.tries, gradient, largest, solve)
        return Step(parameters + change, State(after, state.count + 1), after.value, stalled)

    def _solve(self, product: Product, spectrum: Spectrum, shift: Float[Array, ""], right: Parameters) -> Parameters:
        """`x` with `(A + shift) x = right`, by preconditioned conjugate gradients from 0."""

        def iterate(carry: tuple) -> tuple:
            x, left, direction, slope, count = carry
            moved = product(direction) + shift * direction
            length = slope / jnp.vdot(direction, moved)
            left = left - length * moved
            steep = spectrum.inverse(shift, left)
            new = jnp.vdot(left, steep)
            return x + length * direction, left, steep + new / slope * direction, new, count + 1

        def go_on(carry: tuple) -> Array:
            _, left, _, _, count = carry
            return (count < self.iterations) & (jnp.linalg.norm(left) > self.tolerance * jnp.linalg.norm(right))

        steep = spectrum.inverse(shift, right)
        begin = (jnp.zeros_like(right), right, steep, jnp.vdot(right, steep), jnp.array(0))
        return jax.lax.while_loop(go_on, iterate, begin)[0]


def sketched(product: Product, like: Parameters, rank: int, key: Array) -> Spectrum:
    """The randomised Nystroem approximation `Y (W^T Y)^-1 Y^T` of a positive matrix A, with `Y = A W`.

    A shift of round-off's size keeps the triangle positive and is taken off the eigenvalues (Frangella et al.,
    algorithm 2.1).
    """
    test = jnp.linalg.qr(jax.random.normal(key, (like.size, rank), like.dtype))[0]
    image = jax.lax.map(product, test.T).T
    shift = jnp.finfo(like.dtype).eps * jnp.linalg.norm(image)
    image = image + shift * test
    triangle = jnp.linalg.cholesky((test.T @ image + image.T @ test) / 2)
    half = jax.scipy.linalg.solve_triangular(triangle, image.T, lower=True).T
    vectors, singular, _ = jnp.linalg.svd(half, full_matrices=False)
    return Spectrum(vectors, jnp.maximum(singular**2 - shift, 0.0))
