"""Anything of Optax behind the protocol."""

from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from pinnact.optimisers.base import AbstractOptimiser, Objective, Parameters, Step


class OptaxState(NamedTuple):
    """The inner state of the Optax transformation."""

    inner: Any


class Optax(AbstractOptimiser):
    """Any `optax` gradient transformation: `Optax(optax.adam(1e-3))`."""

    transformation: optax.GradientTransformation = eqx.field(static=True)
    name: str = "optax"
    second_order: bool = False

    def init(self, parameters: Parameters, value: Float[Array, ""], gradient: Parameters) -> OptaxState:
        """The transformation's own initial state."""
        return OptaxState(self.transformation.init(parameters))

    def refresh(self, state: OptaxState, value: Float[Array, ""], gradient: Parameters) -> OptaxState:
        """Nothing depends on the points."""
        return state

    def eased(self, times: int) -> "Optax":
        """A third of the rate each time."""
        return replace(self, transformation=optax.chain(self.transformation, optax.scale(3.0**-times)))

    def step(self, objective: Objective, parameters: Parameters, state: OptaxState) -> Step:
        """One gradient and one update; the loss reported is the one before the update."""
        value, gradient = objective.value_and_gradient(parameters)
        changes, inner = self.transformation.update(gradient, state.inner, parameters)
        moved: Array = optax.apply_updates(parameters, changes)  # type: ignore[assignment]
        return Step(moved, OptaxState(inner), value, jnp.array(False))


def adam(rate: float = 1e-3, decay_steps: int | None = None) -> Optax:
    """Adam with a constant rate, or one that falls to 1 % by a cosine over `decay_steps`."""
    schedule = rate if decay_steps is None else optax.cosine_decay_schedule(rate, decay_steps, alpha=0.01)
    return Optax(optax.adam(schedule), name="adam")
