"""A loaded plate with rough and with smooth activations: displacement and stress side by side."""

import warnings
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

import pinnact as pn
from pinnact import activations, library
from pinnact.atlas import Finding
from pinnact.metrics import relative_l2

NAMES, STEPS = ("tanh", "gelu", "relu"), 150
LAME, SHEAR = 1.0, 0.5  # the defaults of the problem
SIDE = np.linspace(0, 1, 81)
X, Y = np.meshgrid(SIDE, SIDE)


def elastic_plate(seeds: int = 5) -> Finding:
    """Smooth activations find the displacement and the stress of a loaded elastic plate; relu finds neither, for the
    second derivatives of Navier's and Cauchy's equations vanish in its network.

    Solves `pde/navier_cauchy` (two unknowns, tractions, exact solution known) by perceptrons of 2 layers of 12 units in
    150 steps of self-scaled Broyden on 500 points, relu with `allow_rough=True`. Measures the relative L2 errors of the
    vertical displacement v and of the stress sigma_yy = lame u_x + (lame + 2 shear) v_y on 81 x 81 points.

    Source: Haghighat et al. 2021, doi:10.1016/j.cma.2021.113741.
    """
    problem = library.load(library.find("pde/navier_cauchy"))()
    exact = _exact()
    measured, fields = {}, {"exact": exact}
    for name in NAMES:
        found = [_solved(problem, name, seed) for seed in range(seeds)]
        measured[name] = {
            f"error of {part}": [relative_l2(one[part], exact[part]) for one in found] for part in ("v", "sigma_yy")
        }
        fields[name] = found[0]
    return Finding(measured, _checks(measured), {"plate": _draw(fields)})


def _solved(problem: pn.Problem, name: str, seed: int) -> dict[str, np.ndarray]:
    """Displacement and stress on the grid after training."""
    network = pn.MLP(width=12, depth=2, activation=activations.get(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pn.SmoothnessWarning)  # relu's, which is what is looked at
        solution = pn.solve(
            problem, network, steps=STEPS, seed=seed, allow_rough=True, optimiser="ssbroyden",
            points=pn.Points(interior=500, condition=50), resampling=pn.Keep(),
        )  # fmt: skip
    slope: Callable = lambda along, unknown: solution.derivative(along, unknown=unknown, x=X, y=Y)
    stress = LAME * slope("x", "u") + (LAME + 2 * SHEAR) * slope("y", "v")
    return {"v": solution(x=X, y=Y)["v"], "sigma_yy": stress}


def _exact(load: float = 4.0) -> dict[str, np.ndarray]:
    """Of u = cos(2 pi x) sin(pi y) and v = load sin(pi x) y^4 / 4."""
    u_x = -2 * np.pi * np.sin(2 * np.pi * X) * np.sin(np.pi * Y)
    v_y = load * np.sin(np.pi * X) * Y**3
    return {"v": load * np.sin(np.pi * X) * Y**4 / 4, "sigma_yy": LAME * u_x + (LAME + 2 * SHEAR) * v_y}


def _checks(measured: dict[str, dict]) -> dict[str, bool]:
    errors = {name: [error for values in row.values() for error in values] for name, row in measured.items()}
    return {
        "tanh and gelu err by less than 5 % in displacement and stress": max(errors["tanh"] + errors["gelu"]) < 0.05,
        "relu errs by more than 30 % in both": min(errors["relu"]) > 0.3,
    }


def _draw(fields: dict[str, dict[str, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    titles = {"v": "displacement v", "sigma_yy": r"stress $\sigma_{yy}$"}
    panels = figure.subplots(2, len(fields), sharex=True, sharey=True)
    for row, (part, title) in zip(panels, titles.items(), strict=True):
        reach = np.abs(fields["exact"][part]).max()
        for axes, (name, found) in zip(row, fields.items(), strict=True):
            image = axes.pcolormesh(X, Y, found[part], cmap="RdBu_r", vmin=-reach, vmax=reach, rasterized=True)
            wrong = relative_l2(found[part], fields["exact"][part])
            axes.set_title(f"{title}, exact" if name == "exact" else f"{name}: error {100 * wrong:.3g} %", fontsize=10)
            axes.set_aspect("equal")
        figure.colorbar(image, ax=row, label=title, extend="both")
        row[0].set_ylabel("y (side of the plate)")
    for axes in panels[1]:
        axes.set_xlabel("x (side of the plate)")
    return figure
