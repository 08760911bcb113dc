"""Kill training at random moments, again and again, and see that every run ends with the bits of one never stopped.

    python scripts/soak.py --kills 200 --out runs/soak

For each optimiser one run is left alone. Then the same command, with --resume, is started and killed (`kill -9`, at any
moment from its start on) until it comes to its end; then the next optimiser, and so on until so many processes were
killed. Ends with 1 where a result differs, where a damaged checkpoint was loaded, or where a process failed.
"""

import argparse
import itertools
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

from pinnact.files import read_arrays

METHODS = ("ssbroyden", "lm", "lbfgs", "adam", "auto")
STEPS = {"ssbroyden": 3000, "lm": 400, "lbfgs": 3000, "adam": 6000, "auto": 3000}  # some 8 s on one core
PROBLEM = '''"""u' = -u, u(0) = 1."""

import pinnact as pn


def decay():
    """The exponential function."""
    domain = pn.Time(t=(0, 1))
    start = pn.On(domain.initial, lambda u: u - 1)
    return pn.Problem(domain, equations={"decay": lambda u: u.t + u}, conditions={"start": start})
'''


def command(folder: Path, optimiser: str, out: Path) -> list[str]:
    """The command line of one run: resampling is on, as it is by default, and every chunk is kept."""
    options = {"width": 12, "depth": 2, "steps": STEPS[optimiser], "optimiser": optimiser, "checkpoint-every": 0}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "pinnact", "solve", str(folder / "decay.py"), *words, "--out", str(out)]


def result(out: Path) -> list[bytes]:
    """The arrays of a solution as bytes."""
    return [array.tobytes() for array in read_arrays(out / "solution.eqx", "pinnact solution", 1)[1]]


def finished(words: list[str], log: Path, seconds: float) -> bool:
    """Start a process and kill it after so many seconds; whether it came to its end before, by itself."""
    with log.open("ab") as file:
        process = subprocess.Popen(words, stdout=file, stderr=file, env=os.environ | {"JAX_PLATFORMS": "cpu"})
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}; see {log}")
    return True


def soak(folder: Path, kills: int, seed: int = 0) -> tuple[int, int, int]:
    """Kill `kills` processes; the number of runs brought to their end, of those with other bits, of damaged files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "decay.py").write_text(PROBLEM)
    chance, killed, runs, wrong = random.Random(seed), 0, 0, 0
    whole: dict[str, list[bytes]] = {}
    lives: dict[str, float] = {}
    log = folder / "log.txt"
    for round_, optimiser in ((i // len(METHODS), method) for i, method in enumerate(itertools.cycle(METHODS))):
        if optimiser not in whole:
            began = time.monotonic()
            finished(command(folder, optimiser, folder / optimiser), log, 600)
            whole[optimiser], lives[optimiser] = result(folder / optimiser), time.monotonic() - began
        out, deaths = folder / f"{optimiser}-{round_}", 0
        while True:
            # Mostly long enough to get somewhere, sometimes so short that it dies while it imports or compiles.
            last = killed >= kills
            if finished(
                [*command(folder, optimiser, out), "--resume"],
                log,
                600 if last else chance.uniform(0, 1.2) * lives[optimiser],
            ):
                break
            killed, deaths = killed + 1, deaths + 1
        runs += 1
        same = result(out) == whole[optimiser]
        wrong += not same
        print(
            f"{killed} of {kills} killed; {out.name}: {deaths} deaths, {'the same bits' if same else 'OTHER BITS'}",
            flush=True,
        )
        if killed >= kills:
            break
    damaged = len(re.findall("the checkpoint before it is taken", log.read_text(errors="replace")))
    return runs, wrong, damaged


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        raise SystemExit(f"{options.out} holds other files; choose another --out")
    runs, wrong, damaged = soak(options.out, options.kills, options.seed)
    print(
        f"{options.kills} killed, {runs} runs ended, {wrong} of them with other bits, {damaged} damaged checkpoints met"
    )
    sys.exit(1 if wrong or damaged else 0)


if __name__ == "__main__":
    main()
