"""Rough against smooth activations: each trained alike, with error, residual, stress and gradient side by side.

    python scripts/contrast.py --out runs/contrast                # poisson and navier_cauchy: relu, tanh, gelu
    python scripts/contrast.py --soft --out runs/contrast-soft    # the same with hard=False

A network that `solve` refuses is trained with `allow_rough=True`. The *second-order term* is what is left of the
equations with second derivatives only. The gradient of its mean square by the parameters is measured after training:
on the network alone (what training sees with `hard=False`), and on the field lift + factor * network, whose term also
holds the network and its first derivatives, times derivatives of the factor: not zero, whatever the network.
"""

import argparse
import json
import warnings
from collections.abc import Mapping
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
from pinnact.operators import forward
from pinnact.precision import precision
from pinnact.residuals import by_name, fields_at
from pinnact.scoring import reference_values

GRID = 201  # points an axis of the grid on which residual and stress are measured
RESIDUAL, STRESS = "|residual|", r"$\sigma_{yy}$"  # quantities, as colour bars call them


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
    if said := list(dict.fromkeys(str(warning.message) for warning in caught)):
        print(f"{problem.name}, {name}: warning (1 of {len(said)}): {said[0]}", flush=True)
    return solution, refusal


def term_gradient(problem: pn.Problem, solution: pn.Solution, alone: bool) -> float:
    """|d/dp mean(T^2)|, T the second-order term of the equations: of the network `alone`, or of the field."""
    system, points = solution.system, problem.domain.sample(1024, seed=54321)
    arrays, static = eqx.partition(solution.model, eqx.is_inexact_array)

    def term(model: Any, point: Array) -> Array:
        raw = {k: lambda q, k=k: problem.fields[k].assemble(model.outputs(q)[system.spans[k]]) for k in problem.fields}
        functions = raw if alone else {k: f for k, f in system.functions(model).items() if k in problem.fields}

        def rows(order: int) -> Array:  # the residuals, with every derivative of another order set to zero
            only = lambda table: {i: v if len(i) == order else jnp.zeros_like(v) for i, v in table.items()}
            engine = lambda f, x, indices: only(forward(f, x, indices))
            coefficients, found = fields_at(problem.coefficient_functions(), point, problem.frame, {}), []
            for residual in (problem.residuals_by_name[name] for name in problem.equations):
                fields = fields_at(functions, point, problem.frame, residual.record.indices, engine)
                found.append(residual(fields | coefficients, point))
            return jnp.concatenate(found)

        return rows(2) - rows(-1)  # without the loads

    square = lambda arrays, point: jnp.sum(term(eqx.combine(arrays, static), point) ** 2)
    mean_square = lambda arrays, points: jnp.mean(jax.vmap(square, in_axes=(None, 0))(arrays, points))
    with precision("float64"):
        gradient = jax.jit(jax.grad(mean_square))(arrays, jnp.asarray(points))
        return float(jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient))))


def stresses(slopes: Mapping[str, Mapping[str, np.ndarray]], problem: pn.Problem) -> np.ndarray:
    """sigma_xx, sigma_yy and sigma_xy, one a row, from `slopes["x"]["u"]` = du/dx and its like."""
    lame, shear = problem.coefficients["lame"], problem.coefficients["shear"]
    (u_x, v_x), (u_y, v_y) = ((slopes[along]["u"], slopes[along]["v"]) for along in "xy")
    trace = lame * (u_x + v_y)
    return np.stack([trace + 2 * shear * u_x, trace + 2 * shear * v_y, shear * (u_y + v_x)])


def exact_stresses(problem: pn.Problem, points: np.ndarray) -> np.ndarray:
    """The stresses of the reference."""
    slope = lambda f: np.asarray(jax.vmap(jax.grad(by_name(f, ("x", "y"))))(jnp.asarray(points)))
    with precision("float64"):
        slopes = {name: slope(function) for name, function in problem.reference.items()}
    return stresses({along: {k: v[:, i] for k, v in slopes.items()} for i, along in enumerate("xy")}, problem)


