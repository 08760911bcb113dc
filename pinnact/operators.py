"""Derivatives of functions of a point: the operators of vector calculus, and the engines beneath them.

A *function of a point* takes one array of shape `(d,)` and returns a scalar or an array of shape `(m,)`.
An *engine* computes many partial derivatives of one function at one point in a single pass: `forward` nests `jax.jvp`
and shares the work between them, `automatic` takes Laplacians in collapsed Taylor mode where that is faster, `hessian`
is the slow reference made of `jax.jacfwd` and `jax.hessian`; `estimated` draws the directions of wide Laplacians.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pinnact.taylor import Reduction, fewest, second_order

PointFunction = Callable[[Float[Array, " d"]], Any]
Index = tuple[int, ...]
Engine = Callable[[PointFunction, Float[Array, " d"], Collection[Index]], dict[Index, Any]]
SUM = -1  # begins the index of a sum: (SUM, 0, 2) is d2f/dx0^2 + d2f/dx2^2


def total(axes: Collection[int]) -> Index:
    """The index of the sum of pure second derivatives along `axes`: of the Laplacian."""
    first, *others = axes
    return (SUM, first, *others) if others else (first, first)


def parts(index: Index) -> tuple[Index, ...]:
    """The indices that a derivative is the sum of: itself, unless it is a sum."""
    return tuple((axis, axis) for axis in index[1:]) if index[:1] == (SUM,) else (index,)


def forward(f: PointFunction, x: Float[Array, " d"], indices: Collection[Index]) -> dict[Index, Any]:
    """Partial derivatives of `f` at `x`, one nested forward pass per leading axis.

    `indices` are tuples of axes: `()` is the value, `(0, 1)` is d2f/dx0dx1. Derivatives that share a leading axis share
    the linearisation of one directional derivative, so that value, gradient and one second derivative cost one pass.
    """
    wanted = {tuple(sorted(part)) for index in indices for part in parts(index)}
    return _summed(_tower(f, x, wanted | {()}), indices)


def _summed(table: dict[Index, Any], indices: Collection[Index]) -> dict[Index, Any]:
    """What was asked for from a table of single derivatives with sorted indices."""
    found = {}
    for index in indices:
        first, *others = (table[tuple(sorted(part))] for part in parts(index))
        found[tuple(index)] = jax.tree.map(lambda *each: sum(each[1:], each[0]), first, *others)
    return found


def hessian_engine(f: PointFunction, x: Float[Array, " d"], indices: Collection[Index]) -> dict[Index, Any]:
    """The reference engine: every derivative is an entry of `jax.hessian` and its kin, whatever that costs."""
    if jnp.issubdtype(jax.eval_shape(f, x).dtype, jnp.complexfloating):  # jax.hessian takes real functions only
        real = hessian_engine(lambda y: f(y).real, x, indices)
        imaginary = hessian_engine(lambda y: f(y).imag, x, indices)
        return {index: real[index] + 1j * imaginary[index] for index in real}
    towers: dict[int, Any] = {0: f, 1: jax.jacfwd(f)}
    single = {tuple(sorted(part)) for index in indices for part in parts(index)}
    for order in range(2, max((len(index) for index in single), default=0) + 1):
        towers[order] = jax.hessian(towers[order - 2])
    values = {order: towers[order](x) for order in {len(index) for index in single}}
    table = {index: jax.tree.map(lambda a, i=index: a[(..., *i)], values[len(index)]) for index in single}
    return _summed(table, indices)


def automatic(f: PointFunction, x: Float[Array, " d"], indices: Collection[Index]) -> dict[Index, Any]:
    """The default engine: sums (Laplacians) in collapsed Taylor mode (`pinnact.taylor`), all else by `forward`.

    A sum along more axes than FEW has a pass of its own, along as few directions as will do; then more first
    derivatives than FEW come from reverse mode. Where each wins was measured: `docs/derivatives.md`.
    """
    return _collapsed(f, x, indices, fewest)


def estimated(
    f: PointFunction, x: Float[Array, " d"], indices: Collection[Index], picked: Int[Array, " k"]
) -> dict[Index, Any]:
    """As `automatic`, but a sum along d > FEW axes is `d/k` times that of the `picked` k of them (0 .. d - 1).

    Unbiased where every axis is picked equally often; exact for k = d. Shi et al. 2024 (arXiv 2412.00088).
    """

    def some(first: Float[Array, "d m"]) -> Float[Array, "k m"]:
        return jnp.sqrt(len(first) / len(picked)).astype(first.dtype) * first[picked]

    return _collapsed(f, x, indices, some)


ENGINES: dict[str, Engine] = {"auto": automatic, "forward": forward, "hessian": hessian_engine}
FEW = 4  # axes up to which their number does not decide


def _collapsed(
    f: PointFunction, x: Float[Array, " d"], indices: Collection[Index], reduction: Reduction
) -> dict[Index, Any]:
    wide = {index for index in indices if len(index) > FEW + 1 and index[0] == SUM}
    rest = {tuple(index) for index in indices} - wide
    unit = jnp.eye(x.size, dtype=x.dtype)
    table: dict[Index, Any] = {}
    for index in wide:
        series = second_order(f, x, unit[jnp.array(index[1:])], None, reduction)
        table |= {(): series.value, index: series.second[0]}
    summed = any(index[:1] == (SUM,) for index in rest)
    orders = {len(part) for index in rest for part in parts(index)}
    if summed and max(orders) <= 2:
        table |= _together(f, x, rest, unit)
    elif wide and max(orders, default=0) <= 1:
        table |= _first(f, x, rest)
    else:
        table |= forward(f, x, rest)
    return {tuple(index): table[tuple(index)] for index in indices}


def _together(f: PointFunction, x: Float[Array, " d"], indices: set[Index], unit: Array) -> dict[Index, Any]:
    """Derivatives to the second order along a few axes, sums among them, in one pass."""
    axes = sorted({axis for index in indices for part in parts(index) for axis in part})
    seconds = [index for index in sorted(indices) if len(index) > 1]
    sums = [tuple((axes.index(a), axes.index(b)) for a, b in parts(index)) for index in seconds]
    series = second_order(f, x, unit[jnp.array(axes)], sums)
    table: dict[Index, Any] = {(): series.value} | {(axis,): series.first[i] for i, axis in enumerate(axes)}
    return table | {index: series.second[i] for i, index in enumerate(seconds)}


def _first(f: PointFunction, x: Float[Array, " d"], indices: set[Index]) -> dict[Index, Any]:
    """First derivatives beside a wide sum: many of a few real numbers by reverse mode."""
    first, shape = indices - {()}, jax.eval_shape(f, x)
    if len(first) <= max(FEW, shape.size) or jnp.issubdtype(shape.dtype, jnp.complexfloating):
        return _tower(f, x, indices | {()})
    slopes = jax.jacrev(f)(x)
    return {(): f(x)} | {index: slopes[..., index[0]] for index in first}


def _unit(x: Float[Array, " d"], axis: int) -> Float[Array, " d"]:
    return jnp.zeros_like(x).at[axis].set(1)


def _leading_axes(indices: Collection[Index]) -> dict[int, set[Index]]:
    """Split indices of order two and more by the axis that is differentiated first, so that few groups remain."""
    groups: dict[int, set[Index]] = {}
    for index in sorted((i for i in indices if len(i) > 1), key=lambda i: (-max(Counter(i).values()), i)):
        repeated = max(Counter(index).values())
        known = [axis for axis in index if axis in groups]
        axis = known[0] if repeated == 1 and known else max(index, key=lambda a: (index.count(a), -a))
        rest = list(index)
        rest.remove(axis)
        groups.setdefault(axis, set()).add(tuple(rest))
    return groups


def _tower(f: PointFunction, x: Float[Array, " d"], indices: Collection[Index]) -> dict[Index, Any]:
    groups = _leading_axes(indices)
    first = {index for index in indices if len(index) == 1}
    if not groups:
        if not first:
            return {(): f(x)}
        value, push = jax.linearize(f, x)
        return {(): value} | {index: push(_unit(x, index[0])) for index in first}
    if len(groups) > 4 and all(rest == {(axis,)} for axis, rest in groups.items()):
        return _pure_second(f, x, sorted(groups))
    table: dict[Index, Any] = {}
    for axis, rest in groups.items():
        # The first group also brings the value and the first derivatives that no group brings by itself.
        extra = set() if table else {()} | (first - {(a,) for a in groups})
        both = _tower(lambda y, a=axis: jax.jvp(f, (y,), (_unit(y, a),)), x, rest | extra)
        for index, (lower, higher) in both.items():
            table.setdefault(index, lower)
            table.setdefault(tuple(sorted((*index, axis))), higher)
    return table


def _pure_second(f: PointFunction, x: Float[Array, " d"], axes: list[int]) -> dict[Index, Any]:
    """Value, first and pure second derivatives along many axes: one batched pass instead of one trace per axis."""

    def along(direction: Float[Array, " d"]) -> Any:
        (value, _), (first, second) = jax.jvp(lambda y: jax.jvp(f, (y,), (direction,)), (x,), (direction,))
        return value, first, second

    directions = jnp.eye(x.size, dtype=x.dtype)
    value, first, second = jax.vmap(along, out_axes=(None, 0, 0))(directions)
    table: dict[Index, Any] = {(): value}
    for axis in range(x.size):
        table[(axis,)] = jax.tree.map(lambda a, i=axis: a[i], first)
    for axis in axes:
        table[(axis, axis)] = jax.tree.map(lambda a, i=axis: a[i], second)
    return table


def derivative(f: PointFunction, *axes: int) -> PointFunction:
    """The partial derivative `x -> d^k f / dx_i dx_j ...` along `axes`; no axes give `f` itself.

    >>> import jax.numpy as jnp
    >>> float(derivative(lambda x: x[0] ** 3 * x[1], 0, 0)(jnp.array([2.0, 5.0])))
    60.0
    """
    return lambda x: forward(f, x, [axes])[axes]


def gradient(f: PointFunction) -> PointFunction:
    """The gradient `x -> (df/dx_0, ..., df/dx_{d-1})`, shape `(d,)`, of a scalar function, real or complex."""
    return lambda x: jax.jacfwd(f)(x)


def jacobian(f: PointFunction) -> PointFunction:
    """The Jacobian `J_ij = df_i/dx_j`, shape `(m, d)`, of a vector function."""
    return lambda x: jax.jacfwd(f)(x)


def hessian(f: PointFunction) -> PointFunction:
    """The Hessian `H_ij = d2f/dx_i dx_j`, shape `(d, d)`, of a scalar function: `jax.hessian`, the reference."""
    return lambda x: jax.hessian(f)(x)


def divergence(f: PointFunction) -> PointFunction:
    """The divergence `sum_i df_i/dx_i` of a vector function with as many components as coordinates."""

    def div(x: Float[Array, " d"]) -> Float[Array, ""]:
        matrix = jacobian(f)(x)
        if matrix.shape[-2:] != (x.size, x.size):
            raise ValueError(
                f"divergence needs {x.size} components for {x.size} coordinates, got {matrix.shape[:-1]}; "
                "return one component a coordinate"
            )
        return jnp.trace(matrix)

    return div


def curl(f: PointFunction) -> PointFunction:
    """The curl of a vector function: a scalar `df_1/dx_0 - df_0/dx_1` in two dimensions, a vector in three."""

    def rot(x: Float[Array, " d"]) -> Array:
        matrix = jacobian(f)(x)
        return curl_of(matrix)

    return rot


def curl_of(matrix: Float[Array, "d d"]) -> Array:
    """The curl from a Jacobian `J_ij = df_i/dx_j` in two or three dimensions."""
    if matrix.shape == (2, 2):
        return matrix[1, 0] - matrix[0, 1]
    if matrix.shape == (3, 3):
        return jnp.stack([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    raise ValueError(f"curl needs a vector field in 2 or 3 dimensions, got a Jacobian of shape {matrix.shape}")


def laplacian(f: PointFunction) -> PointFunction:
    """The Laplacian `sum_i d2f/dx_i^2` over all coordinates, of a scalar or (component by component) a vector."""

    def lap(x: Float[Array, " d"]) -> Any:
        index = total(range(x.size))
        return automatic(f, x, [index])[index]

    return lap


def symmetric_gradient(f: PointFunction) -> PointFunction:
    """The symmetric gradient `(J + J^T) / 2` of a vector function: the strain of a displacement."""

    def strain(x: Float[Array, " d"]) -> Float[Array, "d d"]:
        matrix = jacobian(f)(x)
        return (matrix + matrix.T) / 2

    return strain
