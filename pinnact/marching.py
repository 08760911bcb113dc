"""A march through time: where training has failed, window after window is solved by least squares, from the start on.

Training sees all times at once and may settle where the far end fits and the start does not. A march can't: a window
of time goes on from what those before it end with, by a sum of random waves that vanishes at its start
(`pinnact.windows`). Its coefficients are found by Gauss-Newton with QR; windows whose residual is large are halved. The
derivatives of all waves are computed once a window, so that a step costs matrix products only.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pinnact.devices import jit
from pinnact.features import drawn
from pinnact.interrupts import Interrupts
from pinnact.least_squares import least_squares
from pinnact.linearisation import linearised
from pinnact.model import Model, build_model, each
from pinnact.networks import Inputs
from pinnact.precision import precision
from pinnact.problem import Problem
from pinnact.system import System
from pinnact.windows import Waves, Windowed, Windows, handed_over, plain_embedding, progress

if TYPE_CHECKING:
    from pinnact.solution import Solution

logger = logging.getLogger("pinnact")
WINDOWS, FEATURES = 20, 600
POINTS, OTHERS = 5, 1  # for each wave: points that are fitted, and others
BANDS = (4.0, 8.0, 16.0, 32.0)  # highest wave numbers that are tried in the first window, in radians a half width
LOWEST = 1 / 3  # of the highest
STEPS, HALVINGS = 12, 5
SMALL, HOPELESS = 1e-5, 0.1  # of the residual without any waves: what needs no shorter window, what ends the march
SHORTEST, GROWTH = 1 / 16, 1.5  # of windows, beside the first one; from one to the next where little is left
SLICE = 16  # points whose waves are differentiated at once


def marched(
    solution: "Solution",
    windows: int = WINDOWS,
    features: int = FEATURES,
    seed: int = 0,
    seconds: float = math.inf,
) -> "Solution":
    """What a march through about `windows` windows of `features` waves finds, in some `seconds`.

    The solution as it was, with a warning, where the march fails, would take longer, or leaves the larger residual.
    Raises ValueError, with the reason, for problems that can't be marched through.
    """
    if why_not := obstacle(solution.system):
        raise ValueError(f"no march through time: {why_not}")
    for name, value in (("windows", windows), ("features", features)):
        if not (isinstance(value, int) and value >= 1):
            raise ValueError(f"{name}={value!r}: give a whole number of 1 or more")
    if solution.system.along and any(isinstance(part, Windowed) for part in solution.model.networks):
        raise ValueError("no march through time: its lift follows a march already; march from the trained solution")
    began = time.perf_counter()
    system, model = solution.system, solution.model
    first = each(solution.network, lambda part: part.first if isinstance(part, Windows) else part)
    with precision("float64"), Interrupts() as signals:
        march = _March(system, features, seed, began + seconds, signals)
        before = math.sqrt(sum(march.squares(model).values()))
        path = march.run(windows, before)
        if path is None:
            logger.warning("no march through time: %s", march.said)
            stopped = signals.stopped or solution.known.get("stopped")
            return solution.told({"seconds": _seconds(solution, began), "stopped": stopped})
        edges, bands = path.edges, (LOWEST * path.band, path.band)
        orders = _orders(solution.problem)
        parts = iter(orders.values() if isinstance(first, Mapping) else [sum(orders.values(), ())])
        recipe = each(first, lambda part: Windows(part, edges, next(parts), features, *bands, seed))
        blank = build_model(solution.problem, recipe, jax.random.key(0))
        # A file holds the models along which a lift was carried as it holds the model: with the same parts.
        system = System(system.problem, system.ansatz, system.engine, tuple(_beside(blank, m) for m in system.along))
        found = path.model(_beside(blank, model))
        if carried := system.carried(found):  # along a better field: the way is known, and gone once more
            other = _March(carried, features, seed, began + seconds, signals)
            again = other.run(windows, path.left, path)
            if again is not None:
                march, system, path, found = other, carried, again, again.model(_beside(blank, model))
        left = march.squares(found)
    said = {
        "network": f"{len(path.edges) - 1} windows of {features} waves",
        "precision": "float64",
        "parameters": path.coefficients.size,
        "loss": sum(left.values()),
        "unseen_loss": path.left**2,
        "residual_left": path.left / before,
        "seconds": _seconds(solution, began),
        "steps": (solution.known.get("steps") or 0) + path.steps,
        "stopped": signals.stopped or solution.known.get("stopped"),
    }
    result = type(solution)(system, found, solution.history, solution.score, solution.known, recipe).told(said)
    error = max(result.error().values(), default=None)
    result.history.add(path.steps, said["seconds"], said["loss"], left, error)
    return result


def obstacle(system: System) -> str:
    """Why there is no march through the time of a system; empty where there is one."""
    problem = system.problem
    if problem.domain.time is None or len(problem.domain.coordinates) < 2:
        return "the domain has no space and time"
    if problem.observations or problem.inferred:
        return "it takes no data and infers nothing"
    if problem.ansatz or not system.ansatz.built_in or any(not group.interior for group in system.groups.values()):
        return "initial and boundary conditions must be built in exactly, by the library"
    if linearised(problem) is None:
        return "an equation takes values at other points"
    if max(max(orders) for orders in _orders(problem).values()) > 2:
        return "an equation is of more than second order in time"
    return ""


def _seconds(solution: "Solution", began: float) -> float:
    return round((solution.known.get("seconds") or 0.0) + time.perf_counter() - began, 3)


def _beside(blank: Model, model: Model) -> Model:
    """The model as the first networks of windows whose coefficients are 0."""
    plain = (part.first if isinstance(part, Windowed) else part for part in model.networks)
    double = lambda leaf: jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf
    pairs = zip(blank.networks, jax.tree.map(double, tuple(plain)), strict=True)
    return Model(tuple(eqx.tree_at(lambda w: (w.first, w.share), b, (p, jnp.ones(()))) for b, p in pairs), {})


class _Window(NamedTuple):
    """A window, its coefficients, and its residual at points that are not fitted: at first, and what is left."""

    start: float
    end: float
    coefficients: Float[np.ndarray, "m f"]
    begun: float
    left: float
    steps: int


class _Path(NamedTuple):
    """All windows of a march; `band` is the highest wave number."""

    edges: tuple[float, ...]
    band: float
    coefficients: Float[np.ndarray, "k m f"]
    left: float
    steps: int

    def model(self, beside: Model) -> Model:
        """The model of these windows alone, given one that has such windows."""
        networks, begin = [], 0
        for part in beside.networks:
            end = begin + part.coefficients.shape[1]  # type: ignore[attr-defined]
            own = jnp.asarray(self.coefficients[:, begin:end])
            networks.append(eqx.tree_at(lambda w: (w.coefficients, w.share), part, (own, jnp.zeros(()))))
            begin = end
        return Model(tuple(networks), beside.coefficients)


class _March:
    """The waves of one window after the other, and the equations that they are to solve."""

    def __init__(self, system: System, features: int, seed: int, until: float, signals: Interrupts) -> None:
        problem = system.problem
        rows = linearised(problem)
        assert rows is not None
        self.system, self.rows, self.features, self.seed = system, rows, features, seed
        self.until, self.signals, self.said = until, signals, ""
        self.clock = problem.domain.bounds[problem.domain.time or ""]
        self.indices = sorted(rows.indices)
        self.orders = sum(_orders(problem).values(), ())
        self.embedding = plain_embedding(Inputs(dict(problem.domain.bounds), tuple(problem.domain.periodic)))
        (self.group,) = system.groups.values()
        self.fitted, self.others = (self._places(n * features, seed + k) for k, n in enumerate((POINTS, OTHERS)))
        self.waves, self.start = jit(self._waves), jit(self._start)
        self.residual, self.linear = jit(self._residual), jit(self._linear)

    def _places(self, count: int, seed: int) -> Float[np.ndarray, "n d"]:
        """Points of the domain whose times lie between 0 and 1."""
        points = np.array(self.group.region.sample(count, "sobol", seed).points)  # type: ignore[union-attr]
        points[:, -1] = (points[:, -1] - self.clock[0]) / (self.clock[1] - self.clock[0])
        return points

    def squares(self, model: Model) -> dict[str, float]:
        """The mean squares of the residuals of a model by name, at all times."""
        points = _within(self.others, *self.clock)
        batch = {self.group.name: self.system.batch(self.group, points)}
        rows = eqx.filter_jit(self.system.residuals)(model, batch)
        return {name: float(jnp.mean(jnp.sum(r**2, axis=1))) for name, r in rows.items()}

    # -- one window ---------------------------------------------------------------------------------------------

    def _waves(self, points: Array, start: Array, end: Array, numbers: Array, phases: Array, powers: Array) -> Any:
        """The derivatives `(n, m, f)` of all waves, with the factor of what is built in, by index."""
        waves = Waves(self.embedding, numbers, phases)

        def outputs(q: Array) -> Array:
            factor = self.system.ansatz.trial(progress(q, start, end, powers), q)
            return factor[:, None] * waves(q, start, end)[None]

        return jax.lax.map(lambda q: self.system.engine(outputs, q, self.indices), points, batch_size=SLICE)

    def _start(self, points: Array, start: Array, numbers: Array, phases: Array, before: Array) -> Any:
        """The derivatives `(n, m)` of what a window begins with, by index."""
        waves, order, trial = Waves(self.embedding, numbers, phases), max(self.orders), self.system.ansatz.trial
        ones = jnp.ones(self.rows.size)
        lift = self.system.ansatz.lift or (lambda q: 0.0 * ones)

        def at(q: Array) -> Any:
            # First the derivatives of all waves, then their sum: half the time of those of the sum.
            all_waves = lambda q: trial(ones, q)[:, None, None] * waves.held(q, start, order)[None]
            held, lifted = (self.system.engine(f, q, self.indices) for f in (all_waves, lift))
            return {index: lifted[index] + jnp.einsum("hmf,mhf->m", before, held[index]) for index in self.indices}

        return jax.lax.map(at, points, batch_size=SLICE)

    def _table(self, waves: Any, start: Any, c: Array) -> Any:
        return {index: start[index] + jnp.einsum("nmf,mf->nm", waves[index], c) for index in self.indices}

    def _residual(self, waves: Any, start: Any, points: Array, c: Array) -> Float[Array, "n r"]:
        return jax.vmap(self.rows)(self._table(waves, start, c), points)

    def _linear(self, waves: Any, start: Any, points: Array, c: Array) -> tuple[Array, Array]:
        """The residuals `(n, r)` and their derivatives `(n, r, m, f)` by the coefficients."""
        table = self._table(waves, start, c)
        slopes = jax.vmap(jax.jacfwd(self.rows))(table, points)
        columns = [jnp.einsum("nrm,nmf->nrmf", slopes[index], waves[index]) for index in self.indices]
        return jax.vmap(self.rows)(table, points), sum(columns[1:], columns[0])

    def window(self, start: float, end: float, drawn_: Any, path: Sequence[_Window]) -> _Window:
        """The window from `start` to `end` that goes on from a path."""
        blank = np.zeros((self.rows.size, self.features))
        done = np.stack([*(window.coefficients for window in path), blank])
        times = jnp.array([*(window.start for window in path), start, end])
        before = handed_over(done, times, self.orders)[-1]
        powers = jnp.asarray(self.orders) if path else jnp.zeros(self.rows.size, int)

        def known(places: np.ndarray) -> tuple[Any, Any, Array]:
            points = jnp.asarray(_within(places, start, end))
            return self.waves(points, start, end, *drawn_, powers), self.start(points, start, *drawn_, before), points

        fitted, others = known(self.fitted), known(self.others)
        norm = lambda c, at: float(jnp.sqrt(jnp.sum(self.residual(*at, c) ** 2) / len(at[2])))
        c, size, steps = blank, norm(blank, fitted), 0
        while steps < STEPS and not self.signals.stopped:
            rows, columns = (np.asarray(part) / math.sqrt(len(fitted[2])) for part in self.linear(*fitted, c))
            step, left = least_squares(np.column_stack([columns.reshape(rows.size, -1), -rows.ravel()]))
            step = step.reshape(c.shape)
            tried = ((h, norm(c + h * step, fitted)) for h in 0.5 ** np.arange(HALVINGS))
            length, after = next(((h, after) for h, after in tried if after < size), (0.0, size))
            c, steps, before_ = c + length * step, steps + 1, size
            size = after
            if after < 1.1 * left or length == 0 or (after > 0.9 * before_ and left > 0.5 * after):
                break
        return _Window(start, end, c, norm(blank, others), norm(c, others), steps)

    # -- all windows --------------------------------------------------------------------------------------------

    def run(self, windows: int, most: float, known: _Path | None = None) -> _Path | None:
        """All windows, or None with the reason in `said`: as soon as they leave `most` of the residual, or take too
        long. With the edges and the band of a path that is known."""
        start, end = self.clock
        longest = (end - start) / windows
        ends = list(known.edges[1:]) if known else []
        band = known.band if known else self._band(start, start + longest)
        path: list[_Window] = []
        scale, tolerance, length, at, left = 0.0, 0.0, longest, start, 0.0
        began, since = time.perf_counter(), start
        while at < end:
            until = ends[len(path)] if ends else (end if end - at < 1.3 * length else at + length)
            window = self.window(at, until, self._drawn(band), path)
            if not path:
                scale, tolerance = window.begun, SMALL * window.begun
            while not ends and window.left > tolerance and window.end - at > SHORTEST * longest:
                half = self.window(at, (at + window.end) / 2, self._drawn(band), path)
                if not half.left < window.left / 2:  # what is left is not a matter of length
                    tolerance = 2 * window.left
                    break
                window = half
            if self.signals.stopped:
                self.said = self.signals.stopped
                return None
            if not window.left < HOPELESS * scale:
                self.said = f"the residual stays at {window.left:.1e} of {scale:.1e} at {window.end:.3g}"
                return None
            path.append(window)
            at, length = window.end, min(longest, (GROWTH if window.left < tolerance / 10 else 1) * (window.end - at))
            left = math.sqrt(sum((w.end - w.start) * w.left**2 for w in path) / (end - start))
            if not left < most:
                self.said = f"it leaves a residual of {left:.1e} up to {at:.3g}, where {most:.1e} was left before"
                return None
            now = time.perf_counter()
            if len(path) == 1:  # what was compiled by then is no measure of what follows
                began, since = now, at
            going = (now - began) / (at - since) if at > since else 0.0
            if at < end and now + going * (end - at) > self.until:
                self.said = "it would not be over in time; give a larger budget"
                return None
            logger.info("march: %.4g, residual %.1e of %.1e, %d steps", at, window.left, scale, window.steps)
        edges = (start, *(window.end for window in path))
        return _Path(edges, band, np.stack([w.coefficients for w in path]), left, sum(w.steps for w in path))

    def _band(self, start: float, end: float) -> float:
        """The band of wave numbers that leaves least in the first window; wider ones only while they pay."""
        best, least = BANDS[0], math.inf
        for band in BANDS:
            left = self.window(start, end, self._drawn(band), []).left
            if not left < least / 2:
                break
            best, least = band, left
        return best

    def _drawn(self, band: float) -> tuple[np.ndarray, np.ndarray]:
        return drawn(self.features, self.embedding.size, LOWEST * band, band, self.seed)


def _within(places: Float[np.ndarray, "n d"], start: float, end: float) -> Float[np.ndarray, "n d"]:
    points = places.copy()
    points[:, -1] = start + (end - start) * places[:, -1]
    return points


def _orders(problem: Problem) -> dict[str, tuple[int, ...]]:
    """The order in time of each real output, by unknown."""
    axis, found = problem.domain.dimension - 1, {}
    for name, unknown in problem.fields.items():
        records = [problem.residuals_by_name[k].record.indices.get(name, set()) for k in problem.equations]
        order = max((index.count(axis) for part in records for index in part), default=0)
        found[name] = (order,) * unknown.size
    return found