def contrast(name: str, activations: list[str], out: Path, **options: Any) -> list[dict[str, Any]]:
    """Train one problem with every activation, draw the figure, and return a row of measurements for each."""
    problem = library.make(library.find(f"pde/{name}"), {})
    cut = Cut.of(problem.domain, problem.domain.coordinates, n=GRID)
    first = next(iter(problem.fields))
    exact = {first: reference_values(problem, cut.points)[first]}
    if {"lame", "shear"} <= set(problem.coefficients):
        exact_stress = exact_stresses(problem, cut.points)
        exact[STRESS] = exact_stress[1]
    rows, images, titles = [], {}, {}
    for activation in activations:
        solution, refusal = train(problem, activation, **options)
        row = {"refusal": refusal} | {f"error of {unknown}": error for unknown, error in solution.error().items()}
        images[activation] = image = {first: solution.evaluator.values(cut.points)[first]}
        titles[activation] = title = {first: f"error {row[f'error of {first}']:.1e}"}
        if STRESS in exact:
            stress = stresses({along: solution.derivative(along, cut.points) for along in "xy"}, problem)
            row["stress error"] = relative_l2(stress, exact_stress)
            image[STRESS], title[STRESS] = stress[1], f"stress error {row['stress error']:.1e}"
        image[RESIDUAL] = np.linalg.norm(np.column_stack(list(solution.residuals(cut.points).values())), axis=1)
        row["RMS residual"] = float(np.sqrt(np.mean(image[RESIDUAL] ** 2)))
        title[RESIDUAL] = f"RMS {row['RMS residual']:.1e}"
        row["gradient, network"] = term_gradient(problem, solution, alone=True)
        row["gradient, field"] = term_gradient(problem, solution, alone=False)
        rows.append(row | solution.summary)
    figure = draw(cut, images | {"exact": exact}, titles, rows)
    built_in = ", ".join(rows[0]["built_in"]) or "nothing"
    figure.suptitle(f"{name}, {rows[0]['network']}, built in: {built_in}", fontsize=10)
    figure.savefig(out / f"contrast_{name}.png")
    return rows


def draw(cut: Cut, images: dict[str, dict], titles: dict[str, dict], rows: list[dict[str, Any]]) -> Figure:
    """A column an activation and one for the exact solution; a row a quantity, all its panels on one colour scale."""
    quantities = list(images[rows[0]["activation"]])
    figure = Figure(figsize=(8.0, 2.0 * len(quantities) + 0.4), dpi=150, layout="constrained")
    panels = figure.subplots(len(quantities), len(images), squeeze=False)
    for quantity, line in zip(quantities, panels, strict=True):
        norm, palette = scale(quantity, images)
        for (column, image), axes in zip(images.items(), line, strict=True):
            if quantity not in image:  # the place for what no map can show
                axes.set_axis_off()
                said = "|gradient| of the net-\nwork's second-order\nterm, by parameters:\n"
                said += "".join(f"\n{row['activation']}: {row['gradient, network']:.2g}" for row in rows)
                axes.text(0.0, 0.97, said, fontsize=9, va="top", transform=axes.transAxes)
                continue
            drawn = colour_map(axes, cut, image[quantity], norm, palette, equal=True)
            few_ticks(axes, 2)
            axes.set_xlabel(cut.axes[0] if quantity == list(image)[-1] else "")
            axes.set_ylabel(cut.axes[1] if axes is line[0] else "")
            axes.set_title(f"{column}: {titles[column][quantity]}" if column in titles else column, fontsize=8.5)
        bar = figure.colorbar(drawn, ax=line.tolist(), extend="both", pad=0.01, label=quantity)
        bar.ax.tick_params(which="both", labelsize=8)
    return figure


def scale(quantity: str, images: dict[str, dict]) -> tuple[Normalize, str]:
    """The colours that a row of panels shares: those of the exact values, or all decades that the residuals span."""
    if quantity in images["exact"]:
        return colours([images["exact"][quantity]], log=False)
    spans = [np.quantile(image[quantity], (0.05, 0.999)) for image in images.values() if quantity in image]
    return LogNorm(max(np.min(spans), 1e-12 * np.max(spans)), np.max(spans)), "inferno"


def table(rows: list[dict[str, Any]]) -> str:
    """The rows of one problem as Markdown."""
    numbers = [key for key in rows[0] if key.startswith(("error of", "stress", "RMS", "gradient"))]
    counts = ["parameters", "steps", "stopped"]
    lines = [["activation", *numbers, *counts, "seconds"], ["---"] * (len(numbers) + len(counts) + 2)]
    for row in rows:
        cells = ["0" if row[key] == 0 else f"{row[key]:.2e}" for key in numbers]
        lines += [[row["activation"], *cells, *(str(row[key]) for key in counts), f"{row['seconds']:.0f}"]]
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
    how = {"steps": options.steps} if options.steps else {"budget": options.budget}
    how |= {"seed": options.seed, "hard": not options.soft}
    parts, everything = [f"# Activations side by side: {', '.join(f'{k}={v}' for k, v in how.items())}"], []
    for name in options.problems.split(","):
        rows = contrast(name, options.activations.split(","), options.out, **how)
        refusals = [f"{row['activation']} is refused by default: {row['refusal']}" for row in rows if row["refusal"]]
        parts += [f"## {name}", table(rows), *refusals, f"![{name}](contrast_{name}.png)"]
        print(f"\n{name}\n{table(rows)}\n", flush=True)
        everything += rows
    (options.out / "contrast.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    (options.out / "contrast.json").write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
