"""What an activation is: an elementwise function with the facts that a problem checks, fixed or trained."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Num

Per = Literal["layer", "neuron"]
_LINE = (-math.inf, math.inf)


class AbstractActivation(eqx.Module):
    """A function of one real variable, applied elementwise, with the facts that a problem checks.

    `smoothness` is the k of C^k (`math.inf` if smooth, -1 if discontinuous), `bounds` hold the range, `monotone` says
    that it never decreases. Of a trained activation these hold whatever values its arrays take.
    """

    name: eqx.AbstractVar[str]
    smoothness: eqx.AbstractVar[float]
    bounds: eqx.AbstractVar[tuple[float, float]]
    monotone: eqx.AbstractVar[bool]
    formula: eqx.AbstractVar[str]

    @abstractmethod
    def __call__(self, x: Num[ArrayLike, "*shape"]) -> Inexact[Array, "*shape"]:
        """The activation of every element of `x`, in the floating type of `x`."""

    @abstractmethod
    def for_layer(self, width: int) -> "AbstractActivation":
        """The module that a layer of `width` neurons holds: itself, or with the arrays that such a layer trains."""

    def __check_init__(self) -> None:
        k = self.smoothness
        if not (k == math.inf or k in (-1, 0) or (k > 0 and k == int(k))):
            repair = "pass the k of C^k (math.inf if smooth, 0 for a kink, -1 for a jump)"
            raise ValueError(
                f"{self.name}: smoothness={k} cannot be checked against the order of an equation; {repair}"
            )
        if not self.bounds[0] <= self.bounds[1]:
            raise ValueError(f"{self.name}: bounds={self.bounds} are out of order or nan; pass (least, greatest)")


def _fact(default: Any, converter: Callable[[Any], Any]) -> Any:
    return eqx.field(static=True, kw_only=True, default=default, converter=converter)


def _floating(x: ArrayLike) -> Array:
    return jnp.asarray(x, jnp.result_type(jnp.asarray(x), 0.0))  # the default floating type for whole numbers


@final
class Activation(AbstractActivation):
    """A fixed activation: a JAX function `f` of one array and its facts; hashable, so it may be a static argument.

    `smoothness` must be given (ValueError otherwise); `name` is that of `f` unless given.

    >>> bump = Activation(lambda x: jnp.cos(x) ** 3, name="bump", smoothness=math.inf, bounds=(-1, 1))
    """

    f: Callable[[Array], Array] = eqx.field(static=True)
    name: str = _fact("", str)
    smoothness: float = _fact(math.nan, float)
    bounds: tuple[float, float] = _fact(_LINE, lambda pair: (float(pair[0]), float(pair[1])))
    monotone: bool = _fact(False, bool)
    formula: str = _fact("", str)

    def __post_init__(self) -> None:
        self.name = self.name or getattr(self.f, "__name__", type(self.f).__name__).strip("<>")
        self.formula = self.formula or f"{self.name}(x)"

    def __call__(self, x: Num[ArrayLike, "*shape"]) -> Inexact[Array, "*shape"]:
        """f(x), in the floating type of `x`."""
        x = _floating(x)
        return self.f(x).astype(x.dtype)  # costs nothing where f keeps the type, as all of the catalogue does

    def for_layer(self, width: int) -> "Activation":
        """Itself: nothing is trained."""
        return self


@final
class Trainable(AbstractActivation):
    """An activation with trained arrays: f(x, **parameters), one set a layer or one set a neuron.

    `f` takes `x` of any shape and the parameters in the shapes given here. With `per="neuron"`, `for_layer` appends an
    axis of the layer's width to each, and `x` then has that width as its last axis.

    >>> shifted = Trainable(lambda x, shift: jnp.tanh(x - shift), {"shift": 0}, name="shifted", smoothness=math.inf)
    >>> shifted.for_layer(20).parameters["shift"].shape
    ()
    """

    f: Callable[..., Array] = eqx.field(static=True)
    parameters: dict[str, Array] = eqx.field(converter=lambda p: {k: jnp.asarray(v, float) for k, v in p.items()})
    name: str = _fact("trainable", str)
    smoothness: float = _fact(math.nan, float)
    bounds: tuple[float, float] = _fact(_LINE, lambda pair: (float(pair[0]), float(pair[1])))
    monotone: bool = _fact(False, bool)
    formula: str = _fact("", str)
    per: Per = _fact("layer", str)
    neurons: int | None = _fact(None, lambda neurons: neurons)  # None: one set of parameters for all of x

    def __check_init__(self) -> None:
        if self.per not in ("layer", "neuron"):
            raise ValueError(f"{self.name}: per={self.per!r} shares parameters unclearly; pass 'layer' or 'neuron'")

    def __call__(self, x: Num[ArrayLike, "*shape"]) -> Inexact[Array, "*shape"]:
        """f(x, **parameters), in the floating type of `x`."""
        x = _floating(x)
        parameters = {key: value.astype(x.dtype) for key, value in self.parameters.items()}
        if self.neurons is None:
            return self.f(x, **parameters)
        if x.shape[-1:] != (self.neurons,):
            raise ValueError(f"{self.name}: {x.shape} of x does not end in its {self.neurons} neurons; use for_layer")
        return jax.vmap(lambda x, p: self.f(x, **p), in_axes=-1, out_axes=-1)(x, parameters)

    def for_layer(self, width: int) -> "Trainable":
        """The same values, with `per="neuron"` once for each of `width` neurons, along a new last axis."""
        if self.per == "layer" or self.neurons == width:
            return replace(self)  # its arrays anew: it may come from outside of the x64 context that `solve` enters
        if self.neurons is not None:
            raise ValueError(f"{self.name} holds {self.neurons} neurons, not {width}; start from the one it came from")
        arrays = {key: jnp.repeat(value[..., None], width, axis=-1) for key, value in self.parameters.items()}
        return replace(self, parameters=arrays, neurons=width)
