"""Rough against smooth activations: each trained alike, with error, residual, stress and gradient side by side.

    python scripts/contrast.py --out runs/contrast                # poisson and navier_cauchy: relu, tanh, gelu
    python scripts/contrast.py --soft --out runs/contrast-soft    # the same, boundary values not built in

It writes `contrast_PROBLEM.png`, `contrast.md` and `contrast.json`. A network that `solve` refuses is trained all the
same, with `allow_rough=True`. The *second-order term* is what a residual keeps when all but the second derivatives of
the unknowns are left out; the gradient of its mean square by the parameters is measured after training twice: on the
network alone (what training sees with `hard=False`) and on the field u = lift + factor * network, whose second
derivatives also hold first derivatives of the network and no derivative at all, times derivatives of the factor.
"""

import argparse
import json
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

import pinnact as pn
from pinnact import library
from pinnact.figures import Cut, colour_map, colours, few_ticks
from pinnact.metrics import relative_l2
from pinnact.operators import Index, PointFunction, forward
from pinnact.precision import precision
from pinnact.residuals import by_name, fields_at
from pinnact.scoring import reference_values

GRID = 201  # points an axis of the grid on which residual and stress are measured
STRESS = ("xx", "yy", "xy")


def train(problem: pn.Problem, name: str, **options: Any) -> tuple[pn.Solution, str]:
    """The trained solution, and the sentence with which the activation was refused at first (empty if it was not)."""
    network = pn.MLP(activation=pn.activations.get(name))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            solution, refusal = pn.solve(problem, network, **options), ""
        except pn.SmoothnessError as error:
            print(f"{problem.name}, {name}: refused: {error}", flush=True)
            solution, refusal = pn.solve(problem, network, allow_rough=True, **options), str(error)
    for said in dict.fromkeys(str(warning.message) for warning in caught):
        print(f"{problem.name}, {name}: warning: {said}", flush=True)
    return solution, refusal


def term_gradient(problem: pn.Problem, solution: pn.Solution, alone: bool) -> float:
    """|d/dp mean(T^2)|, T the second-order term of the equations: of the network `alone`, or of the field."""
    system, points = solution.system, problem.domain.sample(1024, seed=54321)
    arrays, static = eqx.partition(solution.model, eqx.is_inexact_array)

    def term(model: Any, point: Array) -> Array:
        raw = {k: lambda q, k=k: problem.fields[k].assemble(model.outputs(q)[system.spans[k]]) for k in problem.fields}
        functions = raw if alone else {k: f for k, f in system.functions(model).items() if k in problem.fields}

        def rows(order: int) -> Array:
            """The residuals of all equations with every derivative of another order set to zero."""

            def engine(f: PointFunction, x: Array, indices: Collection[Index]) -> dict[Index, Array]:
                return {i: v if len(i) == order else jnp.zeros_like(v) for i, v in forward(f, x, indices).items()}

            found = []
            for name in problem.equations:
                residual = problem.residuals_by_name[name]
                fields = fields_at(functions, point, problem.frame, residual.record.indices, engine)
                fields |= fields_at(problem.coefficient_functions(), point, problem.frame, {})
                found.append(residual(fields, point))
            return jnp.concatenate(found)

        return rows(2) - rows(-1)  # without the loads

    def mean_square(arrays: Any, points: Array) -> Array:
        return jnp.mean(jax.vmap(lambda q: jnp.sum(term(eqx.combine(arrays, static), q) ** 2))(points))

    with precision("float64"):
        gradient = jax.jit(jax.grad(mean_square))(arrays, jnp.asarray(points))
        return float(jnp.linalg.norm(jax.flatten_util.ravel_pytree(gradient)[0]))


def stresses(slopes: Mapping[str, Mapping[str, np.ndarray]], lame: float, shear: float) -> np.ndarray:
    """sigma_xx, sigma_yy and sigma_xy, one a row, from `slopes["x"]["u"]` = du/dx and its like."""
    (u_x, v_x), (u_y, v_y) = ((slopes[along]["u"], slopes[along]["v"]) for along in "xy")
    trace = lame * (u_x + v_y)
    return np.stack([trace + 2 * shear * u_x, trace + 2 * shear * v_y, shear * (u_y + v_x)])


