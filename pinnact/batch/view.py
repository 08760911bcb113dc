"""What is seen of a batch while it runs: a table on a terminal, a line for each cell elsewhere."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pinnact.batch.cells import Cell
from pinnact.batch.tables import configurations, spread
from pinnact.batch.work import Row


class NoView:
    """Shows nothing."""

    def __enter__(self) -> "NoView":
        return self

    def __exit__(self, *_: object) -> None: ...

    def start(self, cells: Sequence[Cell], rows: Mapping[str, Row | None]) -> None:
        """Nothing."""

    def tell(self, row: Row) -> None:
        """Nothing."""


class View:
    """A line a configuration: cells that are done, failed, open, and the errors so far."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, refresh_per_second=2)
        self.rows: dict[str, Row] = {}
        self.began, self.ended = time.monotonic(), 0

    def __enter__(self) -> "View":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def start(self, cells: Sequence[Cell], rows: Mapping[str, Row | None]) -> None:
        """Show the cells, and the rows that are there already."""
        self.rows = {cell.key: rows[cell.key] or asdict(cell) | {"status": "open"} for cell in cells}
        kept = sum(row is not None for row in rows.values())
        self._say(f"{len(cells)} cells" + (f", {kept} of them finished before" if kept else ""))
        self.live.update(self._table())

    def tell(self, row: Row) -> None:
        """A cell has ended."""
        self.rows[row["folder"]], self.ended = row, self.ended + 1
        error = row.get("error")
        said = row["reason"] if row["status"] == "failed" else "" if error is None else f"error {error:.2e}"
        self._say(f"{row['folder']}: {row['status']} {said}  ({self._left()})")
        self.live.update(self._table())

    def _left(self) -> str:
        left = sum(row["status"] == "open" for row in self.rows.values())
        each = (time.monotonic() - self.began) / max(self.ended, 1)
        return f"{left} left, about {each * left / 60:.0f} min" if left else "the last one"

    def _say(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table("configuration", "done", "failed", "open", "relative L2 error", caption=self._left())
        for name, group in configurations(list(self.rows.values())).items():
            counts = [str(sum(row["status"] == status for row in group)) for status in ("done", "failed", "open")]
            found = spread(group, "error")
            table.add_row(name, *counts, f"{found[0]:.2e} ({found[1]:.1e} to {found[2]:.1e})" if found else "")
        return table
