"""A field at a point: what a residual sees when it writes `u`, `u.t`, `u.xx`, `u.laplacian` or `u(q)`.

Inside a residual a `Field` stands for its value at the current point and behaves like a `jax` array in arithmetic.
Its derivatives come out of a table that one pass of an engine (`pinnact.operators`) has filled; what is not in the
table is computed on demand. A `Record` writes down which derivatives a residual takes.
"""

import functools
import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.operators import Engine, Index, PointFunction, automatic, curl_of, parts, total


class Record:
    """The derivatives that residuals take, by unknown; `order(name)` is the highest one, `u(q)` included.

    `indices` are all of them, one by one; in `plan`, which engines fill, those of a Laplacian are one sum.
    """

    def __init__(self) -> None:
        self.indices: dict[str, set[Index]] = {}
        self.plan: dict[str, set[Index]] = {}
        self.probed: dict[str, int] = {}

    def take(self, name: str, index: Index) -> None:
        """Note that the derivative `index` (a tuple of axes, or a sum) of the unknown `name` is taken."""
        self.plan.setdefault(name, set()).add(index)
        self.indices.setdefault(name, set()).update(parts(index))

    def order(self, name: str) -> int:
        """The highest order of differentiation of `name` seen, by attribute or through plain `jax`; -1 if unused."""
        return max([len(index) for index in self.indices.get(name, ())] + [self.probed.get(name, -1)])

    def probe(self, name: str, f: PointFunction) -> PointFunction:
        """`f` unchanged, but counting how often it is differentiated (nested), whoever does it."""

        def seen(order: int) -> None:
            self.probed[name] = max(self.probed.get(name, -1), order)

        return lambda q: f(_counting_identity(0, seen)(q))


