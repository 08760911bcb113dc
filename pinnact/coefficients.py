"""Coefficients of an equation: constants, known functions, and what `infer` puts in their place.

A coefficient reaches a residual as a field: the derivative of a constant is 0, a coefficient that is a function of the
coordinates has `k.x`. An inferred one holds trainable numbers: a free, positive or bounded constant, or a network.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.networks import Inputs, Recipe


class Free(eqx.Module):
    """A trainable constant, scaled by its first guess so that a step of 1 % means the same for 1e-6 and 1e6."""

    raw: Float[Array, "*shape"]
    scale: float = eqx.field(static=True)

    def __init__(self, guess: float) -> None:
        self.scale = float(np.max(np.abs(guess))) or 1.0
        self.raw = jnp.asarray(guess) / self.scale

    def __call__(self, point: Float[Array, " d"]) -> Float[Array, "*shape"]:
        return self.raw * self.scale


class Positive(eqx.Module):
    """A trainable positive constant `exp(raw)`: it moves by factors, so a guess may be orders of magnitude off."""

    raw: Float[Array, "*shape"]

    def __init__(self, guess: float) -> None:
        if not np.all(np.asarray(guess) > 0):
            raise ValueError(f"Positive({guess!r}): the first guess must be above 0; give a positive number")
        self.raw = jnp.log(jnp.asarray(guess, dtype=float))

    def __call__(self, point: Float[Array, " d"]) -> Float[Array, "*shape"]:
        return jnp.exp(self.raw)


class Bounded(eqx.Module):
    """A trainable constant between `low` and `high`: `low + (high - low) sigmoid(raw)`."""

    raw: Float[Array, "*shape"]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __init__(self, guess: float, low: float, high: float) -> None:
        if not low < guess < high:
            raise ValueError(f"Bounded({guess!r}, {low!r}, {high!r}): the guess must lie between the two bounds")
        self.low, self.high = float(low), float(high)
        share = (jnp.asarray(guess, dtype=float) - low) / (high - low)
        self.raw = jnp.log(share) - jnp.log1p(-share)

    def __call__(self, point: Float[Array, " d"]) -> Float[Array, "*shape"]:
        return self.low + (self.high - self.low) * jax.nn.sigmoid(self.raw)


CONSTANTS = (Free, Positive, Bounded)


class NetworkCoefficient(eqx.Module):
    """A network as an unknown coefficient field: its first output, made positive by `exp` on request."""

    network: eqx.Module
    positive: bool = eqx.field(static=True)

    def __call__(self, point: Float[Array, " d"]) -> Float[Array, ""]:
        value = self.network(point)[0]  # type: ignore[operator]
        return jnp.exp(value) if self.positive else value


class PositiveField:
    """Marks a coefficient field as positive: `infer(conductivity=PositiveField(MLP(width=16, depth=2)))`."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe


Guess = float | Free | Positive | Bounded | Recipe | PositiveField


def check_guess(name: str, guess: Any) -> None:
    """Raise a ValueError unless `guess` can start the inference of the coefficient `name`."""
    if isinstance(guess, Free | Positive | Bounded | PositiveField) or hasattr(guess, "build"):
        return
    if not np.issubdtype(np.asarray(guess).dtype, np.number) or not np.all(np.isfinite(guess)):
        raise ValueError(
            f"infer({name}={guess!r}): give a finite number, Positive(x), Bounded(x, low, high) or a network recipe"
        )


def trainable(guess: Guess, inputs: Inputs, key: PRNGKeyArray) -> Callable[[Array], Array]:
    """The module that a guess becomes when training starts."""
    match guess:
        case Free() | Positive() | Bounded():
            # Rebuilt here, so that a guess made outside the precision context gets its dtype.
            return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype=float), guess)
        case PositiveField():
            return NetworkCoefficient(guess.recipe.build(inputs, 1, key), positive=True)
        case int() | float():
            return Free(guess)
    if hasattr(guess, "build"):
        return NetworkCoefficient(guess.build(inputs, 1, key), positive=False)
    return Free(guess)  # type: ignore[arg-type]
