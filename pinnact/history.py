"""The history of a run: a row a logged step."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class History:
    """Rows of `step, seconds, loss`, the mean square of each residual by name, the error (None if unknown), and the
    numbers that are inferred by name.
    """

    def __init__(self, names: tuple[str, ...], inferred: tuple[str, ...] = ()) -> None:
        self.names, self.inferred = names, inferred
        self.rows: list[dict[str, float | None]] = []

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return ("step", "seconds", "loss", *self.names, "error", *self.inferred)

    def append(
        self,
        step: int,
        seconds: float,
        loss: float,
        parts: dict[str, float],
        error: float | None,
        inferred: dict[str, float] | None = None,
    ) -> None:
        """Add a row."""
        row = {"step": step, "seconds": seconds, "loss": loss, **parts, "error": error}
        self.rows.append(row | (inferred or {}))

    def column(self, name: str) -> list[float]:
        """One column as floats; what is unknown is nan."""
        return [float("nan") if row[name] is None else float(row[name]) for row in self.rows]  # type: ignore[arg-type]

    def table(self) -> np.ndarray:
        """All rows as numbers `(rows, columns)`; what is unknown is nan."""
        return np.array([self.column(name) for name in self.columns], float).T.reshape(-1, len(self.columns))

    def fill(self, table: np.ndarray) -> None:
        """The rows of a `table`, in place of those that are there."""
        plain = (
            {k: None if np.isnan(v) else float(v) for k, v in zip(self.columns, row, strict=True)} for row in table
        )
        self.rows = [row | {"step": int(row["step"] or 0)} for row in plain]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float | None]]:
        return iter(self.rows)

    def write(self, path: Path) -> None:
        """Write `history.csv`."""
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            for row in self.rows:
                writer.writerow({k: "" if v is None else (v if k == "step" else f"{v:.9g}") for k, v in row.items()})

    @staticmethod
    def read(path: Path) -> "History":
        """Read what `write` wrote."""
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            end = columns.index("error")
            history = History(columns[3:end], columns[end + 1 :])
            for row in reader:
                numbers = {k: (float(v) if v else None) for k, v in row.items()}
                history.rows.append(numbers | {"step": int(numbers["step"] or 0)})
        return history
