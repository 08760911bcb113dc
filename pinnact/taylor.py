"""Collapsed Taylor mode: value, first and second derivatives of a function, carried through its operations together.

Each intermediate result `h` of a function of a point carries `J`, its derivatives along some directions, and `S`, sums
of its second derivatives over pairs of them. An operation `g` maps them by the chain rule,

    J_k -> g'(h) J_k,        S_s -> g'(h) S_s + sum over (a, b) in s of g''(h)[J_a, J_b],

so that a sum over all directions is one number, not one a direction: the Laplacian of d coordinates costs d + 2 passes
of values instead of 2 d + 1. Forward Laplacian: Li et al. 2024 (doi:10.1038/s42256-024-00794-x); collapsed Taylor mode:
Dangel et al. 2025 (arXiv 2505.13644).

While a result is still affine in the point its J is the same at all points, and a sum of squares sees J only through
`J^T J`. So d directions through results of m < d numbers are replaced by m, once for all points (`fewest`).
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from jaxtyping import Array, Float

Pairs = Sequence[tuple[int, int]]

LINEAR = {
    "add", "add_any", "broadcast_in_dim", "complex", "concatenate", "conj", "convert_element_type", "copy", "cumsum",
    "expand_dims", "imag", "neg", "pad", "real", "reduce_sum", "reshape", "rev", "slice", "squeeze", "sub", "transpose",
}  # fmt: skip
LINEAR_IN_FIRST = {"div", "dynamic_slice", "gather"}  # affine where only the first argument varies
BILINEAR = {"dot_general", "mul"}
ELEMENTWISE = {
    "asinh", "atan", "cbrt", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "integer_pow", "log", "log1p",
    "logistic", "rsqrt", "sin", "sinh", "sqrt", "square", "tan", "tanh",
}  # fmt: skip
POINTWISE = ELEMENTWISE | {  # what functions with derivatives of their own are made of, element by element
    "abs", "add", "clamp", "convert_element_type", "copy", "div", "floor", "max", "min", "mul", "neg", "round",
    "select_n", "sign", "sub", "eq", "ne", "ge", "gt", "le", "lt",
}  # fmt: skip
CALLS = {"closed_call", "jit", "pjit"}


@dataclass(frozen=True)
class Series:
    """A result with its derivatives: `first (k, *shape)`, `second (s, *shape)`; None for second ones that are 0."""

    value: Any
    first: Any
    second: Any = None


Reduction = Callable[[Float[Array, "k m"]], Float[Array, "j m"]]


def second_order(
    f: Callable[[Float[Array, " d"]], Array],
    x: Float[Array, " d"],
    directions: Float[Array, "k d"],
    sums: Sequence[Pairs] | None,
    reduction: Reduction | None = None,
) -> Series:
    """`f(x)`, its derivatives along `directions`, and `sum over (a, b) in s of f''[v_a, v_b]` for each s in `sums`.

    Without `sums` there is one, `sum_k f''[v_k, v_k]`, and `reduction` may replace the directions once by others,
    where results stop being affine: then `first` is along those.
    """
    closed = jax.make_jaxpr(f)(x)
    steps, (output,) = _inlined(closed)
    known: dict[Any, Any] = {closed.jaxpr.invars[0]: Series(x, directions)}
    if reduction is not None:
        steps = _affine_part(steps, known, sums)
        _reduce(known, {v for step in steps for v in step.inputs} | {output}, reduction)
    for step in steps:
        known.update(zip(step.outputs, step.taken(known, sums), strict=True))
    found: Any = output.val if isinstance(output, Constant) else known[output]
    if not isinstance(found, Series):  # a constant
        found = Series(found, jnp.zeros((len(directions), *jnp.shape(found)), jnp.result_type(found)))
    if found.second is None:
        shape = (1 if sums is None else len(sums), *jnp.shape(found.value))
        found = Series(found.value, found.first, jnp.zeros(shape, found.first.dtype))
    return found


def _affine_part(steps: "list[Step]", known: dict[Any, Any], sums: Sequence[Pairs] | None) -> "list[Step]":
    """Take all operations whose results are affine in the point; the others are left."""
    left, later = [], set()
    for step in steps:
        if later.isdisjoint(step.inputs) and step.affine(known):
            known.update(zip(step.outputs, step.taken(known, sums), strict=True))
        else:
            later.update(step.outputs)
            left.append(step)
    return left


def _reduce(known: dict[Any, Any], used: set[Any], reduction: Reduction) -> None:
    """Reduce the directions of all affine results that are still needed, together."""
    live = [v for v, result in known.items() if v in used and isinstance(result, Series)]
    if not live:
        return
    columns, sizes = [], []
    for v in live:
        first = known[v].first.reshape(len(known[v].first), -1)
        both = [first.real, first.imag] if jnp.iscomplexobj(first) else [first]  # J^T J, not J^H J
        columns += both
        sizes += [part.shape[1] for part in both]
    reduced = iter(jnp.split(reduction(jnp.concatenate(columns, axis=1)), np.cumsum(sizes)[:-1], axis=1))
    for v in live:
        value, first = known[v].value, known[v].first
        own = next(reduced) + 1j * next(reduced) if jnp.iscomplexobj(first) else next(reduced)
        known[v] = Series(value, own.reshape(-1, *first.shape[1:]))


def fewest(first: Float[Array, "k m"]) -> Float[Array, "j m"]:
    """As few rows as there are columns with the same `J^T J`, and so the same sums over k of all that J_k makes."""
    return first if len(first) <= first.shape[1] else _factors(first)[1]


@jax.custom_jvp
def _factors(first: Float[Array, "k m"]) -> tuple[Float[Array, "k m"], Float[Array, "m m"]]:
    """`J = Q R` with `Q^T Q = 1`."""
    q, r = jnp.linalg.qr(first)
    return q, r


@_factors.defjvp
def _change(primals: tuple[Array], tangents: tuple[Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Of all Q that do, the one that turns least: `Q^T dQ = 0`, so that `dR = Q^T dJ` whatever the rank of J is."""
    (first,), (change,) = primals, tangents
    q, r = _factors(first)
    dr = q.T @ change
    dq = jax.scipy.linalg.solve_triangular(r, (change - q @ dr).T, trans=1).T  # only second derivatives take it
    return (q, r), (dq, dr)


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that a function encloses, or a number written in it."""

    val: Any


@dataclass(frozen=True)
class Step:
    """One operation, with its inputs and outputs renamed so that all calls are inlined."""

    equation: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    def given(self, known: dict[Any, Any]) -> list[Any]:
        """What it is given: plain arrays, or `Series` where they depend on the point."""
        return [v.val if isinstance(v, Constant) else known[v] for v in self.inputs]

    def linear(self, given: list[Any]) -> bool:
        """Whether it is affine in all its arguments that depend on the point."""
        name, varying = self.equation.primitive.name, [i for i, a in enumerate(given) if isinstance(a, Series)]
        if name in LINEAR or not varying:
            return True
        if name == "select_n":
            return varying[0] > 0
        return (name in LINEAR_IN_FIRST and varying == [0]) or (name in BILINEAR and len(varying) == 1)

    @property
    def elementwise(self) -> bool:
        """Whether each number of its result depends on one number alone."""
        name, params = self.equation.primitive.name, self.equation.params
        return name in ELEMENTWISE or (name == "custom_jvp_call" and _pointwise(params["call_jaxpr"].jaxpr))

    def affine(self, known: dict[Any, Any]) -> bool:
        """Whether its results are affine in the point."""
        given = self.given(known)
        return self.linear(given) and all(a.second is None for a in given if isinstance(a, Series))

    def taken(self, known: dict[Any, Any], sums: Sequence[Pairs] | None) -> list[Any]:
        """Its results, with derivatives where an argument has them."""
        given, primitive = self.given(known), self.equation.primitive
        varying = [i for i, a in enumerate(given) if isinstance(a, Series)]
        options = primitive.get_bind_params(self.equation.params)

        def whole(*arguments: Array) -> list[Array]:
            full = list(given)
            for i, argument in zip(varying, arguments, strict=True):
                full[i] = argument
            found = primitive.bind(*full, **options)
            return list(found) if primitive.multiple_results else [found]

        if not varying:
            return whole()
        series = [given[i] for i in varying]
        if len(varying) == 1 and self.elementwise:
            return [_elementwise(lambda a: whole(a)[0], series[0], sums)]
        values, firsts = tuple(s.value for s in series), tuple(s.first for s in series)
        results: list[Any] = whole(*values)
        smooth = [i for i, result in enumerate(results) if jnp.issubdtype(result.dtype, jnp.inexact)]
        if not smooth:
            return results
        g = lambda *arguments: [whole(*arguments)[i] for i in smooth]
        push = lambda *tangents: jax.jvp(g, values, tangents)[1]
        pushed = jax.vmap(push)(*firsts)
        seconds: list[Any] = [None] * len(smooth)
        if any(s.second is not None for s in series):
            zeros = lambda s: jnp.zeros((1 if sums is None else len(sums), *jnp.shape(s.value)), s.first.dtype)
            seconds = jax.vmap(push)(*(zeros(s) if s.second is None else s.second for s in series))
        if not self.linear(given):
            bent = _bent(g, values, firsts, sums)
            seconds = [b if s is None else s + b for s, b in zip(seconds, bent, strict=True)]
        for i, first, second in zip(smooth, pushed, seconds, strict=True):
            results[i] = Series(results[i], first, second)
        return results


def _elementwise(g: Callable[[Array], Array], series: Series, sums: Sequence[Pairs] | None) -> Series:
    """The chain rule where g'' is a number an element: `y' J`, `y' S + y'' sum J_a J_b`."""
    one = jnp.ones_like(series.value)
    (value, slope), (_, bend) = jax.jvp(lambda a: jax.jvp(g, (a,), (one,)), (series.value,), (one,))
    second = bend[None] * _products(series.first, sums)
    if series.second is not None:
        second = slope[None] * series.second + second
    return Series(value, slope[None] * series.first, second)


def _products(first: Array, sums: Sequence[Pairs] | None) -> Array:
    """`sum over (a, b) of J_a J_b` for each sum, shape `(s, *shape)`."""
    if sums is None:
        return jnp.sum(first * first, axis=0, keepdims=True)
    return jnp.stack([functools.reduce(jnp.add, [first[a] * first[b] for a, b in pairs]) for pairs in sums])


def _bent(g: Callable[..., list[Array]], values: tuple, firsts: tuple, sums: Sequence[Pairs] | None) -> list[Array]:
    """`sum over (a, b) of g''[J_a, J_b]` of any operation, by `jax.jvp` of `jax.jvp`."""

    def along(one: tuple, other: tuple) -> list[Array]:
        return jax.jvp(lambda *a: jax.jvp(g, a, one)[1], values, other)[1]

    found = []
    for pairs in sums or [[(k, k) for k in range(len(firsts[0]))]]:
        a, b = (jnp.array(side) for side in zip(*pairs))
        each = jax.vmap(along)(tuple(first[a] for first in firsts), tuple(first[b] for first in firsts))
        found.append([jnp.sum(part, axis=0) for part in each])
    return [jnp.stack(parts) for parts in zip(*found, strict=True)]


def _pointwise(jaxpr: Any) -> bool:
    """Whether a function takes one real array to another, element by element."""
    called = lambda e: e.primitive.name in CALLS and _pointwise(e.params["jaxpr"].jaxpr)
    real = all(jnp.issubdtype(v.aval.dtype, jnp.floating) for v in (*jaxpr.invars, *jaxpr.outvars))
    one = len(jaxpr.invars) == len(jaxpr.outvars) == 1 and real
    return one and all(e.primitive.name in POINTWISE or called(e) for e in jaxpr.eqns)


def _inlined(closed: ClosedJaxpr) -> "tuple[list[Step], list[Any]]":
    """The operations of a function in order, those of functions that it calls among them; and its outputs."""
    steps: list[Step] = []

    def walk(jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        names: dict[Any, Any] = dict(zip(jaxpr.constvars, map(Constant, constants), strict=True))
        names |= dict(zip(jaxpr.invars, inputs, strict=True))
        named = lambda v: Constant(v.val) if isinstance(v, Literal) else names[v]
        for equation in jaxpr.eqns:
            given = tuple(named(v) for v in equation.invars)
            if equation.primitive.name in CALLS:
                inner = equation.params["jaxpr"]
                outputs = tuple(walk(inner.jaxpr, inner.consts, given))
            else:
                outputs = tuple(object() for _ in equation.outvars)
                steps.append(Step(equation, given, outputs))
            names.update(zip(equation.outvars, outputs, strict=True))
        return [named(v) for v in jaxpr.outvars]

    return steps, walk(closed.jaxpr, closed.consts, closed.jaxpr.invars)
