"""Waves that a kink of periodic initial data sends out, carried by the equation linearised along a field.

Data `u0` on a periodic interval whose slope or value jumps at the seam split into a smooth part, which stays where it
is, and a rest `w0` with the kink, small beside it. The rest moves by the equation linearised at a known field `h`,

    w_t = S(d_x) w + P(h(x, t)) w,   w(x, 0) = w0(x),

with the constant matrices of the derivatives in `S`. So `u - w` is smooth, for a network to learn, up to what is
quadratic in `w`. Before anything is trained `h` is `u0`; a trained field makes the waves right (Newton, Kantorovich).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from numpy.polynomial import Polynomial
from scipy.signal import resample

SMOOTH_WAVES = 16  # waves per period up to which smooth data stay where they are, for the network to move
KINKED_WAVES = 5  # waves per period up to which a kink does: carried, they would grow too large to be linear
INTERVALS = 400  # in time: the field is sampled, and the waves are kept, at their ends
STEPS = 4  # of Runge-Kutta, at least, in each
GRID = 512  # points in space on which a field is sampled: but for its weak waves it is smooth
MOST_TURN = 50.0  # of a wave by the potential in one interval
MOST_GROWTH = 20.0  # of the waves, along any field
Matrices = Callable[[Array], Array]  # P(h): outputs (n, m) to matrices (n, m, m)


def kinked_part(values: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
    """The part of periodic samples that is not smooth across the seam (from the last sample back to the first).

    The jumps of value and slope, read off polynomials through a sixteenth of the samples on either side, make a
    periodic polynomial. Its waves faster than 5 a period are kept, of what is left those faster than 16.
    """
    n = len(values)
    part = np.empty_like(values)
    bernoulli = [Polynomial([0.5, -1.0])]  # on a period of 1: each the integral of the one before, with mean zero
    integral = bernoulli[0].integ()
    bernoulli.append(integral - (integral.integ()(1.0) - integral.integ()(0.0)))
    waves = np.fft.rfftfreq(n, 1 / n)
    smooth, slow = np.exp(-((waves / SMOOTH_WAVES) ** 8)), np.exp(-((waves / KINKED_WAVES) ** 4))
    window = np.arange(max(8, n // 16))  # a polynomial of degree 6 takes 7
    for i, column in enumerate(values.T):
        first = Polynomial.fit(window / n, column[window], 6)
        last = Polynomial.fit((window - len(window)) / n, column[window - len(window)], 6)
        jumps = [first.deriv(order)(0.0) - last.deriv(order)(0.0) for order in (0, 1)]
        polynomial = sum(jump * b(np.arange(n) / n) for jump, b in zip(jumps, bernoulli, strict=True))
        kept = (1 - smooth) * np.fft.rfft(column - polynomial) + (1 - slow) * np.fft.rfft(polynomial)
        part[:, i] = np.fft.irfft(kept, n)
    return part


class Waves:
    """Waves on a periodic interval: `rates (k, m)` and `vectors (k, m, m)` diagonalise `S` at each wave, `k >= 0`.

    `values (n, m)` are the initial ones on the coarsest grid that holds them, so `k` runs to `n / 2`.
    """

    def __init__(
        self,
        values: Float[np.ndarray, "n m"],
        period: float,
        duration: float,
        rates: Complex[np.ndarray, "k m"],
        vectors: Complex[np.ndarray, "k m m"],
        potential: Matrices,
    ) -> None:
        self.period, self.duration, self.potential = period, duration, jax.jit(potential)
        self.rates, self.vectors, self.inverse = rates, vectors, np.linalg.inv(vectors)
        self.size = max(2 * len(values), GRID)  # of the grid on which products are taken
        kinked = kinked_part(values)
        self.kinked, self.still = (self._spectrum(part) for part in (kinked, values - kinked))
        for spectrum in (self.kinked, self.still):  # of the fastest wave a transform holds both directions at once
            spectrum[-1] /= 2
        self.waves = 2 * np.pi / period * np.arange(len(rates))

    @property
    def positions(self) -> Float[np.ndarray, " n"]:
        """Where a field must be known to carry waves along it, from 0."""
        return np.arange(GRID) / GRID * self.period

    @property
    def initial(self) -> Float[np.ndarray, "n m"]:
        """The initial values at `positions`."""
        return np.asarray(resample(np.fft.irfft((self.still + self.kinked) * self.size, self.size, axis=0), GRID))

    @property
    def times(self) -> Float[np.ndarray, " s"]:
        """When a field must be known to carry waves along it, from 0."""
        return np.linspace(0.0, self.duration, INTERVALS + 1)

    def lift(self, field: Float[np.ndarray, "s n m"]) -> Callable[[Array, Array], Array] | None:
        """The smooth part and the carried waves as a function `(x, t) -> (m,)`, both from 0, along a field given at
        `times` and `positions` (one time: it stays); None where the waves grow out of bounds.
        """
        evolved = self._evolve(field)
        if evolved is None:
            return None
        states, slopes = evolved
        width = self.duration / INTERVALS
        back = np.exp(-self.rates * width)
        # A real function has twice the real part of each wave but the constant one.
        twice = np.where(self.waves > 0, 2.0, 1.0)[:, None]
        still, vectors = twice * self.still, twice[:, None] * self.vectors

        def lift(x: Array, t: Array) -> Array:
            i = jnp.clip(jnp.floor(jax.lax.stop_gradient(t) / width).astype(int), 0, INTERVALS - 1)
            s = t / width - i
            y, y_t = jnp.asarray(states), jnp.asarray(slopes)
            # Cubic Hermite interpolation between the ends of an interval, in the frame that turns with each wave.
            turned = (1 + 2 * s) * (1 - s) ** 2 * y[i] + s**2 * (3 - 2 * s) * back * y[i + 1]
            turned += width * s * (1 - s) * ((1 - s) * y_t[i] - s * back * y_t[i + 1])
            moving = jnp.einsum("kij,kj->ki", vectors, turned * jnp.exp(self.rates * (s * width)))
            return (jnp.exp(1j * self.waves * x) @ (still + moving)).real

        return lift

    @staticmethod
    def _spectrum(values: Float[np.ndarray, "n m"]) -> Complex[np.ndarray, "k m"]:
        return np.fft.rfft(values, axis=0) / len(values)

    def _evolve(self, field: Float[np.ndarray, "s n m"]) -> tuple[np.ndarray, np.ndarray] | None:
        """States `(s, k, m)` in the frame of `vectors` at all times, and how fast `P` changes them: Runge and Kutta's
        method of order four with the constant part exact (an integrating factor)."""
        matrices = np.asarray(self.potential(jnp.asarray(field.reshape(-1, field.shape[-1]))))
        matrices = np.asarray(resample(matrices.reshape(*field.shape[:2], *matrices.shape[1:]), self.size, axis=1))
        matrices = np.broadcast_to(matrices, (INTERVALS + 1, *matrices.shape[1:]))
        width = self.duration / INTERVALS
        turn = width * np.max(np.abs(matrices))
        if not turn < MOST_TURN:
            return None
        steps = max(STEPS, int(np.ceil(2 * turn)))
        dt = width / steps
        half = np.exp(self.rates * dt / 2)
        whole, n = half**2, self.size

        def change(matrix: np.ndarray, state: np.ndarray) -> np.ndarray:
            spectrum = np.zeros((n // 2 + 1, state.shape[1]), complex)
            spectrum[: len(state)] = np.einsum("kij,kj->ki", self.vectors, state)
            values = np.einsum("xij,xj->xi", matrix, np.fft.irfft(spectrum * n, n, axis=0))
            return np.einsum("kij,kj->ki", self.inverse, self._spectrum(values)[: len(state)])

        state = np.einsum("kij,kj->ki", self.inverse, self.kinked)
        most = MOST_GROWTH * np.max(np.abs(state), initial=1e-300)
        states, slopes = [state], [change(matrices[0], state)]
        for interval in range(INTERVALS):
            between = lambda share, i=interval: (1 - share) * matrices[i] + share * matrices[i + 1]
            for step in range(steps):
                start, middle, end = (between((step + part) / steps) for part in (0.0, 0.5, 1.0))
                a = dt * change(start, state)
                b = dt * change(middle, half * (state + a / 2))
                c = dt * change(middle, half * state + b / 2)
                d = dt * change(end, whole * state + half * c)
                state = whole * state + (whole * a + 2 * half * (b + c) + d) / 6
            if not np.max(np.abs(state)) < most:
                return None
            states.append(state)
            slopes.append(change(matrices[interval + 1], state))
        return np.stack(states), np.stack(slopes)
