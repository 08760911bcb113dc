"""The accuracy table of potentials: the default recipe, and the kernel beside it, on several sets of data.

    python scripts/benchmark_potentials.py --data DIR --out runs/potentials       # three seeds, row by row
    python scripts/benchmark_potentials.py --rows own --seeds 1                   # the shipped set alone

DIR holds `rmd17_ethanol_train.npz`, `..._test.npz` and so on; rows whose files are missing are left out. Finished runs
in the folder are kept, so an interrupted table goes on where it stopped.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from pinnact import potentials
from pinnact.files import plain_data
from pinnact.potentials.choice import automatic

SHIPPED = Path(__file__).parent.parent / "problems" / "potentials"
# row: (files, frames for training, budget in seconds, force MAE to reach in meV/angstrom)
ROWS = {
    "own": ("ethanol", 1000, 300, 10),
    "ethanol": ("rmd17_ethanol", 1000, 300, 12),
    "acetylacetone": ("acac_300K", 500, 600, 14),
    "aspirin": ("rmd17_aspirin", 1000, 900, 45),
    "ethanol_long": ("rmd17_ethanol", 1000, 1800, 8),
}
MODELS = {  # beside "auto"
    "kernel": potentials.KernelPotential,
    "linear": potentials.AtomicLinear,
    "atomic": potentials.AtomicNetwork,
    "equivariant": potentials.EquivariantPotential,
}


def files(row: str, data: Path) -> tuple[Path, Path]:
    """The training and test files of a row."""
    folder = SHIPPED if row == "own" else data
    return folder / f"{ROWS[row][0]}_train.npz", folder / f"{ROWS[row][0]}_test.npz"


def measure(row: str, model: str, seed: int, data: Path) -> dict[str, Any]:
    """One fit and its errors on the test file."""
    train, test = (potentials.read(path) for path in files(row, data))
    _, frames, budget, _ = ROWS[row]
    if len(train) > frames:
        train = train.split(frames, seed=seed)[0]
    recipe = automatic(train)[0] if model == "auto" else MODELS[model]()
    surface = potentials.fit(train, recipe, budget=budget, seed=seed)
    return surface.summary | surface.errors(test)


def run(row: str, model: str, seed: int, data: Path, out: Path) -> dict[str, Any]:
    """One fit in a process of its own, unless its result is there already."""
    path = out / f"{row}-{model}-{seed}.json"
    if not path.exists():
        command = [sys.executable, __file__, "--one", row, model, str(seed), "--data", str(data), "--out", str(out)]
        subprocess.run(command, check=True)
    return json.loads(path.read_text())


def table(rows: list[str], models: list[str], seeds: int, data: Path, out: Path) -> None:
    """A line for each row and model: medians over seeds, all seeds' force errors, seconds."""
    print("| data | model | frames | budget | force MAE | RMSE | largest | energy MAE | all seeds | s | reach |")
    print("|---" * 11 + "|")
    for row in rows:
        _, frames, budget, target = ROWS[row]
        runs: list[dict[str, Any]] = []
        for model in models:
            if model == "kernel" and runs and runs[0]["model"] == "KernelPotential":
                continue  # the automatic choice was this one
            runs = [run(row, model, seed, data, out) for seed in range(seeds)]
            median = lambda key, runs=runs: statistics.median(r[key] for r in runs)
            mae = median("force_mae_mev_per_angstrom")
            every = ", ".join(f"{r['force_mae_mev_per_angstrom']:.2f}" for r in runs)
            print(
                f"| {row} | {runs[0]['model']} | {frames} | {budget} s | {mae:.2f} "
                f"| {median('force_rmse_mev_per_angstrom'):.2f} | {median('force_max_mev_per_angstrom'):.0f} "
                f"| {median('energy_mae_mev'):.2f} | {every} | {median('seconds'):.0f} "
                f"| {target} {'yes' if mae <= target else 'NO'} |",
                flush=True,
            )


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the npz files")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated names")
    parser.add_argument("--models", default="auto,kernel", help=f"out of auto, {', '.join(MODELS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/potentials"))
    parser.add_argument("--one", nargs=3, metavar=("ROW", "MODEL", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.one:
        row, model, seed = options.one
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        result = measure(row, model, int(seed), options.data)
        path = options.out / f"{row}-{model}-{seed}.json"
        path.write_text(json.dumps(plain_data(result), indent=2) + "\n")
        return
    rows = [row for row in options.rows.split(",") if all(path.exists() for path in files(row, options.data))]
    if not rows:
        raise SystemExit(f"none of the rows' files is in {options.data}; give --data DIR, or --rows own")
    table(rows, options.models.split(","), options.seeds, options.data, options.out)


if __name__ == "__main__":
    main()
