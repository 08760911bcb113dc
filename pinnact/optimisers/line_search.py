"""A line search for the Wolfe conditions, by bracketing and safeguarded cubic interpolation."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

ValueAndGradient = Callable[[Float[Array, " p"]], tuple[Float[Array, ""], Float[Array, " p"]]]


class Found(NamedTuple):
    """Where the search ended: step length, value, gradient there; `ok` is False when no step lowers the value."""

    length: Float[Array, ""]
    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    ok: Bool[Array, ""]


class _Search(NamedTuple):
    length: Array
    low: Array  # the largest length known to be too short, with its value and slope
    low_value: Array
    low_slope: Array
    high: Array  # the smallest length known to be too long, infinite before one is known
    high_value: Array
    high_slope: Array
    best: Found
    done: Array
    count: Array


def wolfe(
    function: ValueAndGradient,
    start: Float[Array, " p"],
    direction: Float[Array, " p"],
    value: Float[Array, ""],
    slope: Float[Array, ""],
    gradient: Float[Array, " p"],
    first: Float[Array, ""] | float = 1.0,
    sufficient: float = 1e-4,
    curvature: float = 0.9,
    most: int = 25,
) -> Found:
    """A step length `a` with `f(a) <= f(0) + c1 a f'(0)` and `f'(a) >= c2 f'(0)` along `direction`.

    Near round-off the first condition is also met in the approximate form of Hager and Zhang 2005
    (doi:10.1137/030601880): `f(a) <= f(0) (1 + 1e-14)` with `f'(a) <= (2 c1 - 1) f'(0)`. Each trial costs one value
    and gradient; most searches take one. Without success the best decrease seen is returned.
    """
    noise = 10 * jnp.finfo(value.dtype).eps * jnp.abs(value)

    def trial(s: _Search) -> _Search:
        f, g = function(start + s.length * direction)
        d = jnp.vdot(g, direction)
        finite = jnp.isfinite(f) & jnp.all(jnp.isfinite(g))
        low_enough = (f < value) & (f <= value + sufficient * s.length * slope)
        nearly = (slope < 0) & (f <= value + noise) & (d <= (2 * sufficient - 1) * slope)
        decreases = finite & (low_enough | nearly)
        done = decreases & (d >= curvature * slope)
        better = finite & (f < s.best.value)
        best = Found(
            jnp.where(better | done, s.length, s.best.length),
            jnp.where(better | done, f, s.best.value),
            jnp.where(better | done, g, s.best.gradient),
            s.best.ok | better | done,
        )
        f_safe, d_safe = jnp.where(finite, f, jnp.inf), jnp.where(finite, d, jnp.inf)
        low = jnp.where(decreases, s.length, s.low)
        low_value, low_slope = jnp.where(decreases, f_safe, s.low_value), jnp.where(decreases, d_safe, s.low_slope)
        high = jnp.where(decreases, s.high, s.length)
        high_value = jnp.where(decreases, s.high_value, f_safe)
        high_slope = jnp.where(decreases, s.high_slope, d_safe)
        bracketed = jnp.isfinite(high)
        inside = _cubic(low, low_value, low_slope, high, high_value, high_slope)
        length = jnp.where(bracketed, inside, 2.5 * s.length)
        return _Search(length, low, low_value, low_slope, high, high_value, high_slope, best, done, s.count + 1)

    zero = jnp.zeros_like(value)
    infinite = jnp.full_like(value, jnp.inf)
    nothing = Found(zero, value, gradient, jnp.array(False))
    begin = _Search(
        jnp.asarray(first, value.dtype), zero, value, slope, infinite, infinite, infinite, nothing,
        jnp.array(False), jnp.array(0),
    )  # fmt: skip
    return jax.lax.while_loop(lambda s: ~s.done & (s.count < most), trial, begin).best


def _cubic(a: Array, fa: Array, da: Array, b: Array, fb: Array, db: Array) -> Array:
    """The minimiser of the cubic through values and slopes at `a < b`, kept within the middle 80 %."""
    width = b - a
    d1 = da + db - 3 * (fb - fa) / width
    square = d1**2 - da * db
    d2 = jnp.sqrt(jnp.maximum(square, 0))
    t = 1 - (db + d2 - d1) / (db - da + 2 * d2)
    t = jnp.where(jnp.isfinite(t) & (square >= 0), t, 0.5)
    return a + width * jnp.clip(t, 0.1, 0.9)
