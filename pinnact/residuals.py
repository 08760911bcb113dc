"""A residual bound to its names: how a plain Python function gets the fields, coordinates and normals it asks for."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.fields import Field, Frame, Record, field_at
from pinnact.operators import Engine, Index, PointFunction, automatic

POINT = "point"  # the argument that is given all coordinates at once, shape (d,)


@dataclass(frozen=True)
class Unknown:
    """An unknown of a problem: a scalar, a vector of `size` components, or a complex number (two real outputs)."""

    name: str
    size: int = 1
    kind: str = "scalar"

    @staticmethod
    def of(name: str, kind: Any) -> "Unknown":
        """From the value in `unknowns={name: kind}`: 1 or float, complex, or a number of components."""
        if kind is complex:
            return Unknown(name, 2, "complex")
        if kind in (1, float):
            return Unknown(name)
        if isinstance(kind, int) and kind > 1:
            return Unknown(name, kind, "vector")
        raise ValueError(f"unknowns={{'{name}': {kind!r}}}: give 1, a number of components, or complex")

    def assemble(self, outputs: Float[Array, " size"]) -> Array:
        """The value from the real network outputs."""
        if self.kind == "scalar":
            return outputs[0]
        return outputs[0] + 1j * outputs[1] if self.kind == "complex" else outputs

    def split(self, value: Array) -> Float[Array, " size"]:
        """The real outputs from the value: the inverse of `assemble`."""
        return real_rows(value)


def real_rows(value: Any) -> Float[Array, " m"]:
    """A residual's value as a vector of real rows: scalars become one row, complex numbers two."""
    if isinstance(value, Field):
        value = value.value
    if isinstance(value, tuple | list):
        return jnp.concatenate([real_rows(part) for part in value])
    if value is None:
        raise ValueError("it returns nothing; return what must vanish, as in u.xx - 1")
    value = jnp.atleast_1d(jnp.asarray(value)).ravel()
    if value.dtype == bool:
        raise ValueError("it returns True or False; return what must vanish: u.xx - 1 instead of u.xx == 1")
    if jnp.iscomplexobj(value):
        return jnp.stack([value.real, value.imag], axis=-1).ravel()
    return value


def argument_names(function: Callable[..., Any], what: str) -> tuple[str, ...]:
    """The names of a function's arguments, which pick what it is given."""
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(f"{what} takes *{parameter.name}: name its arguments, since their names pick what it gets")
    return tuple(parameter.name for parameter in parameters if parameter.default is parameter.empty)


def by_name(function: Callable[..., Any], coordinates: tuple[str, ...], what: str = "function") -> PointFunction:
    """A function of named coordinates, `f(x, t)`, or of all at once, `f(point)`, as a function of one point."""
    names = argument_names(function, what)
    missing = [name for name in names if name not in coordinates and name != POINT]
    if missing:
        raise ValueError(f"{what} asks for {missing[0]!r}; the domain's coordinates are {', '.join(coordinates)}")
    return lambda point: jnp.asarray(function(**{name: _at(point, name, coordinates) for name in names}))


def _at(point: Float[Array, " d"], name: str, coordinates: tuple[str, ...]) -> Array:
    return point if name == POINT else point[coordinates.index(name)]


@dataclass(frozen=True)
class Residual:
    """A function of named arguments that must vanish on a region; `record` holds the derivatives it takes."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    frame: Frame
    record: Record = field(default_factory=Record, compare=False)
    rows: int = 1

    @property
    def needs_normal(self) -> bool:
        """Whether the residual asks for the outward normal."""
        return "normal" in self.arguments

    def __call__(
        self, fields: Mapping[str, Field], point: Float[Array, " d"], normal: Float[Array, " s"] | None = None
    ) -> Float[Array, " m"]:
        """The real rows of the residual at one point."""
        given: dict[str, Any] = {}
        for argument in self.arguments:
            if argument in fields:
                given[argument] = fields[argument]
            elif argument == "normal":
                given[argument] = normal
            else:
                given[argument] = _at(point, argument, self.frame.coordinates)
        return real_rows(self.function(**given))


def trace(residual: Residual, functions: Mapping[str, PointFunction], normal_size: int) -> Residual:
    """The residual with the record of what it takes, found by tracing it once without computing anything."""
    record = Record()

    def once(point: Array, normal: Array) -> Array:
        fields = {
            name: field_at(name, f, point, residual.frame, set(), record=record)
            for name, f in functions.items()
            if name in residual.arguments
        }
        return residual(fields, point, normal)

    float_ = jnp.zeros(()).dtype
    point = jax.ShapeDtypeStruct((len(residual.frame.coordinates),), float_)
    normal = jax.ShapeDtypeStruct((normal_size,), float_)
    try:
        shape = jax.eval_shape(once, point, normal)
    except AttributeError as error:
        raise ValueError(f"{residual.name!r}: {error}") from error
    except (TypeError, ValueError, IndexError, ZeroDivisionError, NameError) as error:
        raise ValueError(f"{residual.name!r} can't be evaluated at a point: {_reason(error)}") from error
    return Residual(residual.name, residual.function, residual.arguments, residual.frame, record, shape.shape[0])


def _reason(error: Exception) -> str:
    """The first line of an error, or the repair where the error's own text would not lead to it."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "__jax_array__" in reason:
        return "jax.lax and some jax.nn functions take plain arrays only; give them u.value instead of u"
    if "__array_ufunc__" in reason or "__array__" in reason:
        return "numpy can't be traced by jax; use the jax.numpy function of that name"
    return reason


def fields_at(
    functions: Mapping[str, PointFunction],
    point: Float[Array, " d"],
    frame: Frame,
    plan: Mapping[str, set[Index]],
    engine: Engine = automatic,
) -> dict[str, Field]:
    """The fields of `functions` at a point, each with the derivatives that `plan` lists."""
    return {name: field_at(name, f, point, frame, plan.get(name, set()), engine) for name, f in functions.items()}
