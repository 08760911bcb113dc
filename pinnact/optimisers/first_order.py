"""Anything of Optax behind the protocol."""

import functools
import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from pinnact.optimisers.base import AbstractOptimiser, Objective, Parameters, Step


class OptaxState(NamedTuple):
    """The inner state of the Optax transformation."""

    inner: Any


class Optax(AbstractOptimiser):
    """Any `optax` gradient transformation: `Optax(optax.adam(1e-3))`.

    A run that goes on from a checkpoint compares the name, the numbers that the functions of the transformation enclose
    (rates, decays, those of schedules), and what its state is made of, with all shapes. The functions themselves can't
    be compared, nor numbers that are written in their code, kept in objects of a class, or in arrays of several.
    """

    transformation: optax.GradientTransformation = eqx.field(static=True)
    name: str = "optax"
    second_order: bool = False

    @property
    def words(self) -> str:
        """The name with all numbers that can be seen."""
        return f"{self.name}({', '.join(enclosed(self.transformation))})"

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


def enclosed(value: Any, name: str = "", within: tuple[int, ...] = ()) -> Iterator[str]:
    """The numbers that a function was made with, as `name=value`: those in its closure and defaults, and so inwards.

    Functions `within` which it is looked at are not entered again.
    """
    inside = (*within, id(value))
    if isinstance(value, bool | int | float | complex | np.generic | np.ndarray | jax.Array):
        if np.ndim(value) == 0:
            yield f"{name}={value}"
    elif isinstance(value, list | tuple):
        for part in value:
            yield from enclosed(part, name, within)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from enclosed(part, str(key), within)
    elif isinstance(value, functools.partial):
        yield from enclosed((value.func, value.args, value.keywords), name, within)
    elif inspect.isfunction(value) and id(value) not in within:
        yield from enclosed((value.__defaults__, value.__kwdefaults__), "default", inside)
        for cell_name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            with suppress(ValueError):  # a cell that is empty
                yield from enclosed(cell.cell_contents, cell_name, inside)
    elif hasattr(value, "__wrapped__") and id(value) not in within:  # compiled by JAX
        yield from enclosed(value.__wrapped__, name, inside)
