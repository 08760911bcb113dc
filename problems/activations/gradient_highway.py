"""How far a gradient comes: by activation, depth and initial scale."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import COLOURS, Finding, Tower, band, train, unit_gain

NAMES = ("sigmoid", "tanh", "relu", "gelu", "silu", "elu")
RAMPS = NAMES[2:]
DEPTHS, WIDTH, POINTS, STEPS = (2, 5, 10, 20, 50), 32, 200, 300


def gradient_highway(seeds: int = 5) -> Finding:
    """Sigmoid's gradients vanish with depth, since each layer multiplies them by at most 1/4; relu and its smooth
    relatives carry them through 50 layers, but only if the initial weights have the right scale.

    Measures at the start, for networks of width 32, the norm of the loss's gradient by each matrix between two hidden
    layers, with Glorot's weights and with weights scaled so that mean square 1 enters the first layer and each keeps it
    (gain 1 / root mean f(z)^2). A row gives the norm at the first of these matrices in a network of each depth over
    that in one of 2 layers: least, median and greatest of the seeds. Then the accuracy on 1,000 other points of two
    interleaved spirals after 300 steps of Adam, scaled weights. The 1/4 bounds the slope alone: weights multiply too.

    Source: Hochreiter 1991 and Bengio, Simard and Frasconi 1994, doi:10.1109/72.279181; for the scale Glorot and Bengio
    2010, https://proceedings.mlr.press/v9/glorot10a.html, and He et al. 2015, arXiv:1502.01852.
    """
    norms = {name: _norms(activations.get(name), seeds) for name in NAMES}
    measured = {}
    for name in NAMES:
        f = activations.get(name)
        measured[name] = {"slope at most": float(jnp.max(jax.vmap(jax.grad(f))(jnp.linspace(-20, 20, 4001))))}
        for scale, by_depth in norms[name].items():
            for number, depth in enumerate(DEPTHS[1:], start=1):
                reach = by_depth[number, :, 0] / by_depth[0, :, 0]
                measured[name][f"{scale}, {depth}"] = [float(pick(reach)) for pick in (np.min, np.median, np.max)]
        for depth in (2, 20):
            measured[name][f"accuracy, {depth} layers"] = _accuracies(f, depth, seeds)
    return Finding(measured, _checks(measured), {"gradients": _draw(norms), "accuracy": _draw_accuracies(measured)})


def _spirals(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two spirals of one turn: points and classes, -1 and 1."""
    rng = np.random.default_rng(seed)
    turn, side = np.sqrt(rng.uniform(0.05, 1, count)), rng.integers(0, 2, count)
    angle = 2 * np.pi * turn + np.pi * side
    points = 1.8 * turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + 0.05 * rng.standard_normal(points.shape), 2.0 * side - 1


def _builder(f: activations.Activation, depth: int, scale: str = "scaled") -> Callable[[PRNGKeyArray], Tower]:
    """Towers with Glorot's weights, or such that mean square 1 enters the activation of a wide network's every layer.

    Whether it comes back to 1 where it is a little off is another matter: gelu and silu drive it away.
    """
    if scale == "Glorot":
        return lambda key: Tower((2, WIDTH, 1), depth, f, key)
    gain, size = unit_gain(f), float(np.sqrt(np.mean(np.sum(_spirals(1, POINTS)[0] ** 2, axis=1))))
    first = lambda key: jax.random.normal(jax.random.fold_in(key, 1), (WIDTH, 2)) / size
    return lambda key: eqx.tree_at(lambda t: t.first[0], Tower((2, WIDTH, 1), depth, f, key, gain), first(key))


def _norms(f: activations.Activation, seeds: int) -> dict[str, np.ndarray]:
    """|d loss / d W_l| by depth, seed and matrix l, for both scales; NaN beyond the depth.

    The first layers of a deep tower are a tower too, so that one compiled function serves all depths.
    """
    points, classes = _spirals(1, POINTS)

    def loss(tower: Tower, depth: Array) -> Float[Array, ""]:
        outputs = jax.vmap(lambda x: tower.last[0] @ tower.units(x)[depth - 1] + tower.last[1])(points)
        return jnp.mean(jax.nn.softplus(-classes * outputs[:, 0]))

    norm = lambda depth: lambda tower: jnp.linalg.norm(eqx.filter_grad(loss)(tower, depth).hidden[0], axis=(1, 2))
    each = eqx.filter_jit(lambda towers: jax.lax.map(lambda d: eqx.filter_vmap(norm(d))(towers), jnp.array(DEPTHS)))
    keys = jax.random.split(jax.random.key(0), seeds)
    found = {}
    for scale in ("Glorot", "scaled"):
        found[scale] = np.array(each(eqx.filter_vmap(_builder(f, DEPTHS[-1], scale))(keys)))
        for row, depth in zip(found[scale], DEPTHS, strict=True):
            row[:, depth - 1 :] = np.nan
    return found


