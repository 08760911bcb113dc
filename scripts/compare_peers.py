"""Error over wall time beside DeepXDE, jinns and classical solvers: same problems, processor, network, scoring points.

    python scripts/compare_peers.py                         # some three hours: four problems, 600 s for each peer
    python scripts/compare_peers.py --budget 20 --problems poisson      # a taste
    python scripts/compare_peers.py --versions              # makes the peers' environment and prints what is in it

The peers get a virtual environment of their own, from the package index, and never see pinnact: points and exact values
are handed over as npz. One run at a time, a process each; seconds count from the start of the process, imports and
compilation included, for all alike. Finished runs in the folder are kept, so that a killed comparison goes on with the
same command. The recipes stand in `scripts/peers/`, what they are and why in `docs/peers.md`.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
from peers.report import figure, table

import pinnact
from pinnact import library
from pinnact.compiled import cores
from pinnact.scoring import Score

PEERS_FOLDER = Path(__file__).resolve().parent / "peers"
PROBLEMS = ("poisson", "burgers", "helmholtz", "navier_cauchy")
PEERS = {  # name: script and its options
    "deepxde": ["deepxde_runs.py"],
    "jinns-ssbroyden": ["jinns_runs.py", "--method", "ssbroyden"],
    "jinns-natural": ["jinns_runs.py", "--method", "natural"],
}
BUDGETS = (10, 25, 50, 105, 280, 570)  # of our default runs: start and files are to end by the marks, too
# Cells a side: odd, since nodes that are scoring points, of a 128 x 128 grid, would show too small an error.
ELEMENTS = [f"P2:{n}" for n in (9, 17, 33, 65, 129)] + [f"P4:{n}" for n in (5, 9, 17, 33, 65)]
WAVES = ["1e-5:256", "1e-6:384", "1e-8:512", "1e-10:768", "1e-12:1024", "1e-13:1536"]  # tolerance, waves
# torch first, alone, and no jax 0.10.2, which computes wrong results on CPUs (jax-ml/jax issue 39103).
INSTALL = (["torch==2.13.0"], ["deepxde", "jinns", "scikit-fem", "jax!=0.10.2", "jaxlib!=0.10.2"])
SHOWN = ("deepxde", "torch", "jinns", "jax", "scikit-fem", "scipy", "numpy")


def environment(folder: Path) -> Path:
    """The Python of the peers' environment, which is made when it isn't there whole."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "versions.json").exists():
        print(f"making the peers' environment in {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        for packages in INSTALL:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        listed = subprocess.run(
            [str(python), "-m", "pip", "list", "--format", "json"], check=True, capture_output=True, text=True
        )
        (folder / "versions.json").write_text(listed.stdout)
    return python


def versions(folder: Path) -> str:
    """One line: the peers' versions, ours, and the machine."""
    found = {entry["name"].lower(): entry["version"] for entry in json.loads((folder / "versions.json").read_text())}
    peers = ", ".join(f"{name} {found[name]}" for name in SHOWN)
    ours = f"pinnact {pinnact.__version__} with jax {jax.__version__}"
    return f"{peers}; {ours}; Python {platform.python_version()}, cores: {cores()}"


def hand_over(problem: str, out: Path) -> Path:
    """The npz of scoring points (n, d) and exact values (n, m) of a shipped problem."""
    path = out / f"{problem}.npz"
    if not path.exists():
        score = Score.of(library.make(library.find(f"pde/{problem}"), {}))
        np.savez(path, points=score.points, values=np.stack(list(score.reference.values()), axis=1))
    return path


def run(python: Path, script: list[str], problem: str, budget: float, seed: int, points: Path, result: Path) -> None:
    """One run of a peer or a classical solver, unless its result is there; a failure is told and passed over."""
    if result.exists():
        return
    began = time.time()
    command = [str(python), str(PEERS_FOLDER / script[0]), *script[1:], "--problem", problem]
    command += ["--points", str(points), "--out", str(result), "--budget", str(budget), "--seed", str(seed)]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*command, "--started", str(time.time())], env=alone, capture_output=True, text=True)
    if done.returncode:
        print(f"FAILED {result.stem}:\n" + "\n".join(done.stderr.splitlines()[-15:]), flush=True)
    else:
        seconds, error = json.loads(result.read_text())["rows"][-1]
        print(f"{result.stem}: {error:.1e} at {seconds:.1f} s ({time.time() - began:.0f} s in all)", flush=True)


