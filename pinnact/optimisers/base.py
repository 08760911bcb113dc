"""The one protocol of all optimisers: `init`, `refresh`, `step`, on a flat vector of parameters."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

MOST_JACOBIAN = 50_000_000  # numbers of a Jacobian that are held at once while `J^T J` is summed up: 400 MB
Parameters = Float[Array, " p"]


class Objective(NamedTuple):
    """What an optimiser may ask of a system at fixed points and weights.

    `value(p)` is the loss, the sum of the squares of the weighted rows `rows(p) (n,)`; `value_and_gradient(p)` adds its
    gradient. `jacobian(p)` gives the rows r and their Jacobian `J (n, p)`, `normal(p)` gives `J^T J` and `J^T r`
    without holding all of J.
    """

    value: Callable[[Parameters], Float[Array, ""]]
    value_and_gradient: Callable[[Parameters], tuple[Float[Array, ""], Parameters]]
    rows: Callable[[Parameters], Float[Array, " n"]]
    jacobian: Callable[[Parameters], tuple[Float[Array, " n"], Float[Array, "n p"]]]
    normal: Callable[[Parameters], tuple[Float[Array, "p p"], Parameters]]


def squares(rows: Callable[[Parameters], Float[Array, " n"]]) -> Objective:
    """The loss `|r(p)|^2` of a function of few parameters and rows, as an optimiser asks for it."""

    def value(p: Parameters) -> Float[Array, ""]:
        return jnp.sum(rows(p) ** 2)

    def jacobian(p: Parameters) -> tuple[Float[Array, " n"], Float[Array, "n p"]]:
        return rows(p), jax.jacfwd(rows)(p)

    def normal(p: Parameters) -> tuple[Float[Array, "p p"], Parameters]:
        r, slopes = jacobian(p)
        return slopes.T @ slopes, r @ slopes

    return Objective(value, jax.value_and_grad(value), rows, jacobian, normal)


class Step(NamedTuple):
    """The outcome of a step: new parameters and state, the loss there, and whether the method is stuck."""

    parameters: Parameters
    state: Any
    loss: Float[Array, ""]
    stalled: Any


class AbstractOptimiser(eqx.Module):
    """A method that shrinks an objective. All three functions may be traced; state is a value passed in and out."""

    name: eqx.AbstractVar[str]
    second_order: eqx.AbstractVar[bool]

    @abstractmethod
    def init(self, parameters: Parameters, value: Float[Array, ""], gradient: Parameters) -> Any:
        """The state before the first step, from the loss and its gradient at `parameters`."""

    @abstractmethod
    def refresh(self, state: Any, value: Float[Array, ""], gradient: Parameters) -> Any:
        """The state after points or weights have changed, from the new loss and gradient at the same parameters."""

    @abstractmethod
    def step(self, objective: Objective, parameters: Parameters, state: Any) -> Step:
        """One step."""

    @property
    def at_once(self) -> bool:
        """Whether it takes rows of all points at once, not only sums over points."""
        return False

    def numbers(self, rows: int, parameters: int) -> float:
        """How many floats the method holds at its peak, for memory to be checked before it is taken."""
        return 10.0 * parameters

    def eased(self, times: int) -> "AbstractOptimiser":
        """The same method with steps that are `times` times more careful: taken after a loss that was not finite."""
        return self

    @property
    def words(self) -> str:
        """The method with the numbers that it was given, by which a run that goes on knows it again."""
        numbers = [f"{name}={value}" for name, value in vars(self).items() if isinstance(value, int | float)]
        return f"{self.name}({', '.join(numbers)})"
