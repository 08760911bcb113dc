"""Exact values: the ansatz that builds conditions into a field.

An unknown becomes `u(x) = lift(x) + factor(x) * network(x)`: the lift takes the prescribed values, the factor vanishes
where they are prescribed. What conditions prescribe is found in `prescribed`, the lift is made in `transfinite`, or in
`propagators` for initial values with kinks. Where all of them are built in, mirror symmetries are, too (`mirrors`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pinnact.fields import Field
from pinnact.mirrors import Mirror, mirrors
from pinnact.operators import PointFunction
from pinnact.prescribed import Prescribed, is_instant, misfits, prescribed, rough_starts
from pinnact.problem import On, Problem
from pinnact.propagators import Propagated, propagator
from pinnact.residuals import POINT, argument_names
from pinnact.transfinite import lift_and_factor


@dataclass(frozen=True)
class Ansatz:
    """How network outputs become the unknowns: `lift(point) + trial(outputs, point)`, all real outputs in a row; no
    lift where all data are 0.

    `built_in` names the conditions that hold exactly; `notes` says, a line each, what was built in and what was not.
    `carry`, where there is one, makes the lift again along a field that is better known (None: the field is no use).
    The outputs have the symmetry of each of `mirrors`.
    """

    lift: PointFunction | None
    trial: Callable[[Array, Array], Array]
    built_in: tuple[str, ...]
    notes: tuple[str, ...]
    carry: Callable[[PointFunction], PointFunction | None] | None = None
    mirrors: tuple[Mirror, ...] = ()

    @property
    def folds(self) -> int:
        """How many places a point stands for: itself and its images."""
        return 2 ** len(self.mirrors)


def for_problem(problem: Problem, hard: bool = True) -> Ansatz:
    """The ansatz of a problem: its own where it has one, else what can be built in, or nothing with `hard=False`."""
    if not hard:
        return plain(problem)
    ansatz = by_hand(problem) if problem.ansatz else build(problem)
    found, notes = mirrors(problem, ansatz)
    return replace(ansatz, mirrors=found, notes=ansatz.notes + notes)


def plain(problem: Problem) -> Ansatz:
    """The ansatz that builds nothing in: every condition stays a residual."""
    return Ansatz(None, lambda outputs, point: outputs, (), ("nothing is built in: every condition is a residual",))


def by_hand(problem: Problem) -> Ansatz:
    """The problem's own `ansatz`: functions of the raw network (under the unknown's name) and of coordinates."""
    functions = dict(problem.ansatz or {})
    coordinates = problem.domain.coordinates

    def trial(outputs: Array, point: Array) -> Array:
        given: dict[str, Any] = {POINT: point, **dict(zip(coordinates, point, strict=True))}
        given |= {name: unknown.assemble(outputs[problem.spans[name]]) for name, unknown in problem.fields.items()}
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
    rough = rough_starts(problem, found)
    carried = _carried(problem, found) if rough else None
    for condition, reason in misfits(problem, found, {} if carried else rough).items():
        found = [p for p in found if p.condition != condition]
        notes.append(f"{condition}: a residual ({reason})")
    built_in = tuple(dict.fromkeys(p.condition for p in found))
    how = "built in (1024 waves), carried in time by the linear part of the equation" if carried else "built in exactly"
    if carried and carried.carry:
        how = "built in (1024 waves), its kink carried in time by the equation beside a smooth field"
    notes = [f"{name}: {how}" for name in built_in] + notes
    if not found:
        return Ansatz(None, lambda outputs, point: outputs, (), tuple(notes))
    size = sum(unknown.size for unknown in problem.fields.values())
    parts = [lift_and_factor(problem, [p for p in found if p.output == output]) for output in range(size)]

    def lift(point: Array) -> Array:
        return jnp.stack([jnp.zeros((), point.dtype) if part is None else part(point) for part, _ in parts])

    def trial(outputs: Array, point: Array) -> Array:
        return outputs * jnp.stack([factor(point) for _, factor in parts])

    if carried is None:
        nothing = all(part is None for part, _ in parts)
        return Ansatz(None if nothing else lift, trial, built_in, tuple(notes))
    return Ansatz(carried.lift, trial, built_in, tuple(notes), carried.carry)


def _carried(problem: Problem, found: list[Prescribed]) -> Propagated | None:
    """The lift that carries rough initial values by the linear part of the equation, where there is one."""
    starts = {p.output: p.data for p in found if is_instant(p, problem) and not p.rate}
    size = sum(unknown.size for unknown in problem.fields.values())
    if len(found) != size or set(starts) != set(range(size)):
        return None
    return propagator(problem, [starts[output] for output in range(size)])


def _exactly_met(problem: Problem, trial: Callable[[Array, Array], Array]) -> tuple[str, ...]:
    """The conditions that a user's ansatz meets whatever the network says, found by evaluating two made-up networks."""
    coefficients = problem.coefficient_functions()
    sizes = 1.0 + jnp.arange(sum(unknown.size for unknown in problem.fields.values()))

    def worst(name: str, region: Any, shift: float) -> float:
        def functions(name: str) -> PointFunction:
            unknown, span = problem.fields[name], problem.spans[name]
            outputs = lambda q: trial(jnp.sin(shift + sizes * (1 + jnp.sum(q))), q)
            return lambda q: unknown.assemble(outputs(q)[span])

        fields = {n: functions(n) for n in problem.fields} | coefficients

        def at(point: Array, normal: Array) -> Array:
            here = {n: Field(n, f, point, problem.frame, {}) for n, f in fields.items()}
            return problem.residuals_by_name[name](here, point, normal)

        sample = region.sample(32, seed=4)
        blank = jnp.zeros((len(sample.points), len(problem.domain.space)))
        normals = blank if sample.normals is None else jnp.asarray(sample.normals)
        return float(jnp.max(jnp.abs(jax.vmap(at)(jnp.asarray(sample.points), normals))))

    return tuple(
        name
        for name, condition in problem.conditions.items()
        if isinstance(condition, On)
        and not set(problem.residuals_by_name[name].arguments) & set(problem.inferred)
        and max(worst(name, condition.region, shift) for shift in (0.3, 1.1)) < 1e-10
    )
