"""The command line: a thin face on the Python API."""

import csv
import logging
import os
import shlex
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NoReturn

import jax
import matplotlib
import numpy as np
import typer

from pinnact import activations, coefficients, compiled, hosts, library, networks, potential_commands
from pinnact.atlas_command import atlas
from pinnact.checkpoints import Checkpoints
from pinnact.compare_command import compare
from pinnact.console import CHECKPOINTS, Every, Resume, ended_early, number, pairs, run_folder, say
from pinnact.doctor import examine
from pinnact.files import shown
from pinnact.precision import PRECISIONS
from pinnact.problem import Problem
from pinnact.smoothness import SmoothnessError
from pinnact.training import solve as solve_problem

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(potential_commands.app, name="potential")
app.command()(compare)
app.command()(atlas)
EXIT_FAILED, EXIT_USAGE, EXIT_NOT_FINITE, EXIT_INTERRUPTED = 1, 2, 3, 130
# What typer raises for a wrong command line; older versions take it from click, newer ones have their own.
USAGE_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def _version(asked: bool) -> None:
    if asked:
        print(f"pinnact {sys.modules['pinnact'].__version__}")
        raise typer.Exit


@app.callback()
def pinnact(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
    cache: Annotated[
        bool, typer.Option(help="Keep compiled programs for the next run, in ~/.cache/pinnact or $PINNACT_CACHE.")
    ] = True,
) -> None:
    """Physics-informed neural networks whose equations read as on paper."""
    if not cache:
        os.environ[compiled.VARIABLE] = compiled.OFF
    compiled.keep()


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
    precision: Annotated[str, typer.Option(help=f"One of {', '.join(PRECISIONS)}.")] = "float64",
    set_: Annotated[list[str] | None, typer.Option("--set", help="An argument of the problem, NAME=VALUE.")] = None,
    infer: Annotated[
        list[str] | None, typer.Option(help="Unknown: NAME=GUESS, NAME=positive:GUESS, NAME=network.")
    ] = None,
    observe: Annotated[Path | None, typer.Option(help="CSV of data; columns are coordinates and unknowns.")] = None,
    engine: Annotated[
        str, typer.Option(help="Engine of derivatives: auto, forward, hessian (the reference), stochastic:16.")
    ] = "auto",
    no_hard: Annotated[bool, typer.Option("--no-hard", help="Build no values in: conditions as penalties.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, gpu or tpu.")] = None,
    devices: Annotated[int | None, typer.Option(help="Spread the points over so many devices.")] = None,
    coordinator: Annotated[str | None, typer.Option(help="HOST:PORT of process 0, where several train.")] = None,
    processes: Annotated[int, typer.Option(help="How many processes train together.")] = 1,
    process_id: Annotated[int, typer.Option(help="Which of them this is, from 0.")] = 0,
    allow_rough: Annotated[
        bool, typer.Option("--allow-rough", help="Train although the activation is too rough.")
    ] = False,
    correct: Annotated[
        bool | None,
        typer.Option("--correct/--no-correct", help="A second stage after the whole budget; or training alone."),
    ] = None,
    resume: Resume = False,
    checkpoint_every: Every = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors.")] = False,
) -> None:
    """Solve a problem and write its folder: summary.json, history.csv, solution.eqx and figures."""
    if coordinator is not None:
        if out is None:
            raise ValueError("--coordinator needs --out DIR, a folder that all processes see")
        hosts.join(coordinator, processes, process_id)
    path = library.find(problem)
    made = library.make(path, {k: number(v) for k, v in pairs(set_, "--set").items()})
    guesses = {k: _guess("--infer", k, v) for k, v in pairs(infer, "--infer").items()}
    made = made.infer(**guesses) if guesses else made
    made = _observed(made, observe) if observe else made
    if guesses and not made.observations:
        raise ValueError("--infer needs data: give --observe FILE.csv")
    sizes = {name: value for name, value in (("width", width), ("depth", depth)) if value is not None}
    recipe = networks.named(network, activations.get(activation), **sizes)
    folder = run_folder(made.name, out, resume) if hosts.first() else out or Path()
    quiet = quiet or not hosts.first()
    if not quiet:
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logging.getLogger("pinnact").setLevel(logging.INFO)
    with ExitStack() as until:  # the results are written: another process would train on, and write its own
        solution = solve_problem(
            made, recipe, optimiser=optimiser, seed=seed, budget=budget, steps=steps, hard=not no_hard, engine=engine,
            precision=precision, allow_rough=allow_rough, device=_device(device),
            devices=_devices(devices), correct=correct, progress=not quiet,
            checkpoint=Checkpoints(folder / CHECKPOINTS, checkpoint_every, until=until),
        )  # fmt: skip
        solution.summary["command"] = shlex.join(["pinnact", *sys.argv[1:]])
        if not hosts.first():
            return
        solution.write(folder)
    if not quiet:
        _report(solution.summary, folder)
    if solution.summary["stopped"] == "not finite":
        kept = "the last good state" if solution.summary["steps"] else "the untrained network"
        say(f"training ended without a finite solution; {kept} is in {folder}", style="red")
        raise typer.Exit(EXIT_NOT_FINITE)
    if code := ended_early(solution.summary["stopped"], folder):
        raise typer.Exit(code)


@app.command()
def problems() -> None:
    """List what is found by name: `solve` takes pde/..., `potential fit` potentials/..., `atlas` activations/..."""
    for name in library.names():
        print(name)


