"""Reference solutions to score networks against: exact quadrature, Fourier time stepping, ordinary equations.

Every factory below returns a function of arrays named by the coordinates, `f(x, t)` or `f(t)`. The arrays broadcast
against each other, grids and scattered points alike, and everything is computed in float64 (complex128) by NumPy.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

Reference = Callable[[ArrayLike, ArrayLike], NDArray]  # f(x, t) -> values of the shape to which x and t broadcast
Initial = Callable[[NDArray], ArrayLike] | ArrayLike  # a function of x, or its values on the grid

_CHUNK = 2**21  # largest temporary array, in numbers: 16 MiB of float64
_DIGITS = 42.0  # quadratures stop at exp(-42) = 6e-19 of the integrand's maximum, below the round-off of float64


@dataclass(frozen=True, eq=False)
class TrigonometricSeries:
    r"""A function of one periodic coordinate, given by the coefficients of its cosines and sines.

    $$f(x) = \sum_{k=0}^{K-1} a_k \cos(w_k (x - l)) + b_k \sin(w_k (x - l)), \qquad w_k = 2 \pi k / L$$

    Calling it with a JAX array (a tracer included) computes in JAX, where it can be differentiated, anything else in
    NumPy. `x` of any shape gives values of the same shape.

    Attributes:
        lower, length: the left end l of the period, and the period L.
        wave_numbers: w_k, shape (K,), in radians per unit of length.
        cosines, sines: a_k and b_k, shape (K,), real or complex.
    """

    lower: float
    length: float
    wave_numbers: NDArray
    cosines: NDArray
    sines: NDArray

    def __call__(self, x: Any) -> Any:
        xp = x.__array_namespace__() if hasattr(x, "__array_namespace__") else np
        x = xp.asarray(x)
        w, a, b = (xp.asarray(c).reshape((1,) * x.ndim + (-1,)) for c in (self.wave_numbers, self.cosines, self.sines))
        # Sums rather than products of matrices: accelerators multiply float32 matrices in lower precision.
        phase = (x - self.lower)[..., None] * w
        return xp.sum(xp.cos(phase) * a + xp.sin(phase) * b, axis=-1)


def trigonometric_interpolant(
    interval: tuple[float, float], points: int, function: Callable[[NDArray], ArrayLike]
) -> TrigonometricSeries:
    """The trigonometric polynomial of lowest degree through equispaced samples of a function.

    The samples lie at x_j = lower + j (upper - lower) / points, j = 0, ..., points - 1. An even number of points leaves
    the sine of the highest wave number invisible on the grid; its cosine alone is kept, so that the interpolant of real
    samples is real. Exact to round-off for functions with fewer than points / 2 waves in the interval.

    Args:
        interval: (lower, upper), one period. An empty one raises ValueError.
        points: the number of samples, odd or even, at least 1.
        function: takes the x_j, shape (points,), and returns real or complex samples of that shape.

    Source: Trefethen 2000, Spectral Methods in MATLAB, chapter 3, doi:10.1137/1.9780898719598.

    >>> f = trigonometric_interpolant((-1.0, 1.0), 8, lambda x: np.cos(3 * np.pi * x))
    >>> bool(abs(f(0.1) - np.cos(0.3 * np.pi)) < 1e-14)
    True
    """
    lower, length, _, samples = _start(interval, points, function)
    cosines, sines = _waves(np.fft.fft(samples, norm="forward"), real=not np.iscomplexobj(samples))
    return TrigonometricSeries(lower, length, 2 * np.pi / length * np.arange(cosines.size), cosines, sines)


def cole_hopf(viscosity: float, *, nodes: int | None = None) -> Reference:
    r"""The exact solution of Burgers' equation on [-1, 1] that starts from a sine wave.

    $$u_t + u u_x = \nu u_{xx}, \qquad u(x, 0) = -\sin(\pi x), \qquad u(\pm 1, t) = 0$$
    is the heat equation for v in u = -2 nu v_x / v, so that with a = 1 / (2 pi nu)
    $$u(x, t) = -\frac{\int \sin(\pi (x - y)) g(y) dy}{\int g(y) dy}, \qquad
      g(y) = \exp(-a \cos(\pi (x - y)) - y^2 / (4 \nu t)).$$

    Both integrals are taken by the trapezoidal rule in z = y / sqrt(4 nu t), whose error falls exponentially for such
    integrands (doi:10.1137/130932132): the step follows from a bound of the integrand in a complex strip. The points y
    and -y are taken together: then each term has the factor sin(pi x) and nothing cancels at the layer or at the walls.
    The relative error is below 2e-14 for nu = 0.01 / pi (1.5e-13 for nu = 0.001), t = 0 included. Only where diffusion
    has ended the motion, nu t > 1, is it the absolute error that stays below 1e-16.

    Args:
        viscosity: nu > 0.
        nodes: points of the rule on the half line, by default as many as the latest t needs (54 for 0.01 / pi, t = 1).

    Returns:
        u(x, t), of the shape to which x and t broadcast; a negative viscosity or time raises ValueError.

    Source: Basdevant et al. 1986, doi:10.1016/0045-7930(86)90036-8.

    >>> u = cole_hopf(0.01 / np.pi)
    >>> bool(abs(u(0.5, 0.0) + 1.0) < 1e-15)
    True
    """
    if not viscosity > 0 or (nodes is not None and nodes < 1):
        raise ValueError(f"viscosity = {viscosity} and nodes = {nodes} must be positive, for a well-posed equation.")
    a = 1 / (2 * np.pi * viscosity)
    end = np.sqrt(_DIGITS + 2 * a)  # beyond this z the integrand is below exp(-42) of its value at z = 0 or of its peak

    def rule(latest: float) -> NDArray:
        s = np.linspace(0.05, 2 * np.sqrt(_DIGITS), 400)  # |Im z| < s: error exp(-2 pi s / step) times the growth there
        y = np.minimum(np.pi * s * np.sqrt(4 * viscosity * latest), 700.0)
        step = np.max(2 * np.pi * s / (_DIGITS + s**2 + y + a * (np.cosh(y) - 1)))
        return np.linspace(0.0, end, nodes or ceil(end / step) + 1)

    def solution(x: ArrayLike, t: ArrayLike) -> NDArray:
        x, t = _points(x, t)
        out = np.empty(x.size)
        z = rule(float(t.max(initial=0.0)))
        for part in _parts(x.size, z.size):
            sine, cosine = _sine_cosine(x.ravel()[part, None])
            sine_y, cosine_y = _sine_cosine(z * np.sqrt(4 * viscosity * t.ravel()[part, None]))
            c = a * sine * sine_y
            exponent = np.abs(c) - a * cosine * cosine_y - z**2
            g = np.where(z > 0, 1.0, 0.5) * np.exp(exponent - exponent.max(axis=1, keepdims=True))
            # g (exp(c) + exp(-c)) and g (exp(c) - exp(-c)), with the larger exponential taken out.
            even, odd = g * (1 + np.exp(-2 * np.abs(c))), -np.sign(c) * g * np.expm1(-2 * np.abs(c))
            out[part] = -np.sum(sine * cosine_y * even + cosine * sine_y * odd, axis=1) / np.sum(even, axis=1)
        return out.reshape(x.shape)

    return solution


def etdrk4(
    interval: tuple[float, float],
    modes: int,
    symbol: Callable[[NDArray], ArrayLike],
    nonlinear: Callable[[NDArray, Callable[..., NDArray]], NDArray],
    initial: Initial,
    step: float,
) -> Reference:
    r"""Solves u_t = L u + N(u) on a periodic interval by a Fourier method and an exponential integrator of order four.

    The linear part is exact in time. The solution goes from each requested time to the next in equal steps no longer
    than `step`, with an error O(step^4); between the grid's points it is the trigonometric interpolant. In space the
    error is as large as the spectrum at `modes` / 2 waves: products are formed on the grid, without padding, so more
    modes are the cure for aliasing too.

    Args:
        interval: (lower, upper), one period.
        modes: the number of grid points and of wave numbers.
        symbol: L of exp(i k x) as a function of the wave numbers k (radians per length, shape (modes,)), for instance
            `lambda k: -viscosity * k**2`; a derivative of order n is (1j * k)**n.
        nonlinear: N as a function of the values u on the grid, shape (modes,), and of a helper `derivative(v, order=1)`
            that differentiates such values: `lambda u, derivative: -0.5 * derivative(u**2)`.
        initial: u at t = 0, a function of x or its values at lower + j (upper - lower) / modes. Real values and
            symbol(-k) = conj(symbol(k)) give a real solution, others a complex one.
        step: the longest step in time.

    Returns:
        u(x, t), of the shape to which x and t broadcast. A negative time (or step) raises ValueError, a solution that
        overflows FloatingPointError. The coefficients of the last four sets of times are kept.

    Source: Kassam and Trefethen 2005, doi:10.1137/S1064827502410633.

    >>> u = etdrk4((0.0, 2 * np.pi), 16, lambda k: -(k**2), lambda u, derivative: 0 * u, np.sin, 0.1)
    >>> bool(abs(u(1.0, 2.0) - np.exp(-2.0) * np.sin(1.0)) < 1e-14)
    True
    """
    lower, length, k, values = _start(interval, modes, initial)
    linear, mirrored = np.asarray(symbol(k)) + 0j, np.asarray(symbol(-k)) + 0j
    real = not np.iscomplexobj(values) and np.allclose(linear, mirrored.conj(), rtol=1e-12, atol=0)
    # With even `modes` the highest wave stands for both signs: even derivatives keep it, odd ones remove it.
    highest = 2 * np.abs(np.fft.fftfreq(modes)) == 1
    linear = np.where(highest, (linear + mirrored) / 2, linear)

    def physical(spectrum: NDArray) -> NDArray:
        u = np.fft.ifft(spectrum, norm="forward")
        return u.real if real else u

    factor = lru_cache(lambda order: np.where(highest & (order % 2 == 1), 0, (1j * k) ** order))

    def derivative(u: NDArray, order: int = 1) -> NDArray:
        return physical(factor(order) * np.fft.fft(u, norm="forward"))

    def n(spectrum: NDArray) -> NDArray:
        return np.fft.fft(nonlinear(physical(spectrum), derivative), norm="forward")

    def advance(v: NDArray, h: float, steps: int) -> NDArray:
        whole, p1, p2, p3 = _phi(h * linear)
        half, q1, _, _ = _phi(h / 2 * linear)
        q, f1, f2, f3 = h / 2 * q1, h * (p1 - 3 * p2 + 4 * p3), 2 * h * (p2 - 2 * p3), h * (4 * p3 - p2)
        for _ in range(steps):
            nv = n(v)
            a = half * v + q * nv
            na = n(a)
            nb = n(half * v + q * na)
            nc = n(half * a + q * (2 * nb - nv))
            v = whole * v + f1 * nv + f2 * (na + nb) + f3 * nc
        return v

    return _over_time(lower, length, np.fft.fft(values, norm="forward"), advance, step, real)


def split_step(
    interval: tuple[float, float],
    modes: int,
    initial: Initial,
    step: float,
    *,
    dispersion: float = 0.5,
    potential: Callable[[NDArray], ArrayLike] = lambda density: density,
) -> Reference:
    r"""Solves a nonlinear Schroedinger equation on a periodic interval by a split-step Fourier method of order four.

    $$i h_t + d h_{xx} + V(|h|^2) h = 0$$

    Both parts have exact flows, a phase for each wave number and one for each point. Strang's symmetric product of them
    is repeated with Yoshida's weights. The integral of |h|^2 is kept to round-off. Times and points are treated as in
    `etdrk4`; the error is O(step^4) once step d k^2 < 1 for the waves that matter.

    Args:
        interval, modes, initial, step: as in `etdrk4`, with h in place of u.
        dispersion: d, real.
        potential: V, a real function of the density |h|^2; by default the density itself (cubic, focusing).

    Returns:
        h(x, t), complex, of the shape to which x and t broadcast. A negative time (or step) raises ValueError.

    Source: Yoshida 1990, doi:10.1016/0375-9601(90)90092-3; Weideman and Herbst 1986, doi:10.1137/0723033.

    >>> h = split_step((0.0, 1.0), 4, lambda x: 2.0 + 0 * x, 0.1)
    >>> bool(abs(h(0.3, 1.0) - 2 * np.exp(4j)) < 1e-13)
    True
    """
    lower, length, k, values = _start(interval, modes, initial)
    outer, inner = 1 / (2 - 2 ** (1 / 3)), 1 - 2 / (2 - 2 ** (1 / 3))

    def advance(v: NDArray, h: float, steps: int) -> NDArray:
        first, middle = (np.exp(-1j * dispersion * k**2 * h * w / 2) for w in (outer, outer + inner))
        stages = ((outer, middle), (inner, middle), (outer, first))
        for _ in range(steps):
            v = first * v
            for weight, drift in stages:
                u = np.fft.ifft(v, norm="forward")
                turn = np.exp(1j * weight * h * np.asarray(potential(u.real**2 + u.imag**2)))
                v = drift * np.fft.fft(turn * u, norm="forward")
        return v

    return _over_time(lower, length, np.fft.fft(values, norm="forward"), advance, step, real=False)


def ode(
    rhs: Callable[..., ArrayLike], initial: ArrayLike, *, start: float = 0.0, rtol: float = 1e-12, atol: float = 1e-12
) -> Callable[[ArrayLike], Any]:
    """Solves y' = rhs(t, y), y(start) = initial, by an explicit Runge-Kutta method of order eight with dense output.

    The error of the values is a modest multiple of the tolerances (6e-12 over ten units of time for y' = y (1 - y)).

    Args:
        rhs: takes t and y, shape (k,), and returns the k derivatives.
        initial: the k values at the start, or one number for a single unknown.
        start: the time of the initial values.
        rtol, atol: tolerances of a step's error, relative to y (at least 2.3e-14) and absolute.

    Returns:
        A function of t >= start, which gives arrays of the shape of t: a tuple of k of them if `initial` is a sequence,
        one if it is a number. An earlier time raises ValueError, a failure of the integrator RuntimeError.

    Source: Hairer, Norsett and Wanner 1993, doi:10.1007/978-3-540-78862-1 (DOP853, as in SciPy).

    >>> x, v = ode(lambda t, y: (y[1], -y[0]), (1.0, 0.0))(np.array([0.0, 2.0]))
    >>> bool(abs(x[1] - np.cos(2.0)) < 1e-11)
    True
    """
    values = np.asarray(initial, dtype=float)

    @lru_cache(maxsize=4)
    def dense(end: float) -> Callable[[NDArray], NDArray]:
        options = {"method": "DOP853", "dense_output": True, "rtol": rtol, "atol": atol}
        result = solve_ivp(rhs, (start, end), np.atleast_1d(values), **options)
        if not result.success:
            raise RuntimeError(f"The ordinary equation could not be integrated to t = {end}: {result.message}")
        return result.sol

    def solution(t: ArrayLike) -> Any:
        t = np.asarray(t, dtype=float)
        if t.size and not t.min() >= start:
            raise ValueError(f"t = {t.min()} lies before the initial values, at t = {start}. Ask for later times.")
        end = float(t.max(initial=start))
        y = dense(end)(t.ravel()) if end > start else np.repeat(np.atleast_1d(values)[:, None], t.size, axis=1)
        unknowns = tuple(row.reshape(t.shape) for row in y)
        return unknowns if values.ndim else unknowns[0]

    return solution


def _over_time(
    lower: float, length: float, initial: NDArray, advance: Callable[..., NDArray], step: float, real: bool
) -> Reference:
    """u(x, t) from coefficients (modes,) at t = 0 and a map that takes them on by so many steps of a given length."""
    if not step > 0:
        raise ValueError(f"step = {step} is not positive. Give the longest step in time that may be taken.")
    block = max(1, _CHUNK // initial.size)
    wave_numbers = 2 * np.pi / length * np.arange(initial.size // 2 + 1)

    def march(clock: float, spectrum: NDArray, times: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        cosines, sines = np.empty((2, times.size, wave_numbers.size), dtype=float if real else complex)
        for i, (time, gap) in enumerate(zip(times, np.diff(times, prepend=clock))):
            if gap > 0:
                steps = max(1, ceil(gap / step * (1 - 1e-12)))
                with np.errstate(over="ignore", invalid="ignore"):
                    spectrum = advance(spectrum, gap / steps, steps)
                if not np.isfinite(spectrum).all():
                    raise FloatingPointError(f"The solution overflowed before t = {time}; take a step below {step}.")
            cosines[i], sines[i] = _waves(spectrum, real)
        return spectrum, cosines, sines

    first_block = lru_cache(maxsize=4)(lambda times: march(0.0, initial, np.frombuffer(times)))

    def solution(x: ArrayLike, t: ArrayLike) -> NDArray:
        x, t = _points(x, t)
        flat, out = x.ravel(), np.empty(x.size, dtype=float if real else complex)
        times, at = np.unique(t.ravel(), return_inverse=True)
        order = np.argsort(flat, kind="stable")  # brings a grid's equal places together, whose waves are evaluated once
        spectrum = initial
        for first in range(0, times.size, block):
            now, before = times[first : first + block], times[first - 1]
            spectrum, cosines, sines = march(before, spectrum, now) if first else first_block(now.tobytes())
            here = order[(at[order] >= first) & (at[order] < first + len(cosines))]
            for part in (here[part] for part in _parts(here.size, wave_numbers.size)):
                places, where = np.unique(flat[part], return_inverse=True)
                phase, row = (places[:, None] - lower) * wave_numbers, at[part] - first
                out[part] = np.einsum("pk,pk->p", np.cos(phase)[where], cosines[row])
                out[part] += np.einsum("pk,pk->p", np.sin(phase)[where], sines[row])
        return out.reshape(x.shape)

    return solution


def _phi(z: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """exp(z), phi_1 = (exp(z) - 1) / z, phi_2 = (phi_1 - 1) / z and phi_3 = (phi_2 - 1/2) / z, to round-off.

    Cheaper than Kassam and Trefethen's contour integrals: each scattered time has a step, so coefficients, of its own.
    """
    small = np.abs(z) < 1
    s, b = np.where(small, z, 0), np.where(small, 1, z)
    series = np.zeros_like(z)
    for n in range(20, 2, -1):  # phi_3 = 1/3! (1 + z/4 (1 + z/5 (1 + ...))); the first term left out is 1/21! = 2e-20
        series = (1 + series) * (s if n > 3 else 1) / (n if n > 3 else 6)
    e = np.exp(z)
    p1 = (e - 1) / b
    p2 = np.where(small, 0.5 + s * series, (p1 - 1) / b)
    p1 = np.where(small, 1 + s * p2, p1)
    return e, p1, p2, np.where(small, series, (p2 - 0.5) / b)


def _waves(spectrum: NDArray, real: bool) -> tuple[NDArray, NDArray]:
    """Coefficients of cosines and sines, shape (modes // 2 + 1,), from the complex ones, in the order of the FFT."""
    top = spectrum.size // 2 + 1
    positive, negative = spectrum[:top], spectrum[-np.arange(top)]
    cosines, sines = positive + negative, 1j * (positive - negative)
    cosines[0] = spectrum[0]
    if spectrum.size % 2 == 0:
        cosines[-1], sines[-1] = spectrum[top - 1], 0
    return (cosines.real, sines.real) if real else (cosines, sines)


def _sine_cosine(x: NDArray) -> tuple[NDArray, NDArray]:
    """sin(pi x) and cos(pi x), with full relative accuracy near their zeros at multiples of 1/2."""
    quarter = np.round(2 * x)
    rest = np.pi * (x - quarter / 2)
    s, c = np.sin(rest), np.cos(rest)
    turn = quarter.astype(int) % 4
    return np.choose(turn, (s, c, -s, -c)), np.choose(turn, (c, -s, -c, s))


def _points(x: ArrayLike, t: ArrayLike) -> tuple[NDArray, NDArray]:
    x, t = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(t, dtype=float))
    wrong = ~(np.isfinite(x) & (t >= 0) & (t < np.inf))
    if wrong.any():
        raise ValueError(f"No value at x = {x[wrong][0]}, t = {t[wrong][0]}: give finite x and t, counted from t = 0.")
    return x, t


def _parts(points: int, columns: int) -> Iterator[slice]:
    """Slices of the points such that an array (slice, columns) stays within the largest temporary."""
    return (slice(i, i + max(1, _CHUNK // columns)) for i in range(0, points, max(1, _CHUNK // columns)))


def _start(interval: tuple[float, float], points: int, initial: Initial) -> tuple[float, float, NDArray, NDArray]:
    """The lower end, the length, the wave numbers in the order of the FFT, and the values on the grid."""
    lower, upper = (float(end) for end in interval)
    if not upper > lower or points < 1:
        raise ValueError(f"{points} points on the interval {interval} are no grid; give lower < upper and points >= 1.")
    length = upper - lower
    values = np.asarray(initial(lower + length / points * np.arange(points)) if callable(initial) else initial)
    return lower, length, 2 * np.pi / length * (np.fft.fftfreq(points) * points), np.broadcast_to(values, (points,))
