"""Whether a network is smooth enough for the derivatives that an equation takes: said before training."""

import warnings
from collections.abc import Mapping

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

    `s < k - 1`: SmoothnessError, for the k-th derivative is zero almost everywhere or a sum of spikes that training
    cannot see. `s = k - 1`: SmoothnessWarning, the k-th derivative jumps. `s >= k` passes.
    """
    for name in problem.fields:
        s = smoothness.get(name, smoothness.get("", float("inf")))
        for residual, traced in problem.residuals_by_name.items():
            k = traced.record.order(name)
            if s >= k:
                continue
            taken = _highest(problem, residual, name, k)
            said = f"C^{s:.0f}" if s >= 0 else "discontinuous"
            if s == k - 1 or allow_rough:
                warnings.warn(
                    f"{residual!r} takes {taken}, but a network with {activation} is {said}: its derivative of order "
                    f"{k} " + ("jumps." if s == k - 1 else "is zero almost everywhere; training cannot see that term."),
                    SmoothnessWarning,
                    stacklevel=3,
                )
                continue
            order = {1: "first", 2: "second", 3: "third", 4: "fourth"}.get(k, f"{k}-th")
            raise SmoothnessError(
                f"{residual!r} takes {taken}, but a network with {activation} is {said}: its {order} derivative is 0 "
                f"almost everywhere, so training cannot see that term. {ADVICE}"
            )


def _highest(problem: Problem, residual: str, unknown: str, order: int) -> str:
    """The highest derivative as the user wrote it."""
    record = problem.residuals_by_name[residual].record
    for index in sorted(record.indices.get(unknown, ())):
        if len(index) == order:
            return f"{unknown}.{''.join(problem.domain.coordinates[axis] for axis in index)}"
    return f"derivatives of order {order} of {unknown}(q)"
