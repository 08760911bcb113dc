"""Peak memory of `solve` beside the formula of `pinnact/memory.py`: one process a case, a table on standard output.

python scripts/memory.py
"""

import json
import subprocess
import sys

CASES = (
    ("ssbroyden", 20, 3, 2000), ("ssbroyden", 64, 3, 2000), ("ssbroyden", 88, 3, 2000), ("ssbroyden", 20, 3, 100_000),
    ("lm", 40, 3, 2000), ("lm", 64, 3, 2000), ("lm", 20, 3, 60_000), ("lm", 100, 4, 2000), ("gncg", 200, 4, 2000),
    ("lbfgs", 128, 3, 20_000),
    ("adam", 20, 3, 200_000),
    ("adam", 128, 4, 20_000),
)  # fmt: skip
RUN = """
import json, resource, sys
import jax
import pinnact as pn
from pinnact import library, memory
optimiser, width, depth, points = json.loads(sys.argv[1])
kept = []
check = memory.check
memory.check = lambda *given: (kept.append(memory.bytes_needed(*given)), check(*given))
problem = library.make(library.find("pde/burgers"), {})
pn.solve(problem, pn.MLP(width, depth), optimiser=optimiser, steps=3, points=pn.Points(interior=points))
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"formula": kept[0] + memory.BASE, "peak": peak}))
"""


def measure(case: tuple) -> dict[str, float]:
    """Bytes by the formula, that of an empty process included, and those that the process really took."""
    done = subprocess.run([sys.executable, "-c", RUN, json.dumps(case)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """One line a case."""
    print(
        "| optimiser | width | depth | points | formula, MB | measured, MB | measured / formula |\n" + "|---" * 7 + "|"
    )
    for case in CASES:
        found = measure(case)
        ratio = found["peak"] / found["formula"]
        cells = [*map(str, case), f"{found['formula'] / 1e6:.0f}", f"{found['peak'] / 1e6:.0f}", f"{ratio:.2f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
