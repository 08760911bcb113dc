"""Waves that a kink of periodic initial data sends out, carried by the equation itself beside a smooth field.

Data `u0` on a periodic interval whose slope or value jumps at the seam split into a smooth part, which stays where it
is, and a rest `w0` with the kink, small beside it. Of an equation `u_t = S(d_x) u + N(u)`, with constant matrices of
the derivatives in `S`, the rest takes what the kink adds to a smooth field `v`,

    w_t = S(d_x) w + N(v + w) - N(v),   w(x, 0) = w0(x),

so that what is left, `v_t = S(d_x) v + N(v)`, starts from smooth data: for a network to learn. Before anything is
trained `v` is the smooth part of `u0`; a trained field makes the waves right.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from numpy.polynomial import Polynomial
from scipy.interpolate import CubicSpline

KINKED_WAVES = 5  # waves per period up to which a kink does: the network follows these, too
TIMES = 401  # at which a field is sampled
INTERVALS = 6400  # of time, at whose ends the waves are kept
STEPS = 1  # of Runge-Kutta, at least, in each
GRID = 512  # points in space on which a field is sampled and products are taken, at least
MOST_TURN = 50.0  # of a wave by N in one interval
MOST_DAMPED = 30.0  # exponent of a wave's decay in one interval
MOST_GROWTH = 20.0  # of the waves, beside any field
Reaction = Callable[[Array], Array]  # N: outputs (n, m) to (n, m)


class Split(NamedTuple):
    """Which `jumps` of value and derivatives are read off (how many, off polynomials of which degree), and up to how
    many waves a period what then is left stays where it is, for the network to move.

    Waves that are split off smooth data spread freely on either side, each the other's negative. Where nothing damps
    them the network has to follow: there few are split off, and more jumps are read off first.
    """

    jumps: tuple[tuple[int, int], ...]
    smooth: int


DAMPED, TRAVELLING = Split(((2, 6),), 16), Split(((2, 6), (6, 8)), 40)


def kinked_part(values: Float[np.ndarray, "n m"], split: Split = DAMPED) -> Float[np.ndarray, "n m"]:
    """The part of periodic samples that is not smooth across the seam (from the last sample back to the first).

    The jumps of value and derivatives, read off polynomials through a sixteenth of the samples on either side, make a
    periodic polynomial. Its waves faster than 5 a period are kept, of what is left those faster than 16 or 40. So many
    jumps are read off as leave least of these: noise may hide some.
    """
    n = len(values)
    part = np.empty_like(values)
    waves = np.fft.rfftfreq(n, 1 / n)
    smooth, slow = np.exp(-((waves / split.smooth) ** 8)), np.exp(-((waves / KINKED_WAVES) ** 4))
    for i, column in enumerate(values.T):
        polynomials = (_with_jumps(column, *each) for each in split.jumps)
        pairs = [(polynomial, np.fft.rfft(column - polynomial)) for polynomial in polynomials]
        polynomial, rest = min(pairs, key=lambda pair: float(np.linalg.norm((1 - smooth) * pair[1])))
        part[:, i] = np.fft.irfft((1 - smooth) * rest + (1 - slow) * np.fft.rfft(polynomial), n)
    return part


def _with_jumps(column: Float[np.ndarray, " n"], count: int, degree: int) -> Float[np.ndarray, " n"]:
    """The periodic polynomial that has the first `count` jumps of these samples: of the value, the slope and so on."""
    n = len(column)
    window = 1 + np.arange(max(degree + 2, n // 16))  # mirror images of each other, without the seam
    after, before = (Polynomial.fit(side / n, column[side], degree) for side in (window, -window))
    bernoulli, total = Polynomial([0.5, -1.0]), np.zeros(n)  # on a period of 1
    for order in range(count):
        total += (after.deriv(order)(0.0) - before.deriv(order)(0.0)) * bernoulli(np.arange(n) / n)
        integral = bernoulli.integ()
        bernoulli = integral - (integral.integ()(1.0) - integral.integ()(0.0))  # of mean zero
    return total


class Waves:
    """Waves on a periodic interval: `rates (k, m)` and `vectors (k, m, m)` diagonalise `S` at each wave, `k >= 0`.

    `values (n, m)` are the initial ones on the coarsest grid that holds them, whose waves run to `n / 2`; `N` makes
    faster ones of them, so k should go on for some more.
    """

    def __init__(
        self,
        values: Float[np.ndarray, "n m"],
        period: float,
        duration: float,
        rates: Complex[np.ndarray, "k m"],
        vectors: Complex[np.ndarray, "k m m"],
        reaction: Reaction,
    ) -> None:
        self.period, self.duration, self.reaction = period, duration, jax.jit(reaction)
        self.rates, self.vectors, self.inverse = rates, vectors, np.linalg.inv(vectors)
        self.size = max(2 * len(values), GRID)
        damped = np.max(np.abs(rates.real)) * duration >= 1
        kinked, n = kinked_part(values, DAMPED if damped else TRAVELLING), len(values) // 2 + 1
        self.kinked, self.still = (np.zeros(rates.shape, complex) for _ in range(2))
        self.kinked[:n], self.still[:n] = (self._spectrum(part) for part in (kinked, values - kinked))
        for spectrum in (self.kinked, self.still):  # of the fastest wave a transform holds both directions at once
            spectrum[len(values) // 2] /= 2
        self.waves = 2 * np.pi / period * np.arange(len(rates))

    @property
    def positions(self) -> Float[np.ndarray, " n"]:
        """Where a field must be known to carry waves beside it, from 0."""
        return np.arange(self.size) / self.size * self.period

    @property
    def times(self) -> Float[np.ndarray, " s"]:
        """When a field must be known to carry waves beside it, from 0."""
        return np.linspace(0.0, self.duration, TIMES)

    def lift(self, change: Float[np.ndarray, "s n m"] | None = None) -> Callable[[Array, Array], Array] | None:
        """The smooth part and the carried waves as a function `(x, t) -> (m,)`, both from 0.

        `change`, at `times` and `positions`, is how the smooth field has moved from the smooth part (None: it stays).
        No lift where the waves grow out of bounds.
        """
        evolved = self._evolve(np.zeros((TIMES, 1, self.rates.shape[1])) if change is None else change)
        if evolved is None:
            return None
        states, slopes = evolved
        width = self.duration / INTERVALS
        back = np.exp(-self.rates * width)
        bent = bends(states, slopes, back, width)
        # A real function has twice the real part of each wave but the constant one.
        twice = np.where(self.waves > 0, 2.0, 1.0)[:, None]
        still, vectors = twice * self.still, twice[:, None] * self.vectors

        def lift(x: Array, t: Array) -> Array:
            i = jnp.clip(jnp.floor(jax.lax.stop_gradient(t) / width).astype(int), 0, INTERVALS - 1)
            s = t / width - i
            # Quintic Hermite interpolation between the ends of an interval, in the frame that turns with each wave.
            turned = 0.0
            for end, z, side, frame in ((i, s, width, 1.0), (i + 1, 1 - s, -width, back)):
                y, y_t, y_tt = (jnp.asarray(each)[end] for each in (states, slopes, bent))
                parts = (1 + 3 * z + 6 * z**2) * y + side * z * (1 + 3 * z) * y_t + (side * z) ** 2 / 2 * y_tt
                turned += frame * (1 - z) ** 3 * parts
            moving = jnp.einsum("kij,kj->ki", vectors, turned * jnp.exp(self.rates * (s * width)))
            return (jnp.exp(1j * self.waves * x) @ (still + moving)).real

        return lift

    @staticmethod
    def _spectrum(values: Float[np.ndarray, "n m"]) -> Complex[np.ndarray, "k m"]:
        return np.fft.rfft(values, axis=0) / len(values)

    def _values(self, spectrum: Any) -> Float[Array, "n m"]:
        """What waves `(k, m)` add up to at `positions`."""
        padded = jnp.zeros((self.size // 2 + 1, spectrum.shape[1]), complex).at[: len(spectrum)].set(spectrum)
        return jnp.fft.irfft(padded * self.size, self.size, axis=0)

    def _evolve(self, moved: Float[np.ndarray, "s n m"]) -> tuple[np.ndarray, np.ndarray] | None:
        """States `(s, k, m)` in the frame of `vectors` at the ends of intervals, and how fast `N` changes them: Runge
        and Kutta's method of order four with the constant part exact (an integrating factor)."""
        width, smooth = self.duration / INTERVALS, self._values(self.still)
        slopes = jax.jit(jax.vmap(jax.jacfwd(lambda u: self.reaction(u[None])[0])))
        turn = width * max(float(jnp.max(jnp.abs(slopes(smooth + each)))) for each in moved[:: TIMES // 20])
        if not turn < MOST_TURN or np.max(-self.rates.real) * width > MOST_DAMPED:
            return None
        steps = max(STEPS, int(np.ceil(2 * turn)))
        dt = width / steps
        half = jnp.exp(self.rates * dt / 2)
        between = CubicSpline(self.times, moved)

        def beside(pieces: Array, time: Array) -> Array:
            piece = jnp.clip((time / (self.duration / (TIMES - 1))).astype(int), 0, TIMES - 2)
            since = time - piece * self.duration / (TIMES - 1)
            return smooth + jnp.tensordot(since ** jnp.arange(3, -1, -1), pieces[:, piece], 1)

        def change(field: Array, state: Array) -> Array:
            waves = self._values(jnp.einsum("kij,kj->ki", self.vectors, state))
            added = jnp.fft.rfft(self.reaction(field + waves) - self.reaction(field), axis=0) / self.size
            return jnp.einsum("kij,kj->ki", self.inverse, added[: len(state)])

        @jax.jit
        def evolve(state: Array, pieces: Array) -> tuple[Array, Array]:
            def step(number: Array, state: Array) -> Array:
                start, middle, end = (beside(pieces, (number + part) * dt) for part in (0.0, 0.5, 1.0))
                a = dt * change(start, state)
                b = dt * change(middle, half * (state + a / 2))
                c = dt * change(middle, half * state + b / 2)
                d = dt * change(end, half**2 * state + half * c)
                return half**2 * state + (half**2 * a + 2 * half * (b + c) + d) / 6

            def interval(state: Array, number: Array) -> tuple[Array, tuple[Array, Array]]:
                rate = change(beside(pieces, number * width), state)
                after = jax.lax.fori_loop(steps * number, steps * (number + 1), step, state)
                return after, (state, rate)

            return jax.lax.scan(interval, state, jnp.arange(INTERVALS + 1))[1]

        first = np.einsum("kij,kj->ki", self.inverse, self.kinked)
        states, rates = (np.asarray(part) for part in evolve(jnp.asarray(first), jnp.asarray(between.c)))
        if not np.max(np.abs(states)) < MOST_GROWTH * np.max(np.abs(first), initial=1e-300):
            return None
        return states, rates


def bends(
    states: Complex[np.ndarray, "s k m"], slopes: Complex[np.ndarray, "s k m"], back: np.ndarray, width: float
) -> Complex[np.ndarray, "s k m"]:
    """Second derivatives at the ends of intervals, of order four, off values and slopes there and at the next on either
    side, at the first and the last off the next two: exact for polynomials of degree five in the frame of each wave,
    which `back` turns by an interval. Of waves that fade within one the first is that of the cubic."""

    def at(which: slice, steps: Sequence[int], values: Sequence[float], rates: Sequence[float]) -> np.ndarray:
        found = np.zeros(1, states.dtype)
        for step, a, b in zip(steps, values, rates, strict=True):
            frame = back**step
            near = slice(which.start + step, which.stop + step)
            found = found + frame * (a / width**2 * states[near] + b / width * slopes[near])
        return found

    n = len(states)
    inside = at(slice(1, n - 1), (-1, 0, 1), (2.0, -4.0, 2.0), (0.5, 0.0, -0.5))
    first = at(slice(0, 1), (0, 1, 2), (-11.5, 8.0, 3.5), (-6.0, -8.0, -1.0))
    # Waves that fade within an interval: turned back by two, what is left of them would be multiplied up.
    first = np.where(np.abs(back) < np.e, first, at(slice(0, 1), (0, 1), (-6.0, 6.0), (-4.0, -2.0)))
    last = at(slice(n - 1, n), (0, -1, -2), (-11.5, 8.0, 3.5), (6.0, 8.0, 1.0))
    return np.concatenate([first, inside, last])
