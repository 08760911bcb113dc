"""`pinnact potential fit | test | frequencies | dynamics`: a thin face on `pinnact.potentials`."""

import json
import logging
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from pinnact import activations, library, potentials
from pinnact.checkpoints import Checkpoints
from pinnact.console import CHECKPOINTS, Every, Resume, check_folder, ended_early, run_folder, say
from pinnact.files import atomic, plain_data
from pinnact.potentials import Configurations, Geometry, Surface, Task
from pinnact.potentials.choice import automatic
from pinnact.potentials.dynamics import check_settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Potential energy surfaces of molecules.")
MODELS = {
    "invariant": potentials.InvariantMLP,
    "kernel": potentials.KernelPotential,
    "linear": potentials.AtomicLinear,
    "atomic": potentials.AtomicNetwork,
    "equivariant": potentials.EquivariantPotential,
}
Data = Annotated[str, typer.Argument(help="npz, extended XYZ ..., or a shipped set such as potentials/ethanol.")]
Fitted = Annotated[Path, typer.Argument(help="The folder that `potential fit` wrote.")]
Where = Annotated[str | None, typer.Argument(help="A file whose first frame is the geometry, or potentials/NAME.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write to; without it nothing is written.")]
UnitsOfFile = Annotated[str | None, typer.Option(help="Units of the file, e.g. 'kcal/mol' or 'hartree, bohr'.")]


@app.command()
def fit(
    data: Data,
    train: Annotated[
        int | None, typer.Option(help="Frames to train on; the others test. Default: nine tenths.")
    ] = None,
    model: Annotated[str, typer.Option(help=f"auto, {', '.join(MODELS)}.")] = "auto",
    activation: Annotated[str | None, typer.Option(help="Name of the activation, e.g. silu, gelu, tanh.")] = None,
    budget: Annotated[float | None, typer.Option(help="Seconds of wall clock, 60 unless --steps is given.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of training.")] = None,
    members: Annotated[int, typer.Option(help="Networks trained together; their spread tells uncertainties.")] = 1,
    by_block: Annotated[bool, typer.Option("--by-block", help="Split a trajectory by blocks, not at random.")] = False,
    units: UnitsOfFile = None,
    seed: Annotated[int, typer.Option(help="Seed of the split and of the weights.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/potential-DATA.")] = None,
    allow_rough: Annotated[bool, typer.Option("--allow-rough", help="Train although forces will jump.")] = False,
    resume: Resume = False,
    checkpoint_every: Every = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only errors.")] = False,
) -> None:
    """Learn a surface from energies and forces; writes surface.npz, summary.json and history.csv."""
    learn, check = _sets(data, train, seed, by_block, units)
    if model != "auto" and model not in MODELS:
        raise ValueError(f"model {model!r} is unknown; choose one of auto, {', '.join(MODELS)}")
    recipe, reason = automatic(learn) if model == "auto" else (MODELS[model](), "asked for")
    if activation is not None:
        chosen = activations.get(activation)
        if not hasattr(recipe, "activation"):
            raise ValueError(f"{type(recipe).__name__} ({reason}) has no activation; add --model invariant")
        recipe = replace(recipe, activation=chosen)  # type: ignore[type-var]
    recipe = potentials.Ensemble(recipe, members) if members != 1 else recipe
    folder = run_folder(f"potential-{learn.name}", out, resume)
    if not quiet:
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logging.getLogger("pinnact").setLevel(logging.INFO)
        say(f"{learn!r}; {getattr(recipe, 'name', type(recipe).__name__)}: {reason}")
    with ExitStack() as until:  # the results are written: another process would train on, and write its own
        surface = potentials.fit(
            learn, recipe, budget=budget, steps=steps, seed=seed, allow_rough=allow_rough, progress=not quiet,
            checkpoint=Checkpoints(folder / CHECKPOINTS, checkpoint_every, until=until),
        )  # fmt: skip
        surface = surface.calibrated(check) if members != 1 else surface
        summary = surface.summary | {"reason": reason, "tested_on": len(check)} | surface.errors(check)
        surface.save(folder)
        if surface.calibration is not None:
            surface.calibration.plot().savefig(folder / "uncertainty.png", dpi=150)
        if len(surface.history):
            surface.history.write(folder / "history.csv")
        _write(folder / "summary.json", summary)
    _report(summary, folder)
    if summary["stopped"] == "not finite":
        say("training left the finite numbers; take a lower rate or clean the data", style="red")
        raise typer.Exit(3)
    if code := ended_early(str(summary["stopped"]), folder):
        raise typer.Exit(code)


@app.command()
def test(fitted: Fitted, data: Data, out: Out = None, units: UnitsOfFile = None) -> None:
    """Errors of a fitted surface on other frames; writes summary.json."""
    surface = _opened(fitted, out)
    task = _task(data, units)
    frames = potentials.read(data, units=units) if task is None else task.data()[1]
    summary = surface.summary | {"tested_on": len(frames)} | surface.errors(frames)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        _write(out / "summary.json", summary)
    _report(summary, out)


