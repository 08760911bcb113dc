"""Nature's activation: two genes that repress each other by Hill's function are a switch."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure
from scipy.optimize import brentq

import pinnact as pn
from pinnact.atlas import Finding
from pinnact.references import ode

STRENGTH, HILL, THRESHOLD, DURATION = 4.0, 2.0, 1.0, 12.0
START = np.log([[3.0, 0.5], [0.8, 2.0]])  # of gene a in both populations of cells, of gene b
NOISE, TIMES = 0.05, np.linspace(0.25, 10.0, 40)
COEFFICIENTS = np.linspace(1.0, 3.0, 41)


def gene_switch(seeds: int = 5) -> Finding:
    """Hill's function is nature's activation, a sigmoid of the logarithm of a concentration: two genes that repress
    each other by it are a switch with two stable states where its coefficient, the gain, is large enough; and its
    coefficient and threshold can be read from noisy expression data.

    Concentrations in units of the threshold, time in lifetimes of the proteins: `A' = s / (1 + (B/K)^n) - A`, B
    alike, s = 4, n = 2, K = 1. With a = log A, b = log B that is `a' = s e^-a sigmoid(n (log K - b)) - 1`, an ODE
    problem of two populations of cells, at first (A, B) = (3, 0.8) and (0.5, 2). Measures errors of trajectories
    against an integrator of order eight; where they end, against the states found by algebra, whose stability is
    that of the linearised equations; n and K inferred from 40 instants of both genes with 5 % noise, guessed twice off.
    From (2, 1) and (0.5, 1) to time 16, a narrow choice, one network of five ended in the wrong state.

    Source: Gardner, Cantor and Collins 2000, doi:10.1038/35002131; Hill 1910, J. Physiol. 40, iv-vii.
    """
    problem, network = _toggle(), pn.MLP(width=16, depth=2)
    solve = lambda p, seed: pn.solve(p, network, steps=300, seed=seed, points=pn.Points(interior=200, condition=10))
    solved = [solve(problem, seed) for seed in range(seeds)]
    inferred = [solve(_observed(problem, seed), seed) for seed in range(seeds)]
    states, ends = _states(HILL), [np.exp([s(t=DURATION)[gene] for gene in "ab"]) for s in solved]
    wanted = np.array([[states[-1], states[0]], [states[0], states[-1]]])
    measured: dict[str, dict] = {}
    for name, truth in (("hill", HILL), ("threshold", THRESHOLD)):
        found = [float(s.unknowns[name]) for s in inferred]
        measured[name] = {"truth": truth, "found": found, "relative error": [abs(f / truth - 1) for f in found]}
    for gene in "ab":
        measured[f"trajectories of {gene}"] = {"relative error": [s.error()[gene] for s in solved]}
    measured["stable states"] = {
        "truth": [states[0], states[-1]],
        "found": np.sort(ends[0][0]).tolist(),
        "relative error": [float(np.abs(end / wanted - 1).max()) for end in ends],
    }
    for n in (1.0, HILL):
        measured[f"states with n = {n:.0f}"] = {"found": _states(n), "growth": [_growth(a, n) for a in _states(n)]}
    x = np.geomspace(1e-3, 1e3, 601)
    off = np.abs(np.asarray(pn.sigmoid(HILL * np.log(THRESHOLD / x))) - _hill(x, HILL)).max()
    measured["Hill's function as a sigmoid"] = {"relative error": [float(off)]}
    return Finding(measured, _checks(measured), {"switch": _draw(inferred, measured)})


def _hill(x: np.ndarray, n: float) -> np.ndarray:
    """What a repressor of concentration `x` leaves of a gene's expression."""
    return 1 / (1 + (x / THRESHOLD) ** n)


def _rate(own: Array, other: Array, hill: Array, threshold: Array) -> Array:
    """The growth of the logarithm of a concentration."""
    return STRENGTH * jnp.exp(-own) * pn.sigmoid(hill * (jnp.log(threshold) - other)) - 1


def _toggle() -> pn.Problem:
    def both(t: float, s: np.ndarray) -> np.ndarray:  # order: a and b of the first population, then of the second
        a, b = np.exp(s[:2]), np.exp(s[2:])
        return np.concatenate([STRENGTH * _hill(b, HILL) / a, STRENGTH * _hill(a, HILL) / b]) - 1

    exact, domain = ode(both, START.ravel()), pn.Time(t=(0, DURATION))
    return pn.Problem(
        domain,
        unknowns={"a": 2, "b": 2},
        coefficients={"hill": HILL, "threshold": THRESHOLD},
        equations={
            "gene_a": lambda a, b, hill, threshold: a.t - _rate(a, b, hill, threshold),
            "gene_b": lambda a, b, hill, threshold: b.t - _rate(b, a, hill, threshold),
        },
        conditions={"start": pn.On(domain.initial, lambda a, b: (a - START[0], b - START[1]))},
        reference={"a": lambda t: jnp.stack(exact(t)[:2], -1), "b": lambda t: jnp.stack(exact(t)[2:], -1)},
        name="toggle",
    )


