"""The command line: a thin face on the Python API."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import matplotlib
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pinnact import activations, coefficients, library, networks
from pinnact.doctor import examine
from pinnact.problem import Problem
from pinnact.training import solve as solve_problem

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(stderr=True)
EXIT_USAGE, EXIT_NOT_FINITE = 2, 3


@app.callback()
def pinnact() -> None:
    """Physics-informed neural networks whose equations read as on paper."""


@app.command()
def solve(
    problem: Annotated[str, typer.Argument(help="A problem file, or a name such as pde/burgers.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/NAME.")] = None,
    activation: Annotated[str, typer.Option(help="Name of the activation, e.g. tanh, gelu, relu_power(3).")] = "tanh",
    network: Annotated[str, typer.Option(help=f"One of {', '.join(networks.RECIPES)}.")] = "mlp",
    width: Annotated[int | None, typer.Option(help="Units of a hidden layer.")] = None,
    depth: Annotated[int | None, typer.Option(help="Hidden layers.")] = None,
    optimiser: Annotated[str, typer.Option(help="auto, ssbroyden, lm, lbfgs, adam, adam+lbfgs, ...")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of weights and points.")] = 0,
    budget: Annotated[float | None, typer.Option(help="Seconds of wall clock, 60 unless --steps is given.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the optimiser.")] = None,
    float32: Annotated[bool, typer.Option("--float32", help="Single precision.")] = False,
    set_: Annotated[list[str] | None, typer.Option("--set", help="An argument of the problem, NAME=VALUE.")] = None,
    infer: Annotated[list[str] | None, typer.Option(help="An unknown coefficient and its guess, NAME=VALUE.")] = None,
    observe: Annotated[Path | None, typer.Option(help="CSV of data; columns are coordinates and unknowns.")] = None,
    engine: Annotated[
        str, typer.Option(help="Engine of derivatives: forward, or jax.hessian as reference.")
    ] = "forward",
    no_hard: Annotated[bool, typer.Option("--no-hard", help="Build no values in: conditions as penalties.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, gpu or tpu.")] = None,
    allow_rough: Annotated[
        bool, typer.Option("--allow-rough", help="Train although the activation is too rough.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors.")] = False,
) -> None:
    """Solve a problem and write its folder: summary.json, history.csv, solution.eqx and figures."""
    path = library.find(problem)
    made = library.make(path, {k: _number(v) for k, v in _pairs(set_, "--set").items()})
    guesses = {k: _guess("--infer", k, v) for k, v in _pairs(infer, "--infer").items()}
    made = made.infer(**guesses) if guesses else made
    made = _observed(made, observe) if observe else made
    if guesses and not made.observations:
        raise ValueError("--infer needs data: give --observe FILE.csv")
    if network not in networks.RECIPES:
        raise ValueError(f"network {network!r} is unknown; choose one of {', '.join(networks.RECIPES)}")
    sizes = {name: value for name, value in (("width", width), ("depth", depth)) if value is not None}
    recipe = networks.RECIPES[network](activation=activations.get(activation), **sizes)
    folder = _free_folder(made.name) if out is None else out
    _check_folder(folder)
    if not quiet:
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logging.getLogger("pinnact").setLevel(logging.INFO)
    solution = solve_problem(
        made, recipe, optimiser=optimiser, seed=seed, budget=budget, steps=steps, hard=not no_hard, engine=engine,
        precision="float32" if float32 else "float64", allow_rough=allow_rough, device=_device(device),
        progress=not quiet,
    )  # fmt: skip
    solution.write(folder)
    if not quiet:
        _report(solution.summary, folder)
    if solution.summary["stopped"] == "not finite":
        console.print(f"training ended without a finite solution; the last good state is in {folder}", style="red")
        raise typer.Exit(EXIT_NOT_FINITE)


@app.command()
def problems() -> None:
    """List the problems that `pinnact solve` finds by name."""
    for name in library.names():
        print(name)


@app.command()
def doctor() -> None:
    """Versions, devices, precision, and numeric self-checks on this device."""
    found, devices, checks = examine()
    table = Table("what", "seen")
    for name, value in found.items():
        table.add_row(name, value)
    for line in devices:
        table.add_row("device", line)
    for check in checks:
        table.add_row(check.name, f"{'ok' if check.holds else 'WRONG'}: {check.seen}")
    Console().print(table)
    if not all(check.holds for check in checks):
        console.print(
            "this installation computes wrong numbers: install another version of jax (not 0.10.2)", style="red"
        )
        raise typer.Exit(1)


def _pairs(given: Sequence[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for item in given or ():
        name, equals, value = item.partition("=")
        if not equals or not name or not value:
            raise ValueError(f"{option} {item!r}: write NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def _number(text: str) -> Any:
    """A number where the text is one, else the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _guess(option: str, name: str, text: str) -> Any:
    """`0.1` is a free number, `positive:0.1` a positive one, `network` an unknown field."""
    kind, colon, rest = text.partition(":")
    if text == "network":
        return networks.MLP(width=16, depth=2)
    value = _number(rest if colon else text)
    if not isinstance(value, int | float):
        raise ValueError(f"{option} {name}={text}: give a number, positive:NUMBER or network")
    return coefficients.Positive(value) if kind == "positive" else float(value)


