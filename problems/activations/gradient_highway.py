"""How far a gradient comes: by activation, depth and initial scale."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding, Tower, train, unit_gain

NAMES = ("sigmoid", "tanh", "relu", "gelu", "silu", "elu")
DEPTHS, WIDTH, STEPS = (2, 5, 10, 20, 50), 32, 300


def gradient_highway(seeds: int = 5) -> Finding:
    """Sigmoid's gradients vanish with depth, since each layer multiplies them by at most 1/4; relu and its smooth
    relatives carry them, if the initial weights have the right scale.

    Measures the norm of the loss's gradient by the weights of the first hidden layer over that of the last at the
    start, for networks of width 32 with Glorot's weights and with weights scaled so that each layer keeps the mean
    square of a normal input (gain 1 / root mean f(z)^2), and the accuracy on 1,000 other points of two interleaved
    spirals after 300 steps of Adam; medians over seeds.

    Source: Hochreiter 1991 and Bengio, Simard and Frasconi 1994, doi:10.1109/72.279181; for the scale Glorot and Bengio
    2010, https://proceedings.mlr.press/v9/glorot10a.html, and He et al. 2015, arXiv:1502.01852.
    """
    measured = {}
    for name in NAMES:
        f = activations.get(name)
        measured[name] = {
            "slope at most": float(jnp.max(jax.vmap(jax.grad(f))(jnp.linspace(-20, 20, 4001)))),
            **{f"Glorot, {depth}": _reach(f, depth, seeds, 1.0) for depth in DEPTHS},
            **{f"scaled, {depth}": _reach(f, depth, seeds, unit_gain(f)) for depth in DEPTHS},
            "accuracy, 2 layers": _accuracy(f, 2, seeds),
            "accuracy, 20 layers": _accuracy(f, 20, seeds),
        }
    return Finding(measured, _checks(measured), {"gradients": _draw(measured)})


def _network(f: Callable, depth: int, gain: float, key: jax.Array) -> Tower:
    return Tower((2, WIDTH, 1), depth, f, key, gain)


def _spirals(key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Two spirals of one turn: points and classes, -1 and 1."""
    k_turn, k_class, k_noise = jax.random.split(key, 3)
    turn = jnp.sqrt(jax.random.uniform(k_turn, (count,), minval=0.05))
    side = jax.random.bernoulli(k_class, 0.5, (count,)).astype(float)
    angle = 2 * jnp.pi * turn + jnp.pi * side
    points = 1.8 * turn[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    return points + 0.05 * jax.random.normal(k_noise, points.shape), 2 * side - 1


def _loss(network: eqx.Module) -> jax.Array:
    points, classes = _spirals(jax.random.key(1), 400)
    return jnp.mean(jax.nn.softplus(-classes * jax.vmap(network)(points)[:, 0]))


def _reach(f: Callable, depth: int, seeds: int, gain: float) -> float:
    """The median over seeds of |gradient by the first hidden layer's weights| / |by the last hidden layer's|."""

    def one(key: jax.Array) -> jax.Array:
        gradient = eqx.filter_grad(_loss)(_network(f, depth, gain, key))
        return jnp.linalg.norm(gradient.hidden[0][0]) / jnp.linalg.norm(gradient.hidden[0][-1])

    return float(np.median(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), seeds))))


def _accuracy(f: Callable, depth: int, seeds: int) -> float:
    gain = unit_gain(f)
    networks, _ = train(lambda key: _network(f, depth, gain, key), _loss, seeds=seeds, steps=STEPS, rate=3e-3)
    points, classes = _spirals(jax.random.key(2), 1000)
    right = eqx.filter_vmap(lambda network: jnp.mean(jax.vmap(network)(points)[:, 0] * classes > 0))(networks)
    return float(np.median(right))


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    others = [measured[name] for name in NAMES if name != "sigmoid"]
    deep = measured["sigmoid"]
    return {
        "sigmoid's slope is at most 1/4": abs(deep["slope at most"] - 0.25) < 1e-3,
        "with Glorot's weights sigmoid loses a factor of at least 4 a layer": all(
            deep[f"Glorot, {depth}"] < 4.0 ** -(depth - 2) for depth in DEPTHS if depth > 2
        ),
        "with the right scale the others lose less than a factor of 10 in 50 layers": all(
            0.1 < row["scaled, 50"] < 10 for row in others
        ),
        "20 layers of the others learn the spirals at least as well as sigmoid's": all(
            row["accuracy, 20 layers"] >= deep["accuracy, 20 layers"] for row in others
        ),
    }


def _draw(measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for number, (scale, title) in enumerate((("Glorot", "Glorot's weights"), ("scaled", "weights of the right scale"))):
        axes = figure.add_subplot(1, 2, number + 1)
        for name, row in measured.items():
            axes.semilogy(DEPTHS, [row[f"{scale}, {depth}"] for depth in DEPTHS], "o-", markersize=3, label=name)
        axes.set(xlabel="hidden layers", title=title, ylim=(1e-32, 1e4))
        axes.set_ylabel("gradient, first over last hidden layer")
        axes.grid(alpha=0.3, linewidth=0.5)
    figure.axes[0].legend(fontsize=7, frameon=False)
    return figure
