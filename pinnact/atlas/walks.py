"""Walks on a loss surface: gradient descent, Newton's method, Levenberg-Marquardt, all in one compiled call."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.optimisers import LevenbergMarquardt, Objective

Point = Float[Array, " p"]


def walks(objective: Objective, start: Point, steps: int, rate: float) -> Float[Array, "3 steps+1 p"]:
    """The paths of gradient descent `p - rate g`, Newton's method `p - H^+ g`, and Levenberg-Marquardt.

    Newton's method is undamped; where the Hessian has no inverse, its pseudo-inverse takes the shortest of the steps.
    """
    gradient, hessian = jax.grad(objective.value), jax.hessian(objective.value)
    method = LevenbergMarquardt()
    begun = method.init(start, *objective.value_and_gradient(start))

    def marquardt(p: Point, state: Any) -> tuple[Point, Any]:
        step = method.step(objective, p, state)
        return step.parameters, step.state

    def path(move: Callable) -> Array:
        def one(carry: tuple, _: None) -> tuple[tuple, Array]:
            carry = move(*carry)
            return carry, carry[0]

        return jnp.concatenate([start[None], jax.lax.scan(one, (start, begun), length=steps)[1]])

    descent = lambda p, state: (p - rate * gradient(p), state)
    newton = lambda p, state: (p - jnp.linalg.pinv(hessian(p), hermitian=True) @ gradient(p), state)
    return jnp.stack([path(move) for move in (descent, newton, marquardt)])