@app.command()
def doctor() -> None:
    """Versions, devices, precision, and numeric self-checks on this device."""
    found, devices, checks = examine()
    rows = [*found.items(), *(("device", line) for line in devices)]
    rows.append(("compiled programs", str(jax.config.jax_compilation_cache_dir or "kept for no other run")))
    rows += [(check.name, f"{'ok' if check.holds else 'WRONG'}: {check.seen}") for check in checks]
    for name, seen in rows:
        print(f"{name:<38}{seen}")
    if not all(check.holds for check in checks):
        say("this installation computes wrong numbers: install another version of jax (not 0.10.2)", style="red")
        raise typer.Exit(EXIT_FAILED)


def _guess(option: str, name: str, text: str) -> Any:
    """`0.1` is a free number, `positive:0.1` a positive one, `network` an unknown field."""
    kind, colon, rest = text.partition(":")
    if text == "network":
        return networks.MLP(width=16, depth=2)
    value = number(rest if colon else text)
    if isinstance(value, bool | str) or (colon and kind != "positive"):
        raise ValueError(f"{option} {name}={text}: give a number, positive:NUMBER or network")
    return coefficients.Positive(value) if kind == "positive" else float(value)


def _observed(problem: Problem, path: Path) -> Problem:
    """The problem with the data of a CSV file; a vector `v` has columns v_1, v_2 ..., a complex `h` h_real, h_imag."""
    table = _columns(path)
    coordinates = problem.domain.coordinates
    names = {
        name: {"scalar": [name], "complex": [f"{name}_real", f"{name}_imag"]}.get(
            unknown.kind, [f"{name}_{i + 1}" for i in range(unknown.size)]
        )
        for name, unknown in problem.fields.items()
    }
    observed = {name: columns for name, columns in names.items() if any(column in table for column in columns)}
    for name in (*coordinates, *(column for columns in observed.values() for column in columns)):
        if name not in table:
            raise ValueError(f"--observe {path}: no column {name!r}; it has {', '.join(table)}")
    known = [*coordinates, *(column for columns in names.values() for column in columns)]
    for name in table:
        if name not in known:
            raise ValueError(f"--observe {path}: column {name!r} is none of {', '.join(known)}")
    values: dict[str, np.ndarray] = {}
    for name, columns in observed.items():
        rows = np.stack([table[column] for column in columns], axis=1)
        kind = problem.fields[name].kind
        values[name] = {"scalar": rows[:, 0], "complex": rows[:, 0] + 1j * rows[:, -1]}.get(kind, rows)
    return problem.observe(np.stack([table[name] for name in coordinates], axis=1), **values)


def _columns(path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV file of numbers with a header; lines that start with # are skipped, but for the header."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip().removeprefix("#").strip() for name in next(reader, [])]
            rows = [_row(f"--observe {path}, line {reader.line_num}", header, row) for row in reader if _holds(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no text in CSV"
        raise ValueError(f"--observe {path}: {reason}") from error
    if not rows:
        raise ValueError(f"--observe {path}: it holds no data; give a header line and a line for each point")
    return dict(zip(header, np.array(rows).T, strict=True))


def _holds(row: list[str]) -> bool:
    return bool(row) and not row[0].lstrip().startswith("#")


def _row(where: str, header: list[str], row: list[str]) -> list[float]:
    """One line of a CSV file as finite numbers."""
    if len(row) != len(header) or len(set(header)) != len(header):
        raise ValueError(f"{where}: {len(row)} cells, the header names {len(set(header))} different columns")
    numbers = [number(cell.strip()) for cell in row]
    for cell, value in zip(row, numbers):
        if isinstance(value, bool | str) or not abs(value) <= sys.float_info.max:
            hint = "; separate columns by commas" if ";" in cell or "\t" in cell else ""
            raise ValueError(f"{where}: {shown(cell.strip())} is no finite number{hint}")
    return [float(value) for value in numbers]


def _device(name: str | None) -> Any:
    if name is None:
        return None
    try:
        return jax.devices(name)[0]
    except RuntimeError as error:
        found = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise ValueError(f"--device {name}: JAX sees no such device here, only {found}") from error


def _devices(count: int | None) -> Any:
    """So many devices, or those of all processes."""
    return jax.devices() if count is None and hosts.several() else count


def _report(summary: dict[str, Any], folder: Path) -> None:
    error = summary["relative_l2"]
    shown = {name: "not finite" if value is None else f"{value:.2e}" for name, value in (error or {}).items()}
    said = "relative L2 error: " + ", ".join(f"{name} {value}" for name, value in shown.items())
    say(f"{said if shown else 'no reference to compare with'}; {summary['steps']} steps in {summary['seconds']:.1f} s "
         f"({summary['stopped']}); written to {folder}")  # fmt: skip
    for name, value in (summary["unknowns"] or {}).items():
        say(f"{name} = {value}")


def _fail(error: object, code: int) -> NoReturn:
    say("pinnact: " + " ".join(str(error).split("\n")), style="red")
    sys.exit(code)


def main() -> None:
    """The entry point: bad input is one line and exit code 2, never a traceback."""
    matplotlib.use("Agg")
    jax.config.update("jax_enable_x64", True)
    warnings.formatwarning = lambda message, *_, **__: f"pinnact: {message}\n"
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False))
    except USAGE_ERROR as error:
        _fail(error.format_message(), EXIT_USAGE)
    except SmoothnessError as error:
        _fail(str(error).replace("allow_rough=True", "allow_rough=True (--allow-rough)"), EXIT_USAGE)
    except (ValueError, ImportError, FileNotFoundError) as error:
        _fail(error, EXIT_USAGE)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        _fail(f"{str(error).splitlines()[0]}: take a smaller network, or fewer points", EXIT_FAILED)
    except hosts.LostError as error:
        say(f"pinnact: {error} (--resume)", style="red")
        os._exit(EXIT_FAILED)  # at once: JAX would wait for the lost process
    except OSError as error:
        _fail(error, EXIT_FAILED)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(EXIT_INTERRUPTED)
