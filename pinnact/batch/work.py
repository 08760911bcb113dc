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
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib

from pinnact import compiled
from pinnact.batch.cells import NAMES, Cell, solve_all
from pinnact.checkpoints import Checkpoints
from pinnact.console import CHECKPOINTS, EXIT_TERMINATED
from pinnact.files import atomic, held, plain_data
from pinnact.precision import precision
from pinnact.solution import Solution

ROW = "row.json"
EARLY = ("interrupted", "terminated")
NUMBERS = ("error", "loss", "seconds", "steps_taken", "parameters", "wall_seconds")  # of a row, where it has them
Row = dict[str, Any]


class StoppedEarlyError(Exception):
    """A cell that a signal ended before it was finished."""


def written(folder: Path) -> Row | None:
    """The row that a cell has left in this folder; None where there is none, or none of a cell."""
    try:
        row = json.loads((folder / ROW).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and _is_row(row) else None


def finished(folder: Path) -> Row | None:
    """The row of a cell that was finished in this folder; None where there is none, or none that can be read."""
    row = written(folder)
    return row if row is not None and row["status"] == "done" else None


def _is_row(row: Row) -> bool:
    """Whether a row is one that `attempt` can have written: its cell, and numbers where tables want them."""
    done = row.get("status") == "done"
    needed = {"seconds", "steps_taken", "parameters"} if done else {"reason"}
    numbers = [value for name in NUMBERS if (value := row.get(name)) is not None]
    return (
        row.get("status") in ("done", "failed")
        and row.keys() >= {*NAMES, "folder", *needed}
        and all(type(row[name]) is str for name in ("problem", "activation", "network", "optimiser", "folder"))
        and all(row[name] is not None for name in needed)
        and type(row["set"]) is dict
        and type(row.get("warnings", [])) is list
        and all(type(value) is float or (type(value) is int and abs(value) < 2**63) for value in numbers)
    )


def attempt(cells: Sequence[Cell], folders: Sequence[Path], every: float) -> list[Row]:
    """Solve cells together, those apart that are finished, write their folders and rows, and return these.

    Whatever goes wrong with one becomes its row, with the reason; where several can't train together, each is solved
    alone. Only a signal is passed on, as StoppedEarlyError.
    """
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(held(folder))
        known = [finished(folder) for folder in folders]
        left = [(cell, folder) for cell, folder, row in zip(cells, folders, known, strict=True) if row is None]
        if left:
            _attempt(*zip(*left, strict=True), every)
        return [row for folder in folders if (row := written(folder)) is not None]


def _attempt(cells: Sequence[Cell], folders: Sequence[Path], every: float) -> None:
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with precision("float64"):  # also while the problem's file is executed
                solutions = solve_all(cells, [Checkpoints(folder / CHECKPOINTS, every) for folder in folders])
            if (stopped := solutions[0].summary["stopped"]) in EARLY:
                raise StoppedEarlyError(stopped)
            rows = []
            for cell, folder, solution in zip(cells, folders, solutions, strict=True):
                solution.write(folder)
                rows.append(outcome(cell, solution))
        except StoppedEarlyError:
            raise
        except Exception as error:  # any: the other cells must still run
            if len(cells) > 1:
                for cell, folder in zip(cells, folders, strict=True):
                    _attempt([cell], [folder], every)
                return
            (folders[0] / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
            rows = [failure(cells[0], f"{type(error).__name__}: {error}")]
    words = list(dict.fromkeys(str(w.message) for w in said if issubclass(w.category, UserWarning)))
    for row, folder in zip(rows, folders, strict=True):
        more = {"warnings": words, "folder": folder.name, "together": len(cells)}
        keep(row | more | {"wall_seconds": round(time.perf_counter() - began, 3)}, folder)


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
    same = ("max_error", "loss", "seconds", "parameters", "unknowns", "stopped", "device", "gain")
    numbers = {
        "error": max(error.values(), default=None) if None not in error.values() else None,
        "relative_l2": error or None,
        "steps_taken": summary["steps"],
        **{key: summary.get(key) for key in same},
    }
    if summary["stopped"] == "not finite":
        return failure(cell, f"no finite loss after step {summary['steps']}") | numbers
    return asdict(cell) | {"status": "done", "reason": None} | numbers


def failure(cell: Cell, reason: str) -> Row:
    """The row of a cell that has failed, with the reason in one line."""
    return asdict(cell) | {"status": "failed", "reason": " ".join(reason.split())[:400]}


def attempt_all(job: Mapping[str, Any]) -> list[Row]:
    """The rows of a job: `{"cells": [...], "folders": [...], "every": seconds}`."""
    return attempt([Cell(**cell) for cell in job["cells"]], [Path(folder) for folder in job["folders"]], job["every"])


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
    compiled.keep()  # cells that differ by their seed compile the same programs
    job = json.loads(sys.stdin.buffer.readline())
    _end_with_parent()
    try:
        attempt_all(job)
    except StoppedEarlyError:
        sys.exit(EXIT_TERMINATED)


if __name__ == "__main__":
    main()
