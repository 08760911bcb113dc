"""Exact values: which conditions can be built into a field, and the ansatz that builds them in.

An unknown becomes `u(x) = lift(x) + factor(x) * network(x)`: the lift takes the prescribed values, the factor vanishes
where they are prescribed. The lift uses data only at the projection of a point onto the part of the boundary where
they are prescribed: a Boolean sum (transfinite interpolation, Gordon 1971, doi:10.1137/0708019) of one-axis projectors

    L_k = L_{k-1} + P_k (g_k - L_{k-1}),

where `P_k` interpolates linearly between the faces of axis `k`, or extends initial data `u0 + (t - t0) v0` in time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pinnact.compatibility import agree_at_corners, smooth_periodic_extension
from pinnact.domains import Piece
from pinnact.fields import Field
from pinnact.operators import PointFunction
from pinnact.problem import On, Problem
from pinnact.residuals import POINT, Residual, argument_names

MOST_DIMENSIONS = 3  # beyond, a lift by faces is costly and, for harmonic data, close to the solution itself


@dataclass(frozen=True)
class Prescribed:
    """One real output held on one smooth piece: `output = data(point)`, or its rate in time where `rate`."""

    condition: str
    output: int
    piece: Piece
    data: PointFunction
    rate: bool


@dataclass(frozen=True)
class Ansatz:
    """How network outputs become the unknowns: `lift(point) + trial(outputs, point)`, all real outputs in a row.

    `built_in` names the conditions that hold exactly; `notes` says, a line each, what was built in and what was not.
    """

    lift: PointFunction | None
    trial: Callable[[Array, Array], Array]
    built_in: tuple[str, ...]
    notes: tuple[str, ...]


def plain(problem: Problem) -> Ansatz:
    """The ansatz that builds nothing in: every condition stays a residual."""
    return Ansatz(None, lambda outputs, point: outputs, (), ("nothing is built in: every condition is a residual",))


def by_hand(problem: Problem) -> Ansatz:
    """The problem's own `ansatz`: functions of the raw network (under the unknown's name) and of coordinates."""
    functions = dict(problem.ansatz or {})
    coordinates = problem.domain.coordinates
    def trial(outputs: Array, point: Array) -> Array:
        given: dict[str, Any] = {POINT: point, **dict(zip(coordinates, point, strict=True))}
        given |= {name: unknown.assemble(outputs[_span(problem, name)]) for name, unknown in problem.fields.items()}
        rows = []
        for name, unknown in problem.fields.items():
            value = given[name]
            if name in functions:
                function = functions[name]
                value = function(**{a: given[a] for a in argument_names(function, "ansatz")})
            rows.append(unknown.split(value))
        return jnp.concatenate(rows)

    return Ansatz(None, trial, _exactly_met(problem, trial), (f"ansatz given for {', '.join(functions)}",))


def build(problem: Problem) -> Ansatz:
    """The ansatz with every condition built in that can be; call within the float64 context.

    A condition is built in when the domain has at most three coordinates, its pieces have smooth distances, it
    prescribes values (or initial velocities) and is affine in them (checked by evaluation), nothing it depends on is
    being inferred, the data agree at corners and, on periodic domains, extend periodically in a smooth way.
    """
    found: list[Prescribed] = []
    notes: list[str] = []
    for name, condition in problem.conditions.items():
        entries, why_not = prescribed(problem, name, condition)
        if why_not:
            notes.append(f"{name}: a residual ({why_not})")
        found += entries
    for condition, reason in _unfit(problem, found):
        found = [p for p in found if p.condition != condition]
        notes.append(f"{condition}: a residual ({reason})")
    built_in = tuple(dict.fromkeys(p.condition for p in found))
    notes = [f"{name}: built in exactly" for name in built_in] + notes
    if not found:
        return Ansatz(None, lambda outputs, point: outputs, (), tuple(notes))
    size = sum(unknown.size for unknown in problem.fields.values())
    parts = [_lift_and_factor(problem, [p for p in found if p.output == output]) for output in range(size)]

    def lift(point: Array) -> Array:
        return jnp.stack([part(point) for part, _ in parts])

    def trial(outputs: Array, point: Array) -> Array:
        return outputs * jnp.stack([factor(point) for _, factor in parts])

    return Ansatz(lift, trial, built_in, tuple(notes))


def _span(problem: Problem, name: str) -> slice:
    start = 0
    for other, unknown in problem.fields.items():
        if other == name:
            return slice(start, start + unknown.size)
        start += unknown.size
    raise KeyError(name)


def _evaluator(problem: Problem, residual: Residual, index: tuple[int, ...]) -> Callable[[Array, Array], Array]:
    """The residual as a function of (all real outputs, or their derivatives `index`) and of the point."""
    coefficients = problem.coefficient_functions()

    def rows(z: Array, point: Array) -> Array:
        def no_function(q: Array) -> Array:
            raise TypeError("only values are prescribed")

        fields = {
            name: Field(name, no_function, point, problem.frame, {index: unknown.assemble(z[_span(problem, name)])})
            for name, unknown in problem.fields.items()
        }
        fields |= {
            name: Field(name, f, point, problem.frame, {(): f(point)})
            for name, f in coefficients.items()
            if name in residual.arguments
        }
        return residual(fields, point, None)

    return rows


def prescribed(problem: Problem, name: str, condition: Any) -> tuple[list[Prescribed], str]:
    """What a condition prescribes, piece by piece; or an empty list and the reason why it can't be built in."""
    domain, residual = problem.domain, problem.residuals_by_name[name]
    if not isinstance(condition, On):
        return [], "an integral"
    if domain.dimension > MOST_DIMENSIONS:
        return [], f"{domain.dimension} coordinates, built in up to {MOST_DIMENSIONS}"
    if condition.region.kind not in ("boundary", "initial"):
        return [], f"on {condition.region.name}"
    if any(piece.distance is None or piece.project is None for piece in condition.region.pieces):
        return [], "no smooth distance function"
    if residual.needs_normal:
        return [], "needs the normal"
    if set(residual.arguments) & set(problem.inferred):
        return [], "depends on an inferred coefficient"
    taken = set().union(*(residual.record.indices.get(u, set()) for u in problem.fields))
    rate = condition.region.kind == "initial" and taken == {(domain.dimension - 1,)}
    if any(residual.record.probed.get(u, -1) >= 0 for u in problem.fields) or not (rate or taken == {()}):
        return [], "no prescribed value"
    rows = _evaluator(problem, residual, (domain.dimension - 1,) if rate else ())
    size = sum(unknown.size for unknown in problem.fields.values())
    points = jnp.asarray(condition.region.sample(64, seed=1).points)
    probe = jnp.sin(1.0 + jnp.arange(size)) * 1.7
    zero = jnp.zeros(size)
    matrices = jax.vmap(lambda p: jax.jacfwd(rows)(zero, p))(points)
    offsets = jax.vmap(lambda p: rows(zero, p))(points)
    direct = jax.vmap(lambda p: rows(probe, p))(points)
    scale = 1 + jnp.max(jnp.abs(direct))
    if not bool(jnp.max(jnp.abs(offsets + matrices @ probe - direct)) <= 1e-10 * scale):
        return [], "not affine in the unknown"
    used = np.asarray(jnp.max(jnp.abs(matrices), axis=0) > 0)
    if not np.all(used.sum(axis=1) == 1) or np.any(used.sum(axis=0) > 1):
        return [], "mixes several unknowns"
    outputs = used.argmax(axis=1)
    slopes = np.asarray(jnp.min(jnp.abs(matrices), axis=0))[np.arange(len(outputs)), outputs]
    if np.any(slopes <= 1e-12 * scale):
        return [], "its factor of the unknown vanishes somewhere"

    def data(row: int, output: int) -> PointFunction:
        unit = zero.at[output].set(1.0)

        def value(point: Array) -> Array:
            offset = rows(jnp.zeros(size, point.dtype), point)[row]
            return -offset / (rows(unit.astype(point.dtype), point)[row] - offset)

        return value

    entries = [
        Prescribed(name, int(output), piece, data(row, int(output)), rate)
        for row, output in enumerate(outputs)
        for piece in condition.region.pieces
    ]
    return entries, ""


