"""What a batch leaves behind: all rows as CSV and Parquet, a table of medians, and a figure with their spread."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinnact.batch.cells import NAMES
from pinnact.batch.work import Row
from pinnact.files import atomic
from pinnact.history import History

ENDS = ("status", "reason", "error", "loss", "seconds", "steps_taken", "parameters", "stopped")
COLUMNS = (
    *NAMES,
    *ENDS,
    "relative_l2",
    "max_error",
    "unknowns",
    "device",
    "warnings",
    "wall_seconds",
    "together",
    "gain",
    "folder",
)
MOST_CURVES = 8  # configurations whose histories one panel can show
CELLS = "cells"


def flat(row: Row) -> dict[str, Any]:
    """A row with one plain value a column; mappings and lists as JSON."""
    plain = lambda value: (json.dumps(value) if value else None) if isinstance(value, dict | list) else value
    return {name: plain(row.get(name)) for name in COLUMNS}


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """One line a cell."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in flat(row).items()} for row in rows)


def write_parquet(rows: Sequence[Row], path: Path) -> bool:
    """The same for data frames; False where pyarrow (`pinnact[data]`) is not installed."""
    try:
        import pyarrow  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
        from pyarrow import parquet  # noqa: PLC0415  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    with atomic(path) as temporary:
        parquet.write_table(pyarrow.Table.from_pylist([flat(row) for row in rows]), temporary)
    return True


