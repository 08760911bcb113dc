"""How the seconds and the memory of a step grow with points and parameters, fitted and drawn.

    python scripts/growth.py --out runs/growth     # growth.png, growth.csv, a table on standard output
    python scripts/growth.py --out runs/growth --methods lm --largest 50    # where there is more of everything

Burgers, networks of three layers. The flops of a step are those of its own linear algebra and of its derivatives by
the cost model of `docs/scaling.md`; the peak is that of a product of two matrices, measured in the same process. Cases
whose memory (`pinnact/memory.py`) or time would be too much are left out, with the reason.
"""

import argparse
import csv
import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import nnls

import pinnact as pn
from pinnact import library, memory
from pinnact.flat import Flat, Watch
from pinnact.lifts import for_problem
from pinnact.model import build_model
from pinnact.optimisers import stages
from pinnact.optimisers.stages import Stage
from pinnact.placement import placement
from pinnact.system import System
from pinnact.weights import Fixed

METHODS = ("ssbroyden", "lbfgs", "lm", "gncg")
POINTS = (1_000, 10_000, 100_000, 1_000_000)  # at 921 parameters
WIDTHS = (5, 20, 80, 300, 700)  # at 2,000 points; the last has a million parameters
USUAL = 20, 2_000
MOST_BYTES, MOST_FLOPS, STEPS = 9e9, 2e11, 3
DERIVATIVES = 4  # that Burgers' equation takes, the value among them
TERMS = ("n s", "n p", "p^2", "long short^2", "short^3", "1")  # s units; the longer and the shorter of n and p
FITTED = {"ssbroyden": "n s, n p, p^2, 1", "lbfgs": "n s, n p, 1", "gncg": "n s, n p, 1"}  # lm by all


def flops(method: str, n: int, p: int) -> float:
    """Of one step, with one loss and gradient, or one damping."""
    gradient = 6.0 * DERIVATIVES * p * n
    if method == "ssbroyden":
        return gradient + 12.0 * p**2
    if method == "lm":
        short, long = min(n, p), max(n, p)
        return 1.5 * gradient + 2.0 * long * short**2 + short**3 / 3
    return gradient if method == "lbfgs" else gradient * 4 / 3 * 160  # two thirds a product with J, as much with J^T


def terms(n: float, p: float) -> list[float]:
    """What a step's seconds are fitted by; three layers of w units have some 2 w^2 + 6 w parameters."""
    short, long, units = min(n, p), max(n, p), 3 * ((p / 2 + 2.25) ** 0.5 - 1.5)
    return [float(term) for term in (n * units, n * p, p * p, long * short**2, short**3, 1.0)]


def peak() -> float:
    """Flops a second of a product of matrices of 2,000 rows in float64, the median of five."""
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(2000, 2000)))
    product = jax.jit(lambda a: a @ a)
    product(matrix).block_until_ready()
    return 2 * 2000**3 / statistics.median(seconds(lambda: product(matrix)) for _ in range(5))


def seconds(call) -> float:
    """Of one call."""
    clock = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - clock


def measured(method: str, width: int, points: int, largest: float = 1.0) -> dict:
    """One case: seconds of a step, the median of some, and the bytes by the formula, if it is not too large."""
    problem = library.make(library.find("pde/burgers"), {})
    system = System(problem, replace(for_problem(problem), mirrors=()))  # a point is one point
    model = build_model(problem, pn.MLP(width, 3), jax.random.key(0))
    flat, weights = Flat(system, model, placement(None)), Fixed().start(system)
    optimiser, p = stages(method, 0, "float64", None)[0].optimiser, flat.start.size
    row = {"method": method, "parameters": p, "points": points, "flops": flops(method, points, p)}
    held = points if optimiser.at_once else min(points, flat.most)
    row["bytes"] = 8 * (memory.PASSES * DERIVATIVES * held * 3 * width + optimiser.numbers(points, p))
    if row["bytes"] > largest * MOST_BYTES or row["flops"] > largest * MOST_FLOPS:
        return row | {"seconds": "", "left out": "memory" if row["bytes"] > largest * MOST_BYTES else "time"}
    batches = pn.Points(interior=points).draw(system, 0)
    check = memory.bytes_needed(system, model, batches, [Stage(optimiser)], flat.most)
    assert abs(check - row["bytes"]) < 0.2 * check, (check, row)
    value, gradient, _ = flat.evaluate(flat.start, batches, weights)
    state, chunk = flat.first(optimiser, flat.start, value, gradient), flat.chunk(optimiser)
    whole, real = lambda v: jnp.asarray(v, jnp.int32), lambda v: jnp.asarray(v, float)
    watch = Watch(whole(1), real(-1.0), whole(10**6), real(np.inf), real(np.inf), whole(0), whole(0), whole(0))
    found, took = flat.start, []
    for _ in range(1 + STEPS):
        clock = time.perf_counter()
        outcome = jax.block_until_ready(chunk(found, state, batches, weights, watch))
        took.append(time.perf_counter() - clock)
        found, state = outcome.parameters, outcome.state
    return row | {"seconds": statistics.median(took[1:]), "left out": ""}