def _unfit(problem: Problem, found: list[Prescribed]) -> list[tuple[str, str]]:
    """Conditions that have to stay residuals because of how the data fit together, with the reason."""
    unfit: dict[str, str] = {}
    for entry in found:
        if entry.piece.face and entry.piece.face[0] == problem.domain.time and problem.domain.periodic:
            order = max(problem.order(unknown) for unknown in problem.fields)
            if not smooth_periodic_extension(problem.domain, entry.data, order):
                unfit[entry.condition] = f"the periodic extension of its data is not C^{order}"
    while True:
        left = [p for p in found if p.condition not in unfit]
        for entry in left:
            if entry.rate and not any(p.output == entry.output and not p.rate and _instant(p, problem) for p in left):
                unfit[entry.condition] = "a rate without an initial value that is built in"
        left = [p for p in left if p.condition not in unfit]
        clashes: dict[str, int] = {}
        for i, a in enumerate(left):
            for b in left[:i]:
                if a.output == b.output and not agree_at_corners(problem.domain, a, b):
                    for condition in {a.condition, b.condition}:
                        clashes[condition] = clashes.get(condition, 0) + 1
        if clashes:
            # The one that clashes most goes first; among equals the later one.
            worst = max(clashes, key=lambda c: (clashes[c], list(problem.conditions).index(c)))
            unfit[worst] = "its data don't fit those of a neighbour where they meet"
            continue
        rough = _not_liftable(problem, left)
        if not rough:
            return list(unfit.items())
        unfit |= rough


