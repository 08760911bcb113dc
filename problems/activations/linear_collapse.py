"""Depth without activations is no depth."""

from collections.abc import Callable
from functools import reduce

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from numpy.linalg import matrix_power, norm, qr

from pinnact import activations
from pinnact.atlas import COLOURS, Finding, Tower, band, train, unit_gain

NAMES, DEPTHS = ("identity", "tanh", "relu", "gelu"), (1, 10, 100)
FITTED, NETS = ("identity", "tanh"), ("perceptron", "message passing")
WIDTH, NODES, POINTS, STEPS = 16, 10, 40, 1000
X = np.linspace(-1, 1, 65)[:, None]
CURVE = np.sin(3 * X[:, 0]) + 0.5 * np.cos(7 * X[:, 0])


def linear_collapse(seeds: int = 5) -> Finding:
    """A stack of linear layers is one linear layer, in a perceptron as in message passing on a graph: depth without an
    activation adds nothing, and any activation between the layers undoes that.

    Measures for every seed how far the units of layer 1, 10 and 100 are from the best affine map of the inputs
    (relative to their spread, in float64), for a perceptron of width 16 and for message passing `H -> f(A H W)` on a
    random graph of 10 nodes; without activation also how far they are from the one matrix product. Then the relative
    error of fitting a curve of one variable by 1,000 steps of Adam at a rate of 0.03 / depth. Weights are scaled so
    that layers keep the mean square (`unit_gain`). "Any activation" is measured for tanh, relu and gelu. With 100
    layers of tanh most seeds end far from the curve: depth then makes training hard, which is another matter.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, MIT Press, chapter 6; for graphs Wu et al. 2019,
    Simplifying Graph Convolutional Networks, https://proceedings.mlr.press/v97/wu19e.html.
    """
    measured: dict[str, dict] = {}
    far, curves = {}, {}
    for name in NAMES:
        f = activations.get(name)
        for net, layers in zip(NETS, (_perceptron, _messages), strict=True):
            inputs, values, product = layers(f, seeds)
            far[net, name] = _from_affine(inputs, values)
            for depth in DEPTHS:
                row = measured.setdefault(f"{name}, {depth} layers", {})
                row[net] = far[net, name][:, depth - 1].tolist()
                if name == "identity":
                    row[f"{net}, from one product"] = _from_product(inputs, values[:, :, depth - 1], product(depth))
        if name in FITTED:
            for depth in DEPTHS:
                measured[f"{name}, {depth} layers"]["fit"], curves[name, depth] = _fit(f, depth, seeds)
    line = CURVE - np.polynomial.Polynomial.fit(X[:, 0], CURVE, 1)(X[:, 0])
    measured["best straight line"] = {"fit": [float(norm(line) / norm(CURVE))]}
    return Finding(measured, _checks(measured), {"depth": _draw_far(far), "fit": _draw_fits(curves)})


def _perceptron(f: activations.Activation, seeds: int) -> tuple[np.ndarray, np.ndarray, Callable]:
    """Points of the cube [-1, 1]^3, what the units of each layer say there, and the product W_depth ... W_1."""
    gain, points = unit_gain(f), np.random.default_rng(0).uniform(-1, 1, (seeds, POINTS, 3))
    build = lambda key: Tower((3, WIDTH, 1), DEPTHS[-1], f, key, gain)
    towers = eqx.filter_vmap(build)(jax.random.split(jax.random.key(0), seeds))
    units = eqx.filter_jit(eqx.filter_vmap(lambda tower, inputs: jax.vmap(tower.units)(inputs)))(towers, points)
    first, weights = (np.asarray(layer[0]).swapaxes(-1, -2) for layer in (towers.first, towers.hidden))
    return points, np.asarray(units), lambda depth: reduce(np.matmul, weights.swapaxes(0, 1)[: depth - 1], first)


