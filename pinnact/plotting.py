"""Figures of a solution, laid out by the number of its coordinates. No pyplot: nothing is kept open or global."""

from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinnact.domains import PointCloud
from pinnact.evaluation import Evaluator
from pinnact.figures import (
    Cut,
    Quantity,
    Scattered,
    colour_bar,
    colour_map,
    colours,
    curve,
    few_ticks,
    history,
    is_cloud,
    name_axes,
    quantities,
    similar,
)
from pinnact.history import History
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.scoring import Score, reference_values

WIDTH, HEIGHT, ROW, DPI = 8.0, 4.7, 2.0, 150  # inches; HEIGHT is that of two rows
MOST_ROWS = 3
INSTANTS = 4


class Trained(Protocol):
    """What figures need of a solution."""

    problem: Problem
    evaluator: Evaluator
    history: History

    @property
    def score(self) -> Score: ...

    summary: Any
    unknowns: Any


def plot(solution: Trained, unknown: str | None = None) -> Figure:
    """The figure that fits the problem: curves, colour maps, slices, or prediction against reference."""
    domain, shown = solution.problem.domain, quantities(solution.problem, unknown)
    if domain.dimension == 1:
        figure = _curves(solution, shown)
    elif domain.dimension == 2 and not (is_cloud(domain) and domain.time is not None):
        figure = _maps(solution, shown)
    elif domain.dimension == 3 and not is_cloud(domain):
        figure = _slices(solution, shown)
    else:
        figure = _scatter(solution, shown)
    figure.suptitle(_title(solution), fontsize=10)
    figure.draw_without_rendering()  # the layout knows equal units of length only from the second time on
    return figure


def _title(solution: Trained) -> str:
    summary = solution.summary
    words = [solution.problem.name, *(str(summary[key]) for key in ("network", "activation") if summary.get(key))]
    errors = [f"{name} {value:.1e}" for name, value in (summary["relative_l2"] or {}).items() if value is not None]
    numbers = [f"{name} = {value:.5g}" for name, value in solution.unknowns.items() if isinstance(value, float)]
    return ", ".join(words + numbers) + (f"; relative L2 error: {', '.join(errors)}" if errors else "")


def _data(axes: Axes, solution: Trained, quantity: Quantity, along: tuple[str, ...]) -> None:
    """Mark where an unknown was observed; over one coordinate also what was seen."""
    for observation in solution.problem.observations:
        if quantity.unknown in observation.values:
            columns = [observation.points[:, solution.problem.domain.coordinates.index(name)] for name in along]
            values = [quantity.of(observation.values[quantity.unknown])] if len(along) == 1 else []
            axes.plot(*columns, *values, ".", color="dimgray", markersize=3.5 if values else 1, alpha=0.5, label="data")


def _figure(rows: int) -> Figure:
    return Figure(figsize=(WIDTH, HEIGHT + ROW * (rows - 2)), dpi=DPI, layout="constrained")


def reference_at(solution: Trained, points: np.ndarray) -> dict[str, np.ndarray]:
    """The reference at points, by unknown; empty without one."""
    with precision("float64"):
        return reference_values(solution.problem, points)


def _residual(solution: Trained, points: np.ndarray) -> tuple[np.ndarray, str] | None:
    """The size of the first equation's residual, and its label."""
    if not solution.problem.equations:
        return None
    name, value = next(iter(solution.evaluator.residuals(points).items()))
    return np.linalg.norm(value, axis=-1) if value.ndim > 1 else np.abs(value), f"|residual {name!r}|"


