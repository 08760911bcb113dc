"""References against closed forms, against one another, and against their own orders of convergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact.references import TrigonometricSeries, cole_hopf, etdrk4, ode, split_step, trigonometric_interpolant

PERIOD = (-1.0, 1.0)
X, T = np.linspace(-1.0, 1.0, 256)[:, None], np.linspace(0.0, 1.0, 101)


def rates(solve, exact, steps):
    """Observed orders between successive steps, from the largest error over x at the times given."""
    errors = [np.max(np.abs(solve(step) - exact)) for step in steps]
    return np.log(np.divide(errors[:-1], errors[1:])) / np.log(np.divide(steps[:-1], steps[1:]))


@pytest.mark.parametrize("points", [1, 2, 7, 8, 511])
def test_interpolant_goes_through_its_samples(points):
    function = lambda x: np.exp(x) * np.cos(9 * x) + 1j * x**3
    x = -1 + 2 / points * np.arange(points)
    for f in (function, lambda x: function(x).real):
        series = trigonometric_interpolant(PERIOD, points, f)
        assert isinstance(series, TrigonometricSeries)
        assert series(x).dtype == f(x).dtype
        np.testing.assert_allclose(series(x), f(x), atol=1e-12)


def test_interpolant_is_exact_for_band_limited_functions_and_keeps_the_highest_cosine():
    x = np.random.default_rng(0).uniform(-3, 5, (4, 5))
    f = lambda x: 0.3 + np.sin(2 * np.pi * x) - 2 * np.cos(3 * np.pi * x)
    for points in (7, 8):
        np.testing.assert_allclose(trigonometric_interpolant(PERIOD, points, f)(x), f(x), atol=1e-14)
    highest = lambda x: np.cos(4 * np.pi * (x + 1)) + np.sin(4 * np.pi * (x + 1))  # its sine is 0 on the 8 points
    series = trigonometric_interpolant(PERIOD, 8, highest)
    np.testing.assert_allclose(series(x), np.cos(4 * np.pi * (x + 1)), atol=1e-13)


def test_interpolant_works_in_jax_under_transformations():
    series = trigonometric_interpolant(PERIOD, 33, lambda x: x**2 * np.cos(np.pi * x))
    x = jnp.linspace(-1.0, 1.0, 7)
    assert isinstance(series(x), jax.Array)
    np.testing.assert_allclose(jax.jit(series)(x), series(np.asarray(x)), atol=1e-14)
    slope = jax.vmap(jax.grad(series))(x)
    np.testing.assert_allclose(slope, (series(x + 1e-5) - series(x - 1e-5)) / 2e-5, atol=1e-6)
    assert float(series(0.25)) == pytest.approx(float(series(jnp.float64(0.25))), abs=1e-15)


def test_cole_hopf_initial_values_walls_and_shapes():
    u = cole_hopf(0.01 / np.pi)
    np.testing.assert_allclose(u(X, 0.0), -np.sin(np.pi * X), atol=4e-16)
    np.testing.assert_array_equal(u([-1.0, 0.0, 1.0], T[:, None]), 0.0)
    assert u(X, T).shape == (256, 101) and u(0.3, 0.5).shape == () and u(np.zeros(0), 1.0).shape == (0,)
    x, t = np.random.default_rng(1).uniform(0, 1, (2, 40))
    np.testing.assert_allclose(u(x, t), [u(*p) for p in zip(x, t)], rtol=2e-14)
    np.testing.assert_allclose(u(-x, t), -u(x, t), rtol=1e-15)


@pytest.mark.parametrize("viscosity", [1e-3, 0.01 / np.pi, 0.05 / np.pi, 0.3])
def test_cole_hopf_has_enough_nodes(viscosity):
    x = np.concatenate((10.0 ** np.arange(-12, 0), [0.3, 0.5, 0.8, 0.99, 1 - 1e-9]))[:, None]
    t = np.array([0.0, 1e-10, 1e-4, 0.1, 1 / np.pi, 0.5, 1.0])
    np.testing.assert_allclose(cole_hopf(viscosity)(x, t), cole_hopf(viscosity, nodes=400)(x, t), rtol=4e-13)


def test_cole_hopf_against_forty_digits():
    # mpmath, trapezoidal rule with 40 digits and step 1/64, for the doubles nearest to these numbers.
    u = cole_hopf(0.01 / np.pi)
    x, t, value = np.array(FORTY_DIGITS).T
    np.testing.assert_allclose(u(x, t), value, rtol=2e-14)


FORTY_DIGITS = [
    # x, t, u
    (1e-09, 1.0, -8.3964676182627521e-8),
    (0.001, 0.5, -0.15063581540133579),
    (0.003, 1.0, -0.24222840848463912),
    (0.02, 0.3183098861837907, -0.53050531451904938),
    (0.37, 0.01, -0.928653810806855),
    (0.5, 0.3, -0.75370161638471286),
    (0.9, 1.0, -0.075695944486137583),
    (0.999999999, 0.7, -9.7988959399488219e-10),
    (-0.25, 0.9, 0.60233619759248291),
]


def burgers(viscosity, modes, step):
    return etdrk4(
        PERIOD,
        modes,
        lambda k: -viscosity * k**2,
        lambda u, derivative: -0.5 * derivative(u**2),
        lambda x: -np.sin(np.pi * x),
        step,
    )


def test_burgers_by_etdrk4_and_by_cole_hopf():
    u = burgers(0.05 / np.pi, 256, 1e-3)
    exact = cole_hopf(0.05 / np.pi)
    np.testing.assert_allclose(u(X, T), exact(X, T), atol=1e-9)
    x, t = np.random.default_rng(2).uniform((-1, 0), 1, (300, 2)).T
    np.testing.assert_allclose(u(x, t), exact(x, t), atol=1e-9)
    late = np.linspace(0.5, 1, 6)  # the order of the method, after the layer has formed
    order = rates(lambda h: burgers(0.1 / np.pi, 128, h)(X, late), cole_hopf(0.1 / np.pi)(X, late), [0.02, 0.01, 0.005])
    assert np.all(order > 3.7), order


def allen_cahn(modes, step):
    u0 = trigonometric_interpolant(PERIOD, 511, lambda x: x**2 * np.cos(np.pi * x))
    return etdrk4(PERIOD, modes, lambda k: 5 - 1e-4 * k**2, lambda u, derivative: -5 * u**3, u0, step)(X, T[::10])


def test_allen_cahn_converges_in_step_and_modes():
    fine = allen_cahn(1536, 5e-4)
    np.testing.assert_allclose(allen_cahn(1024, 1e-3), fine, atol=1e-10)
    order = rates(lambda h: allen_cahn(1024, h), fine, [0.01, 0.005, 0.0025])
    assert np.all(order > 3.8), order


def kuramoto_sivashinsky(modes, step, t):
    u = etdrk4(
        PERIOD,
        modes,
        lambda k: 0.5 * k**2 - 0.005 * k**4,
        lambda u, derivative: -2.5 * derivative(u**2),
        lambda x: -np.sin(np.pi * x),
        step,
    )
    return u(X, t)


def test_kuramoto_sivashinsky_converges_and_keeps_mean_and_symmetry():
    t = np.linspace(0, 0.5, 4)  # errors are largest at 0.5
    fine = kuramoto_sivashinsky(96, 5e-5, t)
    np.testing.assert_allclose(kuramoto_sivashinsky(128, 1e-4, t), fine, atol=2e-8)
    order = rates(lambda h: kuramoto_sivashinsky(96, h, t), fine, [4e-4, 2e-4, 1e-4])
    assert np.all(order > 3.6), order
    np.testing.assert_allclose(fine, -fine[::-1], atol=1e-9)
    np.testing.assert_allclose(fine[:-1].mean(axis=0), 0.0, atol=1e-9)


@pytest.mark.parametrize("modes", [15, 16])
def test_linear_equations_are_exact(modes):
    zero = lambda u, derivative: np.zeros_like(u)
    x, t = np.random.default_rng(3).uniform(0, 3, (2, 50))
    f = lambda x: np.sin(x) + np.cos(3 * x)
    transport = etdrk4((0.0, 2 * np.pi), modes, lambda k: -80j * k, zero, f, 0.1)
    assert transport(x, t).dtype == float
    np.testing.assert_allclose(transport(x, t), f(x - 80 * t), atol=2e-12)
    airy = etdrk4((0.0, 2 * np.pi), modes, lambda k: (1j * k) ** 3, zero, np.sin, 0.1)
    np.testing.assert_allclose(airy(x, t), np.sin(x - t), atol=2e-13)
    free = etdrk4((0.0, 2 * np.pi), modes, lambda k: -0.5j * k**2, zero, lambda x: np.exp(2j * x), 0.1)
    np.testing.assert_allclose(free(x, t), np.exp(2j * (x - t)), atol=2e-13)
    stiff = etdrk4((0.0, 2 * np.pi), modes, lambda k: -(k**2), lambda u, d: 1 + 0 * u, f, 3.0)  # a constant N too
    np.testing.assert_allclose(
        stiff(x, t), t + np.exp(-t) * np.sin(x) + np.exp(-9 * t) * np.cos(3 * x), atol=2e-14, rtol=1e-14
    )


def test_derivative_helper_and_values_given_on_the_grid():
    x = 2 * np.pi / 16 * np.arange(16)
    seen = []

    def nonlinear(u, derivative):
        seen.append((u, derivative(u), derivative(u, 2), derivative(u, order=3)))
        return 0 * u

    u = etdrk4((0.0, 2 * np.pi), 16, lambda k: 0 * k, nonlinear, np.sin(2 * x) + np.cos(8 * x), 1.0)
    np.testing.assert_allclose(u(x, 1.0), np.sin(2 * x) + np.cos(8 * x), atol=1e-14)
    first, second, third = (np.cos(2 * x) * 2, -4 * np.sin(2 * x) - 64 * np.cos(8 * x), -8 * np.cos(2 * x))
    for got, wanted in zip(seen[0], (np.sin(2 * x) + np.cos(8 * x), first, second, third)):
        np.testing.assert_allclose(got, wanted, atol=1e-12)


SECH = trigonometric_interpolant((-5.0, 5.0), 256, lambda x: 2 / np.cosh(x))
QUARTER = np.linspace(0, np.pi / 4, 4)


def schroedinger(modes, step):
    return split_step((-5.0, 5.0), modes, SECH, step)


def test_schroedinger_converges_and_conserves():
    x = np.linspace(-5.0, 5.0, 128)[:, None]
    fine = schroedinger(512, 1e-4)
    np.testing.assert_allclose(schroedinger(384, 2e-4)(x, QUARTER), fine(x, QUARTER), atol=2e-9)
    order = rates(lambda h: schroedinger(512, h)(x, QUARTER), fine(x, QUARTER), [8e-4, 4e-4, 2e-4])
    assert np.all(order > 3.6), order
    exponential = etdrk4((-5.0, 5.0), 512, lambda k: -0.5j * k**2, lambda u, d: 1j * np.abs(u) ** 2 * u, SECH, 2e-4)
    np.testing.assert_allclose(exponential(x, QUARTER), fine(x, QUARTER), atol=2e-8)

    grid = -5 + 10 / 512 * np.arange(512)
    h = fine(grid[:, None], QUARTER)
    k = 2 * np.pi / 10 * 512 * np.fft.fftfreq(512)[:, None]
    slope = np.fft.ifft(1j * k * np.fft.fft(h, axis=0), axis=0)
    mass = np.mean(np.abs(h) ** 2, axis=0)
    energy = np.mean(np.abs(slope) ** 2 - np.abs(h) ** 4, axis=0)
    np.testing.assert_allclose(mass, mass[0], rtol=1e-11)
    np.testing.assert_allclose(energy, energy[0], rtol=1e-8)


def test_split_step_travelling_wave_and_free_wave():
    x, t = np.random.default_rng(4).uniform(0, 1, (2, 20))
    wave = lambda x: 0.7 * np.exp(4j * np.pi * x)
    k = 4 * np.pi
    h = split_step((0.0, 1.0), 16, wave, 0.01, dispersion=0.3, potential=lambda density: density**2 - 1)
    np.testing.assert_allclose(h(x, t), wave(x) * np.exp(1j * (0.7**4 - 1 - 0.3 * k**2) * t), atol=1e-12)


def test_bright_soliton_far_from_the_ends():
    x, t = np.linspace(-8, 8, 33)[:, None], np.array([0.3, 1.0])
    h = split_step((-20.0, 20.0), 256, lambda x: np.exp(0.5j * np.pi * x) / np.cosh(x), 2e-3)
    v = 0.5 * np.pi
    exact = np.exp(1j * v * x + 0.5j * (1 - v**2) * t) / np.cosh(x - v * t)
    np.testing.assert_allclose(h(x, t), exact, atol=1e-7)


def test_times_in_blocks_agree_with_times_at_once(monkeypatch):
    x, t = np.random.default_rng(5).uniform((-1, 0), 1, (50, 2)).T
    wanted = burgers(0.1, 32, 0.01)(x, t)
    monkeypatch.setattr("pinnact.references._CHUNK", 200)
    np.testing.assert_allclose(burgers(0.1, 32, 0.01)(x, t), wanted, atol=1e-14)
    assert burgers(0.1, 32, 0.01)(np.zeros((0, 3)), 1.0).shape == (0, 3)


def test_ode():
    t = np.linspace(0, 10, 101).reshape(1, 101)
    x, v = ode(lambda t, y: (y[1], -y[0]), (1.0, 0.0))(t)
    np.testing.assert_allclose(x, np.cos(t), atol=2e-11)
    np.testing.assert_allclose(v, -np.sin(t), atol=2e-11)
    logistic = ode(lambda t, y: y * (1 - y), 0.1, start=1.0)
    np.testing.assert_allclose(logistic(1 + t), 1 / (1 + 9 * np.exp(-t)), atol=2e-11)
    assert float(logistic(1.0)) == 0.1
    with pytest.raises(ValueError, match="before the initial values"):
        logistic(0.5)
    with pytest.raises(RuntimeError, match="could not be integrated"):
        ode(lambda t, y: y**2, 1.0)(2.0)


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match=r"viscosity = -1"):
        cole_hopf(-1.0)
    with pytest.raises(ValueError, match=r"t = -0\.5"):
        cole_hopf(0.1)([0.0, 0.0], [1.0, -0.5])
    with pytest.raises(ValueError, match=r"step = 0"):
        split_step(PERIOD, 8, np.zeros(8), 0.0)
    with pytest.raises(ValueError, match="no grid"):
        trigonometric_interpolant((1.0, -1.0), 8, np.sin)
    with pytest.raises(FloatingPointError, match="overflowed"):
        etdrk4(PERIOD, 8, lambda k: 0 * k, lambda u, d: u**2, lambda x: 1 + 0 * x, 0.1)(0.0, 30.0)