def _data(problem: pn.Problem, seed: int) -> dict[str, np.ndarray]:
    """Logarithms of noisy concentrations; a deviation of 0.05 in them is 5 % of a concentration."""
    draw = np.random.default_rng(seed)
    exact = {gene: np.asarray(problem.reference[gene](TIMES)) for gene in "ab"}
    return {gene: value + NOISE * draw.standard_normal(value.shape) for gene, value in exact.items()}


def _observed(problem: pn.Problem, seed: int) -> pn.Problem:
    asked = problem.infer(hill=pn.Positive(HILL / 2), threshold=pn.Positive(2 * THRESHOLD))
    return asked.observe(TIMES[:, None], **_data(problem, seed))


def _states(n: float) -> list[float]:
    """All concentrations of gene a at which nothing changes: `A = f(f(A))`, `f = s Hill`."""
    f = lambda x: STRENGTH * _hill(x, n)
    off, grid = lambda x: f(f(x)) - x, np.geomspace(1e-3, 1.01 * STRENGTH, 2000)
    return [brentq(off, *grid[k : k + 2], xtol=1e-14) for k in np.flatnonzero(np.diff(np.sign(off(grid))))]


def _growth(a: float, n: float) -> float:
    """The growth rate of the fastest growing deviation from a state, `-1 + sqrt(f'(A) f'(B))`; negative if stable."""
    slope = lambda x: -STRENGTH * n * x ** (n - 1) / THRESHOLD**n * _hill(x, n) ** 2
    return float(-1 + np.sqrt(slope(a) * slope(STRENGTH * _hill(a, n))))


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    errors = {name: max(row["relative error"]) for name, row in measured.items() if "relative error" in row}
    stable = lambda n: [growth < 0 for growth in measured[f"states with n = {n:.0f}"]["growth"]]
    return {
        "Hill's function is a sigmoid of the logarithm, to 1e-12": errors["Hill's function as a sigmoid"] < 1e-12,
        "n = 1 has one stable state, n = 2 two with an unstable one between": stable(1) == [True]
        and stable(HILL) == [True, False, True],
        "all trajectories are within 0.1 % of the reference": max(errors[f"trajectories of {g}"] for g in "ab") < 1e-3,
        "the populations end within 1 % of different stable states": errors["stable states"] < 0.01,
        "with 5 % noise every coefficient and threshold is within 5 %": max(errors["hill"], errors["threshold"]) < 0.05,
    }


def _draw(inferred: list[pn.Solution], measured: dict[str, dict]) -> Figure:
    figure = Figure(figsize=(13, 4), layout="constrained")
    course, branches, found = figure.subplots(1, 3)
    t, data = np.linspace(0, DURATION, 201), _data(_toggle(), 0)
    for gene, colour in (("a", "C0"), ("b", "C1")):
        for k, (style, marker) in enumerate((("-", "o"), ("--", "s"))):
            course.plot(TIMES, np.exp(data[gene][:, k]), colour + marker, markersize=3, alpha=0.5)
            course.plot(
                t, np.exp(inferred[0](t=t)[gene][:, k]), colour + style, label=f"gene {gene}, population {k + 1}"
            )
    states = np.array([(n, a, _growth(a, n)) for n in COEFFICIENTS for a in _states(n)])
    for kind, style, chosen in (("stable", "C0o", states[:, 2] < 0), ("unstable", "C1x", states[:, 2] >= 0)):
        branches.semilogy(*states[chosen, :2].T, style, markersize=4, label=kind)
    for name, marker in (("hill", "o"), ("threshold", "s")):
        found.semilogy(100 * np.array(measured[name]["relative error"]), marker, label=name)
    found.axhline(5, color="k", linewidth=0.8, label="allowed")
    course.set(title="Two populations: 5 % noise, fit", xlabel="time (lifetimes)", ylabel="concentration (K)")
    branches.set(title="States without change", xlabel="Hill coefficient n", ylabel="concentration of a (K)")
    found.set(title="Inferred from noisy data", xlabel="seed", ylabel="error (%)", xticks=range(len(inferred)))
    for axes in figure.axes:
        axes.legend(fontsize=7)
    return figure
