"""The work of a batch: some cells in one process, each with its row of results. Run as `python -m pinnact.batch.work`.

A worker is given the folder of a job, finds there what to do, and writes each cell's folder as `pinnact solve` does,
its row of the table last of all: a cell with a row is finished.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib

from pinnact.batch.cells import Cell
from pinnact.checkpoints import Checkpoints
from pinnact.console import CHECKPOINTS, EXIT_TERMINATED
from pinnact.files import atomic, held, plain_data
from pinnact.precision import precision
from pinnact.solution import Solution

ROW = "row.json"
EARLY = ("interrupted", "terminated")
Row = dict[str, Any]


class StoppedEarlyError(Exception):
    """A cell that a signal ended before it was finished."""


def finished(folder: Path) -> Row | None:
    """The row of a cell that was finished in this folder; None where there is none, or none that can be read."""
    try:
        row = json.loads((folder / ROW).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return row if isinstance(row, dict) and row.get("status") == "done" else None


def attempt(cell: Cell, folder: Path, every: float) -> Row:
    """Solve a cell unless it is finished, write its folder and its row, and return that.

    Whatever goes wrong with it becomes a row with the reason; only a signal is passed on, as StoppedEarlyError.
    """
    began = time.perf_counter()
    with held(folder):
        if row := finished(folder):
            return row
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                with precision("float64"):  # also while the problem's file is executed
                    solution = cell.solve(Checkpoints(folder / CHECKPOINTS, every))
                if solution.summary["stopped"] in EARLY:
                    raise StoppedEarlyError(solution.summary["stopped"])
                solution.write(folder)
                row = outcome(cell, solution)
            except StoppedEarlyError:
                raise
            except Exception as error:  # any: the other cells must still run
                row = failure(cell, f"{type(error).__name__}: {error}")
                (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        row["warnings"] = list(dict.fromkeys(str(w.message) for w in said if issubclass(w.category, UserWarning)))
        row |= {"folder": folder.name, "wall_seconds": round(time.perf_counter() - began, 3)}
        keep(row, folder)
        return row


def keep(row: Row, folder: Path) -> None:
    """Write the row of a cell that has ended; its checkpoints have then done their work."""
    with atomic(folder / ROW) as temporary:
        temporary.write_text(json.dumps(plain_data(row), indent=2) + "\n", encoding="utf-8")
    for path in sorted((folder / CHECKPOINTS).glob("*")) if row["status"] == "done" else ():
        path.unlink()


def outcome(cell: Cell, solution: Solution) -> Row:
    """The row of a solved cell: what it was given and what came of it; failed where no finite solution was found."""
    summary = solution.summary
    error = summary["relative_l2"] or {}
    same = ("max_error", "loss", "seconds", "parameters", "unknowns", "stopped", "device")
    numbers = {
        "error": max(error.values(), default=None) if None not in error.values() else None,
        "relative_l2": error or None,
        "steps_taken": summary["steps"],
        **{key: summary[key] for key in same},
    }
    if summary["stopped"] == "not finite":
        return failure(cell, f"no finite loss after step {summary['steps']}") | numbers
    return asdict(cell) | {"status": "done", "reason": None} | numbers


def failure(cell: Cell, reason: str) -> Row:
    """The row of a cell that has failed, with the reason in one line."""
    return asdict(cell) | {"status": "failed", "reason": " ".join(reason.split())[:400]}


def attempt_all(job: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of a job: a list of `{"cell": ..., "folder": ..., "every": ...}`."""
    return [attempt(Cell(**part["cell"]), Path(part["folder"]), part["every"]) for part in job]


def _end_with_parent() -> None:
    """End as by SIGTERM once standard input is closed: then the batch wants that, or is no longer there."""

    def watch() -> None:
        while os.read(0, 4096):  # no buffered reader: its lock would be held when the process ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """The process of a job, which is the JSON on the first line of standard input."""
    matplotlib.use("Agg")
    job = json.loads(sys.stdin.buffer.readline())
    _end_with_parent()
    try:
        attempt_all(job)
    except StoppedEarlyError:
        sys.exit(EXIT_TERMINATED)


if __name__ == "__main__":
    main()
