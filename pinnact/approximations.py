"""Stand-ins for activations that need no exponential: straight lines from a table, or a polynomial, clamped.

Both come from one linear programme, the best approximation in the largest error over the whole line:
`min_c max_x |f(x) - sum_j c_j phi_j(x)|`, as small machines compute it in a few multiplications.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import linprog, minimize_scalar
from scipy.sparse import csr_array

from pinnact.elementwise import Activation
from pinnact.precision import precision

MOST_SEGMENTS, MOST_DEGREE = 256, 15
_FAR = 1e6  # where an activation has long taken the slope that it keeps
_LEAST, _MOST = 0.5, 16.0  # half widths among which the best is looked for


@dataclass(frozen=True)
class Lines:
    """Straight lines between equally spaced knots on [low, high], and lines of the given slopes beyond.

    `error` is the largest distance from what it stands for. Equal and hashed by its parts, as jit needs.
    """

    low: float
    high: float
    values: tuple[float, ...]
    slopes_beyond: tuple[float, float]
    error: float

    @property
    def products(self) -> int:
        """Multiplications of a call: one finds the line, one is its slope's."""
        return 2

    @property
    def stored(self) -> int:
        """Numbers in the table: the start and the slope of each line."""
        return 2 * (len(self.values) - 1)

    @property
    def step(self) -> float:
        """The distance of two knots."""
        return (self.high - self.low) / (len(self.values) - 1)

    def __call__(self, x: Array) -> Array:
        values = jnp.asarray(self.values, x.dtype)
        slopes = jnp.asarray(np.diff(self.values) / self.step, x.dtype)
        inside = jnp.clip(x, self.low, self.high)
        cell = jnp.clip(jnp.floor((inside - self.low) / self.step).astype(int), 0, len(self.values) - 2)
        return values[cell] + slopes[cell] * (inside - (self.low + self.step * cell)) + _beyond(self, x)

    def turns(self) -> np.ndarray:
        """The values among which least and greatest are, in order."""
        return np.array(self.values)

    @property
    def steepest(self) -> float:
        """The largest |slope|."""
        return float(np.abs([*np.diff(self.values) / self.step, *self.slopes_beyond]).max())


@dataclass(frozen=True)
class Clamped:
    """A polynomial of `u = (2 x - low - high) / (high - low)` on [low, high], coefficients of 1, u, u^2 ...

    Beyond it is a line of the given slope; `error` is the largest distance from what it stands for.
    """

    low: float
    high: float
    coefficients: tuple[float, ...]
    slopes_beyond: tuple[float, float]
    error: float

    @property
    def products(self) -> int:
        """Multiplications of a call: one scales its argument, Horner's rule takes one a degree."""
        return len(self.coefficients)

    @property
    def stored(self) -> int:
        """Numbers to keep: the coefficients."""
        return len(self.coefficients)

    def __call__(self, x: Array) -> Array:
        u = (2 * jnp.clip(x, self.low, self.high) - (self.low + self.high)) / (self.high - self.low)
        y = jnp.full_like(u, self.coefficients[-1])
        for coefficient in reversed(self.coefficients[:-1]):
            y = y * u + coefficient
        return y + _beyond(self, x)

    def turns(self) -> np.ndarray:
        """The values among which least and greatest are, in order."""
        return _turns(np.polynomial.Polynomial(self.coefficients))

    @property
    def steepest(self) -> float:
        """The largest |slope|."""
        inside = 2 / (self.high - self.low) * _turns(np.polynomial.Polynomial(self.coefficients).deriv())
        return float(np.abs([*inside, *self.slopes_beyond]).max())


def _turns(p: np.polynomial.Polynomial) -> np.ndarray:
    """The values of a polynomial at the ends of [-1, 1] and where its slope is 0, in order of place."""
    flat = [u.real for u in p.deriv().roots() if abs(u.imag) < 1e-9 and -1 < u.real < 1]
    return p(np.array([-1.0, *sorted(flat), 1.0]))


def _beyond(found: Lines | Clamped, x: Array) -> Array:
    """What the lines beyond add; nothing where their slopes are 0, as of tanh."""
    left, right = found.slopes_beyond
    y = jnp.zeros_like(x)
    y = y + left * jnp.minimum(x - found.low, 0) if left else y
    return y + right * jnp.maximum(x - found.high, 0) if right else y