def _curves(solution: Trained, shown: list[Quantity]) -> Figure:
    """One coordinate: prediction with reference, error, residual, history."""
    figure = _figure(2)
    grid = figure.add_gridspec(2, 2)
    (name, side), *_ = solution.problem.domain.bounds.items()
    x = np.linspace(*side, 1001)
    x = x[solution.problem.domain.contains(x[:, None])]
    values, reference = solution.evaluator.values(x[:, None]), reference_at(solution, x[:, None])
    left = figure.add_subplot(grid[0, 0] if reference else grid[0, :])
    for number, quantity in enumerate(shown):
        style = {"color": f"C{number}", "linewidth": 1.4}
        _data(left, solution, quantity, (name,))
        left.plot(x, quantity.of(values[quantity.unknown]), label=quantity.label, **style)
        if quantity.unknown in reference:
            label = "reference" if number == len(shown) - 1 else None
            left.plot(x, quantity.of(reference[quantity.unknown]), "k--", linewidth=0.9, label=label)
    name_axes(left, name, ", ".join(quantity.label for quantity in shown))
    left.legend(fontsize=7, frameon=False)
    if reference:
        right = figure.add_subplot(grid[0, 1])
        scored = [quantity for quantity in shown if quantity.unknown in reference]
        for number, quantity in enumerate(scored):
            error = quantity.error_of(values[quantity.unknown], reference[quantity.unknown])
            curve(right, x, error, True, color=f"C{number}", linewidth=1.0, label=quantity.label)
        name_axes(right, name, scored[0].error_label if len(scored) == 1 else "|prediction - reference|")
    if residual := _residual(solution, x[:, None]):
        below = figure.add_subplot(grid[1, 0])
        curve(below, x, residual[0], True, color="black", linewidth=1.0)
        name_axes(below, name, residual[1])
    history(figure.add_subplot(grid[1, 1] if residual else grid[1, :]), solution.history)
    return figure


def _maps(solution: Trained, shown: list[Quantity]) -> Figure:
    """Two coordinates: colour maps of prediction, reference, error and residual, and the history."""
    domain, shown = solution.problem.domain, shown[:MOST_ROWS]
    # Time runs to the right, as in the literature on one-dimensional waves.
    axes = domain.coordinates if domain.time is None else (domain.coordinates[1], domain.coordinates[0])
    cut = Scattered.of(domain) if isinstance(domain, PointCloud) else Cut.of(domain, (axes[0], axes[1]))
    equal = similar(domain, (axes[0], axes[1]))
    values, reference = solution.evaluator.values(cut.points), reference_at(solution, cut.points)
    residual = _residual(solution, cut.points)
    rows, columns = (len(shown) + 1, 3) if reference else (2, max(2, len(shown)))
    figure = _figure(rows)
    grid = figure.add_gridspec(rows, columns)

    def panel(
        place: Any, array: np.ndarray, label: str, log: bool = False, like: list[np.ndarray] | None = None
    ) -> Axes:
        axes = figure.add_subplot(place)
        norm, palette = colours(like or [array], log)
        colour_bar(axes, colour_map(axes, cut, array, norm, palette, equal), label)
        return axes

    for number, quantity in enumerate(shown):
        prediction = quantity.of(values[quantity.unknown])
        if not reference:
            _data(panel(grid[0, number], prediction, quantity.label), solution, quantity, cut.axes)
            continue
        if quantity.unknown not in reference:
            _data(panel(grid[number, 0], prediction, quantity.label), solution, quantity, cut.axes)
            continue
        exact = quantity.of(reference[quantity.unknown])
        shown_here = panel(grid[number, 0], prediction, quantity.label, like=[prediction, exact])
        _data(shown_here, solution, quantity, cut.axes)
        panel(grid[number, 1], exact, f"{quantity.label}, reference", like=[prediction, exact])
        error = quantity.error_of(values[quantity.unknown], reference[quantity.unknown])
        panel(grid[number, 2], error, quantity.error_label, log=True)
    last, start = rows - 1, 0
    if residual:
        alone = not reference and len(shown) == 1
        panel(grid[0, 1] if alone else grid[last, 0], *residual, log=True)
        start = 0 if alone else 1
    history(figure.add_subplot(grid[last, start:]), solution.history)
    return figure


def _cuts(solution: Trained) -> list[Cut]:
    """Four instants of two space dimensions and time, or the three middle planes of space."""
    domain = solution.problem.domain
    if domain.time is not None:
        instants = np.linspace(*domain.bounds[domain.time], INSTANTS)
        return [Cut.of(domain, domain.space[:2], {domain.time: t}, 161) for t in instants]  # type: ignore[arg-type]
    x, y, z = domain.coordinates
    middle = {name: (low + high) / 2 for name, (low, high) in domain.bounds.items()}
    return [
        Cut.of(domain, pair, {third: middle[third]}, 161) for pair, third in (((x, y), z), ((x, z), y), ((y, z), x))
    ]