def configurations(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each configuration, all that a cell is given but its seed, named by what differs in the batch."""
    varying = [
        name for name in NAMES if name not in ("seed", "problem") and len({_plain(row[name]) for row in rows}) > 1
    ]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        words = [_word(name, row[name]) for name in varying if row[name] not in (None, {}, False)]
        problem = Path(row["problem"]).stem
        groups.setdefault(f"{problem}: {', '.join(words)}" if words else problem, []).append(row)
    return groups


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _word(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    return str(value) if name in ("activation", "network", "optimiser") else f"{name} {value}".removesuffix(" True")


def spread(rows: Sequence[Row], name: str) -> tuple[float, float, float] | None:
    """Median, least and greatest of a column over the rows that have it; None where none has."""
    values = [row[name] for row in rows if row.get("status") == "done" and row.get(name) is not None]
    return (float(np.median(values)), min(values), max(values)) if values else None


def markdown(rows: Sequence[Row]) -> str:
    """A line a configuration, medians with least and greatest in brackets; then the reasons of those that failed."""
    lines = [
        "| configuration | relative L2 error | loss | steps/s | parameters | done | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, group in configurations(rows).items():
        done = [row for row in group if row["status"] == "done"]
        rates = [row["steps_taken"] / max(row["seconds"], 1e-9) for row in done]
        sizes = sorted({row["parameters"] for row in done})
        cells = [name, _cell(spread(group, "error")), _cell(spread(group, "loss"))]
        cells += [f"{np.median(rates):.0f}" if rates else "-", "/".join(map(str, sizes)) or "-"]
        cells += [str(len(done)), str(sum(row["status"] == "failed" for row in group))]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for title, key in (("Failed", "reason"), ("Warned", "warnings")):
        said: dict[str, list[str]] = {}
        for name, group in configurations(rows).items():
            for row in group:
                texts = row.get(key) or [] if key == "warnings" else [row["reason"]] * (row["status"] == "failed")
                for text in texts:
                    said.setdefault(f"{name}: {text}", []).append(str(row["seed"]))
        if said:
            lines += ["", f"## {title}", "", *(f"* {text} (seeds {', '.join(s)})" for text, s in said.items())]
    return "\n".join(lines) + "\n"


def _cell(found: tuple[float, float, float] | None) -> str:
    return "-" if found is None else f"{found[0]:.2e} ({found[1]:.1e} to {found[2]:.1e})"


def figure(rows: Sequence[Row], out: Path) -> Figure:
    """For each problem: error (or loss) over time, and what each configuration ends with, every seed a dot."""
    problems = list(dict.fromkeys(row["problem"] for row in rows))
    groups = configurations(rows)
    of = {p: {k: g for k, g in groups.items() if g[0]["problem"] == p} for p in problems}
    heights = [max(2.6, 0.32 * len(of[p]) + 1.2) for p in problems]
    made = Figure(figsize=(10, sum(heights)), layout="constrained")
    grid = made.add_gridspec(len(problems), 2, height_ratios=heights)
    for i, problem in enumerate(problems):
        name = "error" if any(row.get("error") is not None for g in of[problem].values() for row in g) else "loss"
        label = "relative L2 error" if name == "error" else "loss"
        short = {key.partition(": ")[2] or key: group for key, group in of[problem].items()}
        _ends(made.add_subplot(grid[i, 1]), short, name, label)
        _curves(made.add_subplot(grid[i, 0]), short, name, label, Path(problem).stem, out)
    return made


def _ends(axes: Axes, groups: Mapping[str, Sequence[Row]], name: str, label: str) -> None:
    for i, group in enumerate(groups.values()):
        values = [row[name] for row in group if row["status"] == "done" and row.get(name) is not None]
        failed = sum(row["status"] == "failed" for row in group)
        if values:
            axes.plot([min(values), max(values)], [i, i], color=f"C{i % 10}", linewidth=2, alpha=0.5)
            axes.plot(values, [i] * len(values), "o", color=f"C{i % 10}", markersize=4, alpha=0.7)
            axes.plot([np.median(values)], [i], "|", color=f"C{i % 10}", markersize=16, markeredgewidth=2.5)
        if failed:
            axes.annotate(f"{failed} failed", (0.99, i), xycoords=("axes fraction", "data"), ha="right", va="center",
                          fontsize=7, color="firebrick")  # fmt: skip
    axes.set_yticks(range(len(groups)), list(groups), fontsize=8)
    axes.set(ylim=(len(groups) - 0.5, -0.5), xlabel=f"{label} at the end (bar: median)")
    if found := [row[name] for group in groups.values() for row in group if row.get(name)]:
        middle, half = (max(found) * min(found)) ** 0.5, max((max(found) / min(found)) ** 0.5, 10**0.6) * 1.3
        axes.set(xscale="log", xlim=(middle / half, middle * half))
    axes.grid(alpha=0.3, axis="x", which="both", linewidth=0.5)


def _curves(axes: Axes, groups: Mapping[str, Sequence[Row]], name: str, label: str, problem: str, out: Path) -> None:
    drawn = 0
    for i, (key, group) in enumerate(groups.items()):
        runs = [found for row in group if (found := _history(out / CELLS / str(row.get("folder")), name)) is not None]
        if not runs or i >= MOST_CURVES:
            continue
        times = np.geomspace(max(min(t[0] for t, _ in runs), 0.1), max(t[-1] for t, _ in runs), 200)
        logs = np.array([np.interp(times, t, np.log10(v)) for t, v in runs])  # a run that has ended keeps its value
        axes.plot(times, 10 ** np.median(logs, axis=0), color=f"C{i % 10}", label=key, linewidth=1.5)
        axes.fill_between(times, 10 ** logs.min(axis=0), 10 ** logs.max(axis=0), color=f"C{i % 10}", alpha=0.2)
        drawn += 1
    left = len(groups) - drawn
    axes.set(xlabel="seconds of training", ylabel=label, title=problem)
    if drawn:
        axes.set(xscale="log", yscale="log")
        title = "median and range over seeds" + (f"; {left} more not drawn" if left else "")
        axes.legend(fontsize=7, frameon=False, title=title, title_fontsize=7)
    axes.grid(alpha=0.3, linewidth=0.5)


def _history(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Seconds and values of a column of `history.csv`; None where there is nothing to draw."""
    try:
        history = History.read(folder / "history.csv")
    except (OSError, ValueError, IndexError):
        return None
    seconds, values = np.array(history.column("seconds")), np.array(history.column(name))
    shown = np.isfinite(values) & (values > 0)
    return (seconds[shown], values[shown]) if shown.sum() > 1 else None
