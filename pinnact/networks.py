"""Networks of one point: Equinox modules from `(d,)` coordinates to `(m,)` values, and the recipes that build them.

A *recipe* (`MLP(width=24, depth=3)`) knows no problem; `recipe.build(inputs, outputs, key)` makes the module once the
coordinates are known. Inputs are scaled to [-1, 1] by the domain's bounds; a periodic coordinate enters as sines and
cosines of its period, which makes the network exactly periodic.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.activations import AbstractActivation, tanh
from pinnact.devices import jit
from pinnact.sines import cosine, sine


@dataclass(frozen=True)
class Inputs:
    """What a network must know of a problem: the bounds of each coordinate, in order, which are periodic, and the
    `wave_vectors` of its characteristics (`pinnact.characteristics`)."""

    bounds: Mapping[str, tuple[float, float]]
    periodic: tuple[str, ...] = ()
    wave_vectors: tuple[tuple[float, ...], ...] = ()


@runtime_checkable
class Recipe(Protocol):
    """Anything with `build(inputs, outputs, key)` and a `smoothness` (k of C^k)."""

    @property
    def smoothness(self) -> float: ...

    def build(self, inputs: Inputs, outputs: int, key: PRNGKeyArray) -> eqx.Module: ...


class Embedding(eqx.Module):
    """From raw coordinates to features: scaling to [-1, 1], sines and cosines, random Fourier features on request.

    For a periodic coordinate `x` of period `L`: `cos(2 pi k x / L), sin(2 pi k x / L)`, `k = 1..harmonics`
    (Dong and Ni 2021, doi:10.1016/j.jcp.2021.110242); for a wave vector q: `cos(k q.x), sin(k q.x)`. Random features
    `cos(B z), sin(B z)` of the scaled coordinates follow Tancik et al. 2020 (arXiv 2006.10739); `B` is fixed.
    """

    centre: tuple[float, ...] = eqx.field(static=True)
    half_width: tuple[float, ...] = eqx.field(static=True)
    periodic: tuple[bool, ...] = eqx.field(static=True)
    harmonics: int = eqx.field(static=True)
    wave_vectors: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    frequencies: tuple[tuple[float, ...], ...] | None = eqx.field(static=True)  # static, so that nothing trains it

    def __init__(
        self, inputs: Inputs, harmonics: int, waves: bool, fourier: "Fourier | None", key: PRNGKeyArray
    ) -> None:
        self.centre = tuple((low + high) / 2 for low, high in inputs.bounds.values())
        self.half_width = tuple((high - low) / 2 for low, high in inputs.bounds.values())
        self.periodic = tuple(name in inputs.periodic for name in inputs.bounds)
        self.harmonics = harmonics
        self.wave_vectors = inputs.wave_vectors if waves else ()
        self.frequencies = None
        if fourier is not None:
            draw = np.asarray(jax.random.normal(key, (fourier.count, self._plain_size())), np.float64)
            self.frequencies = tuple(map(tuple, (fourier.scale * draw).tolist()))

    def _plain_size(self) -> int:
        each = sum(2 * self.harmonics if wraps else 1 for wraps in self.periodic)
        return each + 2 * self.harmonics * len(self.wave_vectors)

    @property
    def size(self) -> int:
        """The number of features."""
        return self._plain_size() if self.frequencies is None else 2 * len(self.frequencies)

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " f"]:
        centre, half_width = jnp.asarray(self.centre, x.dtype), jnp.asarray(self.half_width, x.dtype)
        z = (x - centre) / half_width
        if any(self.periodic) or self.wave_vectors:
            parts: list[Array] = []
            harmonics = jnp.arange(
                1, self.harmonics + 1, dtype=x.dtype
            )  # so few that `sines` would only be compiled longer
            for axis, wraps in enumerate(self.periodic):
                phase = jnp.pi * z[axis] * harmonics
                parts += [jnp.cos(phase), jnp.sin(phase)] if wraps else [z[axis : axis + 1]]
            for vector in self.wave_vectors:
                phase = jnp.asarray(vector, x.dtype) @ (x - centre) * harmonics
                parts += [jnp.cos(phase), jnp.sin(phase)]
            z = jnp.concatenate(parts)
        if self.frequencies is not None:
            phase = jnp.asarray(self.frequencies, x.dtype) @ z
            z = jnp.concatenate([cosine(phase), sine(phase)])
        return z


@dataclass(frozen=True)
class Fourier:
    """Random Fourier features: `count` frequencies drawn from a normal distribution of deviation `scale`."""

    count: int = 32
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_sizes(count=self.count)


class Dense(eqx.Module):
    """One affine layer `W x + b`; with random weight factorisation `W = diag(exp(s)) V`."""

    weight: Float[Array, "n m"]
    bias: Float[Array, " n"]
    log_scale: Float[Array, " n"] | None

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " n"]:
        y = self.weight @ x
        return (y if self.log_scale is None else jnp.exp(self.log_scale) * y) + self.bias


def dense_layers(
    sizes: Sequence[tuple[int, int]], keys: Sequence[PRNGKeyArray], factorised: bool = False
) -> list[Dense]:
    """A layer for each pair of (inputs, outputs), Glorot-normal; factorised ones have `s ~ N(1, 0.1)`.

    Factorisation: Wang et al. 2022 (arXiv 2210.01274).
    """
    stacked = jnp.stack(list(keys))
    traced = isinstance(stacked, jax.core.Tracer)  # of many networks at once: within what is compiled already
    draw = _drawn if traced else jit(_drawn, seldom=True, static_argnums=(0, 2))
    return draw(tuple(sizes), stacked, factorised)


def _drawn(sizes: tuple[tuple[int, int], ...], keys: PRNGKeyArray, factorised: bool) -> list[Dense]:
    both = jax.vmap(jax.random.split)(keys)
    # One draw for all layers, cut to their sizes: each draw of another size would take a fifth of a second to compile.
    most = max(m * n for m, n in sizes)
    weights = jax.vmap(lambda key: jax.random.normal(key, (most,)))(both[:, 0])
    scales = jax.vmap(lambda key: 1 + 0.1 * jax.random.normal(key, (max(n for _, n in sizes),)))(both[:, 1])
    layers = []
    for (inputs, outputs), drawn, scale in zip(sizes, weights, scales, strict=True):
        weight = drawn[: inputs * outputs].reshape(outputs, inputs) * jnp.sqrt(2 / (inputs + outputs))
        log_scale = scale[:outputs] if factorised else None
        weight = weight if log_scale is None else weight / jnp.exp(log_scale)[:, None]
        layers.append(Dense(weight, jnp.zeros(outputs), log_scale))
    return layers


class Feedforward(eqx.Module):
    """The multilayer perceptron `W_L a(... a(W_1 e(x) + b_1) ...) + b_L` on embedded coordinates."""

    embedding: Embedding
    layers: tuple[Dense, ...]
    activations: tuple[AbstractActivation, ...]

    def hidden(self, x: Float[Array, " d"]) -> Float[Array, " w"]:
        """The units of the last hidden layer."""
        h = self.embedding(x)
        for layer, activation in zip(self.layers[:-1], self.activations, strict=True):
            h = activation(layer(h))
        return h

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " m"]:
        return self.layers[-1](self.hidden(x))


class Gated(eqx.Module):
    """The modified MLP of Wang, Teng and Perdikaris 2021 (doi:10.1137/20M1318043).

    Two encoders `U, V` of the input are mixed into every layer: `h <- a(W h + b)`, `h <- h U + (1 - h) V`.
    """

    embedding: Embedding
    encoders: tuple[Dense, Dense]
    layers: tuple[Dense, ...]
    activations: tuple[AbstractActivation, ...]

    def hidden(self, x: Float[Array, " d"]) -> Float[Array, " w"]:
        """The units of the last hidden layer."""
        h = self.embedding(x)
        u, v = (self.activations[0](encoder(h)) for encoder in self.encoders)
        for layer, activation in zip(self.layers[:-1], self.activations, strict=True):
            h = activation(layer(h))
            h = h * u + (1 - h) * v
        return h

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " m"]:
        return self.layers[-1](self.hidden(x))


class PirateBlock(eqx.Module):
    """A residual block with a trainable gate that starts at zero: `x + alpha (block(x) - x)` (arXiv 2402.00326)."""

    layers: tuple[Dense, Dense, Dense]
    activations: tuple[AbstractActivation, ...]
    gate: Float[Array, ""]

    def __call__(self, x: Float[Array, " w"], u: Float[Array, " w"], v: Float[Array, " w"]) -> Float[Array, " w"]:
        f = self.activations[0](self.layers[0](x))
        z = f * u + (1 - f) * v
        g = self.activations[1](self.layers[1](z))
        z = g * u + (1 - g) * v
        h = self.activations[2](self.layers[2](z))
        return self.gate * h + (1 - self.gate) * x


class Pirate(eqx.Module):
    """PirateNet (Wang, Li, Chen, Perdikaris 2024, arXiv 2402.00326): at the start linear in its embedding."""

    embedding: Embedding
    encoders: tuple[Dense, Dense]
    first: Dense
    blocks: tuple[PirateBlock, ...]
    last: Dense
    activation: AbstractActivation

    def hidden(self, x: Float[Array, " d"]) -> Float[Array, " w"]:
        """The units of the last block."""
        e = self.embedding(x)
        u, v = (self.activation(encoder(e)) for encoder in self.encoders)
        h = self.first(e)
        for block in self.blocks:
            h = block(h, u, v)
        return h

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " m"]:
        return self.last(self.hidden(x))


def _per_layer(activation: AbstractActivation | Sequence[AbstractActivation], depth: int) -> list[AbstractActivation]:
    if isinstance(activation, AbstractActivation):
        return [activation] * depth
    if not isinstance(activation, Sequence) or not all(isinstance(a, AbstractActivation) for a in activation):
        raise ValueError(
            f"activation={activation!r} is none; give pn.tanh, or pn.Activation(f, smoothness=...), or a list"
        )
    if len(activation) != depth:
        raise ValueError(f"{len(activation)} activations for {depth} hidden layers; give one, or one a layer")
    return list(activation)


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r} is no size of a network; give a whole number of 1 or more")


@dataclass(frozen=True)
class MLP:
    """Recipe of a multilayer perceptron: `depth` hidden layers of `width` units, `activation` one or one a layer.

    `harmonics` sines and cosines embed each periodic coordinate and, with `waves`, each direction in which the waves of
    a pure wave equation travel (`pinnact.characteristics`); `fourier=Fourier(32, 1.0)` adds random features,
    `factorised=True` factorises the weights, `gated=True` mixes two encoders into every layer (modified MLP).
    """

    width: int = 24
    depth: int = 3
    activation: AbstractActivation | Sequence[AbstractActivation] = tanh
    harmonics: int = 2
    fourier: Fourier | None = None
    factorised: bool = False
    gated: bool = False
    waves: bool = True

    def __post_init__(self) -> None:
        _check_sizes(width=self.width, depth=self.depth, harmonics=self.harmonics)
        _per_layer(self.activation, self.depth)

    @property
    def smoothness(self) -> float:
        """k of C^k: the least of the activations."""
        return min(activation.smoothness for activation in _per_layer(self.activation, self.depth))

    def build(self, inputs: Inputs, outputs: int, key: PRNGKeyArray) -> eqx.Module:
        """The module for these `inputs` and this many `outputs`."""
        k_embedding, k_first, k_second, *keys = jax.random.split(key, self.depth + 4)
        embedding = Embedding(inputs, self.harmonics, self.waves, self.fourier, k_embedding)
        entry, inner = (embedding.size, self.width), (self.width, self.width)
        sizes = [entry, *[inner] * (self.depth - 1), (self.width, outputs)]
        if self.gated:
            sizes, keys = [entry, entry, *sizes], [k_first, k_second, *keys]
        layers = dense_layers(sizes, keys, self.factorised)
        activations = [a.for_layer(self.width) for a in _per_layer(self.activation, self.depth)]
        if not self.gated:
            return Feedforward(embedding, tuple(layers), tuple(activations))
        u, v, *layers = layers
        return Gated(embedding, (u, v), tuple(layers), tuple(activations))


def ModifiedMLP(width: int = 24, depth: int = 3, **options: Any) -> MLP:
    """Recipe of the modified MLP: an `MLP` with `gated=True`; `options` are those of `MLP`."""
    return MLP(width, depth, gated=True, **options)


@dataclass(frozen=True)
class PirateNet:
    """Recipe of a PirateNet: `depth` residual blocks of three layers; random Fourier features by default."""

    width: int = 24
    depth: int = 2
    activation: AbstractActivation = tanh
    harmonics: int = 2
    fourier: Fourier | None = field(default_factory=Fourier)
    factorised: bool = True
    waves: bool = True

    def __post_init__(self) -> None:
        _check_sizes(width=self.width, depth=self.depth, harmonics=self.harmonics)
        _per_layer(self.activation, 1)

    @property
    def smoothness(self) -> float:
        """k of C^k of the activation."""
        return self.activation.smoothness

    def build(self, inputs: Inputs, outputs: int, key: PRNGKeyArray) -> eqx.Module:
        """The module for these `inputs` and this many `outputs`."""
        k_embedding, *keys = jax.random.split(key, 5 + 3 * self.depth)
        embedding = Embedding(inputs, self.harmonics, self.waves, self.fourier, k_embedding)
        entry, inner = (embedding.size, self.width), (self.width, self.width)
        sizes = [entry, entry, entry, *[inner] * (3 * self.depth), (self.width, outputs)]
        u, v, first, *inside, last = dense_layers(sizes, keys, self.factorised)

        def block(a: Dense, b: Dense, c: Dense) -> PirateBlock:
            activations = tuple(self.activation.for_layer(self.width) for _ in range(3))
            return PirateBlock((a, b, c), activations, jnp.zeros(()))

        blocks = tuple(block(*inside[k : k + 3]) for k in range(0, len(inside), 3))
        return Pirate(embedding, (u, v), first, blocks, last, self.activation.for_layer(self.width))


RECIPES: dict[str, Callable[..., Recipe]] = {"mlp": MLP, "modified_mlp": ModifiedMLP, "piratenet": PirateNet}


def named(name: str, activation: AbstractActivation, **sizes: int) -> Recipe:
    """The recipe of a name in `RECIPES`, with this activation and `width=`, `depth=` where they are given."""
    if name not in RECIPES:
        raise ValueError(f"network {name!r} is unknown; choose one of {', '.join(RECIPES)}")
    return RECIPES[name](activation=activation, **sizes)
