"""A solution: trained fields that can be evaluated, scored, plotted, saved and exported."""

import json
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from pinnact import animation, correction, export, marching, plotting, storage
from pinnact.evaluation import CoefficientField, Evaluator, to_points
from pinnact.files import atomic, plain_data
from pinnact.history import History
from pinnact.model import Model, Networks
from pinnact.operators import Index
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.scoring import Score
from pinnact.system import System
from pinnact.versions import versions

SUMMARY = (
    "problem", "activation", "network", "parameters", "optimiser", "seed", "precision", "device", "seconds", "steps",
    "loss", "relative_l2", "max_error", "lift_error", "unknowns", "built_in", "notes", "stopped",
    "settings", "resumed", "recovered", "versions",
)  # fmt: skip


class Solution:
    """Trained fields of a problem: `solution(x=X, t=T)` evaluates them, in NumPy float64 whatever they were trained in.

    `system` is the problem with what is built in, `model` holds the trained arrays, `history` a row a logged step,
    `score` the points and values of the reference (computed when needed if None), `summary` what training knows of
    itself (`known`), `network` the recipe (or module, or mapping) that `model` was built from: with it a file tells its
    network.
    """

    def __init__(
        self,
        system: System,
        model: Model,
        history: History,
        score: Score | None,
        summary: Mapping[str, Any],
        network: Networks | None = None,
    ) -> None:
        self.system, self.model, self.history = system, model, history
        self.problem = system.problem
        if network is None:
            parts = dict(zip(self.problem.fields, model.networks))
            network = model.networks[0] if len(model.networks) == 1 else parts
        self.network: Networks = network
        self.evaluator = Evaluator(system, model)
        self._score, self.known = score, dict(summary)

    def told(self, changes: Mapping[str, Any]) -> "Solution":
        """The same solution, with a history of its own, of which other things are known."""
        known = {name: value for name, value in self.known.items() if name not in ("relative_l2", "max_error")}
        same = Solution(self.system, self.model, self.history.copy(), self._score, {**known, **changes}, self.network)
        same.evaluator = self.evaluator  # which has compiled what it needs
        return same

    # -- evaluation ---------------------------------------------------------------------------------------------

    def __call__(self, points: ArrayLike | None = None, /, **coordinates: ArrayLike) -> Any:
        """The unknowns at `points (n, d)`, or at `x=..., t=...`, arrays that broadcast to a common shape.

        One unknown gives its array in that shape (a vector has its components on a last axis, a complex unknown is
        complex128); several unknowns give a dictionary of arrays by name. Raises ValueError for coordinates that are
        missing or unknown and for shapes that don't fit.
        """
        flat, shape = self._points(points, coordinates)
        return self._pick(self.evaluator.values(flat), shape, None)

    def derivative(
        self,
        along: str | tuple[str, ...],
        points: ArrayLike | None = None,
        /,
        unknown: str | None = None,
        **coordinates: ArrayLike,
    ) -> Any:
        """A partial derivative, e.g. `solution.derivative("xx", x=X, t=T)`, in the form that calling the solution has.

        `along` names the coordinates as in a residual (`"xt"`), or one by one (`("x1", "x1")`); `unknown` picks one of
        several.
        """
        flat, shape = self._points(points, coordinates)
        return self._pick(self.evaluator.derivatives(self._axes(along), flat), shape, unknown)

    def residuals(self, points: ArrayLike | None = None, /, **coordinates: ArrayLike) -> dict[str, np.ndarray]:
        """The residuals of the equations by name; one that is a vector or complex has its real rows on a last axis."""
        flat, shape = self._points(points, coordinates)
        return {name: _shaped(value, shape) for name, value in self.evaluator.residuals(flat).items()}

    def _points(
        self, points: ArrayLike | None, named: Mapping[str, ArrayLike]
    ) -> tuple[Float[np.ndarray, "n d"], tuple[int, ...]]:
        return to_points(self.problem.domain.coordinates, points, named)

    def _axes(self, along: str | tuple[str, ...]) -> Index:
        names = self.problem.domain.coordinates
        if isinstance(along, str):
            axes = self.problem.frame.parse(along)
        else:
            axes = tuple(names.index(name) for name in along) if set(along) <= set(names) else None
        if not axes:
            example = f"{names[0] * 2!r} or ({names[0]!r}, {names[0]!r})"
            raise ValueError(f"derivative along {along!r}; name coordinates out of {', '.join(names)}, as in {example}")
        return tuple(sorted(axes))

    def _pick(self, values: Mapping[str, np.ndarray], shape: tuple[int, ...], unknown: str | None) -> Any:
        if unknown is not None and unknown not in values:
            raise ValueError(f"{unknown!r} is no unknown; the unknowns are {', '.join(values)}")
        if len(values) == 1 or unknown is not None:
            return _shaped(values[unknown or next(iter(values))], shape)
        return {name: _shaped(value, shape) for name, value in values.items()}

    # -- scores -------------------------------------------------------------------------------------------------

    @property
    def score(self) -> Score:
        """The points on which the solution is scored, and the reference there."""
        if self._score is None:
            with precision("float64"):
                self._score = Score.of(self.problem)
        return self._score

    @cached_property
    def _scored(self) -> dict[str, np.ndarray]:
        return self.evaluator.values(self.score.points) if self.score.reference else {}

    def error(self) -> dict[str, float]:
        """Relative L2 errors on the scoring points, by unknown; empty without a reference."""
        return self.score.errors(self._scored)

    def max_error(self) -> dict[str, float]:
        """Largest absolute errors on the scoring points, by unknown; empty without a reference."""
        return self.score.largest(self._scored)

    def error_estimate(self, **options: Any) -> dict[str, float]:
        """Relative L2 errors by unknown without a reference: the distance from the `corrected` solution.

        As good as the correction: where that takes most of the error away, to a few per cent. What neither the
        residual nor its linearisation sees (another solution of a nonlinear equation) is not in it. nan where no second
        stage could be fitted.
        """
        return correction.error_estimate(self, **options)

    def corrected(self, **options: Any) -> "Solution":
        """This solution with a second stage, a linear one, that least squares fit to what is left of the residual.

        `options` are `features=1000` random waves and `points=15_000` new points of one real unknown (divided among
        several), at most `steps=5` of Gauss-Newton in `seconds`, `seed`. 10 to 60 seconds on two cores; smooth
        linear problems go to round-off. `summary["residual_left"]` is the share of the residual that it leaves on
        points that were not fitted. SmoothnessError where the tangents of the network are too rough.
        """
        return correction.corrected(self, **options)

    def marched(self, **options: Any) -> "Solution":
        """What a march through time finds in place of this solution, where training went astray.

        The time is cut into about `windows=20`; in one after the other, least squares fit the coefficients of
        `features=600` random waves, which go on from those before (`pinnact.marching`), in some `seconds`; `seed` is
        that of the waves. For smooth solutions of evolution equations whose conditions are all built in (else
        ValueError, with the reason). This solution, with a warning, where the march leaves the larger residual.
        """
        return marching.marched(self, **options)

    @property
    def lift_error(self) -> dict[str, float] | None:
        """The relative L2 errors of what is built in alone (the network at zero); None where nothing is."""
        return self.known.get("lift_error")

    @cached_property
    def unknowns(self) -> dict[str, float | np.ndarray | CoefficientField]:
        """The inferred coefficients: floats, and functions `k(x=...)` for coefficient fields."""
        return self.evaluator.unknowns()

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The run in plain words and numbers: what `summary.json` holds."""
        known = dict(self.known)
        if "relative_l2" not in known:
            known |= {"relative_l2": self.error() or None, "max_error": self.max_error() or None}
        if "versions" not in known:
            known["versions"] = versions()
        known.setdefault("problem", self.problem.name)
        known.setdefault("unknowns", self.unknowns)
        known.setdefault("built_in", self.system.ansatz.built_in)
        known.setdefault("notes", self.system.ansatz.notes)
        ordered = {name: known.pop(name, None) for name in SUMMARY}
        return plain_data(ordered | known)

    # -- pictures, files ----------------------------------------------------------------------------------------

    def plot(self, unknown: str | None = None, path: str | PathLike[str] | None = None) -> Figure:
        """A figure of prediction, reference, error, residual and history, laid out by the problem's dimension.

        It is saved as well where `path` is given. `unknown` picks one of several.
        """
        figure = plotting.plot(self, unknown)
        if path is not None:
            with atomic(Path(path)) as temporary:
                figure.savefig(temporary)
        return figure

    def animate(self, path: str | PathLike[str], unknown: str | None = None, frames: int = 60) -> None:
        """Write an animated GIF of a solution in one or two space dimensions and time."""
        with atomic(Path(path)) as temporary:
            animation.animate(self, temporary, unknown, frames)

    def save(self, path: str | PathLike[str]) -> None:
        """Write `solution.eqx`: a readable header and the arrays, loaded again by `pinnact.load(path, problem)`."""
        path = Path(path)
        values = self.evaluator.values(storage.check_points(self.problem))
        file = path / "solution.eqx" if path.is_dir() else path
        storage.save(file, self.system, self.model, self.history, self.summary, self.network, values)

    @staticmethod
    def load(path: str | PathLike[str], problem: Problem, network: Networks | None = None) -> "Solution":
        """The same as `pinnact.load`."""
        return load(path, problem, network)

    def write(self, folder: str | PathLike[str]) -> None:
        """Write `summary.json`, `history.csv`, `solution.eqx` and `solution.png` into `folder`, made where missing."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.save(folder / "solution.eqx")
        with atomic(folder / "history.csv") as temporary:
            self.history.write(temporary)
        with atomic(folder / "summary.json") as temporary:
            temporary.write_text(json.dumps(self.summary, indent=2) + "\n", encoding="utf-8")
        self.plot(path=folder / "solution.png")

    def to_xarray(self, grid: int | Mapping[str, int | ArrayLike] | None = None) -> Any:
        """An `xarray.Dataset` of all unknowns (and references) on a tensor grid; nan outside of the domain.

        `grid` is a number of points an axis, or numbers or coordinate values by name. Needs `pinnact[data]`.
        """
        return export.to_xarray(self, grid)

    def to_vtk(self, path: str | PathLike[str], n: int | None = None, **fixed: float) -> None:
        """Write `path` (.vtu or .vtk) for ParaView: unknowns, reference and error on `n` points an axis.

        Up to three coordinates become the axes of space, time among them; `t=0.5` holds one fixed instead. Needs
        `pinnact[geometry]`.
        """
        export.to_vtk(self, Path(path), n, fixed)

    def __repr__(self) -> str:
        words = [f"{name} {self.known[name]}" for name in ("network", "parameters", "steps") if name in self.known]
        errors = [row["error"] for row in self.history if row["error"] is not None]
        words += [f"relative L2 {errors[-1]:.2e}"] if errors else []
        return f"Solution({self.problem.name}: {', '.join([*self.problem.fields, *words])})"


def load(path: str | PathLike[str], problem: Problem, network: Networks | None = None) -> Solution:
    """The solution that `Solution.save` wrote to `path` (a file, or the folder that holds `solution.eqx`).

    `problem` is the one it was trained on: its functions aren't in the file. `network` is needed only for networks of
    your own. Raises ValueError, in one line, for a file that is damaged, is no solution or belongs to another problem.
    """
    file = Path(path) / "solution.eqx" if Path(path).is_dir() else Path(path)
    stored = storage.load(file, problem, network)
    solution = Solution(stored.system, stored.model, stored.history, None, stored.summary, stored.network)
    points, values = stored.check
    storage.verify(file, values, solution.evaluator.values(points))
    return solution


def _shaped(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return value.reshape((*shape, *value.shape[1:]))
