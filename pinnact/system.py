"""A system: a problem held at finitely many points, one row a point; what optimisers shrink.

Residuals that hold on one region form a *group*: they share their points and one pass of derivatives. The points of a
group, and what depends on them alone (normals, the derivatives of the lift, data), are a *batch*, an argument of the
compiled functions, so that drawing new points compiles nothing anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from pinnact.devices import jit
from pinnact.domains import Region
from pinnact.fields import Field
from pinnact.lifts import Ansatz
from pinnact.mirrors import symmetric
from pinnact.model import Model
from pinnact.operators import FEW, SUM, Engine, Index, PointFunction, automatic, estimated
from pinnact.optimisers.base import MOST_JACOBIAN
from pinnact.parts import split
from pinnact.precision import narrowed
from pinnact.problem import Integral, Problem
from pinnact.residuals import real_rows


class Batch(NamedTuple):
    """The points of a group and what depends on them alone; `shares` weighs each point (mean 1).

    `picked`, in steps that estimate Laplacians, are the axes along which second derivatives are taken at each point.
    """

    points: Float[Array, "n d"]
    shares: Float[Array, " n"]
    normals: Float[Array, "n s"] | None = None
    lift: dict[Index, Float[Array, "n m"]] | None = None
    data: dict[str, Float[Array, "n k"]] | None = None
    picked: Int[Array, "n k"] | None = None


Batches = dict[str, Batch]
SLICE = 1024  # points whose lift is evaluated at once: a lift may hold hundreds of waves a point


def not_finite(system: "System", model: Model, batches: Batches) -> str:
    """The first residual that is not finite at its points, and where: `'heat' is not finite at x=0, t=1`."""
    for name, batch in batches.items():
        for residual, rows in system.residuals(model, {name: batch}).items():
            wrong = np.argwhere(~np.isfinite(np.asarray(rows)))
            if len(wrong):
                if system.groups[name].integral is not None:
                    return f"{residual!r} is not finite"
                at = zip(system.problem.domain.coordinates, np.asarray(batch.points)[wrong[0, 0]], strict=True)
                return f"{residual!r} is not finite at " + ", ".join(f"{name}={value:.6g}" for name, value in at)
    return "the sum of all squared residuals is not finite"


def _sliced(table: Callable[[Array], Any], points: Float[Array, "n d"]) -> Any:
    """A compiled `table` of any number of points, in slices of one size: it is compiled once."""
    filled = -len(points) % SLICE
    whole = np.concatenate([points, np.broadcast_to(points[-1:], (filled, points.shape[1]))])
    found = [jax.tree.map(np.asarray, table(jnp.asarray(part))) for part in np.split(whole, len(whole) // SLICE)]
    return jax.tree.map(lambda *parts: jnp.asarray(np.concatenate(parts)[: len(points)]), *found)


@dataclass(frozen=True)
class Group:
    """Residuals on one region: their names, the real rows of each at a point, the region (None for data), the
    derivatives they take."""

    name: str
    residuals: tuple[str, ...]
    widths: tuple[int, ...]
    region: Region | None
    plan: Mapping[str, set[Index]]
    integral: Integral | None = None
    observation: int | None = None

    @property
    def interior(self) -> bool:
        """Whether the group holds inside the domain, as equations do."""
        return self.region is not None and self.region.kind == "interior" and self.integral is None


class System:
    """The residuals of `problem` under `ansatz` as functions of a model and of batches of points.

    `along` holds the model beside whose field the lift was carried (`carried`), if it was. A `mixed` one computes its
    rows, fields and derivatives, in float32, and all that is made of them in the precision of the context.
    With `directions`, a loss that is given a key estimates Laplacians from so many random ones.
    """

    def __init__(
        self,
        problem: Problem,
        ansatz: Ansatz,
        engine: Engine = automatic,
        along: tuple[Model, ...] = (),
        directions: int | None = None,
        mixed: bool = False,
    ) -> None:
        self.problem, self.ansatz, self.engine, self.along = problem, ansatz, engine, along
        self.directions, self.mixed = directions, mixed
        self.spans = problem.spans

    def carried(self, model: Model) -> "System | None":
        """The system with its lift carried beside the field of `model`; None where that is no use."""
        lift = self.ansatz.carry and self.ansatz.carry(self._added(model))
        if not lift:
            return None
        ansatz = replace(self.ansatz, lift=lift)
        return System(self.problem, ansatz, self.engine, (model,), self.directions, self.mixed)

    def widened(self) -> "System":
        """The system with its rows in the precision of the context."""
        return System(self.problem, self.ansatz, self.engine, self.along, self.directions) if self.mixed else self

    def relifted(self, batches: Batches) -> Batches:
        """The batches of a system with another lift, with this one's."""
        lift = lambda name, batch: self.batch(self.groups[name], np.asarray(batch.points)).lift
        return {name: batch._replace(lift=lift(name, batch)) for name, batch in batches.items()}

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The groups by name: the interior, each region of a condition that isn't built in, each set of data."""
        problem = self.problem
        members: dict[str, list[str]] = {}
        regions: dict[str, Region] = {}
        groups: dict[str, Group] = {}
        for name, residual in problem.residuals_by_name.items():
            if name in self.ansatz.built_in:
                continue
            condition = problem.conditions.get(name)
            region = problem.region(name)
            if isinstance(condition, Integral):
                groups[name] = Group(name, (name,), (residual.rows,), region, residual.record.plan, condition)
                continue
            key = "interior" if region is problem.domain.interior else name
            members.setdefault(key, []).append(name)
            regions[key] = region
        for key, names in members.items():
            plan: dict[str, set[Index]] = {}
            for name in names:
                for unknown, indices in problem.residuals_by_name[name].record.plan.items():
                    plan.setdefault(unknown, set()).update(indices)
            widths = tuple(problem.residuals_by_name[name].rows for name in names)
            groups[key] = Group(key, tuple(names), widths, regions[key], plan)
        for i, observation in enumerate(problem.observations):
            key = "data" if len(problem.observations) == 1 else f"data{i + 1}"
            width = sum(problem.fields[name].size for name in observation.values)
            groups[key] = Group(key, (key,), (width,), None, {name: {()} for name in observation.values}, observation=i)
        return dict(sorted(groups.items(), key=lambda item: not item[1].interior))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all residuals that are part of the loss, in order."""
        return tuple(name for group in self.groups.values() for name in group.residuals)

    # -- fields -------------------------------------------------------------------------------------------------

    def functions(self, model: Model) -> dict[str, PointFunction]:
        """The unknowns and coefficients of a model as functions of a point."""
        whole = self._outputs(model)
        unknowns = {
            name: (lambda q, name=name: self.problem.fields[name].assemble(whole(q)[self.spans[name]]))
            for name in self.problem.fields
        }
        return unknowns | self._coefficients(model)

    def _outputs(self, model: Model) -> PointFunction:
        """All real outputs with what is built in, as a function of a point."""

        added, lift = self._added(model), self.ansatz.lift
        return added if lift is None else lambda point: added(point) + lift(point)

    def _added(self, model: Model) -> PointFunction:
        """What the networks add to the lift, as a function of a point."""
        outputs = symmetric(model.outputs, self.ansatz.mirrors)
        return lambda point: self.ansatz.trial(outputs(point), point)

    def lifted(self, points: Float[Array, "n d"]) -> Float[Array, "n m"] | None:
        """The lift of all real outputs at points, in slices that bound the memory; None without a lift."""
        if self.ansatz.lift is None:
            return None
        return _sliced(self._lift_table(((),)), points)[()]

    def values(
        self, model: Model, points: Float[Array, "n d"], lift: Float[Array, "n m"] | None
    ) -> dict[str, Float[Array, "n *k"]]:
        """The unknowns at points, given the lift there (`lifted`)."""
        outputs = jax.vmap(self._added(model))(points)
        outputs = outputs if lift is None else outputs + lift
        fields = self.problem.fields.items()
        return {name: jax.vmap(unknown.assemble)(outputs[:, self.spans[name]]) for name, unknown in fields}

    def _coefficients(self, model: Model) -> dict[str, PointFunction]:
        return self.problem.coefficient_functions() | dict(model.coefficients)

    def indices(self, group: Group) -> list[Index]:
        """The derivatives that the equations of a group take of the unknowns, the value among them."""
        indices = {()}.union(*(group.plan.get(name, set()) for name in self.problem.fields))
        return sorted(indices, key=lambda i: (len(i), i))

    def batch(self, group: Group, points: np.ndarray, normals: np.ndarray | None = None) -> Batch:
        """The batch of a group at `points (n, d)`: call within the precision context."""
        points_ = jnp.asarray(points, jnp.zeros(()).dtype)
        lift = None
        if self.ansatz.lift is not None:
            lift = _sliced(self._lift_table(tuple(self.indices(group))), points_)
        data = None
        if group.observation is not None:
            values = self.problem.observations[group.observation].values
            data = {name: jax.vmap(real_rows)(jnp.asarray(value)) for name, value in values.items()}
        shares = jnp.ones(len(points), points_.dtype)
        return Batch(points_, shares, None if normals is None else jnp.asarray(normals, points_.dtype), lift, data)

    def _lift_table(self, indices: tuple[Index, ...]) -> Callable[[Array], Any]:
        """These derivatives of the lift at points."""
        cache = self.__dict__.setdefault("_lift_tables", {})
        if indices not in cache:
            lift = self.ansatz.lift
            assert lift is not None
            cache[indices] = jit(jax.vmap(lambda q: self.engine(lift, q, list(indices))), seldom=True)
        return cache[indices]

    # -- rows ---------------------------------------------------------------------------------------------------

    def _fields(self, model: Model, group: Group, row: Batch) -> dict[str, Field]:
        problem, point, lift = self.problem, row.points, row.lift
        functions = self.functions(model)
        engine = self.engine if row.picked is None else partial(estimated, picked=row.picked)
        table = engine(self._added(model), point, self.indices(group))
        if lift is not None:
            table = {index: value + lift[index] for index, value in table.items()}
        fields = {}
        for name, unknown in problem.fields.items():
            own = {index: unknown.assemble(value[self.spans[name]]) for index, value in table.items()}
            fields[name] = Field(name, functions[name], point, problem.frame, own)
        for (
            name
        ) in problem.coefficients:  # a table for what is taken; an argument that is unused, or only k(q), has none
            own = self.engine(functions[name], point, group.plan[name] | {()}) if name in group.plan else {}
            fields[name] = Field(name, functions[name], point, problem.frame, own)
        return fields

    def point_rows(self, model: Model, group: Group, row: Batch) -> dict[str, Float[Array, " k"]]:
        """The residuals of a group at one point; `row` is one row of its batch."""
        if self.mixed:
            model, row = narrowed((model, row))
        fields = self._fields(model, group, row)
        if row.data is not None:
            rows = [real_rows(fields[name]) - value for name, value in row.data.items()]
            return {group.name: jnp.concatenate(rows)}
        residuals = self.problem.residuals_by_name
        return {name: residuals[name](fields, row.points, row.normals) for name in group.residuals}

    def residuals(self, model: Model, batches: Batches) -> dict[str, Float[Array, "n k"]]:
        """The residuals `(n, rows)` by name; an integral condition has one row."""
        result = {}
        for name, batch in batches.items():
            group = self.groups[name]
            rows = jax.vmap(lambda row, group=group: self.point_rows(model, group, row))(batch)
            if group.integral is not None:
                mean = jnp.mean(rows[name] * batch.shares[:, None], axis=0, keepdims=True)
                rows = {name: group.region.measure * mean - group.integral.equals}  # type: ignore[union-attr]
            result |= rows
        return result

    def weighted(self, model: Model, batches: Batches, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Residuals scaled so that the loss is the sum of their squares: `sqrt(weight share / n) r`."""
        result = {}
        for name, batch in batches.items():
            group = self.groups[name]
            rows = self.residuals(model, {name: batch})
            shares = batch.shares[:, None] if group.integral is None else jnp.ones((1, 1))
            for residual, r in rows.items():
                result[residual] = jnp.sqrt(weights[residual] * shares / len(r)) * r
        return result

    def loss(
        self, model: Model, batches: Batches, weights: Mapping[str, Array], key: PRNGKeyArray | None = None
    ) -> Float[Array, ""]:
        """`sum_k weight_k mean(share r_k^2)` over residuals, or an unbiased estimate of it that is drawn with `key`.

        A square of one estimate of r would be its variance too much; `r r'` of two independent ones is right on
        average, wherever r is affine in the Laplacian.
        """
        if key is None:
            return sum((jnp.sum(r**2) for r in self.weighted(model, batches, weights).values()), jnp.zeros(()))
        one, other = (self.weighted(model, self._drawn(batches, k), weights) for k in jax.random.split(key))
        return sum((jnp.sum(one[name] * other[name]) for name in one), jnp.zeros(()))

    def _drawn(self, batches: Batches, key: PRNGKeyArray) -> Batches:
        """Batches whose points each have `directions` axes of their Laplacian: every axis the same number of times.

        Points share one random order of the axes and take turns in it, so that each sees a random set, and all together
        see every axis: that averages better than independent sets do.
        """
        found = {}
        for name, batch in batches.items():
            size = max((len(i) - 1 for i in self.indices(self.groups[name]) if i[:1] == (SUM,)), default=0)
            if size > FEW and self.directions is not None:
                order = jax.random.permutation(jax.random.fold_in(key, len(found)), size)
                turns = jnp.arange(len(batch.points) * self.directions).reshape(-1, self.directions)
                batch = batch._replace(picked=order[turns % size])
            found[name] = batch
        return found

    def _ordered(self, batches: Batches) -> list[tuple[Group, Batch]]:
        # In the order of the groups: jax.jit hands dictionaries over sorted by key.
        return [(group, batches[name]) for name, group in self.groups.items() if name in batches]

    def rows(self, model: Model, batches: Batches, weights: Mapping[str, Array]) -> Float[Array, " rows"]:
        """All weighted residuals in one vector, point by point in each group, whose squared norm is the loss."""
        weighted = self.weighted(model, batches, weights)
        parts = [jnp.concatenate([weighted[k] for k in group.residuals], axis=1) for group, _ in self._ordered(batches)]
        return jnp.concatenate([part.ravel() for part in parts])

    def jacobian(
        self, model: Model, batches: Batches, weights: Mapping[str, Array], trained: Any = eqx.is_inexact_array
    ) -> tuple[Float[Array, " rows"], Float[Array, "rows p"]]:
        """The weighted rows and their derivatives by the parameters, or by those that are `trained`, row by row."""
        flat, rows_of = self._flat(model, weights, trained)
        values, slopes = zip(*(_slopes(*rows_of(*pair), flat) for pair in self._ordered(batches)), strict=True)
        return jnp.concatenate(values), jnp.concatenate(slopes)

    def normal(
        self, model: Model, batches: Batches, weights: Mapping[str, Array]
    ) -> tuple[Float[Array, "p p"], Float[Array, " p"]]:
        """`J^T J` and `J^T r` of the same rows r and Jacobian J; so many of its rows are held at once as have
        `MOST_JACOBIAN` numbers."""
        flat, rows_of = self._flat(model, weights, eqx.is_inexact_array)
        matrix, gradient = jnp.zeros((flat.size,) * 2, flat.dtype), jnp.zeros_like(flat)
        for group, batch in self._ordered(batches):
            parts = 1 if group.integral else -(-len(batch.points) * sum(group.widths) * flat.size // MOST_JACOBIAN)

            def add(sums: tuple[Array, Array], part: Batch, group: Group = group) -> tuple[Any, None]:
                rows, slopes = _slopes(*rows_of(group, part), flat)
                return (sums[0] + slopes.T @ slopes, sums[1] + rows @ slopes), None

            if parts == 1:
                (matrix, gradient), _ = add((matrix, gradient), batch)
            else:
                (matrix, gradient), _ = jax.lax.scan(add, (matrix, gradient), split(batch, parts))
        return matrix, gradient

    def _flat(self, model: Model, weights: Mapping[str, Array], trained: Any) -> tuple[Array, Callable]:
        """The trained parameters in one vector, and what gives, for a group and a batch, the weighted rows of a point
        (twice) as a function of these and of one row of the batch, and the batch."""
        trainables, static = eqx.partition(model, trained)
        flat, unravel = jax.flatten_util.ravel_pytree(trainables)

        def rows_of(group: Group, batch: Batch) -> tuple[Callable, Batch | None]:
            def one(p: Array, row: Batch) -> tuple[Array, Array]:
                rows = self.point_rows(eqx.combine(unravel(p), static), group, row)
                scaled = [jnp.sqrt(weights[k] * row.shares / len(batch.points)) * r for k, r in rows.items()]
                return jnp.concatenate(scaled), jnp.concatenate(scaled)

            def whole(p: Array, _: None) -> tuple[Array, Array]:
                rows = self.rows(eqx.combine(unravel(p), static), {group.name: batch}, weights)
                return rows, rows

            return (one, batch) if group.integral is None else (whole, None)

        return flat, rows_of


def _slopes(one: Callable, batch: Batch | None, flat: Array) -> tuple[Float[Array, " rows"], Float[Array, "rows p"]]:
    """Rows and their derivatives: `vmap` of the gradient of a point's rows is far cheaper than `jacrev` of them all."""
    slope = jax.jacrev(one, has_aux=True)
    slopes, values = slope(flat, None) if batch is None else jax.vmap(slope, in_axes=(None, 0))(flat, batch)
    return values.ravel(), slopes.reshape(-1, flat.size)
