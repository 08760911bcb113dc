"""Derivatives of functions of a point: the operators of vector calculus, and the two engines beneath them.

A *function of a point* takes one array of shape `(d,)` and returns a scalar or an array of shape `(m,)`.
An *engine* computes many partial derivatives of one function at one point in a single pass:
`forward` shares the work between them, `hessian` is the slow reference made of `jax.jacfwd` and `jax.hessian`.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

PointFunction = Callable[[Float[Array, " d"]], Any]
Index = tuple[int, ...]
Engine = Callable[[PointFunction, Float[Array, " d"], Collection[Index]], dict[Index, Any]]


def forward(f: PointFunction, x: Float[Array, " d"], indices: Collection[Index]) -> dict[Index, Any]:
    """Partial derivatives of `f` at `x`, one nested forward pass per leading axis.

    `indices` are tuples of axes: `()` is the value, `(0, 1)` is d2f/dx0dx1. Derivatives that share a leading axis share
    the linearisation of one directional derivative, so that value, gradient and one second derivative cost one pass.
    """
    wanted = {tuple(sorted(index)) for index in indices}
    table = _tower(f, x, wanted | {()})
    return {tuple(index): table[tuple(sorted(index))] for index in indices}


def hessian_engine(f: PointFunction, x: Float[Array, " d"], indices: Collection[Index]) -> dict[Index, Any]:
    """The reference engine: every derivative is an entry of `jax.hessian` and its kin, whatever that costs."""
    if jnp.issubdtype(jax.eval_shape(f, x).dtype, jnp.complexfloating):  # jax.hessian takes real functions only
        real = hessian_engine(lambda y: f(y).real, x, indices)
        imaginary = hessian_engine(lambda y: f(y).imag, x, indices)
        return {index: real[index] + 1j * imaginary[index] for index in real}
    towers: dict[int, Any] = {0: f, 1: jax.jacfwd(f)}
    for order in range(2, max((len(index) for index in indices), default=0) + 1):
        towers[order] = jax.hessian(towers[order - 2])
    values = {order: towers[order](x) for order in {len(index) for index in indices}}
    return {tuple(index): jax.tree.map(lambda a, i=index: a[(..., *i)], values[len(index)]) for index in indices}


ENGINES: dict[str, Engine] = {"forward": forward, "hessian": hessian_engine}


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
        indices = [(axis, axis) for axis in range(x.size)]
        return sum(forward(f, x, indices).values())

    return lap


def symmetric_gradient(f: PointFunction) -> PointFunction:
    """The symmetric gradient `(J + J^T) / 2` of a vector function: the strain of a displacement."""

    def strain(x: Float[Array, " d"]) -> Float[Array, "d d"]:
        matrix = jacobian(f)(x)
        return (matrix + matrix.T) / 2

    return strain