def _counting_identity(level: int, seen: Callable[[int], None]) -> PointFunction:
    """The identity whose `k`-fold nested differentiation calls `seen(k)`: its tangent rule is the next identity."""

    @jax.custom_jvp
    def identity(x: Array) -> Array:
        seen(level)
        return x

    @identity.defjvp
    def _rule(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        return _counting_identity(level + 1, seen)(primals[0]), tangents[0]

    return identity


class Frame:
    """The names of the coordinates in their order, and which of them are space and time."""

    def __init__(self, coordinates: tuple[str, ...], space: tuple[str, ...]) -> None:
        self.coordinates = coordinates
        self.space = tuple(coordinates.index(name) for name in space)

    def parse(self, attribute: str) -> Index | None:
        """The axes that an attribute such as `xx`, `xt` or `theta` names, or None when it names none."""
        if attribute in self.coordinates:
            return (self.coordinates.index(attribute),)
        for axis, name in sorted(enumerate(self.coordinates), key=lambda pair: -len(pair[1])):
            if attribute.startswith(name):
                rest = self.parse(attribute[len(name) :])
                if rest is not None:
                    return (axis, *rest)
        return None

    def axes(self, names: tuple[str, ...]) -> Index:
        """The axes of coordinate names, as in `u.d("x1", "x1")`."""
        for name in names:
            if name not in self.coordinates:
                raise AttributeError(f"no coordinate {name!r}; the domain has {', '.join(self.coordinates)}")
        return tuple(self.coordinates.index(name) for name in names)


class Field:
    """The value of an unknown or of a coefficient at the current point, with its derivatives.

    `u.t`, `u.xx`, `u.xy` are partial derivatives (`u.d("x1", "x1")` for long names); `u.grad`, `u.laplacian`,
    `u.hessian` run over the space coordinates; a vector field has `.div`, `.curl`, `.jacobian`; `u(q)` is the field at
    another point `q` of shape `(d,)`, so `jax.hessian(u)(q)` works; `u.value` is the plain array (`jax.lax` wants it).
    """

    __array_ufunc__ = None  # lets `numpy_float * u` reach __rmul__

    def __init__(
        self,
        name: str,
        f: PointFunction,
        point: Float[Array, " d"],
        frame: Frame,
        table: Mapping[Index, Any],
        record: Record | None = None,
    ) -> None:
        self._name, self._f, self._point, self._frame = name, f, point, frame
        self._table, self._record = table, record

    def _take(self, axes: Index) -> Any:
        index = tuple(sorted(axes))
        if self._record is not None:
            self._record.take(self._name, index)
        if index in self._table:
            return self._table[index]
        if all(part in self._table for part in parts(index)):
            return functools.reduce(operator.add, [self._table[part] for part in parts(index)])
        return automatic(self._f, self._point, [index])[index]

    @property
    def value(self) -> Array:
        """The value at the current point, as a plain array."""
        return self._take(())

    def d(self, *names: str) -> Array:
        """The partial derivative along the coordinates `names`, e.g. `u.d("x1", "x1")`."""
        return self._take(self._frame.axes(names))

    def __getattr__(self, attribute: str) -> Array:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        if not self._frame.coordinates:
            raise AttributeError(f"{self._name}.{attribute}: {_LOST}")
        axes = self._frame.parse(attribute)
        if axes is None:
            raise AttributeError(
                f"{self._name}.{attribute}: no derivative of that name; the coordinates are "
                f"{', '.join(self._frame.coordinates)}, so write {self._name}.{self._frame.coordinates[0]} or "
                "the like, "
                "grad, laplacian, hessian, div, curl or jacobian (plain jax.numpy functions take the field itself)"
            )
        return self._take(axes)

    @property
    def grad(self) -> Array:
        """The space gradient, shape `(s,)`, or `(m, s)` for a vector field."""
        return jnp.stack([self._take((axis,)) for axis in self._space("grad")], axis=-1)

    jacobian = grad

    @property
    def laplacian(self) -> Array:
        """The sum of the pure second derivatives over the space coordinates, component by component."""
        return self._take(total(self._space("laplacian")))

    @property
    def hessian(self) -> Array:
        """The space Hessian, shape `(s, s)` (`(m, s, s)` for a vector field)."""
        space = self._space("hessian")
        return jnp.stack([jnp.stack([self._take((i, j)) for j in space], axis=-1) for i in space], axis=-2)

    @property
    def div(self) -> Array:
        """The divergence of a vector field with one component a space coordinate."""
        matrix = self._square("div")
        return jnp.trace(matrix)

    @property
    def curl(self) -> Array:
        """The curl of a vector field: a scalar in two space dimensions, a vector in three."""
        return curl_of(self._square("curl"))

    # The next two raise TypeError: an AttributeError inside a property would be lost to __getattr__.
    def _space(self, what: str) -> Index:
        if not self._frame.space:
            raise TypeError(f"{self._name}.{what} runs over space coordinates, and the domain has none")
        return self._frame.space

    def _square(self, what: str) -> Array:
        matrix = self.grad
        size = len(self._frame.space)
        if matrix.shape != (size, size):
            raise TypeError(
                f"{self._name}.{what} needs a vector of {size} components, but {self._name} has shape "
                f"{matrix.shape[:-1]}; declare unknowns={{'{self._name}': {size}}}"
            )
        return matrix

    def __call__(self, point: Float[Array, " d"]) -> Array:
        """The field at another point `q`, its coordinates in the order of the domain."""
        if not self._frame.coordinates:
            raise TypeError(f"{self._name}(q): {_LOST}")
        point = jnp.asarray(point, self._point.dtype)
        if point.shape != self._point.shape:
            raise ValueError(
                f"{self._name}(q) takes a point of shape {self._point.shape} "
                f"({', '.join(self._frame.coordinates)}), got shape {point.shape}"
            )
        f = self._f if self._record is None else self._record.probe(self._name, self._f)
        return f(point)

    def __getitem__(self, item: int) -> "Field":
        """One component of a vector field, with its derivatives."""
        if self._record is not None and isinstance(item, int):  # jax clamps an index out of range without a word
            shape = jax.eval_shape(self._f, self._point).shape
            if not shape or not -shape[0] <= item < shape[0]:
                raise IndexError(f"{self._name}[{item}]: {self._name} has {shape[0] if shape else 'no'} components")
        table = _Component(self, item)
        return Field(f"{self._name}[{item}]", lambda q: self(q)[item], self._point, self._frame, table)

    @property
    def real(self) -> Array:
        """The real part of a complex field."""
        return self.value.real

    @property
    def imag(self) -> Array:
        """The imaginary part of a complex field."""
        return self.value.imag

    def conj(self) -> Array:
        """The complex conjugate."""
        return jnp.conj(self.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value: `()` for a scalar, `(m,)` for a vector field."""
        return self.value.shape

    @property
    def dtype(self) -> Any:
        """The dtype of the value."""
        return self.value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes of the value."""
        return self.value.ndim

    def __jax_array__(self) -> Array:
        return self.value

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError(f"{self._name} is a scalar field and has no components")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        return f"Field({self._name})"


class _Component(Mapping[Index, Any]):
    """The table of one component of a vector field: looks derivatives up in the whole field's table."""

    def __init__(self, field: Field, item: int) -> None:
        self._field, self._item = field, item

    def __contains__(self, index: object) -> bool:
        return True

    def __getitem__(self, index: Index) -> Any:
        return self._field._take(index)[self._item]

    def __iter__(self) -> Any:
        return iter(self._field._table)

    def __len__(self) -> int:
        return len(self._field._table)


def _binary(name: str) -> Callable[[Field, Any], Array]:
    def operation(self: Field, other: Any) -> Array:
        return getattr(self.value, name)(other.value if isinstance(other, Field) else other)

    operation.__name__ = name
    return operation


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "mod", "floordiv"):
    setattr(Field, f"__{_name}__", _binary(f"__{_name}__"))
    setattr(Field, f"__r{_name}__", _binary(f"__r{_name}__"))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Field, f"__{_name}__", _binary(f"__{_name}__"))
Field.__neg__ = lambda self: -self.value  # type: ignore[attr-defined]
Field.__pos__ = lambda self: self.value  # type: ignore[attr-defined]
Field.__abs__ = lambda self: jnp.abs(self.value)  # type: ignore[attr-defined]
Field.__hash__ = None  # type: ignore[assignment]  # as of a jax array, since == compares values

_LOST = "a field that went through jax.jit, jax.vmap or the like has no derivatives; take them outside"


def _of_value(_: None, leaves: tuple[Any]) -> Field:
    return Field("field", lambda q: leaves[0], jnp.zeros(0), Frame((), ()), {(): leaves[0]})


# A pytree of its value alone: jax functions that flatten their arguments then see an array, and caches hold no tracers.
jax.tree_util.register_pytree_node(Field, lambda u: ((u.value,), None), _of_value)


def field_at(
    name: str,
    f: PointFunction,
    point: Float[Array, " d"],
    frame: Frame,
    indices: set[Index],
    engine: Engine = automatic,
    record: Record | None = None,
) -> Field:
    """The field `f` at `point` with the derivatives `indices` computed in one pass of `engine`."""
    fill = partial(engine, f, point)
    return Field(name, f, point, frame, fill(indices | {()}) if indices else {}, record)
