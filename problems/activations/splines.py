"""Spline units: the degree as a dial of smoothness."""

import warnings
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import pinnact as pn
from pinnact.atlas import Finding, train
from pinnact.networks import Inputs
from pinnact.smoothness import check_smoothness

DEGREES, CELLS = (1, 2, 3, 4, 5), (8, 16, 32, 64)
X, ENDS = (np.arange(2048) + 0.5) / 1024 - 1, np.array([-1.0, 1.0])
CURVES = {"kink": lambda x: abs(x), "C^1": lambda x: x * abs(x), "C^inf": lambda x: np.sin(3 * x)}
LIMITS = {"kink": 1.5, "C^1": 2.5, "C^inf": np.inf}  # |x| is in H^s for s < 3/2 only, x |x| for s < 5/2
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00")


def splines(seeds: int = 5) -> Finding:
    """The degree k of a spline unit is a dial of smoothness, C^(k-1): turning it up pays as far as the curve is smooth
    and no further, an equation of second order needs at least degree 2, and units that train their spline fit better
    than fixed ones.

    Measures the order p of the error c h^p for cells of width h: the best approximation in L2 has p = min(k + 1, s),
    where s = 3/2 for |x|, 5/2 for x |x| and infinity for sin 3x (each seed: root mean square over 16 shifts of the
    curve), and least squares of the residual of u'' = f has p = min(k + 1, 2k - 2) for u. Then the errors of networks
    with a layer of 8 trained units, one spline a neuron over the base tanh, against a layer of 51 tanh, which has as
    many trained numbers as 8 units of degree 3 (154 and 153), after 600 steps of Adam on each curve.

    Source: de Boor 1978, A Practical Guide to Splines, Springer (orders of approximation); Bochev and Gunzburger 2009,
    Least-Squares Finite Element Methods, Springer; Liu et al. 2024, arXiv:2404.19756 (trained spline units).
    """
    errors = {k: _approximated(k, seeds) for k in DEGREES}
    orders = {k: {f"order, {name}": _orders(found).tolist() for name, found in errors[k].items()} for k in DEGREES}
    measured: dict[str, dict] = {f"degree {k}": {"solve": _said(k)} | orders[k] for k in DEGREES}
    for k in DEGREES[::2]:
        measured[f"degree {k}"] |= _fitted(pn.bspline(k, per="neuron"), 8, seeds)
    measured["51 tanh"] = _fitted(pn.tanh, 51, seeds)
    return Finding(measured, _checks(measured), {"splines": _draw(errors, measured)})


def _basis(degree: int, cells: int, x: np.ndarray = X, order: int = 0) -> np.ndarray:
    """The B-splines of the package's unit on [-1, 1] at x, or their derivatives of an order, one a column."""
    unit = pn.bspline(degree, knots=cells + 1, range=(-1, 1), base=pn.identity)
    g = lambda x, c: replace(unit, parameters={"weight": 0.0, "coefficients": c})(x)
    for _ in range(order):
        g = jax.grad(g)
    return np.asarray(jax.jit(jax.vmap(jax.vmap(g, (0, None)), (None, 0), 1))(x, jnp.eye(cells + degree)))


def _approximated(degree: int, seeds: int) -> dict[str, np.ndarray]:
    """Errors by curve, (seeds, cells), and of the equation, (1, cells)."""
    shifts = np.random.default_rng(0).uniform(-0.5, 0.5, (seeds, 16))
    found = {name: [] for name in (*CURVES, "equation")}
    for cells in CELLS:
        splines = _basis(degree, cells)
        for name, curve in CURVES.items():
            values = curve(X[:, None] - shifts.ravel())
            rest = splines @ np.linalg.lstsq(splines, values)[0] - values
            found[name].append(np.sqrt(np.mean(rest**2, axis=0).reshape(shifts.shape).mean(axis=1)))
        found["equation"].append([_solved(splines, _basis(degree, cells, order=2), _basis(degree, cells, ENDS))])
    return {name: np.array(columns).T for name, columns in found.items()}


def _solved(splines: np.ndarray, second: np.ndarray, ends: np.ndarray) -> float:
    """The error of u = sin 3x where u'' = -9 sin 3x inside and u at both ends (weight 1e4) are met by least squares."""
    rows = np.concatenate([second / len(X) ** 0.5, 1e4 * ends])
    wanted = np.concatenate([-9 * np.sin(3 * X) / len(X) ** 0.5, 1e4 * np.sin(3 * ENDS)])
    return float(np.sqrt(np.mean((splines @ np.linalg.lstsq(rows, wanted)[0] - np.sin(3 * X)) ** 2)))


def _orders(errors: np.ndarray) -> np.ndarray:
    """The slope of log error over log h, one a row."""
    return np.polyfit(np.log(1 / np.array(CELLS)), np.log(errors).T, 1)[0]


