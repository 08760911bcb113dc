"""The loss over two weights, and three methods that walk on it."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import Finding, squares, walks

NAMES = ("heaviside", "relu", "tanh", "softplus")
METHODS = {"gradient descent": ("#e69f00", "-"), "Newton": ("#d55e00", "s--"), "Levenberg-Marquardt": ("#000000", ".-")}
PARTS = ("the loss", "its gradient", "its Hessian")
X = np.linspace(-2, 2, 21) + 0.03  # none at 0, where a unit does not feel its weight
TEACHER, BIAS = np.array([1.5, -0.8]), -0.5
STARTS, STEPS, RATE, WINDOW = 40, 200, 0.1, 3.0
SIDE = 61
AXIS = np.linspace(-WINDOW, WINDOW, SIDE)
GRID = np.stack(np.meshgrid(AXIS, AXIS), axis=-1).reshape(-1, 2)


def landscape(seeds: int = 5) -> Finding:
    """The activation gives the loss its shape: heaviside's is made of plateaus, where nothing that follows gradients
    moves; relu's has plateaus too, and kinks, where no Hessian exists; tanh's and softplus's is smooth, without
    plateaus, and a damped method soon reaches its bottom from nearly everywhere, from where plain ones often do not.

    Measures the mean square error on 21 points of y = f(w x + b) and of a network of two units,
    y = f(u x - 1/2) + f(v x - 1/2), fitted to itself at the weights (1.5, -0.8): the share of a grid where no weight
    changes the loss, the greatest jump of the loss, its gradient and its Hessian across the lines where a unit's
    pre-activation vanishes at a point; and the share of 40 random starts a seed from which gradient descent of rate
    0.1, Newton's method without damping and the package's Levenberg-Marquardt come below 1e-8 within 200 steps.

    Source: Nocedal and Wright 2006, Numerical Optimization, Springer, chapters 3 and 10; Li et al. 2018, Visualizing
    the Loss Landscape of Neural Nets, arXiv:1712.09913.
    """
    keys = jax.random.split(jax.random.key(0), seeds)
    starts = jax.vmap(lambda key: jax.random.uniform(key, (STARTS, 2), minval=-WINDOW, maxval=WINDOW))(keys)
    measured, drawn = {}, {}
    for name in NAMES:
        for model, (outputs, creases) in MODELS.items():
            found = _explore(partial(outputs, activations.get(name)), *creases(keys[0]), starts)
            loss, paths, ends, stays, jumps = map(np.asarray, found)
            measured[f"{name}, {model}"] = {
                "plateaus": float(stays.mean()),
                **{f"jump of {part}": float(jump) for part, jump in zip(PARTS, jumps, strict=True)},
                "moved at most": float(np.nan_to_num(np.abs(paths - paths[:, :, :, :1]), nan=np.inf).max()),
                **{method: (ends[:, :, k] < 1e-8).mean(axis=1).tolist() for k, method in enumerate(METHODS)},
            }
            drawn[name, model] = loss, paths[0, :3]
    return Finding(measured, _checks(measured), {"walks": _draw(drawn)})


def _neuron(f: Callable, p: jax.Array) -> jax.Array:
    """f(w x + b) at all points."""
    return f(p[0] * X + p[1])


def _network(f: Callable, p: jax.Array) -> jax.Array:
    """f(u x - 1/2) + f(v x - 1/2) at all points."""
    return f(p[0] * X + BIAS) + f(p[1] * X + BIAS)


def _neuron_creases(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights for which w x + b = 0 at one of the points x, and the normals (x, 1) of these lines."""
    x, w = jax.random.choice(key, X, (200,)), jax.random.uniform(key, (200,), minval=-2.0, maxval=2.0)
    return jnp.stack([w, -w * x], axis=1), jnp.stack([x, jnp.ones(200)], axis=1)


