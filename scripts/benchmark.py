"""The accuracy table: training alone, `pinnact solve pde/NAME --no-correct --budget B --seed S`, one after the other.

    python scripts/benchmark.py --out runs/benchmark              # the eight problems, three seeds each
    python scripts/benchmark.py --records --budget 60             # with the second stage, beside the best published
    python scripts/benchmark.py --step                            # one training step against hand-written jax.jvp
    python scripts/benchmark.py --inverse                         # a viscosity and a conductivity field from noisy data

Finished runs in the folder are kept, so an interrupted table goes on where it stopped.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path

# problem: (budget in seconds, relative L2 error to reach)
TARGETS = {
    "poisson": (60, 1e-8),
    "heat": (60, 1e-7),
    "burgers": (120, 3e-5),
    "helmholtz": (120, 1e-5),
    "navier_cauchy": (120, 1e-6),
    "klein_gordon": (120, 1e-6),
    "allen_cahn": (180, 2e-4),
    "schroedinger": (180, 1e-4),
}
MARKS = (15, 30, 60, 120)


def run(problem: str, budget: float, seed: int, out: Path) -> dict:
    """One run in a process of its own; its summary with the errors at the marks."""
    folder = out / f"{problem}-{seed}"
    if not (folder / "summary.json").exists():
        command = [sys.executable, "-m", "pinnact", "solve", f"pde/{problem}", "--budget", str(budget)]
        subprocess.run([*command, "--no-correct", "--seed", str(seed), "--out", str(folder), "--quiet"], check=True)
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "history.csv").open(newline="") as file:
        rows = [(float(row["seconds"]), float(row["error"])) for row in csv.DictReader(file)]
    summary["marks"] = {mark: [error for seconds, error in rows if seconds <= mark][-1:] for mark in MARKS}
    summary["error"] = max(summary["relative_l2"].values())
    return summary


def table(problems: list[str], seeds: int, out: Path) -> None:
    """Run seed after seed, so that an early stop leaves whole tables behind, and print the table after each."""
    marks = " | ".join(f"{mark} s" for mark in MARKS)
    for count in range(1, seeds + 1):
        print(f"\n{count} of {seeds} seeds; relative L2 error, median of the seeds\n")
        print(f"| problem | budget | {marks} | end | all seeds | reach | lift_error | steps/s |")
        print("|---|---" + "|---" * (len(MARKS) + 5) + "|")
        for problem in problems:
            print(row(problem, [run(problem, TARGETS[problem][0], seed, out) for seed in range(count)]), flush=True)


def row(problem: str, runs: list[dict]) -> str:
    """One row of the table, from the runs of one problem."""
    budget, target = TARGETS[problem]
    reached = {mark: [r["marks"][mark][0] for r in runs if r["marks"][mark]] for mark in MARKS if mark <= budget}
    cells = [f"{statistics.median(reached[mark]):.1e}" if reached.get(mark) else "" for mark in MARKS]
    median = statistics.median(r["error"] for r in runs)
    every = ", ".join(f"{r['error']:.1e}" for r in runs)
    lift = f"{max(runs[0]['lift_error'].values()):.2g}" if runs[0]["lift_error"] else "none"
    rate = statistics.median(r["steps"] / r["seconds"] for r in runs)
    return (
        f"| {problem} | {budget} s | {' | '.join(cells)} | {median:.1e} | {every} "
        f"| {target:.0e} {'yes' if median <= target else 'NO'} | {lift} | {rate:.0f} |"
    )


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", help="comma-separated names; by default all of the table")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--step", action="store_true", help="time one training step against hand-written jax.jvp")
    parser.add_argument("--inverse", action="store_true", help="infer a viscosity and a conductivity from noisy data")
    parser.add_argument("--records", action="store_true", help="the table of records, with the second stage")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of training of a record")
    options = parser.parse_args()
    names = options.problems.split(",") if options.problems else None
    if options.step:
        from step_cost import compare  # beside this script  # noqa: PLC0415

        compare()
    elif options.inverse:
        from inverse import report  # beside this script  # noqa: PLC0415

        report(options.seeds)
    elif options.records:
        import records  # beside this script  # noqa: PLC0415

        records.table(names or list(records.RECORDS), options.seeds, options.budget, options.out)
    else:
        table(names or list(TARGETS), options.seeds, options.out)


if __name__ == "__main__":
    main()
