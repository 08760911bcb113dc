"""The panels that figures of solutions are made of: colour maps, curves, histories; and what they show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import MaxNLocator

from pinnact.domains import Domain, PointCloud, SpaceTime
from pinnact.history import History
from pinnact.problem import Problem

DECADES = 4  # a logarithmic colour scale ends this many decades below the largest value
Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Quantity:
    """A real number made of an unknown that a panel can show: a component, a modulus, a real part."""

    label: str
    unknown: str
    of: Callable[[np.ndarray], np.ndarray]
    error_label: str
    error_of: Callable[[np.ndarray, np.ndarray], np.ndarray]


def quantities(problem: Problem, unknown: str | None) -> list[Quantity]:
    """What there is to show of one unknown or of all: a vector has its components, a complex unknown |h| and Re h."""
    if unknown is not None and unknown not in problem.fields:
        raise ValueError(f"{unknown!r} is no unknown; the unknowns are {', '.join(problem.fields)}")
    found = []
    for name in problem.fields if unknown is None else [unknown]:
        kind, size = problem.fields[name].kind, problem.fields[name].size
        real = lambda p, r: np.abs(np.real(p - r))
        if kind == "vector":
            for i in range(size):
                part = lambda v, i=i: v[..., i]
                error = lambda p, r, i=i: np.abs(p[..., i] - r[..., i])
                found.append(Quantity(f"{name}[{i}]", name, part, f"|{name}[{i}] - reference|", error))
        elif kind == "complex":
            found.append(Quantity(f"|{name}|", name, np.abs, f"|{name} - reference|", lambda p, r: np.abs(p - r)))
            found.append(Quantity(f"Re {name}", name, np.real, f"|Re({name} - reference)|", real))
        else:
            found.append(Quantity(name, name, np.asarray, f"|{name} - reference|", real))
    return found


@dataclass(frozen=True)
class Cut:
    """A plane cut through a domain: two coordinates on a fine grid, the others fixed; `inside` masks the grid."""

    axes: tuple[str, str]
    ticks: tuple[np.ndarray, np.ndarray]
    inside: Bool[np.ndarray, "m n"]
    points: Float[np.ndarray, "k d"]  # those inside
    title: str = ""

    @staticmethod
    def of(domain: Domain, axes: tuple[str, str], fixed: Mapping[str, float] | None = None, n: int = 201) -> "Cut":
        """The cut with `axes` horizontal and vertical, of `n x n` points."""
        fixed = fixed or {}
        ticks = tuple(np.linspace(*domain.bounds[name], n) for name in axes)
        grid = dict(zip(axes, np.meshgrid(*ticks))) | {name: np.full((n, n), value) for name, value in fixed.items()}
        nodes = np.stack([grid[name].ravel() for name in domain.coordinates], axis=-1)
        inside = domain.contains(nodes)
        title = ", ".join(f"{name} = {value:.3g}" for name, value in fixed.items())
        return Cut((axes[0], axes[1]), (ticks[0], ticks[1]), inside.reshape(n, n), nodes[inside], title)

    def fill(self, values: Float[np.ndarray, " k"]) -> Float[np.ndarray, "m n"]:
        """Values at the points inside as an image; nan outside."""
        image = np.full(self.inside.shape, np.nan)
        image[self.inside] = values
        return image

    def draw(self, axes: Axes, values: Float[np.ndarray, " k"], **style: Any) -> ScalarMappable:
        """The image."""
        return axes.pcolormesh(*self.ticks, self.fill(values), shading="nearest", rasterized=True, **style)


@dataclass(frozen=True)
class Scattered:
    """The points of a cloud in the plane, each drawn as a dot: nothing is known between them."""

    axes: tuple[str, str]
    points: Float[np.ndarray, "k 2"]
    title: str = ""

    @staticmethod
    def of(cloud: PointCloud) -> "Scattered":
        """All points of a cloud, those of its boundary too."""
        x, y = cloud.coordinates
        return Scattered((x, y), np.concatenate([cloud.points, *(part.points for part in cloud.parts.values())]))

    def draw(self, axes: Axes, values: Float[np.ndarray, " k"], **style: Any) -> ScalarMappable:
        """The dots, smaller where there are many."""
        size = np.clip(4000 / len(self.points), 1.0, 25.0)
        return axes.scatter(*self.points.T, c=values, s=size, linewidths=0, rasterized=True, **style)


def is_cloud(domain: Domain) -> bool:
    """Whether a domain is known at scattered points only."""
    return isinstance(domain.space_domain if isinstance(domain, SpaceTime) else domain, PointCloud)


def colours(values: Sequence[np.ndarray], log: bool) -> tuple[Normalize, str]:
    """The colour scale that images share, and the name of its colours."""
    finite = np.concatenate([np.ravel(v)[np.isfinite(np.ravel(v))] for v in values])
    if len(finite) == 0:
        return Normalize(0.0, 1.0), "viridis"
    low, high = float(finite.min()), float(finite.max())
    if log and high > 0:
        return LogNorm(max(float(np.quantile(finite, 0.02)), high * 10.0**-DECADES) * (1 - 1e-9), high), "inferno"
    if low < -0.05 * (high - low) and high > 0.05 * (high - low):
        return Normalize(-max(-low, high), max(-low, high)), "RdBu_r"
    return Normalize(low, high), "viridis"


def similar(domain: Domain, axes: tuple[str, str]) -> bool:
    """Whether two coordinates of space are drawn with equal units: not where one side is far longer."""
    first, second = (np.ptp(domain.bounds[name]) for name in axes)
    return domain.time not in axes and 0.4 < first / second < 2.5


def colour_map(
    axes: Axes, cut: Cut | Scattered, values: np.ndarray, norm: Normalize, colours: str, equal: bool
) -> ScalarMappable:
    """Draw the values at a cut's points; returns what a colour bar needs."""
    shown = np.maximum(values, norm.vmin or 0.0) if isinstance(norm, LogNorm) else values
    drawn = cut.draw(axes, shown, norm=norm, cmap=colours)
    name_axes(axes, *cut.axes, equal)
    if cut.title:
        axes.set_title(cut.title, fontsize=8)
    return drawn


