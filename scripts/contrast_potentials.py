"""What an activation does to forces: relu beside tanh, gelu and silu at equal budget and parameters.

    python scripts/contrast_potentials.py --budget 60 --out runs/contrast-potentials

Each network of inverse distances (with --model equivariant: of messages) is trained on the shipped ethanol. Measured:
errors on another trajectory; energy and force along the stretch of a C-H bond and the force's largest jump there;
harmonic wave numbers against the engine's own; the drift of 10 ps at constant energy. One figure, one table.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import pinnact as pn
from pinnact import library
from pinnact.files import plain_data
from pinnact.potentials import Surface, Task

MODELS = {"invariant": pn.potentials.InvariantMLP, "equivariant": pn.potentials.EquivariantPotential}
NAMES = ("tanh", "gelu", "silu", "relu")
SPAN, POINTS = 0.02, 401  # angstrom and points of the stretch: 0.05 mA a step
TIMESTEP, PICOSECONDS = 0.5, 10.0


def measure(surface: Surface, task: Task) -> dict[str, Any]:
    """Errors, roughness, vibrations and drift of one surface."""
    minimum = task.minimum
    carbon = int(np.flatnonzero(minimum.numbers == 6)[0])
    hydrogens = np.flatnonzero(minimum.numbers == 1)
    nearest = hydrogens[np.argmin(np.linalg.norm(minimum.positions[hydrogens] - minimum.positions[carbon], axis=1))]
    bond = (carbon, int(nearest))
    along = pn.potentials.stretch(surface.potential, minimum, bond, span=SPAN, points=POINTS)
    found = surface.errors(task.data()[1]) | {"jump": along.jump, "roughness": along.roughness, "stretch": along}
    try:
        found["wavenumbers"] = surface.frequencies(minimum)
        found["wavenumber_mae"] = float(np.mean(np.abs(found["wavenumbers"] - np.array(task.frequencies))))
        start = surface.relax(minimum)
    except ValueError as error:  # a staircase has no minimum to relax to
        found["not_relaxed"], start = str(error), minimum
    path = pn.potentials.constant_energy(
        surface.potential, start, steps=int(1000 * PICOSECONDS / TIMESTEP), timestep=TIMESTEP, every=20
    )
    found |= {"drift": path.drift.value, "drift_error": path.drift.error, "deviation": path.deviation, "path": path}
    found["stopped"] = path.stopped
    return found


def draw(found: dict[str, dict[str, Any]], task: Task) -> Figure:
    """Force along the stretch, wave numbers against the engine's, and the total energy in time, a line a network."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    stretch, spectrum, energy = figure.subplots(1, 3)
    for number, (name, entry) in enumerate(found.items()):
        along, path = entry["stretch"], entry["path"]
        style = {"color": f"C{number}", "label": name, "lw": 1.2}
        stretch.plot(along.lengths, along.forces, **style)
        if "wavenumbers" in entry:
            spectrum.plot(task.frequencies, entry["wavenumbers"] - np.array(task.frequencies), "o-", ms=3, **style)
        off = 1e3 * (path.total_energies - path.total_energies[0]) / len(task.minimum.numbers)
        energy.plot(path.times / 1000, off, **style)
    stretch.set(xlabel="C-H distance (angstrom)", ylabel="force along the bond (eV/angstrom)")
    spectrum.set(xlabel=f"wave number of {task.engine} (1/cm)", ylabel="difference (1/cm)")
    scale = "symlog" if max(abs(number) for number in energy.get_ylim()) > 10 else "linear"
    energy.set(xlabel="time (ps)", ylabel="total energy, change (meV per atom)", yscale=scale)
    energy.legend(frameon=False)
    return figure


def line(name: str, entry: dict[str, Any]) -> str:
    """One row of the table."""
    waves = f"{entry['wavenumber_mae']:.1f}" if "wavenumber_mae" in entry else "no minimum found"
    drift = entry["stopped"] or f"{entry['drift']:.4f} +- {entry['drift_error']:.4f}"
    return (
        f"| {name} | {entry['force_mae_mev_per_angstrom']:.1f} | {entry['force_rmse_mev_per_angstrom']:.1f} "
        f"| {entry['force_max_mev_per_angstrom']:.0f} | {1e3 * entry['jump']:.2f} | {entry['roughness']:.1f} "
        f"| {waves} | {drift} | {entry['deviation']:.2f} |"
    )


def main() -> None:
    """Read the options, train and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a network")
    parser.add_argument("--model", choices=MODELS, default="invariant")
    parser.add_argument("--activations", default=",".join(NAMES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/contrast-potentials"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    task = library.load(library.find("potentials/ethanol"))()
    train = task.data()[0]
    found = {}
    print("| activation | force MAE | RMSE | largest (meV/angstrom) | largest jump (meV/angstrom) | over median "
          "| wave numbers, MAE (1/cm) | drift (meV an atom and 10 ps) | largest deviation |")  # fmt: skip
    print("|---" * 9 + "|")
    for name in options.activations.split(","):
        recipe = MODELS[options.model](activation=pn.activations.get(name))
        surface = pn.potentials.fit(train, recipe, budget=options.budget, seed=options.seed, allow_rough=True)
        found[name] = surface.summary | measure(surface, task)
        print(line(name, found[name]), flush=True)
    numbers = {n: {k: v for k, v in e.items() if k not in ("stretch", "path")} for n, e in found.items()}
    (options.out / "contrast.json").write_text(json.dumps(plain_data(numbers), indent=2) + "\n")
    draw(found, task).savefig(options.out / "contrast.png", dpi=150)


if __name__ == "__main__":
    main()
