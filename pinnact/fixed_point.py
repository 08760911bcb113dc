"""Arithmetic in words of few bits, as machines without floating point have it: numbers and activations rounded so.

A word of b bits is a whole number from -2^(b-1) to 2^(b-1) - 1 times a power of two that the array shares.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from pinnact.approximations import Clamped, Lines
from pinnact.elementwise import Activation


def word(value: Float[np.ndarray, "*s"], bits: int | None, top: float | None = None) -> Float[np.ndarray, "*s"]:
    """`value` rounded to words of `bits` whose power of two lets them reach `top`, by default the largest of `value`.

    What lies beyond saturates. `bits=None` rounds nothing.

    >>> word(np.array([0.3, -0.9, 2.0]), 3, top=1.0)
    array([ 0.25, -1.  ,  0.75])
    """
    value = np.asarray(value, float)
    top = float(np.abs(value).max(initial=0.0)) if top is None else top
    if bits is None or top == 0:
        return value
    step = 2.0 ** (math.ceil(math.log2(top)) - bits + 1)
    return np.clip(np.round(value / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * step


def in_words(activation: Activation, bits: int | None) -> Callable[[Float[np.ndarray, "*s"]], Float[np.ndarray, "*s"]]:
    """An activation as words of `bits` compute it, of NumPy arrays.

    Of `approximate(f, segments=n)` the table is rounded, and what is interpolated from it; of `approximate(f,
    degree=n)` the coefficients and every step of Horner's rule, in the one scale that they share. Any other activation
    is looked up: argument and value are rounded, nothing else. Not for stand-ins that go on in slopes, as silu's.
    """
    f = activation.f
    if not isinstance(f, Lines | Clamped):
        return lambda x: word(np.asarray(activation(word(x, bits))), bits)
    if f.slopes_beyond != (0.0, 0.0):
        raise ValueError(
            f"in_words: {activation.name} goes on in slopes; there are words for bounded ones such as tanh"
        )
    top = max(map(abs, activation.bounds))
    if isinstance(f, Lines):
        values, knots = word(np.array(f.values), bits, top), np.linspace(f.low, f.high, len(f.values))
        reach = max(abs(f.low), abs(f.high))
        return lambda x: word(np.interp(word(x, bits, reach), knots, values), bits, top)
    coefficients = word(np.array(f.coefficients), bits)
    largest = float(np.abs(coefficients).max())

    def horner(x: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        u = word(np.clip((2 * x - f.low - f.high) / (f.high - f.low), -1, 1), bits, 1.0)
        y = np.zeros_like(u)
        for coefficient in coefficients[::-1]:
            y = word(y * u + coefficient, bits, largest)
        return y

    return horner
