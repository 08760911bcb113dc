"""The history of a run: a row a logged step."""

import csv
from collections.abc import Iterator
from pathlib import Path


class History:
    """Rows of `step, seconds, loss`, the mean square of each residual by name, and the error (None if unknown)."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.rows: list[dict[str, float | None]] = []

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return ("step", "seconds", "loss", *self.names, "error")

    def append(self, step: int, seconds: float, loss: float, parts: dict[str, float], error: float | None) -> None:
        """Add a row."""
        self.rows.append({"step": step, "seconds": seconds, "loss": loss, **parts, "error": error})

    def column(self, name: str) -> list[float]:
        """One column as floats; what is unknown is nan."""
        return [float("nan") if row[name] is None else float(row[name]) for row in self.rows]  # type: ignore[arg-type]

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
            names = tuple(c for c in reader.fieldnames or () if c not in ("step", "seconds", "loss", "error"))
            history = History(names)
            for row in reader:
                numbers = {k: (float(v) if v else None) for k, v in row.items()}
                history.rows.append(numbers | {"step": int(numbers["step"] or 0)})
        return history
