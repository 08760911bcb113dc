"""Whether a network is smooth enough for the derivatives that an equation takes: said before training."""

import warnings
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from pinnact import activations
from pinnact.problem import Problem

ADVICE = "Use tanh, gelu, silu, sin, softplus ..., or pass allow_rough=True to watch it fail."


class SmoothnessError(ValueError):
    """A network whose derivatives an equation needs do not exist."""


class SmoothnessWarning(UserWarning):
    """A network whose highest derivative that an equation takes exists, but jumps."""


def check_smoothness(
    problem: Problem, smoothness: Mapping[str, float], activation: str, allow_rough: bool = False
) -> None:
    """Compare the order k of each residual with the smoothness s (of C^s) of the network of each unknown.

    `s < k - 1`: SmoothnessError, for the k-th derivative is a sum of spikes at the kinks, where no point ever falls
    (and beside them 0 for piecewise linear units). `s = k - 1`: SmoothnessWarning, the k-th derivative jumps.
    """
    found = []
    for name in problem.fields:
        s = smoothness.get(name, smoothness.get("", float("inf")))
        for residual, traced in problem.residuals_by_name.items():
            if s < (k := traced.record.order(name)):
                found.append((k - s, residual, name, s, k))
    for lack, residual, name, s, k in sorted(found, key=lambda case: -case[0]):
        said = f"C^{s:.0f}" if s >= 0 else "discontinuous"
        orders = {0: "value", 1: "first derivative", 2: "second derivative"}
        sentence = (
            f"{residual!r} takes {_highest(problem, residual, name, k)}, but a network with {activation} is {said}: "
            f"its {orders.get(k, f'derivative of order {k}')} "
        )
        if lack == 1:
            warnings.warn(sentence + "jumps.", SmoothnessWarning, stacklevel=3)
            continue
        sentence += f"{_what_is_seen(activation, k)}, so training cannot see that term."
        if not allow_rough:
            raise SmoothnessError(f"{sentence} {ADVICE}")
        warnings.warn(sentence, SmoothnessWarning, stacklevel=3)


def _what_is_seen(activation: str, order: int) -> str:
    """What a derivative of too high an order is away from the kinks."""
    try:
        derivative = activations.get(activation)
    except ValueError:  # a user's own, or several
        return "lives in spikes at the kinks"
    for _ in range(order):
        derivative = jax.grad(derivative)
    seen = jax.vmap(derivative)(jnp.linspace(-3.03, 3.07, 62))
    return "lives in spikes at the kinks" if jnp.any(seen != 0) else "is 0 almost everywhere"


def _highest(problem: Problem, residual: str, unknown: str, order: int) -> str:
    """The highest derivative as the user wrote it."""
    record = problem.residuals_by_name[residual].record
    for index in sorted(record.indices.get(unknown, ())):
        if len(index) == order:
            return f"{unknown}.{''.join(problem.domain.coordinates[axis] for axis in index)}"
    return f"derivatives of order {order} of {unknown}(q)"