def _said(degree: int) -> str:
    """What `solve` says to such units and a second derivative: refused, warned or accepted."""
    bent = {"bent": lambda u: u.xx - 1}
    problem = pn.Problem(pn.Interval(x=(0, 1)), unknowns=("u",), equations=bent, conditions={})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            check_smoothness(problem, {"": pn.bspline(degree).smoothness}, "bspline")
        except pn.SmoothnessError:
            return "refused"
    return "warned" if told else "accepted"


def _fitted(activation: pn.AbstractActivation, width: int, seeds: int) -> dict[str, list[float]]:
    """Relative errors by curve and seed of networks with one hidden layer; each seed trains three, one a curve."""
    recipe = pn.MLP(width=width, depth=1, activation=activation)
    three = lambda key: eqx.filter_vmap(lambda k: recipe.build(Inputs({"x": (-1, 1)}), 1, k))(jax.random.split(key, 3))
    values = lambda nets, x: eqx.filter_vmap(lambda net: jax.vmap(net)(x[:, None])[:, 0])(nets)
    wanted = np.stack([curve(X - 0.1) for curve in CURVES.values()])
    loss = lambda nets: jnp.sum(jnp.mean((values(nets, X[8::32]) - wanted[:, 8::32]) ** 2, axis=1))  # three apart
    nets, _ = train(three, loss, seeds=seeds, steps=600)
    rest = np.asarray(eqx.filter_vmap(values)(nets, jnp.tile(X, (seeds, 1)))) - wanted
    errors = (np.linalg.norm(rest, axis=2) / np.linalg.norm(wanted, axis=1)).T.tolist()
    return {f"error, {name}": found for name, found in zip(CURVES, errors)}


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    at = lambda k, key: float(np.median(measured[f"degree {k}"][key]))
    error = lambda k, name: at(k, f"error, {name}")
    tanh = lambda name: float(np.median(measured["51 tanh"][f"error, {name}"]))
    orders = {(k, name): min(k + 1, limit) for k in DEGREES for name, limit in LIMITS.items()}
    orders |= {(k, "equation"): min(k + 1, 2 * k - 2) for k in DEGREES}
    close = {pair: abs(at(pair[0], f"order, {pair[1]}") - order) < 0.3 for pair, order in orders.items()}
    said = [measured[f"degree {k}"]["solve"] for k in DEGREES]
    return {
        "a curve's order is min(k + 1, s) to within 0.3": all(close[k, name] for k in DEGREES for name in CURVES),
        "the equation's order is min(k + 1, 2k - 2) to within 0.3": all(close[k, "equation"] for k in DEGREES),
        "solve refuses degree 1, warns of 2, accepts others": said == ["refused", "warned", *["accepted"] * 3],
        "trained units of degree 3 fit every curve better than 51 tanh": all(error(3, c) < tanh(c) for c in CURVES),
        "of trained units degree 1 fits the kink best, the smooth curve worst": all(
            error(1, "kink") < error(k, "kink") and error(1, "C^inf") > error(k, "C^inf") for k in (3, 5)
        ),
    }


def _draw(errors: dict[int, dict[str, np.ndarray]], measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(9, 5.8), layout="constrained")
    for i, (name, title) in enumerate(zip(errors[1], ("|x|", "x |x|", "sin 3x", "equation u'' = f"))):
        axes = figure.add_subplot(2, 3, i + 1, title=title, xlabel="cells of the spline", ylabel="RMS error")
        for k, colour in zip(DEGREES, COLOURS):
            axes.loglog(
                CELLS, np.median(errors[k][name], axis=0), "o-", color=colour, markersize=4, label=f"degree {k}"
            )
        axes.set(xticks=CELLS, xticklabels=CELLS, ylim=(1e-12, 3))
        axes.minorticks_off()
    figure.axes[0].legend(fontsize=9, frameon=False, loc="lower left")
    axes = figure.add_subplot(
        2, 3, (5, 6), yscale="log", ylabel="relative L2 error", title="networks of 8 trained units"
    )
    for i, row in enumerate(row for row in measured if "error, kink" in measured[row]):
        values = np.array([measured[row][f"error, {name}"] for name in CURVES])
        colour = COLOURS[DEGREES.index(int(row[-1]))] if row.startswith("degree") else "black"
        axes.plot(np.arange(3) + 0.15 * i, values, "o", color=colour, markersize=4, alpha=0.5)
        axes.plot(np.arange(3) + 0.15 * i, np.median(values, axis=1), "_", color=colour, markersize=14, label=row)
    axes.set(xticks=np.arange(3) + 0.2, xticklabels=["|x|", "x |x|", "sin 3x"], xlim=(-0.2, 4.1))
    axes.legend(fontsize=9, frameon=False, title="bar: median; dot: seed", title_fontsize=9, loc="right")
    figure.suptitle("A higher degree pays as far as the curve is smooth; degree 1 never sees u''", fontsize=12)
    return figure
