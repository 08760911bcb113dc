"""A second stage of a network, all of whose trained numbers enter linearly: its tangent space and random features."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.networks import Embedding, Feedforward, Gated, Inputs, Pirate, Recipe
from pinnact.sines import sine

# Radians a unit: from lower ones come features that are as good as dependent, from higher ones wild ones.
WITHIN = (1.0, 10.0)


class SecondStage(eqx.Module):
    """`first(x) + d first(x)/d weights . direction + C sin(W e(x) + b, V h(x) + c)`; direction and C start at zero.

    The first network stays as it is, W, V, b and c as they were drawn; a direction of None is 0. Its own tangents, and
    waves of the units h of its last hidden layer, follow the sharp features that it has learnt, which sines of the
    coordinates e can't; these find what it has not seen.
    """

    first: eqx.Module
    direction: eqx.Module | None
    embedding: Embedding
    coefficients: Float[Array, "m f"]
    features: int = eqx.field(static=True)
    lowest: float = eqx.field(static=True)
    highest: float = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " m"]:
        weights, rest = eqx.partition(self.first, eqx.is_inexact_array)
        at = lambda weights: jnp.atleast_1d(eqx.combine(weights, rest)(x))
        if self.direction is None:
            return at(weights) + self.coefficients @ self.waves(x)
        value, tangent = jax.jvp(at, (weights,), (self.direction,))
        return value + tangent + self.coefficients @ self.waves(x)

    def waves(self, x: Float[Array, " d"]) -> Float[Array, " f"]:
        """The random features at a point: half of them of hidden units, where the first network is one of ours."""
        inside = self.features // 2 if isinstance(self.first, Feedforward | Gated | Pirate) else 0
        kinds: list[tuple[int, Any, float, float, int]] = [
            (self.features - inside, self.embedding, self.lowest, self.highest, self.seed)
        ]
        if inside:
            kinds.append((inside, self.first.hidden, *WITHIN, self.seed + 1))
        found = []
        for count, function, lowest, highest, seed in kinds:
            inputs = function(x)
            numbers, phases = drawn(count, inputs.size, lowest, highest, seed)
            found.append(sine(jnp.asarray(numbers, x.dtype) @ inputs + jnp.asarray(phases, x.dtype)))
        return jnp.concatenate(found)


@dataclass(frozen=True)
class Enriched:
    """Recipe of a `first` network (a recipe or module) with a second stage of its tangents and of random sines
    (`SecondStage`).

    The wave numbers of these are those of normal distributions whose deviations lie between `lowest` and `highest`
    radians a half width of the domain, spread evenly on a logarithmic scale: coarse and fine errors find theirs.
    Sources: random features, Rahimi and Recht 2007; stages, Wang and Lai 2024, doi:10.48550/arXiv.2307.08934.
    """

    first: Recipe | eqx.Module
    features: int = 1000
    lowest: float = 3.0
    highest: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_waves(self.features, self.lowest, self.highest)

    @property
    def smoothness(self) -> float:
        """k of C^k: one less than that of the first stage, whose tangents hold the slopes of its activations."""
        return getattr(self.first, "smoothness", np.inf) - 1

    def build(self, inputs: Inputs, outputs: int, key: PRNGKeyArray) -> SecondStage:
        """The module for these `inputs` and this many `outputs`."""
        first: Any = self.first
        first = first.build(inputs, outputs, key) if hasattr(first, "build") else first
        embedding = Embedding(inputs, harmonics=2, waves=True, fourier=None, key=key)
        blank = lambda like: jnp.asarray(np.zeros(like.shape, like.dtype))  # jnp.zeros would compile each shape
        start = jnp.asarray(np.zeros((outputs, self.features), jnp.zeros(()).dtype))
        still = jax.tree.map(blank, eqx.filter(first, eqx.is_inexact_array))
        return SecondStage(first, still, embedding, start, self.features, self.lowest, self.highest, self.seed)


def check_waves(features: int, lowest: float, highest: float) -> None:
    """Refuse what no waves can be drawn with (`drawn`)."""
    if not (isinstance(features, int) and features >= 1):
        raise ValueError(f"features={features!r}: give a whole number of 1 or more")
    if not 0 < lowest <= highest < np.inf:
        raise ValueError(f"lowest={lowest!r}, highest={highest!r}: give 0 < lowest <= highest")


@lru_cache(maxsize=16)
def drawn(features: int, size: int, lowest: float, highest: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`W (features, size)` and `b`: the same for the same numbers, so that files need not hold them."""
    draw = np.random.default_rng(seed)
    deviations = np.exp(draw.uniform(np.log(lowest), np.log(highest), (features, 1)))
    weights = draw.standard_normal((features, size)) * deviations / np.sqrt(size)
    return weights, draw.uniform(0, 2 * np.pi, features)