def ours(problem: str, budget: float, whole: bool, seed: int, result: Path) -> None:
    """One run of `pinnact solve` with nothing kept from earlier ones, unless its result is there.

    By default the second stage is part of the budget; with `whole` that is all for training, and the stage comes after.

    Its end counts when solution and summary are written, before the figure, which no peer draws. The history's clock
    starts after imports and checks: what the process spent beside training and correction is added to it whole.
    """
    if result.exists():
        return
    folder = result.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pinnact", "--no-cache", "solve", f"pde/{problem}", "--budget", str(budget)]
    command += ["--correct"] if whole else []
    began = time.time()
    done = subprocess.run(
        [*command, "--seed", str(seed), "--out", str(folder), "--quiet"], capture_output=True, text=True
    )
    if done.returncode:
        print(f"FAILED {result.stem}:\n" + "\n".join(done.stderr.splitlines()[-15:]), flush=True)
        return
    summary = json.loads((folder / "summary.json").read_text())
    wall = (folder / "summary.json").stat().st_mtime - began
    error, beside = max(summary["relative_l2"].values()), wall - summary["seconds"]
    with (folder / "history.csv").open(newline="") as file:
        rows = [(float(row["seconds"]) + beside, float(row["error"])) for row in csv.DictReader(file)]
    rows = rows[:-1] if "waves" in summary["network"] else rows  # the last one is that of least squares or a march
    result.write_text(
        json.dumps({"recipe": f"{budget:g} s" + ", --correct" * whole, "training": rows, "rows": [(wall, error)]})
    )
    trained = f"{rows[-1][1]:.1e} trained, " if rows else ""
    print(f"{result.stem}: {trained}{error:.1e} at the end, {wall:.1f} s", flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="comma-separated names")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated names; empty for none")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds of a peer's run")
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)), help="of our default runs, up to --budget")
    parser.add_argument("--training", default="", help="of our runs with a second stage after the whole budget")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    parser.add_argument("--environment", type=Path, help="folder of the peers' environment; by default in --out")
    parser.add_argument("--figure", type=Path, help="the figure to write; by default peers.png in --out")
    parser.add_argument("--versions", action="store_true", help="print versions and end")
    chosen = parser.parse_args()
    problems, peers = ([name for name in text.split(",") if name] for text in (chosen.problems, chosen.peers))
    for given, known in ((problems, PROBLEMS), (peers, PEERS)):
        if wrong := [name for name in given if name not in known]:
            parser.error(f"{wrong[0]!r} is unknown; choose from {', '.join(known)}")
    out, budget, seed = chosen.out.resolve(), chosen.budget, chosen.seed
    results = out / "results"
    results.mkdir(parents=True, exist_ok=True)
    place = (chosen.environment or out / "environment").resolve()
    python = environment(place)
    print(versions(place), flush=True)
    if chosen.versions:
        return
    budgets, training = (
        [float(text) for text in given.split(",") if text and float(text) <= budget]
        for given in (chosen.budgets, chosen.training)
    )
    found: dict[str, dict[str, list[Path]]] = {}
    for problem in problems:
        points = hand_over(problem, out)
        classical = WAVES if problem == "burgers" else ELEMENTS
        named = {
            "ours": [
                *(results / f"{problem}-ours-default-{seconds:g}-{seed}.json" for seconds in budgets),
                *(results / f"{problem}-ours-{seconds:g}-{seed}.json" for seconds in training),
            ],
            **{peer: [results / f"{problem}-{peer}-{budget:g}-{seed}.json"] for peer in peers},
            "classical": [results / f"{problem}-classical-{c.replace(':', '-')}.json" for c in classical],
        }
        for resolution, result in zip(classical, named["classical"]):
            run(python, ["classical.py", "--method", resolution], problem, budget, seed, points, result)
        for k, (seconds, result) in enumerate(zip(budgets + training, named["ours"])):
            ours(problem, seconds, k >= len(budgets), seed, result)
        for peer in peers:
            run(python, PEERS[peer], problem, budget, seed, points, named[peer][0])
        found[problem] = named
        print(table(found, budget), flush=True)
    figure(found, chosen.figure or out / "peers.png", budget)
    print(f"drawn in {chosen.figure or out / 'peers.png'}")


if __name__ == "__main__":
    main()
