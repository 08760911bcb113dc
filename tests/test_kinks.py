"""Kinks of periodic initial data: what is split off, and how its waves are carried along a field."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.kinks import Waves, kinked_part
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


def schroedinger_waves(values):
    """The waves of i h_t + h_xx / 2 + |h|^2 h = 0 in real and imaginary parts, linearised at h."""
    k = 2 * np.pi / PERIOD * np.arange(129)
    rates = 0.5j * k[:, None] ** 2 * np.array([-1, 1])
    vectors = np.broadcast_to(np.array([[1, 1], [-1j, 1j]]) / np.sqrt(2), (129, 2, 2))

    def potential(h):
        a, b = h[:, 0], h[:, 1]
        return jnp.stack(
            [jnp.stack([-2 * a * b, -(a**2 + 3 * b**2)], -1), jnp.stack([3 * a**2 + b**2, 2 * a * b], -1)], -2
        )

    return Waves(values, PERIOD, DURATION, rates, vectors, potential)


@pytest.mark.slow
def test_waves_solve_the_equation_linearised_along_a_field_that_moves():
    u0 = np.stack([2 / np.cosh(X), 0 * X], axis=1)
    waves = schroedinger_waves(u0)
    h = lambda x, t: (1 + 0.4 * jnp.cos(2 * jnp.pi * (x - t) / PERIOD)) * jnp.exp(1.3j * t)
    x, t = np.meshgrid(waves.positions, waves.times)
    known = np.asarray(h(x, t))
    lift = waves.lift(np.stack([known.real, known.imag], axis=-1))
    still = waves.lift(np.zeros((1, *waves.initial.shape)))  # without a field, at t = 0: all of the data
    z = lambda x, t: (lift(x, t) - smooth(x)) @ jnp.array([1, 1j])
    spectrum = jnp.asarray(np.fft.fft(u0 - kinked_part(u0), axis=0) / 256)
    k = jnp.asarray(2 * np.pi / PERIOD * np.fft.fftfreq(256, 1 / 256))
    smooth = lambda x: (jnp.exp(1j * k * x) @ spectrum).real
    at = jnp.linspace(0.3, 9.7, 23), jnp.linspace(0.02, 0.98, 23)
    w, w_t = jax.vmap(z)(*at), jax.vmap(jax.jacfwd(z, 1))(*at)
    w_xx, field = jax.vmap(jax.jacfwd(jax.jacfwd(z)))(*at), h(*at)
    terms = 2 * jnp.abs(field) ** 2 * w + field**2 * jnp.conj(w)
    assert jnp.max(jnp.abs(1j * w_t + 0.5 * w_xx + terms)) < 1e-2 * jnp.max(jnp.abs(terms))
    np.testing.assert_allclose(jax.vmap(still)(jnp.asarray(X + 5), jnp.zeros(256)), u0, atol=1e-12)


def test_waves_that_grow_out_of_bounds_are_refused():
    rates, vectors = np.zeros((129, 1)), np.ones((129, 1, 1))
    u0 = np.cosh(X / 5)[:, None]
    grow = lambda rate: Waves(u0, PERIOD, DURATION, rates, vectors, lambda h: jnp.full((len(h), 1, 1), rate))
    refused = [waves.lift(waves.initial[None]) is None for waves in map(grow, (1.0, 9.0, 1e6, np.nan))]
    assert refused == [False, True, True, True]


@pytest.mark.slow
def test_carried_along_the_solution_the_lift_leaves_a_smooth_rest():
    """Cubic Schroedinger: of 51 to 100 waves a period the rest falls by ten times, to what is quadratic in the kink."""
    domain = pn.Interval(x=(-5, 5), periodic=True) * pn.Time(t=(0, 1.5))
    start = trigonometric_interpolant((-5, 5), 256, lambda x: 2 / np.cosh(x))
    equation = {"cubic": lambda h: 1j * h.t + 0.5 * h.xx + h * h.conj() * h}
    conditions = {"start": pn.On(domain.initial, lambda h, x: h - start(x))}
    ansatz = build(pn.Problem(domain, unknowns={"h": complex}, equations=equation, conditions=conditions))
    exact = split_step((-5, 5), 512, start, 1e-4)
    x, t = np.linspace(-5, 5, 512, endpoint=False), np.linspace(0, 1.5, 401)
    table = jnp.asarray(np.stack([(u := exact(x[None, :], t[:, None])).real, u.imag], axis=-1))

    def field(point):  # at the points asked for it is the exact solution
        i, j = jnp.rint(400 / 1.5 * point[1]).astype(int), jnp.rint(51.2 * (point[0] + 5)).astype(int)
        return table[i, j % 512]

    # Around 0.8 the solitons' own peak has such waves, so not then.
    points = np.stack([np.tile(x, 2), np.repeat([1.2, 1.5], 512)], axis=1)
    u = exact(points[:, 0], points[:, 1])

    def fast(lift):
        rest = u - np.asarray(jax.vmap(lift)(jnp.asarray(points))) @ [1, 1j]
        spectrum = np.fft.fft(rest.reshape(2, 512), axis=1) / 512
        return np.sqrt(np.sum(np.abs(spectrum[:, 51:101]) ** 2, axis=1))

    along_data, along_solution = fast(ansatz.lift), fast(ansatz.carry(field))
    assert np.all(along_solution < along_data / 10), (along_data, along_solution)