def _instant(entry: Prescribed, problem: Problem) -> bool:
    return entry.piece.face is not None and entry.piece.face[0] == problem.domain.time


def _not_liftable(problem: Problem, entries: list[Prescribed]) -> dict[str, str]:
    """On domains that are no boxes: several pieces can be lifted only when all hold one and the same constant."""
    result: dict[str, str] = {}
    for output in {p.output for p in entries}:
        walls = [p for p in entries if p.output == output and not _instant(p, problem)]
        if problem.domain.axes is not None or len(walls) < 2:
            continue
        values = np.concatenate([_wall_values(p) for p in walls])
        if np.ptp(values) > 1e-12 * (1 + np.max(np.abs(values))):
            result |= {p.condition: "different values on pieces of a domain that is no box" for p in walls}
    return result


def _wall_values(entry: Prescribed) -> np.ndarray:
    points = jnp.asarray(entry.piece.sample(64, seed=2).points)
    return np.asarray(jax.vmap(entry.data)(points))


Projector = Callable[[Callable[[Prescribed | None], PointFunction]], PointFunction]


def _lift_and_factor(problem: Problem, entries: list[Prescribed]) -> tuple[PointFunction, PointFunction]:
    """The lift and the factor (of maximum about 1) of one real output."""
    if not entries:
        return (lambda point: jnp.zeros((), point.dtype)), (lambda point: jnp.ones((), point.dtype))
    values = [p for p in entries if not p.rate]
    rates = [p for p in entries if p.rate]
    distances = [p.piece.distance for p in [*values, *rates]]

    def product(point: Array) -> Array:
        return jnp.prod(jnp.stack([distance(point) for distance in distances if distance is not None]))

    sample = jnp.asarray(problem.domain.sample(4096, seed=3))
    largest = float(jnp.max(jnp.abs(jax.vmap(product)(sample))))
    walls = [p for p in values if not _instant(p, problem)]
    start = [p for p in values if _instant(p, problem)]
    if problem.domain.axes is not None:
        groups: dict[str, list[Prescribed]] = {}
        for p in walls:
            groups.setdefault(p.piece.face[0], []).append(p)  # type: ignore[index]
        projectors = [_between_faces(group) for group in groups.values()]
    elif walls:
        projectors = [_radial(walls)]
    else:
        projectors = []
    if start:
        projectors.append(_from_start(start[0], rates[0] if rates else None))

    lift: PointFunction = lambda point: jnp.zeros((), point.dtype)
    for project in projectors:
        lift = _boolean_sum(lift, project)
    return lift, lambda point: product(point) / largest


def _boolean_sum(lower: PointFunction, project: Callable[[PointFunction], PointFunction]) -> PointFunction:
    correction = project(lower)
    return lambda point: lower(point) + correction(point)