def _network_creases(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights for which u x - 1/2 = 0 at one of the points x, and the normals (1, 0) of these lines."""
    x, v = jax.random.choice(key, X, (200,)), jax.random.uniform(key, (200,), minval=-2.0, maxval=2.0)
    return jnp.stack([-BIAS / x, v], axis=1), jnp.tile(jnp.array([[1.0, 0.0]]), (200, 1))


MODELS = {"neuron": (_neuron, _neuron_creases), "network": (_network, _network_creases)}


@partial(jax.jit, static_argnums=0)
def _explore(outputs: Callable, creases: jax.Array, normals: jax.Array, starts: jax.Array) -> tuple:
    """The loss on the grid, the paths, the losses at their ends, where the loss is flat, and its greatest jumps."""
    objective = squares(lambda p: (outputs(p) - outputs(TEACHER)) / len(X) ** 0.5)
    loss = jax.vmap(objective.value)
    values = loss(GRID)
    around = jnp.stack([loss(GRID + 1e-6 * np.array([step])) for step in ((1, 0), (-1, 0), (0, 1), (0, -1))])
    paths = jax.vmap(jax.vmap(lambda start: walks(objective, start, STEPS, RATE)))(starts)
    ends = jax.vmap(jax.vmap(loss))(paths[:, :, :, -1])
    across = 1e-9 * normals / jnp.linalg.norm(normals, axis=1, keepdims=True)
    parts = (objective.value, jax.grad(objective.value), jax.hessian(objective.value))
    jumps = [jnp.abs(jax.vmap(g)(creases + across) - jax.vmap(g)(creases - across)).max() for g in parts]
    return values, paths, ends, jnp.all(around == values[None], axis=0), jnp.stack(jumps)


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    rows = lambda *names: [row for key, row in measured.items() if key.split(",")[0] in names]
    smooth = rows("tanh", "softplus")
    arrived = lambda row, method: np.median(row[method])
    return {
        "heaviside's loss is flat on 95 % of the grid, and no walk moves": all(
            row["plateaus"] > 0.95 and row["moved at most"] == 0 for row in rows("heaviside")
        ),
        "relu's loss is continuous, its gradient jumps": all(
            row["jump of the loss"] < 1e-6 and row["jump of its gradient"] > 1e-3 for row in rows("relu")
        ),
        "relu's loss has plateaus": all(row["plateaus"] > 0 for row in rows("relu")),
        "loss, gradient and Hessian of tanh and softplus are continuous": all(
            row[f"jump of {part}"] < 1e-6 for row in smooth for part in PARTS
        ),
        "they have no plateaus": all(row["plateaus"] == 0 for row in smooth),
        "on them Levenberg-Marquardt arrives from 95 % of the starts": all(
            arrived(row, "Levenberg-Marquardt") >= 0.95 for row in smooth
        ),
        "gradient descent and Newton's method arrive from fewer": all(
            max(arrived(row, "gradient descent"), arrived(row, "Newton")) < arrived(row, "Levenberg-Marquardt")
            for row in smooth
        ),
    }


def _draw(drawn: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(11.5, 6.6), layout="constrained")
    window = {"xlim": (-WINDOW, WINDOW), "ylim": (-WINDOW, WINDOW), "aspect": "equal"}
    panels = figure.subplots(2, len(NAMES), subplot_kw=window)
    for axes, ((name, model), (loss, paths)) in zip(panels.T.flat, drawn.items(), strict=True):
        levels = np.log10(np.maximum(loss, 1e-3)).reshape(SIDE, SIDE)
        filled = axes.contourf(AXIS, AXIS, levels, np.linspace(-3, 1, 17), cmap="Blues", extend="max")
        for start in paths:
            for path, (method, (colour, style)) in zip(start, METHODS.items(), strict=True):
                axes.plot(*path.T, style, color=colour, linewidth=1.2, markersize=3, label=method)
            axes.plot(*start[0, 0], "wo", markeredgecolor="k", markersize=6, label="start")
        axes.plot(*TEACHER, "*", color="#009e73", markeredgecolor="k", markersize=12, label="teacher: loss 0")
        first, second = ("w", "b") if model == "neuron" else ("u", "v")
        axes.set(title=f"{name}, {model}", xlabel=f"weight {first}", ylabel=f"weight {second}")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=5, frameon=False)
    figure.colorbar(filled, ax=panels, shrink=0.7, label="log10 of the loss")
    figure.suptitle("Loss over two weights, of a neuron f(w x + b) and of f(u x - 1/2) + f(v x - 1/2), and three walks")
    return figure