def _accuracies(f: activations.Activation, depth: int, seeds: int) -> list[float]:
    """Shares of other points of the spirals that trained networks put into the right class, by seed."""
    (points, classes), (other, right) = _spirals(1, POINTS), _spirals(2, 1000)
    loss = lambda tower: jnp.mean(jax.nn.softplus(-classes * jax.vmap(tower)(points)[:, 0]))
    towers, _ = train(_builder(f, depth), loss, seeds=seeds, steps=STEPS, rate=3e-3)
    outputs = eqx.filter_jit(eqx.filter_vmap(lambda tower: jax.vmap(tower)(other)[:, 0]))(towers)
    return np.mean(np.asarray(outputs) * right > 0, axis=1).tolist()


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    median = lambda name, column: float(np.median(measured[name][column]))
    kept = lambda name: 0.1 < median(name, "scaled, 50") < 10
    lost = lambda name: median(name, "Glorot, 50") < 1e-3
    learnt = {name: median(name, "accuracy, 20 layers") for name in NAMES}
    return {
        "sigmoid's slope is at most 1/4": abs(measured["sigmoid"]["slope at most"] - 0.25) < 1e-3,
        "with Glorot's weights sigmoid loses a factor of 4 or more a layer": all(
            median("sigmoid", f"Glorot, {depth}") <= 4.0 ** -(depth - 2) for depth in DEPTHS[1:]
        ),
        "the scale does not save sigmoid: at 50 layers less than 1e-6 is left": median("sigmoid", "scaled, 50") < 1e-6,
        "with the right scale relu and elu keep it to a factor of 10 over 50 layers": kept("relu") and kept("elu"),
        "with the right scale so do gelu and silu": kept("gelu") and kept("silu"),
        "with Glorot's weights relu, gelu and silu lose more than a factor of 1000": all(map(lost, RAMPS[:3])),
        "with Glorot's weights elu loses more than a factor of 1000": lost("elu"),
        "20 layers of relu, gelu, silu and elu learn the spirals (95 %), of sigmoid they don't (60 %)": (
            min(learnt[name] for name in RAMPS) > 0.95 and learnt["sigmoid"] < 0.6
        ),
    }


def _draw(norms: dict[str, dict[str, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(10, 7), layout="constrained")
    rows = figure.subplots(2, 2, sharey="row", sharex="row")
    for column, (scale, title) in enumerate((("Glorot", "Glorot's weights"), ("scaled", "weights of the right scale"))):
        for name, colour in zip(NAMES, COLOURS):
            style = "--" if name == "silu" else "-"  # which lies on gelu
            band(rows[0, column], np.arange(1, DEPTHS[-1]), norms[name][scale][-1], name, colour, style)
            band(rows[1, column], np.array(DEPTHS), norms[name][scale][:, :, 0].T, name, colour, style)
        rows[0, column].set(title=f"{title}: 50 layers, by matrix", xlabel="matrix between hidden layers l and l + 1")
        rows[1, column].set(title=f"{title}: first matrix, by depth", xlabel="hidden layers")
    for axes in rows.flat:
        axes.set(yscale="log", ylabel="norm of the gradient")
    rows[1, 1].legend(frameon=False, title="median and range of seeds", ncols=2, loc="lower left")
    figure.suptitle("Gradient of the loss by the weights, before training")
    return figure


def _draw_accuracies(measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes, places = figure.add_subplot(), np.arange(len(measured))
    for offset, depth, colour in ((-0.2, 2, COLOURS[1]), (0.2, 20, COLOURS[2])):
        seeds = np.array([row[f"accuracy, {depth} layers"] for row in measured.values()])
        axes.bar(
            places + offset, np.median(seeds, axis=1), width=0.36, color=colour, label=f"{depth} hidden layers, median"
        )
        axes.plot(places + offset, seeds, "o", color="black", markersize=3)
    axes.set(xticks=places, xticklabels=measured, ylim=(0.4, 1.02), ylabel="share classified right")
    axes.set_title(f"Two spirals, other points, after {STEPS} steps; weights of the right scale; dots are seeds")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    return figure
