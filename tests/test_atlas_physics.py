"""Entries of the atlas on physics and economics: orbitals, the order of an equation, a kink of policy, a plate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from entries import entry

import pinnact as pn
from pinnact.atlas import Tower, minimise
from pinnact.atlas.variational import prolate, rayleigh, ritz
from pinnact.networks import Inputs, Recipe
from pinnact.orbitals import GaussianOrbitals

SPACE = Inputs({name: (-9.0, 9.0) for name in "xyz"})
FINE = prolate((1.0, 0.0), 12.0, (40, 30, 12))


def shells(*exponents, centres=((0.0, 0.0, -1.0),)):
    """A module of given exponents, by degree."""
    units = len(centres) * sum(len(a) * (2 * degree + 1) for degree, a in enumerate(exponents))
    return GaussianOrbitals(centres, tuple(jnp.log(jnp.array(a)) for a in exponents), jnp.ones((1, units)))


def test_orbitals_of_one_exponent_are_orthonormal():
    """Radial norm and harmonics: the overlap of s, p and d orbitals on one centre is the identity."""
    values = jax.vmap(shells((0.7,), (0.7,), (0.7,)).units)(FINE.points)
    np.testing.assert_allclose(values.T @ (FINE.weight[:, None] * values), np.eye(9), atol=1e-6)


def test_orbitals_are_a_recipe_for_three_coordinates():
    recipe = pn.Orbitals(((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)), shells=(3, 1, 1))
    assert isinstance(recipe, Recipe) and recipe.build(SPACE, 2, jax.random.key(0))(jnp.ones(3)).shape == (2,)
    with pytest.raises(ValueError, match="three coordinates"):
        recipe.build(Inputs({"x": (0.0, 1.0)}), 1, jax.random.key(0))
    with pytest.raises(ValueError, match="no orbital"):
        pn.Orbitals(shells=())


def test_energies_are_those_of_the_analytic_integrals():
    """Of s-Gaussians: overlap (pi/p)^(3/2), kinetic 3 a b / p, attraction -2 pi / p, p = a + b."""
    a = np.array([0.109818, 0.405771, 2.22766])  # STO-3G of zeta 1
    p = a[:, None] + a
    overlap = (np.pi / p) ** 1.5
    energy = 3 * np.outer(a, a) / p * overlap - 2 * np.pi / p
    exact = np.min(np.linalg.eigvals(np.linalg.solve(overlap, energy)).real)
    assert ritz(shells(a).units, FINE) == pytest.approx(exact, abs=1e-6)
    one = shells((8 / (9 * np.pi),))  # the best single Gaussian: -4 / (3 pi)
    assert rayleigh(lambda x: one(x)[0], FINE) == pytest.approx(-4 / (3 * np.pi), abs=1e-6)


def test_the_exact_wave_function_has_the_exact_energy():
    wave = lambda x: jnp.exp(-jnp.linalg.norm(x - jnp.array([0.0, 0.0, -1.0])))
    assert rayleigh(wave, FINE) == pytest.approx(-0.5, abs=1e-6)


@pytest.mark.slow
def test_half_a_shell_does_not_turn():
    """The check on orientations can fail: p_z alone is no shell, tanh units are none."""
    orbitals = entry("orbitals")
    whole = shells((2.0, 0.3), (0.5,), centres=((0.0, 0.0, -1.0), (0.0, 0.0, 1.0)))
    both = prolate((1.0, 1.0), 12.0, (20, 14, 8))
    assert orbitals._turned(whole, both) < 1e-12
    tower = Tower((3, 4, 1), 2, pn.tanh, jax.random.key(0))
    assert orbitals._turned(tower, both) > 1e-4
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    half = lambda points: ritz(lambda x: shells((2.0, 0.3), (0.5,)).units(x)[:4], both._replace(points=points))
    assert abs(half(both.points @ turn.T) - half(both.points)) > 1e-4


def test_a_minimum_is_found_for_every_seed():
    """A quadratic of condition 100, which gradient descent would need hundreds of steps for."""
    size = jnp.array([1.0, 10.0, 100.0])
    build = lambda key: jax.random.normal(key, (3,))
    found, losses = minimise(build, lambda x, goal: size @ (x - goal) ** 2, jnp.ones(3), seeds=4, steps=30)
    np.testing.assert_allclose(found, np.ones((4, 3)), atol=1e-8)
    assert losses.shape == (4, 30) and jnp.all(losses[:, -1] <= losses[:, 0])


def test_the_rule_on_orbitals_can_fail():
    orbitals = entry("orbitals")
    good = {"error": [1e-5], "turned": [1e-14]}
    bad = {"error": [0.1], "turned": [0.01]}
    case = lambda **rows: {"H, orbitals": good, "H, tanh": bad, "H2+, orbitals": good, "H2+, tanh": bad} | rows
    assert all(orbitals._checks(case()).values())
    assert not any(orbitals._checks({name: good if "tanh" in name else bad for name in case()}).values())
    assert sum(orbitals._checks(case(**{"H, orbitals": {"error": [1e-5, 2e-4], "turned": [1e-14]}})).values()) == 4


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_derivatives_of_the_exact_solution(order):
    entries, g = entry("pde_order"), lambda x: jnp.sin(2 * jnp.pi * x) + x**2
    for _ in range(order):
        g = jax.grad(g)
    x = np.array([0.1, 0.45, 0.8])
    np.testing.assert_allclose(entries._exact(order, x), jax.vmap(g)(x), rtol=1e-10)


def test_a_rough_unit_does_not_see_a_derivative_that_it_lacks():
    entries = entry("pde_order")
    solved = entries._solve(entries._derivatives(pn.relu), 0)
    assert solved[1][0] < 0.02
    error, residual = solved[2]
    assert error > 0.1 and residual == pytest.approx(1, abs=1e-3)


def test_a_spline_unit_is_one_bump_as_smooth_as_it_says():
    """Degree 1: the hat, of slope +-1 on knots a unit apart; outside of its support it is 0."""
    f = entry("pde_order")._spline(1)
    np.testing.assert_allclose(f(jnp.array([-2.0, -0.5, 0.0, 0.5, 2.0])), [0, 1, 0.5, 0, 0], atol=1e-12)
    assert f.smoothness == 0 and entry("pde_order")._spline(4).smoothness == 3


def test_the_rule_on_orders_can_fail():
    """Fed with a tanh that says to be C^0 (a real run: it solves what it should not) the second part fails."""
    entries = entry("pde_order")
    made = lambda smoothness, *errors: (
        {"C^": smoothness} | {f"error, order {order}": [error] for order, error in zip((1, 2, 4), errors, strict=True)}
    )
    assert all(entries._checks({"rough": made(0, 1e-3, 1, 1), "smooth": made(9, 1e-9, 1e-9, 1e-9)}).values())
    assert not any(entries._checks({"rough": made(0, 1e-3, 1e-3, 1), "smooth": made(9, 1e-9, 1, 1)}).values())
    solved = entries._solve(entries._derivatives(pn.tanh), 0)
    assert max(error for row in solved.values() for error in row) < 1e-8
    real = made(0, *(error for error, _ in solved.values()))
    assert list(entries._checks({"tanh": real}).values()) == [True, False]


def test_the_reference_of_savings_is_right_where_the_answer_is_known():
    """Patience times interest 1 and one income: wealth is kept for ever. Impatience makes a kink, and Euler holds."""
    entries = entry("savings_kink")
    savings, _ = entries._reference(np.array([1.0, 1.0]), patience=1 / entries.INTEREST)
    np.testing.assert_allclose(savings[0], entries.GRID, atol=1e-6)
    best, kink = entries._reference()
    assert 0.05 < kink < 0.5
    np.testing.assert_allclose(best[0, kink > entries.GRID], 0, atol=1e-9)
    a, s = entries.GRID[1000], best[0, 1000]
    eat = lambda i, wealth: entries.INTEREST * wealth + entries.INCOME[i] - np.interp(wealth, entries.GRID, best[i])
    later = sum(chance * eat(i, s) ** -2.0 for i, chance in enumerate(entries.MOVES[0]))
    assert entries.PATIENCE * entries.INTEREST * later == pytest.approx(eat(0, a) ** -2.0, rel=1e-4)


def test_no_savings_are_worth_more_than_the_reference():
    entries = entry("savings_kink")
    best, kink = entries._reference()
    worse = 0.9 * best
    found = entries._errors(np.stack([best, worse]), best, kink)
    assert found["loss of value"][0] == 0 and found["loss of value"][1] > 1e-5
    assert found["error at the kink"][0] == 0 and found["error away"][1] > 0.05


def test_the_rule_on_savings_can_fail():
    """Fed with real errors, of networks as they start, in the place of both."""
    entries = entry("savings_kink")
    best, kink = entries._reference()
    towers = [Tower((1, 12, 2), 2, pn.tanh, jax.random.key(seed)) for seed in range(2)]
    savings = np.stack([np.asarray(entries._save(tower, jnp.asarray(entries.GRID))).T for tower in towers])
    early = entries._errors(savings, best, kink)
    late = {key: [value / 2 for value in values] for key, values in early.items()}
    assert list(entries._checks({"relu": early, "tanh": late}).values()) == [False, True]
    assert list(entries._checks({"relu": early, "tanh": early}).values()) == [False, False]


def test_the_exact_stress_is_the_traction_on_the_loaded_side():
    """The problem prescribes sigma_yy = (lame + 2 shear) load sin(pi x) at the top, and u = v = 0 at the bottom."""
    plate = entry("elastic_plate")
    exact = plate._exact()
    np.testing.assert_allclose(exact["sigma_yy"][-1], 2 * 4 * np.sin(np.pi * plate.SIDE), atol=1e-12)
    assert np.all(exact["v"][0] == 0)


def test_the_rule_on_the_plate_can_fail():
    checks = entry("elastic_plate")._checks
    good, bad = {"error of v": [0.01], "error of sigma_yy": [0.02]}, {"error of v": [0.9], "error of sigma_yy": [0.8]}
    assert all(checks({"tanh": good, "gelu": good, "relu": bad}).values())
    assert not any(checks({"tanh": good, "gelu": bad, "relu": good}).values())
