"""The history of a run: a row a logged step."""

import csv
from collections.abc import Iterator, Mapping, Sequence
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

    def add(self, steps: int, seconds: float, loss: float, parts: dict[str, float], error: float | None) -> None:
        """Add a row that comes so many steps after the last one; what is inferred has not changed."""
        last = self.rows[-1] if self.rows else {"step": 0} | dict.fromkeys(self.inferred)
        inferred = {name: last[name] for name in self.inferred}
        self.append(int(last["step"] or 0) + steps, seconds, loss, parts, error, inferred)  # type: ignore[arg-type]

    def copy(self) -> "History":
        """A history with the same rows, to which rows can be added alone."""
        return History.of(self.names, self.inferred, self.rows)

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
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            for row in self.rows:
                writer.writerow({k: "" if v is None else (v if k == "step" else f"{v:.9g}") for k, v in row.items()})

    @staticmethod
    def of(names: Sequence[str], inferred: Sequence[str], rows: Sequence[Mapping[str, float | None]]) -> "History":
        """A history with these rows; ValueError where they don't have its columns, or hold anything but numbers."""
        history = History(tuple(names), tuple(inferred))
        for number, row in enumerate(rows, 1):
            known = isinstance(row, Mapping) and set(row) == set(history.columns)
            if not known or not all(map(_is_number, row.values())) or type(row["step"]) is not int:
                raise ValueError(f"row {number} of its history is no row of {', '.join(map(str, history.columns))}")
            history.rows.append(dict(row))
        return history

    @staticmethod
    def read(path: Path) -> "History":
        """Read what `write` wrote; ValueError, in one line, for a file that is no history."""
        try:
            with path.open(newline="", encoding="utf-8") as file:
                columns, *lines = [line for line in csv.reader(file) if line] or [[]]
            if columns[:3] != ["step", "seconds", "loss"] or "error" not in columns[3:]:
                raise ValueError("its first line names no step, seconds, loss and error")
            end = columns.index("error", 3)
            rows = [dict(zip(columns, map(_number, columns, line), strict=True)) for line in lines]
            return History.of(columns[3:end], columns[end + 1 :], rows)
        except (ValueError, csv.Error) as error:
            reason = "it is no text" if isinstance(error, UnicodeDecodeError) else error
            raise ValueError(
                f"{path}: damaged or no history of a run ({reason}); run again, or leave it out"
            ) from error


def _number(column: str, text: str) -> float | None:
    return None if not text else int(text) if column == "step" else float(text)


def _is_number(value: object) -> bool:
    return value is None or type(value) is float or (type(value) is int and abs(value) < 2**63)
