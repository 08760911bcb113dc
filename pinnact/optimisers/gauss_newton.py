"""Levenberg-Marquardt: damped Gauss-Newton steps on the weighted rows."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.optimisers.base import MOST_JACOBIAN, AbstractOptimiser, Objective, Parameters, Step


class MarquardtState(NamedTuple):
    """Loss, damping, and the factor by which the next rejection raises it."""

    value: Float[Array, ""]
    damping: Float[Array, ""]
    growth: Float[Array, ""]


class Normal(NamedTuple):
    """The normal equations at some parameters: the gradient `J^T r`, the diagonal D of `J^T J`, which is at least its
    largest element times round-off, and `solve(lambda)`, the change `d` with `(J^T J + lambda D) d = -J^T r`."""

    gradient: Parameters
    scaling: Parameters
    solve: Callable[[Float[Array, ""]], Parameters]


class LevenbergMarquardt(AbstractOptimiser):
    """Solves `(J^T J + lambda diag(J^T J)) d = -J^T r` by Cholesky; the damping follows Nielsen's gain ratio.

    For n rows and p parameters a step takes `n p^2 + p^3 / 3` multiply-adds and p^2 numbers beside the Jacobian; with
    fewer rows than parameters `n^2 p + n^3 / 3` and n^2, in the space of samples. Up to `tries` dampings are tried on
    one Jacobian. Sources: Madsen, Nielsen, Tingleff 2004, Methods for non-linear least squares problems; in the space
    of samples, Guzman-Cordero, Dangel, Goldshlager and Zeinhofer 2025, arXiv 2505.12149.
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

    @property
    def at_once(self) -> bool:
        """It takes rows of a Jacobian: of all points, or of a large part of them."""
        return True

    def numbers(self, rows: int, parameters: int) -> float:
        """`J` twice, or one of its parts, and the matrix, or the latter three times and a quarter while it is
        factorised, whichever is more; in the space of samples one and a half times J and that quarter more."""
        size = float(rows * parameters)
        if rows < parameters:
            return 1.5 * size + 3.25 * rows**2
        held = 2 * size if size <= MOST_JACOBIAN else size / -(-size // MOST_JACOBIAN)
        return max(3.25 * parameters**2, parameters**2 + held)

    def eased(self, times: int) -> "LevenbergMarquardt":
        """A thousand times the first damping each time."""
        return replace(self, damping=self.damping * 1e3**times)

    def step(self, objective: Objective, parameters: Parameters, state: MarquardtState) -> Step:
        """One Jacobian, and dampings until the loss falls."""
        gradient, scaling, solve = _normal(objective, parameters)
        change, after, stalled = damped(objective, parameters, state, self.tries, gradient, scaling, solve)
        return Step(parameters + change, after, after.value, stalled)


def damped(
    objective: Objective,
    parameters: Parameters,
    state: MarquardtState,
    tries: int,
    gradient: Parameters,
    scaling: Array,
    solve: Callable[[Float[Array, ""]], Parameters],
) -> tuple[Parameters, MarquardtState, Array]:
    """The first change `solve(lambda)` of up to so many that lowers the loss, the state after it, and whether none ever
    will; `scaling` is the D of `(J^T J + lambda D) d = -gradient`. The damping follows Nielsen's gain ratio."""

    def attempt(carry: tuple) -> tuple:
        _, _, damping, growth, _, count = carry
        change = solve(damping)
        value = objective.value(parameters + change)
        predicted = jnp.vdot(change, damping * scaling * change - gradient)
        gain = (state.value - value) / predicted
        ok = jnp.isfinite(value) & jnp.all(jnp.isfinite(change)) & (value < state.value)
        shrink = jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
        after = jnp.where(ok, jnp.maximum(damping * shrink, 1e-15), damping * growth)
        return change, value, after, jnp.where(ok, 2.0, 2 * growth), ok, count + 1

    nothing = (jnp.zeros_like(parameters), state.value, state.damping, state.growth, jnp.array(False), jnp.array(0))
    change, value, damping, growth, ok, _ = jax.lax.while_loop(lambda c: ~c[4] & (c[5] < tries), attempt, nothing)
    change, value = jnp.where(ok, change, 0.0), jnp.where(ok, value, state.value)
    after = MarquardtState(value, jnp.minimum(damping, 1e16), jnp.where(ok, growth, 2.0))
    return change, after, ~ok & (damping > 1e12)


def _normal(objective: Objective, parameters: Parameters) -> Normal:
    """The normal equations on the shorter of their two sides."""
    if jax.eval_shape(objective.rows, parameters).size < parameters.size:
        rows, jacobian = objective.jacobian(parameters)
        scaling = _floored(jnp.sum(jacobian**2, axis=0))
        jacobian = jacobian / jnp.sqrt(scaling)[None]
        matrix = jacobian @ jacobian.T

        def from_samples(damping: Float[Array, ""]) -> Parameters:
            # Woodbury: (A^T A + lambda)^-1 A^T = A^T (A A^T + lambda)^-1, with A = J D^(-1/2).
            factor = jax.scipy.linalg.cho_factor(matrix + damping * jnp.eye(len(matrix)))
            return -(jax.scipy.linalg.cho_solve(factor, rows) @ jacobian) / jnp.sqrt(scaling)

        return Normal((rows @ jacobian) * jnp.sqrt(scaling), scaling, from_samples)
    matrix, gradient = objective.normal(parameters)
    scaling = _floored(jnp.diagonal(matrix))

    def solve(damping: Float[Array, ""]) -> Parameters:
        factor = jax.scipy.linalg.cho_factor(matrix + jnp.diag(damping * scaling))
        return -jax.scipy.linalg.cho_solve(factor, gradient)

    return Normal(gradient, scaling, solve)


def _floored(diagonal: Parameters) -> Parameters:
    return jnp.maximum(diagonal, jnp.finfo(diagonal.dtype).eps * jnp.max(diagonal))
