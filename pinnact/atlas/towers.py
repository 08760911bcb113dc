"""What entries of the atlas train: towers of equal layers, and several seeds of anything in one compiled call."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from pinnact.activations import AbstractActivation


class Tower(eqx.Module):
    """A perceptron whose hidden layers are one stack of arrays, so that 100 layers compile as fast as one.

    `h_1 = f(W_1 x + b_1)`, `h_l = f(W_l h_(l-1) + b_l)` up to `l = depth`, output `W h + b`; weights by Glorot's rule
    times `gain` (the last layer without it), biases 0. Use `pinnact.MLP` where depth is a handful.
    """

    first: tuple[Float[Array, "width inputs"], Float[Array, " width"]]
    hidden: tuple[Float[Array, "depth-1 width width"], Float[Array, "depth-1 width"]]
    last: tuple[Float[Array, "outputs width"], Float[Array, " outputs"]]
    activation: AbstractActivation

    def __init__(
        self,
        sizes: tuple[int, int, int],
        depth: int,
        activation: AbstractActivation,
        key: PRNGKeyArray,
        gain: float = 1.0,
    ) -> None:
        """`sizes` are inputs, width and outputs."""
        inputs, width, outputs = sizes
        keys = jax.random.split(key, 3)
        glorot = lambda key, shape: jax.random.normal(key, shape) * (2 / (shape[-1] + shape[-2])) ** 0.5
        self.first = (gain * glorot(keys[0], (width, inputs)), jnp.zeros(width))
        self.hidden = (gain * glorot(keys[1], (depth - 1, width, width)), jnp.zeros((depth - 1, width)))
        self.last = (glorot(keys[2], (outputs, width)), jnp.zeros(outputs))
        self.activation = activation

    def units(self, x: Float[Array, " inputs"]) -> Float[Array, "depth width"]:
        """What each unit of each hidden layer says."""
        begun = self.activation(self.first[0] @ x + self.first[1])

        def layer(h: Array, parameters: tuple[Array, Array]) -> tuple[Array, Array]:
            weight, bias = parameters
            h = self.activation(weight @ h + bias)
            return h, h

        return jnp.concatenate([begun[None], jax.lax.scan(layer, begun, self.hidden)[1]])

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """The output at one point."""
        return self.last[0] @ self.units(x)[-1] + self.last[1]

    def layers(self) -> list[tuple[Float[Array, "n m"], Float[Array, " n"]]]:
        """Weight and bias of each layer, from the first to the last."""
        return [self.first, *zip(*self.hidden, strict=True), self.last]


def unit_gain(activation: AbstractActivation) -> float:
    """`1 / sqrt(mean f(z)^2)` of a standard normal z: with it each layer keeps the mean square of what enters.

    For relu it is sqrt(2), the rule of He et al. 2015 (arXiv 1502.01852). By Gauss-Hermite quadrature.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    square = np.asarray(activation(nodes)) ** 2
    return float(1 / np.sqrt(weights @ square / weights.sum()))


def trainer(
    loss: Callable[..., Float[Array, ""]], *, steps: int, rate: float = 1e-2
) -> Callable[..., tuple[Any, Float[Array, "models steps"]]]:
    """`run(models, *data)`, which trains modules together by Adam, the rate falling to 0 as a cosine, from where they
    are; it returns them, and their losses.

    Modules stand stacked along a first axis. Arrays of whole numbers or truth values in them stay as they are. `data`
    are arrays with the same first axis: every module has its own, `loss(module, *data_of_the_module)`. One `run` called
    again with modules of the same shapes compiles nothing anew.
    """
    adam = optax.adam(optax.cosine_decay_schedule(rate, steps))
    value = lambda p, static, own: loss(eqx.combine(p, static), *own)

    def one(p: Any, static: Any, own: tuple[Array, ...]) -> tuple[Any, Array]:
        def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Array]:
            p, state = carry
            found, gradient = jax.value_and_grad(value)(p, static, own)
            updates, state = adam.update(gradient, state, p)
            return (optax.apply_updates(p, updates), state), found

        (p, _), losses = jax.lax.scan(step, (p, adam.init(p)), length=steps)
        return p, losses

    together = eqx.filter_jit(eqx.filter_vmap(one))

    def run(models: Any, *data: Shaped[ArrayLike, "models ..."]) -> tuple[Any, Float[Array, "models steps"]]:
        trained, fixed = eqx.partition(models, eqx.is_inexact_array)
        trained, losses = together(trained, fixed, tuple(map(jnp.asarray, data)))
        return eqx.combine(trained, fixed), jnp.asarray(losses)

    return run


def train(
    build: Callable[[PRNGKeyArray], Any],
    loss: Callable[..., Float[Array, ""]],
    *,
    seeds: int,
    steps: int,
    rate: float = 1e-2,
    data: tuple[Shaped[ArrayLike, "seeds ..."], ...] = (),
) -> tuple[Any, Float[Array, "seeds steps"]]:
    """Networks of several seeds trained together by Adam, the rate falling to 0 as a cosine: they, and their losses.

    The modules come stacked along a first axis: `eqx.filter_vmap(f)(modules)` asks each. With `data`, arrays with a
    first axis of seeds, every seed has its own: `loss(module, *data_of_the_seed)`.
    """
    models = eqx.filter_vmap(build)(jax.random.split(jax.random.key(0), seeds))
    return trainer(loss, steps=steps, rate=rate)(models, *data)
