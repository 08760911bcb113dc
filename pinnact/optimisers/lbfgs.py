"""L-BFGS: quasi-Newton with a short memory, for more parameters than a dense matrix can hold."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.optimisers.base import AbstractOptimiser, Objective, Parameters, Step
from pinnact.optimisers.line_search import wolfe


class LBFGSState(NamedTuple):
    """Loss, gradient, and a ring of the last steps `s` and changes of gradient `y` with `1 / (y.s)` (0 where empty)."""

    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    steps: Float[Array, "m p"]
    changes: Float[Array, "m p"]
    inverse_curvature: Float[Array, " m"]
    scale: Float[Array, ""]
    fresh: Array


class LBFGS(AbstractOptimiser):
    """L-BFGS with a Wolfe line search (Nocedal and Wright 2006, algorithm 7.4); `memory` pairs, `2 m p` numbers."""

    memory: int = 50
    first_step: float = 0.1
    name: str = "lbfgs"
    second_order: bool = True

    def init(self, parameters: Parameters, value: Float[Array, ""], gradient: Parameters) -> LBFGSState:
        """An empty memory."""
        return self._reset(value, gradient)

    def _reset(self, value: Array, gradient: Array) -> LBFGSState:
        empty = jnp.zeros((self.memory, gradient.size), gradient.dtype)
        scale = self.first_step / jnp.maximum(jnp.linalg.norm(gradient), jnp.finfo(gradient.dtype).tiny)
        return LBFGSState(value, gradient, empty, empty, jnp.zeros(self.memory, gradient.dtype), scale, jnp.array(True))

    def refresh(self, state: LBFGSState, value: Float[Array, ""], gradient: Parameters) -> LBFGSState:
        """Keep the memory, take the new loss and gradient."""
        return state._replace(value=value, gradient=gradient, fresh=jnp.array(False))

    def eased(self, times: int) -> "LBFGS":
        """A tenth of the first step each time."""
        return replace(self, first_step=self.first_step * 0.1**times)

    def step(self, objective: Objective, parameters: Parameters, state: LBFGSState) -> Step:
        """The two-loop recursion and one line search."""
        direction = -_two_loops(state)
        slope = jnp.vdot(direction, state.gradient)
        usable = slope < 0
        direction = jnp.where(usable, direction, -state.scale * state.gradient)
        slope = jnp.vdot(direction, state.gradient)
        found = wolfe(objective.value_and_gradient, parameters, direction, state.value, slope, state.gradient)
        s, y = found.length * direction, found.gradient - state.gradient
        sy = jnp.vdot(s, y)
        good = found.ok & (sy > 0)
        pushed = LBFGSState(
            found.value,
            found.gradient,
            jnp.where(good, jnp.roll(state.steps, -1, axis=0).at[-1].set(s), state.steps),
            jnp.where(good, jnp.roll(state.changes, -1, axis=0).at[-1].set(y), state.changes),
            jnp.where(good, jnp.roll(state.inverse_curvature, -1).at[-1].set(1 / sy), state.inverse_curvature),
            jnp.where(good, sy / jnp.vdot(y, y), state.scale),
            jnp.array(False),
        )
        reset = self._reset(found.value, found.gradient)
        after = jax.tree.map(lambda a, b: jnp.where(found.ok & usable, a, b), pushed, reset)
        return Step(parameters + s, after, found.value, ~found.ok & state.fresh)


def _two_loops(state: LBFGSState) -> Array:
    """`H g` from the stored pairs; pairs with zero inverse curvature are empty and drop out."""

    def first(q: Array, pair: tuple) -> tuple[Array, Array]:
        s, y, rho = pair
        alpha = rho * jnp.vdot(s, q)
        return q - alpha * y, alpha

    pairs = (state.steps, state.changes, state.inverse_curvature)
    q, alphas = jax.lax.scan(first, state.gradient, pairs, reverse=True)

    def second(r: Array, pair: tuple) -> tuple[Array, None]:
        s, y, rho, alpha = pair
        return r + s * (alpha - rho * jnp.vdot(y, r)), None

    return jax.lax.scan(second, state.scale * q, (*pairs, alphas))[0]