def approximate(
    activation: Activation,
    *,
    segments: int | None = None,
    degree: int | None = None,
    range: tuple[float | int, float | int] | None = None,
) -> Activation:
    """A stand-in for an activation: `segments` straight lines, or a polynomial of `degree`, on `range`, lines beyond.

    Among all functions of that form it has the smallest largest error on the whole line (a linear programme; for a
    polynomial, Chebyshev's equioscillation holds); of ranges [-r, r] the best is taken unless one is given. Beyond it
    the slope is that which the activation keeps at infinity: 0 for tanh, 0 and 1 for silu. Lines and polynomial meet
    with a kink, so it is C^0. The error is told in `.formula` and is `.f.error`. Raises ValueError for activations that
    jump or never settle on a slope.

    Source: Cheney 1966, Introduction to Approximation Theory, McGraw-Hill, chapters 2 and 3.

    >>> from pinnact.activations import tanh
    >>> approximate(tanh, segments=16).formula
    'tanh(x) by 16 lines on [-2.65, 2.65], off by 0.005'
    """
    if not isinstance(activation, Activation):
        raise TypeError(f"approximate: a {type(activation).__name__} is no fixed Activation; pass tanh, or train first")
    if (segments is None) == (degree is None):
        raise ValueError(f"approximate: segments={segments}, degree={degree}: give one of the two, such as segments=16")
    size, most, word = (segments, MOST_SEGMENTS, "segments") if degree is None else (degree, MOST_DEGREE, "degree")
    if not isinstance(size, int) or not 1 <= size <= most:
        raise ValueError(f"approximate: {word}={size!r} is none; give a whole number from 1 to {most}")
    if range is not None and not -math.inf < range[0] < range[1] < math.inf:
        raise ValueError(f"approximate: range={range} is empty or not finite; pass (low, high) with low < high")
    if activation.smoothness < 0:
        raise ValueError(f"approximate: {activation.name} jumps, and nothing continuous comes near; use it as it is")
    found = _fitted(activation, size, word, None if range is None else (float(range[0]), float(range[1])))
    values, (left, right) = found.turns(), found.slopes_beyond
    shape = f"{size} lines" if degree is None else f"degree {size}"
    where = "" if range is None else f", range={tuple(range)}"
    return Activation(
        found,
        name=f"approximate({activation.name}, {word}={size}{where})",
        smoothness=0,
        bounds=(
            -math.inf if left > 0 or right < 0 else values.min(),
            math.inf if right > 0 or left < 0 else values.max(),
        ),
        monotone=bool(np.all(np.diff(values) >= -1e-12) and left >= 0 and right >= 0),
        formula=f"{activation.formula} by {shape} on [{found.low:.3g}, {found.high:.3g}], off by {found.error:.2g}",
    )


@functools.cache
def _fitted(activation: Activation, size: int, word: str, side: tuple[float, float] | None) -> Lines | Clamped:
    with precision("float64"):
        slope = jax.grad(activation.f)
        ends = [float(slope(x)) for x in (-_FAR, _FAR)]
        if not np.allclose(ends, [float(slope(x)) for x in (-2 * _FAR, 2 * _FAR)], rtol=0, atol=1e-6):
            raise ValueError(f"approximate: {activation.name} settles on no slope far out; nothing short comes near it")
        beyond = (round(ends[0], 9), round(ends[1], 9))
        f = lambda x: np.asarray(activation(x))
        if side is None:
            error = lambda r: _best(f, word, size, (-r, r), beyond)[1]
            r = minimize_scalar(error, bounds=(_LEAST, _MOST), method="bounded", options={"xatol": 0.02}).x
            side = (-float(r), float(r))
        c, _ = _best(f, word, size, side, beyond)
        if word == "segments":
            found = Lines(*side, tuple(c.tolist()), beyond, 0.0)
        else:
            found = Clamped(*side, tuple(np.polynomial.chebyshev.cheb2poly(c).tolist()), beyond, 0.0)
        x = _places(side, word, 240 * size)
        return replace(found, error=float(np.abs(np.asarray(found(jnp.asarray(x))) - f(x)).max()))


def _places(side: tuple[float, float], word: str, count: int) -> Float[np.ndarray, " n"]:
    """Points of the range, the knots of lines among them and where errors of polynomials turn, and ever farther ones.

    A multiple of the number of segments as `count` puts the knots there.
    """
    low, high = side
    away = np.geomspace(1e-2, 1e3, 25)
    part = np.linspace(0, 1, count + 1)
    part = part if word == "segments" else (1 - np.cos(np.pi * part)) / 2
    return np.concatenate([low - away[::-1], low + (high - low) * part, high + away])


def _hats(u: Float[np.ndarray, " n"], segments: int) -> Float[np.ndarray, "n m"]:
    """Of lines between equally spaced knots on [-1, 1]: hats of height 1, one a knot."""
    return np.maximum(0, 1 - np.abs((u[:, None] + 1) * segments / 2 - np.arange(segments + 1)))


def _chebyshev(u: Float[np.ndarray, " n"], degree: int) -> Float[np.ndarray, "n m"]:
    return np.polynomial.chebyshev.chebvander(u, degree)


def _best(
    f: Callable, word: str, size: int, side: tuple[float, float], beyond: tuple[float, float]
) -> tuple[Float[np.ndarray, " m"], float]:
    """The coefficients of the smallest largest error, and that error: `min t` under `|y - A c| <= t` at many points."""
    low, high = side
    x = _places(side, word, 24 * size if word == "segments" else 300)
    inside = np.clip(x, low, high)
    y = f(x) - beyond[0] * np.minimum(x - low, 0) - beyond[1] * np.maximum(x - high, 0)
    basis = _hats if word == "segments" else _chebyshev
    a = basis((2 * inside - low - high) / (high - low), size)
    t = np.ones((len(x), 1))
    found = linprog(
        np.append(np.zeros(a.shape[1]), 1.0),
        A_ub=csr_array(np.block([[a, -t], [-a, -t]])),
        b_ub=np.concatenate([y, -y]),
        bounds=[(None, None)] * a.shape[1] + [(0, None)],
    )
    return found.x[:-1], float(np.abs(a @ found.x[:-1] - y).max())
