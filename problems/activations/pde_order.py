"""Which smoothness an equation of which order needs."""

from collections.abc import Callable
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pinnact import activations
from pinnact.activations import AbstractActivation, bspline, relu_power
from pinnact.atlas import Finding

ORDERS, UNITS, SLOPES = (1, 2, 4), 200, (3.0, 12.0)
X, GRID = (np.arange(1000) + 0.5) / 1000, np.linspace(0, 1, 501)
FAILED = 0.1  # relative error from which on an equation counts as not solved


def pde_order(seeds: int = 5) -> Finding:
    """An equation of order k needs an activation of class C^(k-1) at least: with a rougher one the solution is wrong by
    more than 10 %, with one smooth enough by less than 1 %.

    Solves u' = f, u'' = f and u^(4) = f on (0, 1) with exact solution sin(2 pi x) + x^2 by networks of one hidden layer
    of 200 random units, f(slope (x - centre)), whose last layer is found by least squares on 1,000 points and the 1, 2
    or 4 values and slopes at the ends. That is the best that training could do with these units, so that neither
    optimiser nor number of steps has a part in it. Measures the relative L2 errors of u by seed, and of the equation on
    the points: it stays at 1 where the k-th derivative of the units is 0 off their knots, for then they can't see the
    equation at all. B-splines are `bspline(degree)` with one coefficient of 1 and without its base. One of degree k is
    the boundary case, for its k-th derivative jumps: its errors fall slowly with the number of units.

    Source: Hornik, Stinchcombe and White 1990, doi:10.1016/0893-6080(90)90005-6, on derivatives of
    networks; Huang, Zhu and Siew 2006, doi:10.1016/j.neucom.2005.12.126, on random hidden units.
    """
    measured = {}
    for name, f in _entrants().items():
        row: dict[str, float | list[float]] = {"C^": f.smoothness}
        derivatives = _derivatives(f)
        solved = [_solve(derivatives, seed) for seed in range(seeds)]
        for order in ORDERS:
            row[f"error, order {order}"] = [one[order][0] for one in solved]
            row[f"residual, order {order}"] = float(np.median([one[order][1] for one in solved]))
        measured[name] = row
    return Finding(measured, _checks(measured), {"order": _draw(measured)})


def _entrants() -> dict[str, AbstractActivation]:
    names = ("relu", "tanh", "gelu", "sin")
    powers = {f"relu^{k}": relu_power(k) for k in (2, 3)}
    splines = {f"B-spline {degree}": _spline(degree) for degree in range(1, 6)}
    found = {name: activations.get(name) for name in names} | powers | splines
    return dict(sorted(found.items(), key=lambda item: (item[1].smoothness, item[0])))


def _spline(degree: int) -> AbstractActivation:
    """One B-spline around 0, of class C^(degree-1): the base has weight 0."""
    f = bspline(degree, knots=2, range=(-0.5, 0.5))
    middle = jnp.zeros(degree + 1).at[degree // 2].set(1.0)
    return activations.Trainable(
        f.f, {"weight": 0.0, "coefficients": middle}, name=f"B_{degree}", smoothness=degree - 1, formula=f.formula
    )


def _derivatives(f: AbstractActivation) -> dict[int, Callable]:
    """The derivatives of f of every element of an array, by order."""
    return {
        k: jax.jit(jax.vmap(jax.vmap(reduce(lambda h, _: jax.grad(h), range(k), lambda z: f(z))))) for k in (0, 1, 2, 4)
    }


def _exact(order: int, x: np.ndarray) -> np.ndarray:
    """The derivative of sin(2 pi x) + x^2."""
    wave = (2 * np.pi) ** order * np.sin(2 * np.pi * x + order * np.pi / 2)
    return wave + {0: x**2, 1: 2 * x, 2: 2 + 0 * x}.get(order, 0 * x)


def _solve(derivatives: dict[int, Callable], seed: int) -> dict[int, tuple[float, float]]:
    """By order of the equation, the relative errors of the solution and of the equation."""
    rng = np.random.default_rng(seed)
    slope = rng.uniform(*SLOPES, UNITS) * rng.choice([-1, 1], UNITS)
    z = jnp.asarray(slope * (np.concatenate([X, GRID])[:, None] - rng.uniform(-0.1, 1.1, UNITS)))
    units = {k: slope**k * np.asarray(f(z)) for k, f in derivatives.items()}
    found = {}
    for order in ORDERS:
        ends = [(0, [0])] if order == 1 else [(k, [0, -1]) for k in range(order // 2)]  # k-th derivative, places
        equation, right = units[order][: len(X)], _exact(order, X)
        size = np.linalg.norm(right)
        matrix = [equation / size] + [units[k][len(X) :][place] / (2 * np.pi) ** k for k, place in ends]
        values = [right / size] + [_exact(k, GRID)[place] / (2 * np.pi) ** k for k, place in ends]
        c = np.linalg.lstsq(np.concatenate(matrix), np.concatenate(values), rcond=1e-13)[0]
        missed = units[0][len(X) :] @ c - _exact(0, GRID)
        found[order] = (
            float(np.linalg.norm(missed) / np.linalg.norm(_exact(0, GRID))),
            float(np.linalg.norm(equation @ c - right) / size),
        )
    return found


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    median = lambda row, order: float(np.median(row[f"error, order {order}"]))
    cases = [(row, order) for row in measured.values() for order in ORDERS]
    return {
        "smooth to C^(k-1) or more, every activation solves order k to 1 %": all(
            median(row, order) < 0.01 for row, order in cases if row["C^"] >= order - 1
        ),
        "rougher ones miss it by more than 10 %": all(
            median(row, order) > FAILED for row, order in cases if row["C^"] < order - 1
        ),
    }


def _draw(measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(measured))
    for number, (order, marker) in enumerate(zip(ORDERS, "osD", strict=True)):
        errors = np.array([row[f"error, order {order}"] for row in measured.values()])
        middle = np.median(errors, axis=1)
        spread = [middle - errors.min(axis=1), errors.max(axis=1) - middle]
        enough = np.array([row["C^"] >= order - 1 for row in measured.values()])
        shift, style = (
            places + 0.2 * (number - 1),
            {"color": f"C{number}", "fmt": marker, "capsize": 2, "markersize": 6},
        )
        for which, face in ((enough, f"C{number}"), (~enough, "white")):
            label = f"u{chr(39) * order} = f" if face != "white" else None
            bars = [side[which] for side in spread]
            axes.errorbar(shift[which], middle[which], bars, label=label, markerfacecolor=face, **style)
    axes.axhspan(FAILED, 10, color="0.9", zorder=0)
    axes.text(len(places) - 0.6, 3, "not solved", ha="right", va="center")
    labels = [f"{name}\nC^{'inf' if np.isinf(row['C^']) else int(row['C^'])}" for name, row in measured.items()]
    axes.set_xticks(places, labels, fontsize=8)
    axes.set(yscale="log", ylim=(1e-15, 10), ylabel="relative L2 error of u: median, least and greatest")
    axes.set(xlabel="activation of the units, from rough to smooth")
    axes.set_title("Equations of order 1, 2 and 4; hollow: activation rougher than C^(order-1)", fontsize=10)
    axes.legend(frameon=False, loc="lower left")
    return figure