def _slices(solution: Trained, shown: list[Quantity]) -> Figure:
    """Three coordinates: a row of slices for each quantity and its error (or the residual), then the history."""
    cuts = [cut for cut in _cuts(solution) if len(cut.points)]
    values = [solution.evaluator.values(cut.points) for cut in cuts]
    reference = [reference_at(solution, cut.points) for cut in cuts]
    known = reference[0] if reference else {}
    bands: list[tuple[list[np.ndarray], str, bool]] = []
    for quantity in shown[: MOST_ROWS - 1 if known else MOST_ROWS]:
        bands.append(([quantity.of(v[quantity.unknown]) for v in values], quantity.label, False))
        if quantity.unknown in known:
            pairs = zip(values, reference, strict=True)
            errors = [quantity.error_of(v[quantity.unknown], r[quantity.unknown]) for v, r in pairs]
            bands.append((errors, quantity.error_label, True))
    if not known and solution.problem.equations:
        found = [_residual(solution, cut.points) for cut in cuts]
        bands.append(([part[0] for part in found if part], found[0][1] if found and found[0] else "", True))
    figure = Figure(figsize=(WIDTH, 1.9 * len(bands) + 1.6), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(len(bands) + 1, len(cuts), height_ratios=[1.0] * len(bands) + [0.85])
    for row, (arrays, label, log) in enumerate(bands):
        norm, palette = colours(arrays, log)
        panels = []
        for column, (cut, array) in enumerate(zip(cuts, arrays, strict=True)):
            axes = figure.add_subplot(grid[row, column])
            equal = similar(solution.problem.domain, cut.axes)
            panels.append((axes, colour_map(axes, cut, array, norm, palette, equal)))
            few_ticks(axes)
            same = all(other.axes == cuts[0].axes for other in cuts)
            _only_outer(axes, left=column == 0 or not same, top=row == 0, bottom=row == len(bands) - 1 or not same)
        colour_bar(*panels[-1], label)
    history(figure.add_subplot(grid[-1, :]), solution.history)
    return figure


def _only_outer(axes: Axes, left: bool, top: bool, bottom: bool) -> None:
    """Drop labels that a neighbour shows already."""
    if not left:
        axes.set_ylabel("")
        axes.tick_params(labelleft=False)
    if not top:
        axes.set_title("")
    if not bottom:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)


def _scatter(solution: Trained, shown: list[Quantity]) -> Figure:
    """Many coordinates, or scattered points: prediction against reference, or cuts along each axis; the history."""
    figure = _figure(2)
    grid = figure.add_gridspec(1, 2, width_ratios=[1, 1.2])
    axes = figure.add_subplot(grid[0])
    if solution.score.reference:
        points = solution.score.points[:: max(1, len(solution.score.points) // 2000)]
        values, reference = solution.evaluator.values(points), reference_at(solution, points)
        scored = [quantity for quantity in shown if quantity.unknown in reference]
        for quantity in scored:
            exact, prediction = quantity.of(reference[quantity.unknown]), quantity.of(values[quantity.unknown])
            axes.plot(exact, prediction, ".", markersize=3, alpha=0.6, label=quantity.label)
        corner = axes.get_xlim()[0]
        axes.axline((corner, corner), slope=1.0, color="black", linewidth=0.7)
        label = scored[0].label if len(scored) == 1 else "prediction"
        name_axes(axes, f"{label}, reference" if len(scored) == 1 else "reference", label)
    else:
        bounds = solution.problem.domain.bounds
        share = np.linspace(0.0, 1.0, 201)
        middle = np.array([(low + high) / 2 for low, high in bounds.values()])
        for axis, (name, (low, high)) in enumerate(list(bounds.items())[:8]):
            points = np.tile(middle, (201, 1))
            points[:, axis] = low + (high - low) * share
            value = shown[0].of(solution.evaluator.values(points)[shown[0].unknown])
            axes.plot(share, value, linewidth=1.0, label=f"along {name}")
        name_axes(axes, "share of the way through the centre", shown[0].label)
    if len(axes.lines) > 2:
        axes.legend(fontsize=7, frameon=False)
    history(figure.add_subplot(grid[1]), solution.history)
    return figure
