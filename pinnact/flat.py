"""A model as one flat vector of its trainable numbers, and the compiled functions of it that a run takes."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.model import Model
from pinnact.optimisers import AbstractOptimiser, Objective
from pinnact.system import Batches, System

Parameters = Float[Array, " p"]


class Flat:
    """The functions of `system` and of the flat parameters of models like `model`; `start` are those of `model`."""

    def __init__(self, system: System, model: Model) -> None:
        self.system = system
        trainables, static = eqx.partition(model, eqx.is_inexact_array)
        flat, unravel = jax.flatten_util.ravel_pytree(trainables)
        self.start: Parameters = flat.astype(jnp.zeros(()).dtype)
        self.model: Callable[[Parameters], Model] = lambda p: eqx.combine(unravel(p), static)
        self.evaluate = jax.jit(self._evaluate)
        self.predict = jax.jit(self._predict)

    def of(self, model: Model) -> Parameters:
        """The flat parameters of a model."""
        return jax.flatten_util.ravel_pytree(eqx.filter(model, eqx.is_inexact_array))[0].astype(self.start.dtype)

    def _evaluate(self, p: Parameters, batches: Batches, weights: dict[str, Array]) -> tuple[Array, Parameters, dict]:
        """Loss, gradient, and the mean square of each residual."""

        def loss(p: Parameters) -> tuple[Array, dict[str, Array]]:
            rows = self.system.weighted(self.model(p), batches, weights)
            parts = {name: jnp.sum(r**2) / weights[name] for name, r in rows.items()}
            return sum((jnp.sum(r**2) for r in rows.values()), jnp.zeros(())), parts

        (value, parts), gradient = jax.value_and_grad(loss, has_aux=True)(p)
        return value, gradient, parts

    def _predict(self, p: Parameters, points: Array, lift: Array | None) -> dict[str, Array]:
        return self.system.values(self.model(p), points, lift)

    def _objective(self, batches: Batches, weights: dict[str, Array]) -> Objective:
        value = lambda p: self.system.loss(self.model(p), batches, weights)
        return Objective(
            value, jax.value_and_grad(value), lambda p: self.system.jacobian(self.model(p), batches, weights)
        )

    def chunk(self, optimiser: AbstractOptimiser) -> Callable[..., tuple]:
        """The compiled loop of one stage: up to `most` steps, ending early when stuck or no longer finite.

        It takes parameters, state (whose memory it takes for good), batches, weights, `most`, and gives parameters,
        state, loss, whether it is stuck, and the number of steps.
        """

        def chunk(p: Parameters, state: Any, batches: Batches, weights: dict[str, Array], most: Array) -> tuple:
            objective = self._objective(batches, weights)

            def body(carry: tuple) -> tuple:
                p, state, _, _, count = carry
                step = optimiser.step(objective, p, state)
                return step.parameters, step.state, step.loss, jnp.asarray(step.stalled), count + 1

            def go_on(carry: tuple) -> Array:
                _, _, loss, stalled, count = carry
                return (count < most) & ~stalled & ~jnp.isnan(loss)

            begin = (p, state, jnp.zeros((), p.dtype), jnp.array(False), jnp.array(0))
            return jax.lax.while_loop(go_on, body, begin)

        return jax.jit(chunk, donate_argnums=(1,))


def unshared(state: Any) -> Any:
    """A copy without arrays in common: a chunk is given the state's memory for good, so no array may come twice."""
    return jax.tree.map(jnp.copy, state)