def name_axes(axes: Axes, horizontal: str, vertical: str, equal: bool = False) -> None:
    """Label the two axes, with equal units of length on request."""
    axes.set_xlabel(horizontal, fontsize=9, labelpad=2)
    axes.set_ylabel(vertical, fontsize=9, labelpad=2)
    axes.tick_params(which="both", labelsize=8)
    if equal:
        axes.set_aspect("equal")


def few_ticks(axes: Axes, number: int = 4) -> None:
    """At most this many intervals on each axis."""
    axes.xaxis.set_major_locator(MaxNLocator(number, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(number, steps=[1, 2, 5, 10]))


def colour_bar(axes: Axes, drawn: ScalarMappable, label: str) -> None:
    """A colour bar beside `axes`, as high as they are, that says what it shows."""
    beside = axes.inset_axes((1.04, 0.0, 0.05, 1.0))
    bar = axes.figure.colorbar(drawn, cax=beside)
    bar.set_label(label, fontsize=9, labelpad=2)
    beside.tick_params(which="both", labelsize=8)
    beside.yaxis.get_offset_text().set_fontsize(7)


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, log: bool = False, **style: Any) -> None:
    """Draw y over x; on a logarithmic scale what is not positive is left out."""
    if log:
        y = np.where(y > 0, y, np.nan)
        if not np.isfinite(y).any():
            return
        axes.set_yscale("log")
    axes.plot(x, y, **style)


def history(axes: Axes, history: History) -> None:
    """Loss, mean square of each residual, and error over seconds, on logarithmic axes."""
    seconds = np.array(history.column("seconds"))
    marker = {"marker": "o", "markersize": 3} if len(history) < 3 else {}
    curve(axes, seconds, np.array(history.column("loss")), True, color="black", linewidth=1.5, label="loss", **marker)
    for name in history.names:
        if len(history.names) > 1:
            curve(axes, seconds, np.array(history.column(name)), True, linewidth=0.9, label=name, **marker)
    style = {"color": "crimson", "linestyle": "--", "linewidth": 1.5} | marker
    curve(axes, seconds, np.array(history.column("error")), True, label="relative L2 error", **style)
    name_axes(axes, "seconds of training", "loss and error")
    if len(history) > 1 and 0 < 20 * seconds[0] < seconds[-1]:
        axes.set_xscale("log")
    axes.grid(alpha=0.3, linewidth=0.5)
    _inferred(axes, history, seconds)
    if axes.lines:
        axes.legend(fontsize=7, loc="lower left", framealpha=0.8, edgecolor="none", ncols=1 + len(axes.lines) // 5)


def _inferred(axes: Axes, history: History, seconds: np.ndarray) -> None:
    """The inferred numbers over their last values, on an axis of their own to the right."""
    beside = axes.twinx() if history.inferred else axes
    for number, name in enumerate(history.inferred):
        values = np.array(history.column(name))
        style = {"color": f"C{number + 5}", "linestyle": ":", "linewidth": 1.5}
        beside.plot(seconds, values / (values[-1] or 1.0), **style)
        axes.plot([], [], label=f"{name} / {values[-1]:.3g}", **style)
    if history.inferred:
        beside.set_ylabel("inferred / last value", fontsize=9, labelpad=2)
        beside.tick_params(labelsize=8)
