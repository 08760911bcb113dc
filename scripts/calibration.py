"""How far `error_estimate` can be trusted: beside the true error, on problems whose solution is known.

    python scripts/calibration.py                                   # all of them, some two minutes each on one core
    python scripts/calibration.py --problems burgers wave --budget 20

Each problem is trained for `--budget` seconds, estimated, corrected by a second stage and estimated again. The ratio is
estimate / error, of the unknown where it is farthest from 1.
"""

import argparse
import math
import time

import pinnact as pn
from pinnact import library

CASES = {  # name: (problem, arguments)
    **{
        name: (f"pde/{name}", {})
        for name in (
            "poisson", "heat", "burgers", "helmholtz", "navier_cauchy", "klein_gordon", "advection", "wave", "pulse",
            "allen_cahn", "schroedinger", "kuramoto_sivashinsky", "fisher", "solitons", "breather", "boundary_layer",
        )
    },
    "poisson 5-D": ("pde/poisson", {"dimension": 5, "solution": "cos_sum"}),
}  # fmt: skip
WITHIN, SILENT = 3.0, 10.0  # what a ratio should be within, and what an estimate must never be too small by


def ratio(estimate: dict[str, float], error: dict[str, float]) -> float:
    """Estimate / error of the unknown where it is farthest from 1; nan where there is no estimate."""
    found = [estimate[name] / error[name] for name in error]
    return max(found, key=lambda r: abs(math.log(r)) if r > 0 else math.inf)


def rows(name: str, budget: float, seed: int) -> list[tuple[str, float, float, float, float]]:
    """Stage, error, estimate, ratio and seconds of the estimate: of a trained solution and of the corrected one."""
    path, arguments = CASES[name]
    problem = library.make(library.find(path), arguments)
    trained = pn.solve(problem, budget=budget, correct=False, seed=seed)
    found = []
    for stage, solution in (("trained", trained), ("corrected", trained.corrected())):
        began = time.perf_counter()
        estimate, error = solution.error_estimate(), solution.error()
        seconds = time.perf_counter() - began
        found.append((stage, max(error.values()), max(estimate.values()), ratio(estimate, error), seconds))
    return found


def main() -> None:
    """A table, row after row, and what became of the two demands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| problem | stage | error | estimate | estimate / error | seconds |\n" + "|---" * 6 + "|")
    ratios: dict[str, list[float]] = {"trained": [], "corrected": []}
    for name in options.problems:
        for stage, error, estimate, found, seconds in rows(name, options.budget, options.seed):
            print(f"| {name} | {stage} | {error:.1e} | {estimate:.1e} | {found:.3g} | {seconds:.0f} |", flush=True)
            ratios[stage].append(found)
    for stage, found in ratios.items():
        good = sum(1 / WITHIN <= r <= WITHIN for r in found)
        silent = sum(r < 1 / SILENT for r in found)
        print(
            f"{stage}: {good} of {len(found)} within a factor of {WITHIN:g}, {silent} too small by {SILENT:g} and more"
        )


if __name__ == "__main__":
    main()