def _observed(problem: Problem, path: Path) -> Problem:
    """The problem with the data of a CSV file."""
    try:
        table = np.genfromtxt(path, delimiter=",", names=True, dtype=float, ndmin=1)
    except (OSError, ValueError) as error:
        raise ValueError(f"--observe {path}: {str(error).strip().splitlines()[0]}") from error
    columns = table.dtype.names or ()
    coordinates = problem.domain.coordinates
    if missing := [name for name in coordinates if name not in columns]:
        raise ValueError(f"--observe {path}: no column {missing[0]!r}; it needs {', '.join(coordinates)}")
    values = {name: table[name] for name in columns if name in problem.fields}
    if unknown := [name for name in columns if name not in values and name not in coordinates]:
        raise ValueError(f"--observe {path}: column {unknown[0]!r} is no coordinate and no unknown")
    return problem.observe(np.stack([table[name] for name in coordinates], axis=1), **values)


def _free_folder(name: str) -> Path:
    """`runs/NAME`, or `runs/NAME-2` and so on where that is taken."""
    folder, count = Path("runs") / name, 1
    while folder.exists():
        count += 1
        folder = Path("runs") / f"{name}-{count}"
    return folder


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds another run or that can't be written, before training starts."""
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds another run or other files; choose another --out, or remove it")
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(
            f"{folder} can't be written: {parent} is no folder that you may write to; choose another --out"
        )


def _device(name: str | None) -> Any:
    if name is None:
        return None
    try:
        return jax.devices(name)[0]
    except RuntimeError as error:
        found = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise ValueError(f"--device {name}: JAX sees no such device here, only {found}") from error


def _report(summary: dict[str, Any], folder: Path) -> None:
    error = summary["relative_l2"]
    said = ", ".join(f"{name} {value:.2e}" for name, value in error.items()) if error else "no reference"
    console.print(f"relative L2 error: {said}; {summary['steps']} steps in {summary['seconds']:.1f} s "
                  f"({summary['stopped']}); written to {folder}", highlight=False, soft_wrap=True)  # fmt: skip
    for name, value in (summary["unknowns"] or {}).items():
        console.print(f"{name} = {value}", highlight=False)


def main() -> None:
    """The entry point: bad input is one line and exit code 2, never a traceback."""
    matplotlib.use("Agg")
    jax.config.update("jax_enable_x64", True)
    try:
        app(standalone_mode=True)
    except (ValueError, ImportError) as error:
        console.print(f"pinnact: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(EXIT_USAGE)
    except OSError as error:
        console.print(f"pinnact: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(1)
