"""Kinks of periodic initial data: what is split off, and how its waves are carried along a field."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.kinks import TRAVELLING, Waves, bends, kinked_part
from pinnact.lifts import build
from pinnact.references import split_step, trigonometric_interpolant

PERIOD, DURATION = 10.0, 1.0
X = np.linspace(-5, 5, 256, endpoint=False)


@pytest.mark.parametrize(("jump", "order"), [(0.3, 0), (0.05, 1)])
def test_the_kinked_part_is_that_of_the_periodic_polynomial_with_the_jump(jump, order):
    smooth = np.exp(np.cos(2 * np.pi * X / PERIOD))
    z = (X + 5) / PERIOD
    kink = jump * (0.5 - z, -PERIOD * (z**2 - z + 1 / 6) / 2)[order]  # a saw tooth; a parabola whose slope jumps
    part = kinked_part((smooth + kink)[:, None])[:, 0]
    share = 1 - np.exp(-((np.arange(129) / 5) ** 4))  # of its waves
    assert np.max(np.abs(part - np.fft.irfft(share * np.fft.rfft(kink)))) < 2e-4 * jump
    assert np.max(np.abs(kinked_part(smooth[:, None]))) < 1e-6


def test_bends_of_quintic_polynomials_in_turning_frames_are_exact():
    width, rates = 0.1, np.array([[-0.5 + 20j, 3.0]])
    t, turn = width * np.arange(7), np.exp(width * np.arange(7)[:, None, None] * rates)
    y = np.polynomial.Polynomial([0.3, 1.2, -0.7, 2.1, 0.9, -1.3])
    given, slopes, exact = (turn * f(t)[:, None, None] for f in (y, y.deriv(), y.deriv(2)))
    np.testing.assert_allclose(bends(given, slopes, np.exp(-width * rates), width), exact, rtol=1e-10)


def test_what_is_left_of_waves_that_fade_is_not_multiplied_up():
    """Within two intervals of exponent 5 each, 1e-6 at the end of them would be 2e-2 in the frame of the wave."""
    width, rates = 0.1, np.array([[-50.0, -50.0 + 3j]])
    t, turn = width * np.arange(7), np.exp(width * np.arange(7)[:, None, None] * rates)
    y = np.polynomial.Polynomial([0.3, 1.2, -0.7, 2.1])
    given, slopes, exact = (turn * f(t)[:, None, None] for f in (y, y.deriv(), y.deriv(2)))
    given[2] += 1e-6
    np.testing.assert_allclose(bends(given, slopes, np.exp(-width * rates), width)[0], exact[0], rtol=1e-9)


def cubic(h):
    """N of i h_t + h_xx / 2 + |h|^2 h = 0 in real and imaginary parts."""
    a, b = h[:, 0], h[:, 1]
    return (a**2 + b**2)[:, None] * jnp.stack([-b, a], axis=1)


def schroedinger_waves(values):
    k = 2 * np.pi / PERIOD * np.arange(193)
    rates = 0.5j * k[:, None] ** 2 * np.array([-1, 1])
    vectors = np.broadcast_to(np.array([[1, 1], [-1j, 1j]]) / np.sqrt(2), (193, 2, 2))
    return Waves(values, PERIOD, DURATION, rates, vectors, cubic)


@pytest.mark.slow
def test_waves_beside_a_field_that_moves_take_what_the_kink_adds_to_it():
    u0 = np.stack([2 / np.cosh(X), 0 * X], axis=1)
    waves = schroedinger_waves(u0)
    smooth = u0 - kinked_part(u0, TRAVELLING)
    spectrum = jnp.asarray(np.fft.fft(smooth, axis=0) / 256)
    k = jnp.asarray(2 * np.pi / PERIOD * np.fft.fftfreq(256, 1 / 256))
    still = lambda x: (jnp.exp(1j * k * x) @ spectrum).real
    moved = lambda x, t: jnp.stack([jnp.cos(2 * jnp.pi * (x - t) / PERIOD) - 1, jnp.sin(1.3 * t)], -1) * t[..., None]
    x, t = np.meshgrid(waves.positions, waves.times)
    lift, frozen = waves.lift(np.asarray(moved(jnp.asarray(x), jnp.asarray(t)))), waves.lift()
    w = lambda x, t: lift(x, t) - still(x)
    at = jnp.linspace(0.3, 9.7, 23), jnp.linspace(0.02, 0.98, 23)
    w_t, w_xx = jax.vmap(jax.jacfwd(w, 1))(*at), jax.vmap(jax.jacfwd(jax.jacfwd(w)))(*at)
    v = jax.vmap(still)(at[0]) + moved(*at)
    added = cubic(v + jax.vmap(w)(*at)) - cubic(v)
    dispersed = 0.5 * jnp.stack([-w_xx[:, 1], w_xx[:, 0]], axis=1)
    assert jnp.max(jnp.abs(w_t - dispersed - added)) < 5e-3 * jnp.max(jnp.abs(added))
    np.testing.assert_allclose(jax.vmap(frozen)(jnp.asarray(X + 5), jnp.zeros(256)), u0, atol=1e-12)


def test_waves_that_grow_or_fade_too_fast_are_refused():
    u0, vectors = np.cosh(X / 5)[:, None], np.ones((129, 1, 1))
    still = lambda shift: np.full((129, 1), shift)
    grow = lambda rate, damped: Waves(u0, PERIOD, DURATION, still(damped), vectors, lambda u: rate * u).lift() is None
    assert [grow(rate, 0.0) for rate in (1.0, 9.0, 1e6, np.nan)] == [False, True, True, True]
    assert [grow(1.0, -damped) for damped in (1e3, 1e6)] == [False, True]


@pytest.mark.slow
def test_beside_the_smooth_part_of_the_solution_nothing_of_the_kink_is_left():
    """Cubic Schroedinger: its kink has waves of 1e-7 beyond 80 a period; the first lift leaves some, the next none."""
    domain = pn.Interval(x=(-5, 5), periodic=True) * pn.Time(t=(0, 1.5))
    start = trigonometric_interpolant((-5, 5), 256, lambda x: 2 / np.cosh(x))
    equation = {"cubic": lambda h: 1j * h.t + 0.5 * h.xx + h * h.conj() * h}
    conditions = {"start": pn.On(domain.initial, lambda h, x: h - start(x))}
    ansatz = build(pn.Problem(domain, unknowns={"h": complex}, equations=equation, conditions=conditions))
    exact = split_step((-5, 5), 512, start, 1e-4)
    x, t = np.linspace(-5, 5, 512, endpoint=False), np.linspace(0, 1.5, 401)
    points = np.stack([np.tile(x, 401), np.repeat(t, 512)], axis=1)
    u = exact(points[:, 0], points[:, 1])

    def rest(lift):
        values = np.asarray(jax.jit(lambda q: jax.lax.map(lift, q, batch_size=512))(jnp.asarray(points)))
        return np.stack([u.real, u.imag], axis=1) - values

    def fast(left):
        spectrum = np.fft.fft((left @ [1, 1j]).reshape(401, 512)[[320, 400]], axis=1) / 512
        return np.sqrt(np.sum(np.abs(spectrum[:, 80:433]) ** 2, axis=1))

    first = rest(ansatz.lift)
    table = jnp.asarray(first.reshape(401, 512, 2))

    def added(point):  # at the points asked for it is that of the exact solution
        i, j = jnp.rint(400 / 1.5 * point[1]).astype(int), jnp.rint(51.2 * (point[0] + 5)).astype(int)
        return table[i, j % 512]

    along_data, along_solution = fast(first), fast(rest(ansatz.carry(added)))
    assert along_solution[0] < along_data[0] / 10 and np.all(along_solution < 1e-8), (along_data, along_solution)


def test_derivatives_that_jump_are_split_off_and_what_is_left_is_the_soliton():
    """What stays of 2 sech x on [-5, 5], whose odd derivatives jump: the whole line's, 2 pi / 10 sech(pi^2 k / 10)."""
    k = np.arange(8, 15)
    left = 2 / np.cosh(X)[:, None] - kinked_part(2 / np.cosh(X)[:, None], TRAVELLING)
    still = np.abs(np.fft.rfft(left, axis=0))[k, 0] / 256
    share = np.exp(-((k / TRAVELLING.smooth) ** 8))
    np.testing.assert_allclose(still, share * 2 * np.pi / 10 / np.cosh(np.pi**2 * k / 10), rtol=0.05)
