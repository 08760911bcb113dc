"""Gauss-Newton steps without a matrix: conjugate gradients behind a randomised preconditioner."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pinnact.optimisers.base import AbstractOptimiser, Objective, Parameters, Step

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
    """Loss, damping, the factor by which the next rejection raises it, and the steps so far."""

    value: Float[Array, ""]
    damping: Float[Array, ""]
    growth: Float[Array, ""]
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
        two = jnp.asarray(2.0, value.dtype)
        return State(value, jnp.asarray(self.damping, value.dtype), two, jnp.asarray(0))

    def refresh(self, state: State, value: Float[Array, ""], gradient: Parameters) -> State:
        """Keep the damping, take the new loss."""
        return state._replace(value=value)

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

        def attempt(carry: tuple) -> tuple:
            _, _, damping, growth, _, count = carry
            shift = damping * spectrum.values[0]
            change = self._solve(product, spectrum, shift, -gradient)
            value = objective.value(parameters + change)
            predicted = jnp.vdot(change, shift * change - gradient)
            gain = (state.value - value) / predicted
            ok = jnp.isfinite(value) & jnp.all(jnp.isfinite(change)) & (value < state.value)
            shrink = jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
            after = jnp.where(ok, jnp.maximum(damping * shrink, 1e-15), damping * growth)
            return change, value, after, jnp.where(ok, 2.0, 2 * growth), ok, count + 1

        nothing = (jnp.zeros_like(parameters), state.value, state.damping, state.growth, jnp.array(False), jnp.array(0))
        change, value, damping, growth, ok, _ = jax.lax.while_loop(
            lambda c: ~c[4] & (c[5] < self.tries), attempt, nothing
        )
        change, value = jnp.where(ok, change, 0.0), jnp.where(ok, value, state.value)
        after = State(value, jnp.minimum(damping, 1e16), jnp.where(ok, growth, 2.0), state.count + 1)
        return Step(parameters + change, after, value, ~ok & (damping > 1e12))

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
