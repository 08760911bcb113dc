"""What conditions prescribe: which real output is held on which piece of the boundary, to which data.

A condition can be built into the field when it prescribes values (or initial velocities) that are affine in the
unknown, on smooth pieces, and when the data fit together: at corners and across the seam of a periodic coordinate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jaxtyping import Array

from pinnact.compatibility import agree_at_corners, smooth_periodic_extension
from pinnact.devices import jit
from pinnact.domains import Piece
from pinnact.fields import Field
from pinnact.operators import PointFunction
from pinnact.problem import On, Problem
from pinnact.residuals import Residual

MOST_DIMENSIONS = 3  # beyond, a lift by faces is costly and, for harmonic data, close to the solution itself


@dataclass(frozen=True)
class Prescribed:
    """One real output held on one smooth piece: `output = data(point)`, or its rate in time where `rate`."""

    condition: str
    output: int
    piece: Piece
    data: PointFunction
    rate: bool


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
    points = condition.region.sample(64, seed=1).points
    probe = np.sin(1.0 + np.arange(size)) * 1.7
    probes = np.stack([np.zeros(size), probe, -0.6 * probe])  # of both signs, since |u| is affine in a positive u
    both = lambda p: (jax.jacfwd(rows)(jnp.zeros(size), p), jax.vmap(lambda z: rows(z, p))(probes))
    at = jit(jax.vmap(both), seldom=True)
    matrices, direct = (np.asarray(part) for part in at(points))
    affine = direct[:, :1] + np.einsum("prz,kz->pkr", matrices, probes)
    scale = 1 + np.max(np.abs(direct))
    if not np.max(np.abs(affine - direct)) <= 1e-10 * scale:
        return [], "not affine in the unknown"
    used = np.max(np.abs(matrices), axis=0) > 0
    if not np.all(used.sum(axis=1) == 1) or np.any(used.sum(axis=0) > 1):
        return [], "mixes several unknowns"
    outputs = used.argmax(axis=1)
    slopes = np.min(np.abs(matrices), axis=0)[np.arange(len(outputs)), outputs]
    if np.any(slopes <= 1e-12 * scale):
        return [], "its factor of the unknown vanishes somewhere"

    def data(row: int, output: int) -> PointFunction:
        unit, slopes = np.eye(size)[output], matrices[:, row, output]
        constant = float(slopes[0]) if np.ptp(slopes) == 0 else None  # the usual case, and half the work

        def value(point: Array) -> Array:
            offset = rows(jnp.zeros(size, point.dtype), point)[row]
            return -offset / (constant or rows(jnp.asarray(unit, point.dtype), point)[row] - offset)

        return value

    entries = [
        Prescribed(name, int(output), piece, data(row, int(output)), rate)
        for row, output in enumerate(outputs)
        for piece in condition.region.pieces
    ]
    return entries, ""


def _evaluator(problem: Problem, residual: Residual, index: tuple[int, ...]) -> Callable[[Array, Array], Array]:
    """The residual as a function of (all real outputs, or their derivatives `index`) and of the point."""
    coefficients = problem.coefficient_functions()

    def rows(z: Array, point: Array) -> Array:
        def no_function(q: Array) -> Array:
            raise TypeError("only values are prescribed")

        fields = {
            name: Field(name, no_function, point, problem.frame, {index: unknown.assemble(z[problem.spans[name]])})
            for name, unknown in problem.fields.items()
        }
        fields |= {
            name: Field(name, f, point, problem.frame, {(): f(point)})
            for name, f in coefficients.items()
            if name in residual.arguments
        }
        return residual(fields, point, None)

    return rows


def rough_starts(problem: Problem, found: list[Prescribed]) -> dict[str, str]:
    """Initial conditions whose data have kinks across the seam of a periodic coordinate."""
    rough = {}
    order = max((problem.order(unknown) for unknown in problem.fields), default=0)
    for entry in found:
        periodic = problem.domain.periodic and is_instant(entry, problem)
        if periodic and not smooth_periodic_extension(problem.domain, entry.data, order):
            rough[entry.condition] = f"the periodic extension of its data is not C^{order}"
    return rough


def misfits(problem: Problem, found: list[Prescribed], rough: dict[str, str]) -> dict[str, str]:
    """Conditions that stay residuals because of how the data fit together, with the reason; `rough` are among them."""
    unfit = dict(rough)
    while True:
        left = [p for p in found if p.condition not in unfit]
        for entry in left:
            if entry.rate and not any(p.output == entry.output and not p.rate and is_instant(p, problem) for p in left):
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
            return unfit
        unfit |= rough


def _not_liftable(problem: Problem, entries: list[Prescribed]) -> dict[str, str]:
    """On domains that are no boxes: several pieces can be lifted only when all hold one and the same constant."""
    result: dict[str, str] = {}
    for output in {p.output for p in entries}:
        walls = [p for p in entries if p.output == output and not is_instant(p, problem)]
        if problem.domain.axes is not None or len(walls) < 2:
            continue
        values = np.concatenate([wall_values(p) for p in walls])
        if np.ptp(values) > 1e-12 * (1 + np.max(np.abs(values))):
            result |= {p.condition: "different values on pieces of a domain that is no box" for p in walls}
    return result


def is_instant(entry: Prescribed, problem: Problem) -> bool:
    """Whether data are held at an instant, not on a wall."""
    return entry.piece.face is not None and entry.piece.face[0] == problem.domain.time


def vanishes(data: PointFunction, dimension: int) -> bool:
    """Whether data are 0 whatever the point is: it takes no part in them (0 at samples proves little)."""
    blank = jnp.zeros(dimension)
    program = jax.make_jaxpr(data)(blank).jaxpr
    reached = set(program.invars)
    for equation in program.eqns:
        if any(not isinstance(taken, Literal) and taken in reached for taken in equation.invars):
            reached.update(equation.outvars)
    fixed = all(isinstance(made, Literal) or made not in reached for made in program.outvars)
    return fixed and not np.any(data(blank))


def wall_values(entry: Prescribed) -> np.ndarray:
    """The data on 64 points of the piece."""
    points = jnp.asarray(entry.piece.sample(64, seed=2).points)
    return np.asarray(jit(jax.vmap(entry.data), seldom=True)(points))
