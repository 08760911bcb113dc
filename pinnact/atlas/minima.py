"""Several seeds of anything taken together to a minimum of a loss without noise, by an optimiser of the package."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
from jaxtyping import Array, Float, PRNGKeyArray

from pinnact.optimisers import AbstractOptimiser, Objective, SelfScaledBroyden


def minimise(
    build: Callable[[PRNGKeyArray], Any],
    loss: Callable[..., Float[Array, ""]],
    *given: Any,
    seeds: int,
    steps: int,
    optimiser: AbstractOptimiser | None = None,
) -> tuple[Any, Float[Array, "seeds steps"]]:
    """Modules of several seeds that minimise `loss(module, *given)`, by self-scaled Broyden unless told; and losses.

    Like `train`, for losses without noise whose minimum must be found to many digits. The modules come stacked along a
    first axis. An optimiser that needs rows instead of a loss (Levenberg-Marquardt) is not for this.
    """
    optimiser = SelfScaledBroyden() if optimiser is None else optimiser
    models = eqx.filter_vmap(build)(jax.random.split(jax.random.key(0), seeds))
    trained, fixed = eqx.partition(models, eqx.is_inexact_array)

    def one(p: Any, static: Any, given: tuple) -> tuple[Any, Array]:
        start, unravel = jax.flatten_util.ravel_pytree(p)
        value = lambda flat: loss(eqx.combine(unravel(flat), static), *given)
        objective = Objective(value, jax.value_and_grad(value), _no_rows, _no_rows, _no_rows)

        def step(carry: tuple[Array, Any], _: None) -> tuple[tuple[Array, Any], Array]:
            found = optimiser.step(objective, *carry)
            return (found.parameters, found.state), found.loss

        begun = optimiser.init(start, *objective.value_and_gradient(start))
        (flat, _), losses = jax.lax.scan(step, (start, begun), length=steps)
        return unravel(flat), losses

    trained, losses = eqx.filter_jit(eqx.filter_vmap(one, in_axes=(eqx.if_array(0), eqx.if_array(0), None)))(
        trained, fixed, given
    )
    return eqx.combine(trained, fixed), losses


def _no_rows(p: Array) -> Any:
    raise ValueError("a loss has no rows; choose an optimiser that takes value and gradient")
