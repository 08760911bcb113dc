"""Sine and cosine of float64 numbers in a tenth of the time: XLA calls the C library for each, one after the other.

The nearest multiple of pi is subtracted in three parts (Cody and Waite 1980), and a Taylor polynomial ends below
round-off on what is left, from -pi/2 to pi/2: arithmetic that a processor does for several numbers at once. Relative
errors are below 5e-16 up to |x| = 1e6, as far as multiples of the parts are exact; beyond, they grow with the spacing
of floating-point numbers, like those of x itself. Other types than float64 are left to JAX.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

PI = (3.1415926534682512, 1.2154201012607932e-10, 4.044532497591901e-21)  # 33 bits, 33 bits, and the rest
SERIES = [(-1) ** k / math.factorial(2 * k + 1) for k in range(11)]  # the next term is 1e-18 at pi/2


@jax.custom_jvp
def sine(x: Inexact[Array, "*shape"]) -> Inexact[Array, "*shape"]:
    """sin(x)."""
    return _turned(x, 0.0) if x.dtype == jnp.float64 else jnp.sin(x)


@jax.custom_jvp
def cosine(x: Inexact[Array, "*shape"]) -> Inexact[Array, "*shape"]:
    """cos(x)."""
    return _turned(x, 0.5) if x.dtype == jnp.float64 else jnp.cos(x)


sine.defjvps(lambda change, value, x: cosine(x) * change)
cosine.defjvps(lambda change, value, x: -sine(x) * change)


def _turned(x: Array, turn: float) -> Array:
    """sin(x + turn pi)."""
    nearest = jax.lax.round(x * (1 / math.pi) + turn, jax.lax.RoundingMethod.TO_NEAREST_EVEN)
    rest, multiple = x, nearest - turn
    for part in PI:
        rest = rest - multiple * part
    rest = jax.lax.clamp(-2.0, rest, 2.0)  # of an x so large that it stands for no angle
    square, series = rest * rest, SERIES[-1]
    for coefficient in SERIES[-2::-1]:
        series = series * square + coefficient
    odd = nearest - 2 * jax.lax.floor(0.5 * nearest)
    return (1 - 2 * odd) * rest * series
