"""The one protocol of all optimisers: `init`, `refresh`, `step`, on a flat vector of parameters."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

Parameters = Float[Array, " p"]


class Objective(NamedTuple):
    """What an optimiser may ask of a system at fixed points and weights.

    `value(p)` is the loss, `value_and_gradient(p)` adds its gradient, `linearise(p)` gives the weighted rows `r (n,)`
    and their Jacobian `J (n, p)`, block by block: the loss is the sum of all `|r|^2`.
    """

    value: Callable[[Parameters], Float[Array, ""]]
    value_and_gradient: Callable[[Parameters], tuple[Float[Array, ""], Parameters]]
    linearise: Callable[[Parameters], Sequence[tuple[Float[Array, " n"], Float[Array, "n p"]]]]


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
