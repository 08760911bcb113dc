"""What every run of `scripts/compare_peers.py` hands back: relative L2 errors over the seconds since it was asked for.

Needs NumPy alone, so that it runs in the environment of the peers. Seconds count from the start of the process, imports
and compilation included; the time that scoring takes is taken out.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

MARKS = (15, 30, 60, 120, 300, 600)  # seconds at which the table looks
GROWTH = 1.05  # between two looks at the error
POINTS = 2000  # collocation points inside, as pinnact's default
BORDER = 400  # on each condition, as pinnact's default
WIDTH, DEPTH = 24, 3  # pinnact's default network


def options(*extra: str) -> argparse.Namespace:
    """The options of a run; `extra` names further ones that take a word."""
    parser = argparse.ArgumentParser()
    for name in ("problem", *extra):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--points", type=Path, required=True, help="npz with points (n, d) and values (n, m)")
    parser.add_argument("--out", type=Path, required=True, help="json to write")
    parser.add_argument("--budget", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--started", type=float, default=time.time(), help="when the process was asked for, in s")
    return parser.parse_args()


class Curve:
    """Rows (seconds, error); the error of several unknowns is the largest of theirs."""

    def __init__(self, points: Path, started: float, budget: float) -> None:
        with np.load(points) as data:
            self.points, self.values = data["points"], data["values"]  # (n, d) and (n, m)
        self.started, self.budget, self.parent = started, budget, os.getppid()
        self.scoring, self.next = 0.0, 0.0
        self.rows: list[tuple[float, float]] = []

    def seconds(self) -> float:
        """Seconds since the process was asked for, without those spent on scoring."""
        return time.time() - self.started - self.scoring

    def over(self) -> bool:
        """Whether the budget is spent. Ends the process where the one that asked for it is gone."""
        if os.getppid() != self.parent:
            os._exit(1)  # the comparison was killed: when it goes on, no run of before may share the cores
        return self.seconds() >= self.budget

    def due(self) -> bool:
        """Whether it is time to look again; the table's marks are looked at as soon as they are past."""
        return self.seconds() >= self.next

    def plan(self, now: float) -> None:
        """Settle the next look."""
        self.next = min([max(GROWTH * now, now + 0.2), *(mark for mark in (*MARKS, self.budget) if mark > now)])

    def error(self, predicted: np.ndarray) -> float:
        """Relative L2 error of values (n, m) at the scoring points."""
        gap = np.reshape(predicted, self.values.shape) - self.values
        return float(np.max(np.linalg.norm(gap, axis=0) / np.linalg.norm(self.values, axis=0)))

    def look(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        """Add a row for what `predict` gives at the scoring points now."""
        now, clock = self.seconds(), time.time()
        self.rows.append((now, self.error(predict(self.points))))
        self.scoring += time.time() - clock
        self.plan(now)

    def write(self, out: Path, **about: object) -> None:
        """Write the rows, whole or not at all."""
        part = out.with_suffix(".part")
        part.write_text(json.dumps({**about, "rows": self.rows}))
        part.replace(out)