def fitted(rows: list[dict], method: str) -> np.ndarray:
    """The seconds of each of a method's `TERMS`, none of them negative, by least squares of relative errors."""
    own = [row for row in rows if row["method"] == method and row["seconds"] != ""]
    times = np.array([row["seconds"] for row in own])
    table = np.array([terms(row["points"], row["parameters"]) for row in own]) / times[:, None]
    taken = FITTED.get(method, ", ".join(TERMS)).split(", ")
    scale = np.linalg.norm(table, axis=0)
    table *= np.array([term in taken for term in TERMS])[None]
    return nnls(table / scale, np.ones(len(times)))[0] / scale


def draw(rows: list[dict], fits: dict[str, np.ndarray], out: Path) -> None:
    """Seconds and bytes over points and over parameters, measured and fitted."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), sharex="col", layout="constrained")
    usual = min((row["parameters"] for row in rows if row["points"] != USUAL[1]), default=0)
    for colour, method in enumerate(fits):
        own = [row for row in rows if row["method"] == method]
        panels = (("points", "parameters", usual), ("parameters", "points", USUAL[1]))
        for column, (axis, fixed, at) in enumerate(panels):
            line = sorted((row for row in own if row[fixed] == at), key=lambda row: row[axis])
            x = np.array([row[axis] for row in line], float)
            done = np.array([row["seconds"] != "" for row in line])
            took = [row["seconds"] for row in line if row["seconds"] != ""]
            axes[0, column].loglog(x[done], took, "o", color=f"C{colour}", label=method)
            along = np.geomspace(x.min(), x.max(), 60)
            pairs = [(n, at) if axis == "points" else (at, n) for n in along]
            axes[0, column].loglog(along, [fits[method] @ terms(*pair) for pair in pairs], color=f"C{colour}")
            axes[1, column].loglog(x, [row["bytes"] / 1e6 for row in line], "-", color=f"C{colour}")
    axes[1, 0].set_xlabel(f"points, {usual:.0f} parameters")
    axes[1, 1].set_xlabel(f"parameters, {USUAL[1]:,} points")
    axes[0, 0].set_ylabel("seconds a step: measured (dots), fitted")
    axes[1, 0].set_ylabel("MB a step, by the formula")
    axes[0, 0].legend()
    for axis in axes.flat:
        axis.grid(alpha=0.3)
    figure.savefig(out / "growth.png", dpi=130)


def measure(table: Path, methods: Sequence[str], largest: float) -> list[dict]:
    """All cases, printed and written to a table."""
    most, rows = peak(), []
    print(f"peak of a product of matrices: {most / 1e9:.0f} Gflop/s\n")
    print("| method | parameters | points | seconds | Gflop/s | of the peak | MB, formula |\n" + "|---" * 7 + "|")
    cases = [(USUAL[0], n) for n in POINTS] + [(width, USUAL[1]) for width in WIDTHS]
    for method, (width, points) in itertools.product(methods, cases):
        row = measured(method, width, points, largest)
        rows.append(row)
        said = [f"left out: {row['left out']}", "", ""]
        if row["seconds"] != "":
            rate = row["flops"] / row["seconds"]
            said = [f"{row['seconds']:.2g}", f"{rate / 1e9:.2g}", f"{rate / most:.2f}"]
        cells = [method, f"{row['parameters']:,}", f"{points:,}", *said, f"{row['bytes'] / 1e6:,.0f}"]
        print("| " + " | ".join(cells) + " |", flush=True)
        jax.clear_caches()
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def read(table: Path) -> list[dict]:
    """What was measured before."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    words = ("method", "left out")
    return [{k: v if k in words or v == "" else float(v) for k, v in row.items()} for row in rows]


def main() -> None:
    """Measure, unless that was done, then fit and draw."""
    parser = argparse.ArgumentParser(description="How a step grows with points and parameters")
    parser.add_argument("--out", type=Path, default=Path("runs/growth"), help="a table that is there is drawn again")
    parser.add_argument("--methods", default=",".join(METHODS), help="comma-separated names")
    parser.add_argument(
        "--largest", type=float, default=1.0, help="cases up to so many times 9 GB and 2e11 flops a step"
    )
    options = parser.parse_args()
    out, methods = options.out, options.methods.split(",")
    out.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_enable_x64", True)
    table = out / "growth.csv"
    rows = read(table) if table.exists() else measure(table, methods, options.largest)
    fits = {method: fitted(rows, method) for method in METHODS if any(row["method"] == method for row in rows)}
    head = " | ".join(f"seconds of {term}" for term in TERMS)
    print(f"\n| method | {head} | largest ratio |\n" + "|---" * 8 + "|")
    for method, fit in fits.items():
        done = [row for row in rows if row["method"] == method and row["seconds"] != ""]
        ratios = [row["seconds"] / (fit @ terms(row["points"], row["parameters"])) for row in done]
        worst = max(max(ratios), 1 / min(ratios))
        print(f"| {method} | " + " | ".join(f"{value:.1e}" for value in fit) + f" | {worst:.1f} |")
    draw(rows, fits, out)


if __name__ == "__main__":
    main()
