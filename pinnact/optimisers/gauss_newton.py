"""Levenberg-Marquardt: damped Gauss-Newton steps on the weighted rows."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.optimisers.base import AbstractOptimiser, Objective, Parameters, Step


class MarquardtState(NamedTuple):
    """Loss, damping, and the factor by which the next rejection raises it."""

    value: Float[Array, ""]
    damping: Float[Array, ""]
    growth: Float[Array, ""]


class LevenbergMarquardt(AbstractOptimiser):
    """Solves `(J^T J + lambda diag(J^T J)) d = -J^T r` by Cholesky; the damping follows Nielsen's gain ratio.

    Takes `n p` memory for the Jacobian and `n p^2 + p^3 / 3` multiply-adds a step for n rows and p parameters. Up to
    `tries` dampings are tried on one Jacobian. Source: Madsen, Nielsen, Tingleff 2004, Methods for non-linear least
    squares problems.
    """

    damping: float = 1e-3
    tries: int = 8
    name: str = "lm"
    second_order: bool = True

    def init(self, parameters: Parameters, value: Float[Array, ""], gradient: Parameters) -> MarquardtState:
        """Start with the given damping."""
        return MarquardtState(value, jnp.asarray(self.damping, value.dtype), jnp.asarray(2.0, value.dtype))

    def refresh(self, state: MarquardtState, value: Float[Array, ""], gradient: Parameters) -> MarquardtState:
        """Keep the damping, take the new loss."""
        return state._replace(value=value)

    def numbers(self, rows: int, parameters: int) -> float:
        """`J` twice and `J^T J`, or three of the latter and a quarter while it is factorised, whichever is more."""
        return max(3.25 * parameters**2, parameters**2 + 2.0 * rows * parameters)

    def eased(self, times: int) -> "LevenbergMarquardt":
        """A thousand times the first damping each time."""
        return replace(self, damping=self.damping * 1e3**times)

    def step(self, objective: Objective, parameters: Parameters, state: MarquardtState) -> Step:
        """One Jacobian, and dampings until the loss falls."""
        matrix, gradient = jnp.zeros((parameters.size,) * 2, parameters.dtype), jnp.zeros_like(parameters)
        for rows, jacobian in objective.linearise(parameters):
            matrix, gradient = matrix + jacobian.T @ jacobian, gradient + jacobian.T @ rows
        diagonal = jnp.diagonal(matrix)
        floor = jnp.finfo(parameters.dtype).eps * jnp.max(diagonal)
        scaling = jnp.maximum(diagonal, floor)

        def attempt(carry: tuple) -> tuple:
            _, _, damping, growth, _, count = carry
            factor = jax.scipy.linalg.cho_factor(matrix + jnp.diag(damping * scaling))
            change = -jax.scipy.linalg.cho_solve(factor, gradient)
            value = objective.value(parameters + change)
            predicted = jnp.vdot(change, damping * scaling * change - gradient)
            gain = (state.value - value) / predicted
            ok = jnp.isfinite(value) & jnp.all(jnp.isfinite(change)) & (value < state.value)
            shrink = jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
            new_damping = jnp.where(ok, jnp.maximum(damping * shrink, 1e-15), damping * growth)
            return change, value, new_damping, jnp.where(ok, 2.0, 2 * growth), ok, count + 1

        nothing = (jnp.zeros_like(parameters), state.value, state.damping, state.growth, jnp.array(False), jnp.array(0))
        change, value, damping, growth, ok, _ = jax.lax.while_loop(
            lambda c: ~c[4] & (c[5] < self.tries), attempt, nothing
        )
        change, value = jnp.where(ok, change, 0.0), jnp.where(ok, value, state.value)
        stalled = ~ok & (damping > 1e12)
        after = MarquardtState(value, jnp.minimum(damping, 1e16), jnp.where(ok, growth, 2.0))
        return Step(parameters + change, after, value, stalled)
