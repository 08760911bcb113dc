"""The self-scaled Broyden method: a dense quasi-Newton method that scales itself at every step."""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from pinnact.optimisers.base import AbstractOptimiser, Objective, Parameters, Step
from pinnact.optimisers.line_search import wolfe


class BroydenState(NamedTuple):
    """Loss, gradient, inverse Hessian, the direction `-H g`, the usual step length, and whether H was just reset."""

    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    inverse: Float[Array, "p p"]
    direction: Float[Array, " p"]
    length: Float[Array, ""]
    fresh: Array


class SelfScaledBroyden(AbstractOptimiser):
    """Self-scaled Broyden (Al-Baali and Khalfan; for PINNs Urban, Stefanou, Pons 2025, doi:10.1016/j.jcp.2024.113656).

    Takes `p^2` memory and `12 p^2` flops a step besides one loss and gradient. The first inverse Hessian, and the one
    after a failed line search, is `0.1 / |g|` times the identity. Self-scaling makes `H g` too long most of the time
    (accepted lengths are 0.2 to 0.5), so a search starts at the geometric mean of the lengths accepted before,
    which saves a third of all evaluations.
    """

    first_step: float = 0.1
    name: str = "ssbroyden"
    second_order: bool = True

    def init(self, parameters: Parameters, value: Float[Array, ""], gradient: Parameters) -> BroydenState:
        """Start from the scaled identity."""
        return self._reset(value, gradient)

    def refresh(self, state: BroydenState, value: Float[Array, ""], gradient: Parameters) -> BroydenState:
        """Keep the inverse Hessian, take the new loss and gradient."""
        direction = -(state.inverse @ gradient)
        return BroydenState(value, gradient, state.inverse, direction, state.length, jnp.array(False))

    def _reset(self, value: Array, gradient: Array) -> BroydenState:
        scale = self.first_step / jnp.maximum(jnp.linalg.norm(gradient), jnp.finfo(gradient.dtype).tiny)
        inverse = scale * jnp.eye(gradient.size, dtype=gradient.dtype)
        one = jnp.ones((), gradient.dtype)
        return BroydenState(value, gradient, inverse, -scale * gradient, one, jnp.array(True))

    def numbers(self, rows: int, parameters: int) -> float:
        """The inverse Hessian, its update, and an eighth of it for products: `17/8 p^2`."""
        return 2.125 * parameters**2

    def eased(self, times: int) -> "SelfScaledBroyden":
        """A tenth of the first step each time."""
        return replace(self, first_step=self.first_step * 0.1**times)

    def step(self, objective: Objective, parameters: Parameters, state: BroydenState) -> Step:
        """One line search and one update of the inverse Hessian."""
        slope = jnp.vdot(state.gradient, state.direction)
        usable = (slope < 0) & jnp.isfinite(slope)
        direction = jnp.where(usable, state.direction, -state.gradient)
        slope = jnp.where(usable, slope, -jnp.vdot(state.gradient, state.gradient))
        found = wolfe(
            objective.value_and_gradient, parameters, direction, state.value, slope, state.gradient, first=state.length
        )
        s = found.length * direction
        y = found.gradient - state.gradient
        curvature = jnp.vdot(y, s)
        good = found.ok & usable & (curvature > 0)
        update = _update(state.inverse, s, y, state.gradient, found.gradient, found.length, curvature)
        finite = jnp.all(jnp.isfinite(update.direction))
        keep = good & finite
        scale = self.first_step / jnp.maximum(jnp.linalg.norm(found.gradient), jnp.finfo(y.dtype).tiny)
        reset = ~found.ok | ~usable | (good & ~finite)
        # An update that is skipped keeps H.
        factor = jnp.where(keep, update.factor, 1.0)
        left, right = (jnp.where(keep, part, 0.0) for part in (update.left, update.right))
        new = factor * state.inverse + left @ right
        identity = jnp.arange(y.size)[:, None] == jnp.arange(y.size)[None, :]
        new = jnp.where(reset, jnp.where(identity, scale, 0.0), new)
        kept = jnp.where(keep, update.direction, -update.product)
        new_direction = jnp.where(reset, -scale * found.gradient, kept)
        usual = jnp.minimum(1.0, 1.05 * state.length**0.8 * jnp.maximum(found.length, 1e-8) ** 0.2)
        after = BroydenState(found.value, found.gradient, new, new_direction, jnp.where(reset, 1.0, usual), reset)
        return Step(parameters + s, after, found.value, ~found.ok & state.fresh)


class Update(NamedTuple):
    """The next inverse Hessian `factor H + left right`, its direction, and the product `H g` of the one before."""

    factor: Float[Array, ""]
    left: Float[Array, "p 3"]
    right: Float[Array, "3 p"]
    direction: Float[Array, " p"]
    product: Float[Array, " p"]


def _update(inverse: Array, s: Array, y: Array, old: Array, new: Array, length: Array, sy: Array) -> Update:
    """The update of the inverse Hessian and the next direction; formulas as in the paper, n parameters.

    b = -alpha (s.g)/(y.s), h = (y.H y)/(y.s), a = h b - 1; one pass over H brings both products it is needed for.
    """
    n = y.size
    tiny = jnp.finfo(y.dtype).tiny
    products = inverse @ jnp.stack([y, new], axis=1)
    hy, hg = products[:, 0], products[:, 1]
    yhy = jnp.vdot(y, hy)
    b = -length * jnp.vdot(s, old) / sy
    h = yhy / sy
    a = jnp.maximum(h * b - 1, tiny)
    c = jnp.sqrt(a / (a + 1))
    rho = jnp.minimum(1.0, h * (1 - c))
    theta = jnp.maximum((rho - 1) / a, jnp.minimum(1 / rho, (1 - b) / b))
    sigma = 1 + theta * a
    root = sigma ** (-1 / max(n - 1, 1))
    cap = jnp.minimum(1.0, 1 / b)
    tau = jnp.where(theta > 0, cap * jnp.minimum(root, 1 / theta), jnp.minimum(cap * root, sigma))
    phi = (1 - theta) / (1 + a * theta)
    v = jnp.sqrt(yhy) * (s / sy - hy / yhy)
    left = jnp.stack([-hy / (yhy * tau), phi / tau * v, s / sy], axis=1)
    product = (hg - hy * (jnp.vdot(hy, new) / yhy) + v * (phi * jnp.vdot(v, new))) / tau + s * (jnp.vdot(s, new) / sy)
    return Update(1 / tau, left, jnp.stack([hy, v, s]), -product, hg)