def _between_faces(entries: list[Prescribed]) -> Callable[[PointFunction], PointFunction]:
    """`P (g - L)` along one axis: linear between two faces, constant from one."""

    def project(lower: PointFunction) -> PointFunction:
        def value(point: Array) -> Array:
            gaps = []
            for p in entries:
                foot = p.piece.project(point)  # type: ignore[misc]
                gaps.append(p.data(foot) - lower(foot))
            if len(entries) == 1:
                return gaps[0]
            s = [p.piece.distance(point) for p in entries]  # type: ignore[misc]
            return (s[1] * gaps[0] + s[0] * gaps[1]) / (s[0] + s[1])

        return value

    return project


def _from_start(start: Prescribed, rate: Prescribed | None) -> Callable[[PointFunction], PointFunction]:
    """`P (g - L)` in time: the initial value, and `(t - t0)` times the initial rate where one is prescribed."""

    def project(lower: PointFunction) -> PointFunction:
        def value(point: Array) -> Array:
            foot = start.piece.project(point)  # type: ignore[misc]
            gap = start.data(foot) - lower(foot)
            if rate is None:
                return gap
            clock = jnp.zeros_like(point).at[-1].set(1)
            slope = jax.jvp(lower, (foot,), (clock,))[1]
            return gap + (point[-1] - foot[-1]) * (rate.data(foot) - slope)

        return value

    return project


def _radial(walls: list[Prescribed]) -> Callable[[PointFunction], PointFunction]:
    """`P (g - L)` from curved walls: one constant for all, or radial with a weight that is C^3 at the centre."""
    values = np.concatenate([_wall_values(p) for p in walls])
    constant = np.ptp(values) <= 1e-12 * (1 + np.max(np.abs(values)))
    wall = walls[0]

    def project(lower: PointFunction) -> PointFunction:
        def value(point: Array) -> Array:
            if constant:
                return jnp.asarray(values[0], point.dtype) - lower(point)
            foot = wall.piece.project(point)  # type: ignore[misc]
            weight = (1 - wall.piece.distance(point)) ** 2  # type: ignore[misc]
            return weight * (wall.data(foot) - lower(foot))

        return value

    return project


def for_problem(problem: Problem, hard: bool = True) -> Ansatz:
    """The ansatz of a problem: its own where it has one, else what can be built in, or nothing with `hard=False`."""
    if not hard:
        return plain(problem)
    return by_hand(problem) if problem.ansatz else build(problem)


def _exactly_met(problem: Problem, trial: Callable[[Array, Array], Array]) -> tuple[str, ...]:
    """The conditions that a user's ansatz meets whatever the network says, found by evaluating two of them."""
    size = sum(unknown.size for unknown in problem.fields.values())
    met = []
    coefficients = problem.coefficient_functions()
    for name, condition in problem.conditions.items():
        residual = problem.residuals_by_name[name]
        if not isinstance(condition, On) or set(residual.arguments) & set(problem.inferred):
            continue
        sample = condition.region.sample(32, seed=4)
        points, normals = jnp.asarray(sample.points), sample.normals
        worst = 0.0
        for shift in (0.3, 1.1):
            worst = max(worst, _residual_size(problem, residual, trial, coefficients, points, normals, shift, size))
        if worst < 1e-10:
            met.append(name)
    return tuple(met)


def _residual_size(
    problem: Problem,
    residual: Residual,
    trial: Callable[[Array, Array], Array],
    coefficients: Mapping[str, PointFunction],
    points: Float[Array, "n d"],
    normals: np.ndarray | None,
    shift: float,
    size: int,
) -> float:
    """The largest residual when the raw network is a smooth made-up function."""

    def outputs(point: Array) -> Array:
        return trial(jnp.sin(shift + jnp.arange(1, size + 1) * (1 + jnp.sum(point))), point)

    def at(point: Array, normal: Array) -> Array:
        functions = {n: (lambda q, n=n: problem.fields[n].assemble(outputs(q)[_span(problem, n)])) for n in problem.fields}
        fields = {
            n: Field(n, f, point, problem.frame, {}) for n, f in {**functions, **coefficients}.items()
        }
        return residual(fields, point, normal)

    normals_ = jnp.asarray(normals) if normals is not None else jnp.zeros((len(points), len(problem.domain.space)))
    return float(jnp.max(jnp.abs(jax.vmap(at)(points, normals_))))