@app.command()
def frequencies(fitted: Fitted, geometry: Where = None, out: Out = None) -> None:
    """Relax a geometry and print its harmonic wave numbers; with --out also normal modes as XYZ and a figure."""
    surface = _opened(fitted, out)
    modes = surface.vibrations(surface.relax(_geometry(surface, geometry)))
    for number, wavenumber in enumerate(modes.wavenumbers, 1):
        print(f"{number:4d} {wavenumber:10.1f} 1/cm")
    print(f"zero-point energy {modes.zero_point:.4f} eV")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        found = {"wavenumbers": list(modes.wavenumbers), "zero_point_ev": modes.zero_point}
        _write(out / "summary.json", found | {"minimum": modes.geometry.positions, "surface": surface.summary})
        for mode in range(len(modes.wavenumbers)):
            modes.write(mode, out / f"mode-{mode + 1:02d}.xyz")
        modes.plot().savefig(out / "spectrum.png", dpi=150)


@app.command()
def dynamics(
    fitted: Fitted,
    geometry: Where = None,
    temperature: Annotated[
        float, typer.Option(help="Kelvin at the start; about half of it stays, as bonds take the rest.")
    ] = 300.0,
    timestep: Annotated[float, typer.Option(help="Femtoseconds.")] = 0.5,
    steps: Annotated[int, typer.Option(help="How many.")] = 20_000,
    every: Annotated[int, typer.Option(help="Steps between two records.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the velocities.")] = 0,
    out: Out = None,
) -> None:
    """Dynamics at constant energy from the relaxed geometry; prints the drift, writes trajectory.xyz and a figure."""
    check_settings(steps, timestep, every, temperature, seed)
    surface = _opened(fitted, out)
    start = surface.relax(_geometry(surface, geometry))
    path = potentials.constant_energy(
        surface.potential, start, steps=steps, temperature=temperature, timestep=timestep, every=every, seed=seed
    )
    drift = path.drift
    if not path.exploded:
        say(f"drift {drift.value:.4f} +- {drift.error:.4f} meV an atom and 10 ps; largest deviation "
            f"{path.deviation:.3f} meV an atom; {path.speed:.0f} steps/s")  # fmt: skip
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        asked = {"temperature_k": temperature, "timestep_fs": timestep, "steps": steps, "every": every, "seed": seed}
        found = {"drift_mev_per_atom_and_10_ps": drift.value, "drift_error": drift.error, "stopped": path.stopped}
        summary = asked | found | {"steps_per_second": path.speed, "start": start.positions}
        _write(out / "summary.json", summary | {"surface": surface.summary})
        path.write(out / "trajectory.xyz")
        path.plot().savefig(out / "dynamics.png", dpi=150)
    if path.exploded:
        say(path.stopped or "the dynamics exploded", style="red")
        raise typer.Exit(3)


def _opened(fitted: Path, out: Path | None) -> Surface:
    """The fitted surface; a folder that can't take the results is refused before they are computed."""
    if out is not None:
        check_folder(out)
    return potentials.load(fitted)


def _task(name: str, units: str | None = None) -> Task | None:
    """The shipped or the user's own task of that name, whose units are its own; None where it is a file of data."""
    if Path(name).suffix not in ("", ".py"):
        return None
    if units is not None:
        raise ValueError(f"--units {units!r}: {name} is no file of data and knows its units; leave the option out")
    made = library.load(library.find(name))()
    if not isinstance(made, Task):
        raise ValueError(f"{name} is no potential; give a file of frames, or one of potentials/ethanol, potentials/...")
    return made


def _sets(
    name: str, train: int | None, seed: int, by_block: bool, units: str | None
) -> tuple[Configurations, Configurations]:
    task = _task(name, units)
    if task is not None:
        learn, check = task.data()
        return (learn if train is None else learn.split(train, seed=seed)[0]), check
    frames = potentials.read(name, units=units)
    return frames.split(max(1, 9 * len(frames) // 10) if train is None else train, seed=seed, by_block=by_block)


def _geometry(surface: Surface, name: str | None) -> Geometry:
    """The geometry of a task or of a file's first frame; without a name, that of the surface's own shipped data."""
    if name is None:
        name = next((n for n in library.names() if n.startswith("potentials/") and _fits(surface, n)), None)
        if name is None:
            raise ValueError("no geometry is known for this molecule; give a file whose first frame is one")
    task = _task(name)
    return task.minimum if task is not None else potentials.read_geometry(name)


def _fits(surface: Surface, name: str) -> bool:
    task = _task(name)
    return task is not None and surface.molecule == tuple(task.minimum.numbers)


def _write(path: Path, summary: dict[str, Any]) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(plain_data(summary), indent=2) + "\n")


def _report(summary: dict[str, Any], folder: Path | None) -> None:
    where = "" if folder is None else f"; written to {folder}"
    say(f"on {summary['tested_on']} other frames: energy MAE {summary['energy_mae_mev']:.2f} meV, force MAE "
        f"{summary['force_mae_mev_per_angstrom']:.2f} meV/angstrom (RMSE {summary['force_rmse_mev_per_angstrom']:.2f}, "
        f"largest {summary['force_max_mev_per_angstrom']:.0f}){where}")  # fmt: skip