def exact_slopes(problem: pn.Problem, points: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """The first derivatives of the reference."""
    slopes: dict[str, dict[str, np.ndarray]] = {"x": {}, "y": {}}
    with precision("float64"):
        for name, function in problem.reference.items():
            found = np.asarray(jax.vmap(jax.grad(by_name(function, ("x", "y"))))(jnp.asarray(points)))
            slopes["x"][name], slopes["y"][name] = found.T
    return slopes


def contrast(name: str, activations: list[str], out: Path, **options: Any) -> list[dict[str, Any]]:
    """Train one problem with every activation, draw the figure, and return a row of measurements for each."""
    problem = library.make(library.find(f"pde/{name}"), {})
    cut = Cut.of(problem.domain, problem.domain.coordinates, n=GRID)
    first = next(iter(problem.fields))
    exact = {first: reference_values(problem, cut.points)[first]}
    elastic = {"lame", "shear"} <= set(problem.coefficients)
    if elastic:
        moduli = problem.coefficients["lame"], problem.coefficients["shear"]
        exact_stress = stresses(exact_slopes(problem, cut.points), *moduli)
        exact["stress"] = exact_stress[STRESS.index("yy")]
    rows, images = [], {}
    for activation in activations:
        solution, refusal = train(problem, activation, **options)
        residuals = np.concatenate([np.atleast_2d(r.T) for r in solution.residuals(cut.points).values()])
        size = np.linalg.norm(residuals, axis=0)
        images[activation] = {first: solution.evaluator.values(cut.points)[first]}
        row = {"problem": name, "activation": activation, "refusal": refusal}
        row |= {f"error of {unknown}": error for unknown, error in solution.error().items()}
        if elastic:
            stress = stresses({along: solution.derivative(along, cut.points) for along in "xy"}, *moduli)
            row["stress error"] = relative_l2(stress, exact_stress)
            images[activation]["stress"] = stress[STRESS.index("yy")]
        images[activation]["residual"] = size
        row["RMS residual"] = float(np.sqrt(np.mean(size**2)))
        row["gradient, network"] = term_gradient(problem, solution, alone=True)
        row["gradient, field"] = term_gradient(problem, solution, alone=False)
        row |= {
            key: solution.summary[key] for key in ("network", "parameters", "optimiser", "steps", "seconds", "loss")
        }
        rows.append(row | {"built_in": list(solution.system.ansatz.built_in)})
    draw(problem, cut, exact, images, rows).savefig(out / f"contrast_{name}.png")
    return rows


def draw(problem: pn.Problem, cut: Cut, exact: dict, images: dict[str, dict], rows: list[dict[str, Any]]) -> Figure:
    """A column an activation and one for the exact solution; a row a quantity, all its panels on one colour scale."""
    kinds = list(next(iter(images.values())))
    columns = [*images, "exact"]
    figure = Figure(figsize=(8.0, 2.0 * len(kinds) + 0.4), dpi=150, layout="constrained")
    panels = figure.subplots(len(kinds), len(columns), squeeze=False)
    for kind, line in zip(kinds, panels, strict=True):
        norm, palette = scale(kind, exact, [image[kind] for image in images.values()])
        label = {"residual": "|residual|", "stress": r"$\sigma_{yy}$"}.get(kind, kind)
        for column, axes in zip(columns, line, strict=True):
            if column == "exact" and kind not in exact:
                axes.set_axis_off()
                listed = "\n".join(f"{row['activation']}: {row['gradient, network']:.1e}" for row in rows)
                said = f"|gradient| of the net-\nwork's second-order\nterm, by parameters:\n\n{listed}"
                axes.text(0.0, 0.95, said, fontsize=8, va="top", transform=axes.transAxes)
                continue
            values = (exact if column == "exact" else images[column])[kind]
            drawn = colour_map(axes, cut, values, norm, palette, equal=True)
            few_ticks(axes, 2)
            axes.set_xlabel("" if kind in exact and (column != "exact" or kind != list(exact)[-1]) else cut.axes[0])
            axes.set_ylabel(cut.axes[1] if column == columns[0] else "")
            axes.set_title(heading(kind, column, rows), fontsize=9)
        figure.colorbar(drawn, ax=line.tolist(), extend="both", label=label, pad=0.01)
    built_in = ", ".join(rows[0]["built_in"]) or "nothing"
    figure.suptitle(f"{problem.name}, {rows[0]['network']}, built in: {built_in}", fontsize=10)
    return figure


def heading(kind: str, column: str, rows: list[dict[str, Any]]) -> str:
    """What stands over a panel: the activation and the measured number that belongs to the quantity."""
    if column == "exact":
        return "exact"
    row = next(row for row in rows if row["activation"] == column)
    key = {"residual": "RMS residual", "stress": "stress error"}.get(kind, f"error of {kind}")
    return f"{column}: {key.split(' of ')[0].removeprefix('stress ').removesuffix(' residual')} {row[key]:.1e}"


def scale(kind: str, exact: dict[str, np.ndarray], images: list[np.ndarray]) -> tuple[Normalize, str]:
    """The colours that a row of panels shares: those of the exact values, or all decades that the residuals span."""
    if kind in exact:
        return colours([exact[kind]], log=False)
    low, high = min(np.quantile(i, 0.05) for i in images), max(np.quantile(i, 0.999) for i in images)
    return LogNorm(max(low, 1e-12 * high), high), "inferno"


def table(rows: list[dict[str, Any]]) -> str:
    """The rows of one problem as Markdown."""
    numbers = [key for key in rows[0] if "error" in key or "residual" in key or "gradient" in key]
    lines = [["activation", *numbers, "parameters", "steps", "seconds"]]
    for row in rows:
        cells = ["0" if row[key] == 0 else f"{row[key]:.2e}" for key in numbers]
        lines.append([row["activation"], *cells, str(row["parameters"]), str(row["steps"]), f"{row['seconds']:.0f}"])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", default="poisson,navier_cauchy", help="comma-separated names of 2-D problems")
    parser.add_argument("--activations", default="relu,tanh,gelu", help="comma-separated names")
    parser.add_argument("--budget", type=float, default=30.0, help="seconds for each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--soft", action="store_true", help="build no boundary values in")
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("runs/contrast"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    limits = {"steps": options.steps} if options.steps else {"budget": options.budget}
    parts, everything = [f"# Activations side by side: {limits}, seed {options.seed}, hard={not options.soft}"], []
    for name in options.problems.split(","):
        activations = options.activations.split(",")
        rows = contrast(name, activations, options.out, seed=options.seed, hard=not options.soft, **limits)
        refusals = [f"{row['activation']} is refused by default: {row['refusal']}" for row in rows if row["refusal"]]
        parts += [f"## {name}", table(rows), *refusals, f"![{name}](contrast_{name}.png)"]
        print(f"\n{name}\n{table(rows)}\n", flush=True)
        everything += rows
    (options.out / "contrast.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    (options.out / "contrast.json").write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
