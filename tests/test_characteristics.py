"""Characteristics: speeds that are known by algebra, problems that have none, and what networks make of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact import library
from pinnact.characteristics import wave_vectors
from pinnact.model import build_model
from pinnact.networks import RECIPES

STRING = pn.Interval(x=(0, 2)) * pn.Time(t=(0, 3))
RING = pn.Interval(x=(0, 2), periodic=True) * pn.Time(t=(0, 3))


def problem(*equations, unknowns=("u",), domain=STRING, coefficients=None):
    named = {f"equation{i}": equation for i, equation in enumerate(equations)}
    return pn.Problem(domain, unknowns=unknowns, equations=named, coefficients=coefficients or {})


def speeds(made):
    vectors = wave_vectors(made)
    return sorted(-w / q for q, w in vectors)


WAVES = {
    "string": ((lambda u: u.tt - 9 * u.xx,), [-3, 3]),
    "transport": ((lambda u: 2 * u.t + 5 * u.x,), [2.5]),
    "a string that moves": ((lambda u: u.tt + 2 * u.xt + (1 - 16) * u.xx,), [-3, 5]),
    "third order": ((lambda u: u.ttt - 2 * u.ttx - 5 * u.txx + 6 * u.xxx,), [-3, -1, 2]),
    "one speed twice": ((lambda u: u.tt + 4 * u.xt + 4 * u.xx,), [2]),
    "one speed is 0": ((lambda u: u.tt + 4 * u.xt,), [4]),
}


@pytest.mark.parametrize("name", WAVES)
def test_speeds_are_the_roots_of_the_principal_part(name):
    equations, expected = WAVES[name]
    np.testing.assert_allclose(speeds(problem(*equations)), expected, rtol=1e-6)


def test_a_system_of_first_order():
    """Sound: p_t + rho c^2 v_x = 0, rho v_t + p_x = 0, c = 3; and three unknowns of one vector."""
    sound = problem(lambda p, v: p.t + 18 * v.x, lambda p, v: 2 * v.t + p.x, unknowns=("p", "v"))
    np.testing.assert_allclose(speeds(sound), [-3, 3], rtol=1e-12)
    matrix = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, -1.5]])
    system = problem(lambda w: w.t + jnp.asarray(matrix) @ w.x, unknowns={"w": 3})
    np.testing.assert_allclose(speeds(system), [-1.5, 1.0, 3.0], rtol=1e-12)


def test_every_direction_solves_the_equation():
    """`f(x - c t)` of any shape, put into the equation by automatic differentiation."""
    made = problem(*WAVES["third order"][0])
    point = jnp.array([0.7, 1.9])
    for q, w in wave_vectors(made):
        f = lambda p, q=q, w=w: jnp.sin(q * p[0] + w * p[1]) + jnp.exp(0.3 * (q * p[0] + w * p[1]))
        d = jax.jacfwd(jax.jacfwd(jax.jacfwd(f)))(point)
        residual = d[1, 1, 1] - 2 * d[1, 1, 0] - 5 * d[1, 0, 0] + 6 * d[0, 0, 0]
        assert abs(residual) < 1e-8 * float(jnp.max(jnp.abs(d)))


def test_the_period_is_that_of_the_ring_and_twice_that_of_a_string():
    equation = lambda u: u.t + 3 * u.x
    assert wave_vectors(problem(equation, domain=RING))[0][0] == pytest.approx(np.pi)
    assert wave_vectors(problem(equation))[0][0] == pytest.approx(np.pi / 2)


NONE = {
    "damped": lambda u: u.tt + u.t - 9 * u.xx,
    "of two orders": lambda u: u.t - u.xx,
    "elliptic": lambda u: u.tt + u.xx,
    "with a potential": lambda u: u.tt - u.xx + u,
    "loaded": lambda u, x: u.tt - u.xx - jnp.sin(x),
    "not linear": lambda u: u.t + u * u.x,
    "not linear in a derivative": lambda u: u.t + u.x**2,
    "of many speeds": lambda u, x: u.tt - (1 + x) * u.xx,
    "without time": lambda u: u.x,
    "with a root of the unknown": lambda u: u.t + jnp.sqrt(u) * u.x,
}


@pytest.mark.parametrize("name", NONE)
def test_other_equations_have_none(name):
    assert wave_vectors(problem(NONE[name])) == ()


def test_other_domains_and_sought_speeds_have_none():
    plane = pn.Box(x=(0, 1), y=(0, 1))
    drum = problem(lambda u: u.tt - u.xx - u.yy, domain=plane * pn.Time(t=(0, 1)))
    assert wave_vectors(drum) == ()
    assert wave_vectors(problem(lambda u: u.xx - u.yy, domain=plane)) == ()
    known = problem(lambda u, c: u.t + c * u.x, coefficients={"c": 3.0})
    assert len(wave_vectors(known)) == 1 and wave_vectors(known.infer(c=1.0)) == ()


@pytest.mark.parametrize("name", RECIPES)
def test_networks_get_sines_of_the_directions(name):
    """The features of `x - c t` do not change along it; `waves=False` has none."""
    made = library.load(library.find("pde/pulse"))(speed=3.0)
    options = {"fourier": None} if name == "piratenet" else {}
    build = lambda **more: build_model(made, RECIPES[name](width=5, depth=1, **options, **more), jax.random.key(0))
    with_waves, without = build().networks[0].embedding, build(waves=False).networks[0].embedding
    assert (with_waves.size, without.size) == (2 + 2 * 2 * 2, 2)
    at = lambda x, t: np.asarray(with_waves(jnp.array([x, t])))
    for features, (q, w) in zip((slice(2, 6), slice(6, 10)), with_waves.wave_vectors, strict=True):
        speed = -w / q
        np.testing.assert_allclose(at(0.2 + speed * 0.1, 0.1)[features], at(0.2, 0.0)[features], rtol=1e-12)
        assert np.max(np.abs(at(0.2 - speed * 0.1, 0.1)[features] - at(0.2, 0.0)[features])) > 0.1
