"""Outliers against units that are bounded."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.atlas import COLOURS, Finding, Tower, train, unit_gain

BOUNDED, UNBOUNDED = ("tanh", "sigmoid"), ("relu", "gelu")
KINDS, OUTPUTS = ("clean", "inputs", "targets"), ("linear", "bounded")
CASES = [(output, kind) for output in OUTPUTS for kind in KINDS]
FREEDOM, POINTS, WIDTH, STEPS = 1.5, 128, 32, 400
FACTORS = {"largest loss": 10.0, "largest gradient": 10.0, "error": 1.0}


def outliers(seeds: int = 5) -> Finding:
    """Bounded units withstand outliers under the squared loss: they cap the loss and its gradient and keep the error on
    clean data low, be it the hidden units or the output unit that is bounded, and the inputs or targets that lie out.

    Trains networks of 2 hidden layers of 32 units by 400 steps of Adam on 128 values of a smooth bounded function of
    the plane: with normal inputs, with inputs from Student's t of 1.5 degrees of freedom (no variance), and with 0.3 of
    such noise on the targets; the output linear, or o -> 2 tanh(o / 2). Measures the largest loss of a point and the
    largest gradient of a point's loss by all weights, both before training, and the error on 1,000 clean points after
    it, relative to the spread of the function. Capped means 10 times below what unbounded units give, medians of seeds.

    Source: Huber 1964, doi:10.1214/aoms/1177703732, on what a single observation does under the squared loss; Student
    1908, doi:10.1093/biomet/6.1.1, for the distribution.
    """
    measured = {}
    for name in (*BOUNDED, *UNBOUNDED):
        found = _measured(activations.get(name), seeds)
        for output in OUTPUTS:
            measured[f"{name}, {output} output"] = {
                f"{kind}, {what}": values[:, CASES.index((output, kind))].tolist()
                for kind in KINDS
                for what, values in found.items()
            }
    return Finding(measured, _checks(measured), {"outliers": _draw(measured)})


def _target(x: np.ndarray) -> np.ndarray:
    """Smooth, between -1.5 and 1.5, and level far away."""
    return 2 * x[..., 0] / (1 + x[..., 0] ** 2) + 1 / (1 + x[..., 1] ** 2) - 0.5


def _data(seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (seeds, cases, points, 2) and targets (seeds, cases, points)."""
    rng = np.random.default_rng(0)
    normal, heavy = rng.standard_normal((seeds, POINTS, 2)), rng.standard_t(FREEDOM, (seeds, POINTS, 2))
    noise = 0.3 * rng.standard_t(FREEDOM, (seeds, POINTS))
    inputs = {"clean": normal, "inputs": heavy, "targets": normal}
    return (
        np.stack([inputs[kind] for _, kind in CASES], axis=1),
        np.stack([_target(inputs[kind]) + (kind == "targets") * noise for _, kind in CASES], axis=1),
    )


def _says(tower: Tower, bounded: Array, x: Float[Array, " 2"]) -> Float[Array, ""]:
    """The value at a point, between -2 and 2 where the output unit is bounded."""
    o = tower(x)[0]
    return jnp.where(bounded, 2 * jnp.tanh(o / 2), o)


def _loss(tower: Tower, bounded: Array, x: Float[Array, " 2"], y: Float[Array, ""]) -> Float[Array, ""]:
    return (_says(tower, bounded, x) - y) ** 2


def _steepness(tower: Tower, bounded: Array, x: Float[Array, " 2"], y: Float[Array, ""]) -> Float[Array, ""]:
    """Norm of the gradient of one point's loss by all weights."""
    leaves = jax.tree.leaves(jax.grad(_loss)(tower, bounded, x, y))
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in leaves))


def _measured(f: activations.Activation, seeds: int) -> dict[str, np.ndarray]:
    """The three measures by seed and case.

    The networks of all cases are one module with the sum of their losses: Adam treats each weight by itself, so that
    each is trained as if it were alone.
    """
    gain, data = unit_gain(f), _data(seeds)
    bounded = jnp.array([output == "bounded" for output, _ in CASES])
    points = lambda ask: lambda tower, bounded, x, y: jax.vmap(lambda x, y: ask(tower, bounded, x, y))(x, y)
    cases = lambda ask: lambda towers, *own: jax.vmap(ask)(towers, bounded, *own)
    clean = np.random.default_rng(1).standard_normal((1000, 2))
    rest = lambda tower, bounded: jax.vmap(lambda x: _says(tower, bounded, x))(clean) - _target(clean)

    def build(key: Array) -> Tower:
        tower = Tower((2, WIDTH, 1), 2, f, key, gain)
        return jax.tree.map(lambda a: jnp.broadcast_to(a, (len(CASES), *a.shape)), tower)

    largest = lambda ask: lambda *of: jnp.max(cases(points(ask))(*of), axis=1)
    before = eqx.filter_vmap(build)(jax.random.split(jax.random.key(0), seeds))
    losses, steepest = jax.jit(jax.vmap(lambda *of: (largest(_loss)(*of), largest(_steepness)(*of))))(before, *data)
    summed = lambda towers, x, y: jnp.sum(cases(points(_loss))(towers, x, y)) / POINTS
    after, _ = train(build, summed, seeds=seeds, steps=STEPS, data=data)
    errors = jnp.sqrt(jnp.mean(jax.jit(jax.vmap(cases(rest)))(after) ** 2, axis=2)) / np.std(_target(clean))
    return dict(zip(FACTORS, map(np.asarray, (losses, steepest, errors)), strict=True))


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    def median(name: str, output: str, column: str) -> float:
        return float(np.median(measured[f"{name}, {output} output"][column]))

    checks = {}
    for kind in KINDS[1:]:
        for what, factor in FACTORS.items():
            column, goes = f"{kind}, {what}", f"{what} is {f'{factor:.0f} times ' * (factor > 1)}lower"
            linear = {name: median(name, "linear", column) for name in (*BOUNDED, *UNBOUNDED)}
            checks[f"outlying {kind}, bounded hidden units: {goes}"] = max(
                linear[name] for name in BOUNDED
            ) * factor < min(linear[name] for name in UNBOUNDED)
            checks[f"outlying {kind}, bounded output unit: {goes}"] = all(
                median(name, "bounded", column) * factor < linear[name] for name in UNBOUNDED
            )
    return checks


def _draw(measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    when = {"largest loss": "of a point, at the start", "largest gradient": "of a point, at the start"}
    for axes, kind in zip(figure.subplots(2, 3, sharey=True, sharex="col"), KINDS[1:], strict=True):
        for panel, what in zip(axes, FACTORS, strict=True):
            for place, (row, found) in enumerate(measured.items()):
                capped = "bounded" in row or row.split(",")[0] in BOUNDED
                seeds, colour = found[f"{kind}, {what}"], COLOURS[2 if capped else 4]
                panel.plot(seeds, [place] * len(seeds), "o", color=colour, markersize=4, alpha=0.6)
                panel.plot(np.median(seeds), place, "|", color=colour, markersize=20, markeredgewidth=3)
            panel.set(xscale="log", title=f"outlying {kind}", yticks=range(len(measured)), yticklabels=measured)
            panel.grid(alpha=0.3, linewidth=0.5)
            if kind == KINDS[-1]:
                panel.set_xlabel(f"{what} {when.get(what, 'on clean points, trained (1: spread)')}")
    figure.axes[0].invert_yaxis()
    figure.suptitle("Squared loss and outliers; blue: hidden or output units are bounded. Dots are seeds, bars medians")
    return figure
