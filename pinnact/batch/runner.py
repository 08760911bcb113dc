"""The run of a batch: what is finished is kept, the rest given to a pool, and each row is on disk when it is told."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pinnact.batch import tables
from pinnact.batch.cells import Cell
from pinnact.batch.pools import AbstractPool, Job
from pinnact.batch.view import NoView
from pinnact.batch.work import ROW, Row, finished
from pinnact.files import atomic, held, plain_data
from pinnact.interrupts import Interrupts


@dataclass(frozen=True)
class Results:
    """The rows of a batch in the order of its cells, and what stopped it early (`interrupted`, `terminated`, or "")."""

    rows: list[Row]
    stopped: str
    seconds: float

    def count(self, status: str) -> int:
        """How many cells are `done`, `failed` or `open`."""
        return sum(row["status"] == status for row in self.rows)


def run(
    cells: Sequence[Cell],
    out: Path,
    pool: AbstractPool,
    view: Any = None,
    every: float = 60.0,
    together: bool = False,
) -> Results:
    """Solve all cells that have no finished row in `out` yet, and write the table of all.

    Writes `cells/NAME/` for each, as `pinnact solve` does, and `table.csv`, `table.md`, `table.png`, `table.parquet`
    (with pyarrow). A cell that fails is a row with its reason. A cell is known by everything it depends on, so one
    that was changed since is solved again; those that failed are tried again. Ctrl-C and SIGTERM let the workers save;
    they write a checkpoint `every` so many seconds anyway. With `together`, cells that differ by their seed train in
    one compiled call, which pays on accelerators.
    ValueError where another process works in `out`.
    """
    if not cells:
        raise ValueError("a batch of no cells; give at least one")
    began, view = time.perf_counter(), view or NoView()
    folders = {cell.key: out / tables.CELLS / cell.key for cell in cells}
    with held(out), Interrupts() as interrupts:
        (out / tables.CELLS).mkdir(exist_ok=True)
        rows = {key: finished(folder) for key, folder in folders.items()}
        crews: dict[str, list[Cell]] = {}
        for cell in cells:
            if rows[cell.key] is None:
                (folders[cell.key] / ROW).unlink(missing_ok=True)  # of a try before, whose reason is no longer true
                crews.setdefault(cell.alike if together else cell.key, []).append(cell)
        jobs = [Job(tuple(crew), tuple(folders[cell.key] for cell in crew), every) for crew in crews.values()]
        _write_json(out / "batch.json", {"cells": [asdict(cell) for cell in cells]})
        with view:
            view.start(cells, rows)
            for ended in pool.run(jobs, interrupts) if jobs else ():
                for row in ended:
                    rows[row["folder"]] = row
                    view.tell(row)
                tables.write_csv([row for row in rows.values() if row], out / "table.csv")
        found = [rows[cell.key] or _open(cell) for cell in cells]
        write(found, out)
    return Results(found, interrupts.stopped, time.perf_counter() - began)


def write(rows: Sequence[Row], out: Path) -> None:
    """All tables and the figure."""
    tables.write_csv(rows, out / "table.csv")
    tables.write_parquet(rows, out / "table.parquet")
    with atomic(out / "table.md") as temporary:
        temporary.write_text(tables.markdown(rows), encoding="utf-8")
    with atomic(out / "table.png") as temporary:
        tables.figure(rows, out).savefig(temporary, dpi=130)


def _open(cell: Cell) -> Row:
    return asdict(cell) | {"status": "open", "reason": "not run yet", "folder": cell.key}


def _write_json(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(plain_data(value), indent=1) + "\n", encoding="utf-8")
