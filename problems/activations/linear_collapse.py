"""Depth without activations is no depth."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding, Tower, train

WIDTH, NODES, DEPTHS, STEPS = 16, 30, (1, 10, 100), 300
X = jnp.linspace(-1, 1, 65)[:, None]
CURVE = jnp.sin(3 * X[:, 0]) + 0.5 * jnp.cos(7 * X[:, 0])


def linear_collapse(seeds: int = 5) -> Finding:
    """A stack of linear layers is one linear layer, in a perceptron as in message passing on a graph: depth without an
    activation adds nothing, and any activation between the layers undoes that.

    Measures, for 1, 10 and 100 layers and every seed, how far the stack is from the best single affine map of its
    inputs (relative, in float64), without an activation and with tanh and relu; the same for message passing
    `H -> A H W` against `A^L H W_1 ... W_L`; and the error of fitting a curve of one variable by 300 steps of Adam.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, MIT Press, chapter 6.
    """
    keys = jax.random.split(jax.random.key(0), seeds)
    measured: dict[str, dict] = {}
    curves = {}
    for depth in DEPTHS:
        for name in ("identity", "tanh", "relu"):
            f = activations.get(name)
            row = {"perceptron": max(_from_affine(f, depth, key) for key in keys)}
            row["graph"] = max(_from_one_step(f, depth, key) for key in keys)
            if name != "relu":
                row["fit"], curves[name, depth] = _fit(f, depth, seeds)
            measured[f"{name}, {depth} layers"] = row
    return Finding(measured, _checks(measured), {"collapse": _draw(curves)})


def _from_affine(f: Callable, depth: int, key: jax.Array) -> float:
    """How far a network with `depth` hidden layers is from an affine function of its inputs, relative to its spread."""
    k_net, k_points = jax.random.split(key)
    network = Tower((3, WIDTH, 1), depth, f, k_net)
    points = jax.random.uniform(k_points, (200, 3), minval=-1.0)
    values = np.asarray(jax.vmap(network)(points))[:, 0]
    with_one = np.concatenate([np.asarray(points), np.ones((200, 1))], axis=1)
    rest = values - with_one @ np.linalg.lstsq(with_one, values, rcond=None)[0]
    return float(np.linalg.norm(rest) / np.linalg.norm(values - values.mean()))


def _from_one_step(f: Callable, depth: int, key: jax.Array) -> float:
    """How far `depth` rounds of `H -> f(A H W)` are from one product, for a random graph and orthogonal weights."""
    k_graph, k_nodes, k_weights = jax.random.split(key, 3)
    links = jax.random.bernoulli(k_graph, 0.2, (NODES, NODES))
    links = (links | links.T | jnp.eye(NODES, dtype=bool)).astype(float)
    a = links / jnp.sqrt(links.sum(0)[:, None] * links.sum(1)[None, :])
    start = jax.random.normal(k_nodes, (NODES, WIDTH))
    weights = jnp.linalg.qr(jax.random.normal(k_weights, (depth, WIDTH, WIDTH)))[0]
    stacked = jax.lax.scan(lambda h, w: (f(a @ h @ w), None), start, weights)[0]
    product = jax.lax.scan(lambda m, w: (m @ w, None), jnp.eye(WIDTH), weights)[0]
    once = jnp.linalg.matrix_power(a, depth) @ start @ product
    return float(jnp.linalg.norm(stacked - once) / jnp.linalg.norm(once))


def _fit(f: Callable, depth: int, seeds: int) -> tuple[list[float], np.ndarray]:
    """Relative L2 errors of fitting the curve, by seed, and the fitted curve of the first."""
    loss = lambda network: jnp.mean((jax.vmap(network)(X)[:, 0] - CURVE) ** 2)
    networks, _ = train(lambda key: Tower((1, WIDTH, 1), depth, f, key), loss, seeds=seeds, steps=STEPS, rate=5e-3)
    fitted = np.asarray(eqx.filter_vmap(lambda network: jax.vmap(network)(X)[:, 0])(networks))
    errors = np.linalg.norm(fitted - np.asarray(CURVE), axis=1) / np.linalg.norm(CURVE)
    return errors.tolist(), fitted[0]


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    linear = [row for name, row in measured.items() if name.startswith("identity")]
    bent = [row for name, row in measured.items() if not name.startswith("identity")]
    fits = {name: np.median(row["fit"]) for name, row in measured.items() if "fit" in row}
    best = min(value for name, value in fits.items() if name.startswith("identity"))
    return {
        "without activation stack and single map agree to 1e-12": all(
            max(row["perceptron"], row["graph"]) < 1e-12 for row in linear
        ),
        "with tanh or relu they differ by more than 1 %": all(
            min(row["perceptron"], row["graph"]) > 0.01 for row in bent
        ),
        "without activation no depth fits the curve better than to 10 %": best > 0.1,
        "with tanh 10 layers fit it ten times better": fits["tanh, 10 layers"] < best / 10,
    }


def _draw(curves: dict[tuple[str, int], np.ndarray]) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    for number, (name, title) in enumerate((("identity", "no activation"), ("tanh", "tanh"))):
        axes = figure.add_subplot(1, 2, number + 1)
        axes.plot(X[:, 0], CURVE, "k", linewidth=2.5, alpha=0.35, label="curve to fit")
        for depth in DEPTHS:
            axes.plot(X[:, 0], curves[name, depth], linewidth=1.2, label=f"{depth} hidden layer{'s' * (depth > 1)}")
        axes.set(xlabel="x", ylabel="y", title=title, ylim=(-1.8, 1.8))
        axes.legend(fontsize=7, frameon=False)
    return figure