def _messages(f: activations.Activation, seeds: int) -> tuple[np.ndarray, np.ndarray, Callable]:
    """Mixtures of three patterns of features, each node's features after each round, and A^depth H W_1 ... W_depth.

    `A = D^(-1/2) (L + I) D^(-1/2)` of random links L; the weights are orthogonal, times the gain.
    """
    rng, gain = np.random.default_rng(1), unit_gain(f)
    upper = np.triu(rng.random((seeds, NODES, NODES)) < 0.3, 1)
    links = upper + upper.swapaxes(1, 2) + np.eye(NODES)
    degree = links.sum(axis=2)
    a = links / np.sqrt(degree[:, :, None] * degree[:, None, :])
    weights = qr(rng.standard_normal((DEPTHS[-1], seeds, WIDTH, WIDTH)))[0] * gain
    start, mixtures = rng.standard_normal((seeds, 3, NODES, WIDTH)), rng.uniform(-1, 1, (seeds, POINTS, 3))

    def layer(h: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        h = f(a[:, None] @ h @ w[:, None])
        return h, h

    rounds = jax.jit(lambda h: jax.lax.scan(layer, h, weights)[1])(np.einsum("spk,sknw->spnw", mixtures, start))
    values = np.moveaxis(np.asarray(rounds), 0, 2).reshape(seeds, POINTS, DEPTHS[-1], -1)
    product = lambda depth: matrix_power(a, depth)[:, None] @ start @ reduce(np.matmul, weights[:depth])[:, None]
    return mixtures, values, lambda depth: product(depth).reshape(seeds, 3, -1)


def _from_affine(inputs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """|values - their best affine function of the inputs| / |values - their mean|, by seed and layer."""
    basis = qr(np.concatenate([inputs, np.ones_like(inputs[..., :1])], axis=2))[0]
    fitted = np.einsum("sik,sjk,sjlw->silw", basis, basis, values, optimize=True)
    return norm(values - fitted, axis=(1, 3)) / norm(values - values.mean(1, keepdims=True), axis=(1, 3))


def _from_product(inputs: np.ndarray, values: np.ndarray, product: np.ndarray) -> list[float]:
    """|values - inputs times one matrix| / |values|, by seed."""
    return (norm(values - inputs @ product, axis=(1, 2)) / norm(values, axis=(1, 2))).tolist()


def _fit(f: Callable, depth: int, seeds: int) -> tuple[list[float], np.ndarray]:
    """Relative L2 errors of fitting the curve, by seed, and the fitted curves."""
    gain, loss = unit_gain(f), lambda network: jnp.mean((jax.vmap(network)(X)[:, 0] - CURVE) ** 2)
    build = lambda key: Tower((1, WIDTH, 1), depth, f, key, gain)
    networks, _ = train(build, loss, seeds=seeds, steps=STEPS, rate=0.03 / depth)
    fitted = np.asarray(eqx.filter_vmap(lambda network: jax.vmap(network)(X)[:, 0])(networks))
    return (norm(fitted - CURVE, axis=1) / norm(CURVE)).tolist(), fitted


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    of = lambda names, columns: np.ravel(
        [measured[f"{name}, {depth} layers"][column] for name in names for depth in DEPTHS for column in columns]
    ).tolist()
    line = measured["best straight line"]["fit"][0]
    fits = {depth: float(np.median(measured[f"tanh, {depth} layers"]["fit"])) for depth in DEPTHS}
    linear = of(["identity"], [*NETS, *(f"{net}, from one product" for net in NETS)])
    return {
        "without activation every stack is one matrix to 1e-12": max(linear) < 1e-12,
        "with tanh, relu or gelu no stack is an affine map to better than 1 %": min(of(NAMES[1:], NETS)) > 0.01,
        "without activation no depth fits better than the best line": min(of(["identity"], ["fit"])) > line - 1e-9,
        "with tanh 10 layers fit ten times better than the best line": fits[10] < line / 10,
        "with tanh 1 and 100 layers fit better than the best line": max(fits.values()) < line,
    }


def _draw_far(far: dict[tuple[str, str], np.ndarray]) -> Figure:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, net in zip(figure.subplots(1, 2, sharey=True), NETS, strict=True):
        for name, colour in zip(NAMES, COLOURS):
            band(axes, np.arange(1, DEPTHS[-1] + 1), far[net, name], name.replace("identity", "no activation"), colour)
        axes.set(yscale="log", xlabel="layer", title=net)
    figure.axes[0].set_ylabel("distance from the best affine map, relative")
    figure.axes[0].legend(loc="center right", frameon=False, title="median and range of seeds")
    figure.suptitle("Without activation, any depth is one affine map to round-off")
    return figure


def _draw_fits(curves: dict[tuple[str, int], np.ndarray]) -> Figure:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, name, title in zip(figure.subplots(1, 2), FITTED, ("no activation", "tanh"), strict=True):
        axes.plot(X[:, 0], CURVE, color="0.6", linewidth=4, label="curve to fit")
        for depth, colour, style in zip(DEPTHS, COLOURS[1:], ("-", "--", ":")):
            label = f"{depth} hidden layer{'s' * (depth > 1)}"
            axes.plot(X[:, 0], np.median(curves[name, depth], axis=0), style, color=colour, linewidth=2, label=label)
        axes.set(xlabel="x", ylabel="y", title=f"{title}, after {STEPS} steps", ylim=(-1.8, 1.9), xticks=(-1, 0, 1))
        axes.legend(frameon=False, loc="upper left")
    figure.suptitle("A curve fitted by networks of three depths: the median of the seeds at each point")
    return figure
