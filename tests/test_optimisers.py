"""Optimisers: convergence on functions with known minima, the Wolfe conditions, the secant equation."""

from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pinnact.optimisers import (
    LBFGS,
    NAMED,
    AbstractOptimiser,
    GaussNewtonCG,
    LevenbergMarquardt,
    Objective,
    Optax,
    SelfScaledBroyden,
    Stage,
    adam,
    automatic,
    squares,
    stages,
)
from pinnact.optimisers.broyden import _update
from pinnact.optimisers.line_search import wolfe

N = 30
RANDOM = np.random.default_rng(4)
Q, _ = np.linalg.qr(RANDOM.normal(size=(N, N)))
MATRIX = jnp.asarray(np.diag(np.geomspace(1, 100, N)) ** 0.5 @ Q.T)  # J, so that J^T J has a condition of 100
TARGET = jnp.asarray(RANDOM.normal(size=N))


def quadratic(p):
    return MATRIX @ (p - TARGET)


def rosenbrock(p):
    """(1 - x)^2 + 100 (y - x^2)^2 as a sum of squares; its minimum is 0 at (1, 1)."""
    return jnp.stack([1 - p[0], 10 * (p[1] - p[0] ** 2)])


def tilted(p):
    """A residual that can't vanish: the minimum of the loss is 0.5 at 0."""
    return jnp.concatenate([p + jnp.sqrt(0.25), p - jnp.sqrt(0.25)])


@cache
def stepper(optimiser_name, rows):
    optimiser = METHODS[optimiser_name]
    return jax.jit(partial(optimiser.step, squares(rows)))


METHODS = {
    "ssbroyden": SelfScaledBroyden(),
    "lbfgs": LBFGS(memory=20),
    "lm": LevenbergMarquardt(),
    "gncg": GaussNewtonCG(),
    "adam": adam(0.05),
}


def run(name, rows, start, steps, tolerance=0.0):
    """Steps taken until the loss is at most `tolerance`, the parameters there, and every loss on the way."""
    optimiser, step, p = METHODS[name], stepper(name, rows), jnp.asarray(start, float)
    value, gradient = squares(rows).value_and_gradient(p)
    state, losses = optimiser.init(p, value, gradient), [float(value)]
    for _ in range(steps):
        p, state, loss, stalled = step(p, state)
        losses.append(float(loss))
        if loss <= tolerance or bool(stalled):
            break
    return p, losses


@pytest.mark.parametrize(("name", "steps"), [("ssbroyden", 90), ("lbfgs", 110), ("lm", 12), ("gncg", 20)])
def test_second_order_methods_converge_on_a_convex_quadratic(name, steps):
    p, losses = run(name, quadratic, np.zeros(N), steps, tolerance=1e-20)
    assert losses[-1] <= 1e-20, f"{losses[-1]:.1e} after {len(losses) - 1} steps"
    np.testing.assert_allclose(p, TARGET, atol=1e-10)
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(losses)), "a step that goes up"


@pytest.mark.parametrize(("name", "steps"), [("ssbroyden", 70), ("lbfgs", 70), ("lm", 40), ("gncg", 40)])
def test_second_order_methods_solve_rosenbrock(name, steps):
    p, losses = run(name, rosenbrock, [-1.2, 1.0], steps, tolerance=1e-22)
    assert losses[-1] <= 1e-22, f"{losses[-1]:.1e} after {len(losses) - 1} steps"
    np.testing.assert_allclose(p, 1.0, atol=1e-9)


def test_convergence_is_superlinear():
    """On Rosenbrock, the last steps each gain more than the one before: log losses fall faster and faster."""
    for name in ("ssbroyden", "lm"):
        losses = np.array(run(name, rosenbrock, [-1.2, 1.0], 80, tolerance=1e-25)[1])
        last = losses[(losses > 1e-26) & (losses < 1e-2)]
        gains = np.log(last[:-1] / last[1:])
        assert gains[-2:].max() > 3 * np.median(gains[: len(gains) // 2]), name


@pytest.mark.parametrize("name", ["ssbroyden", "lbfgs", "lm"])
def test_a_minimum_that_is_not_zero_is_found_and_does_not_break_anything(name):
    p, losses = run(name, tilted, [3.0, -2.0, 1.0], 40)
    np.testing.assert_allclose(p, 0.0, atol=1e-6)
    np.testing.assert_allclose(losses[-1], 1.5, rtol=1e-12)
    assert np.all(np.isfinite(losses))


def test_first_order_methods_descend():
    p, losses = run("adam", rosenbrock, [-1.2, 1.0], 1500)
    assert losses[-1] < 1e-2 * losses[0] and np.all(np.isfinite(p))


def test_the_numbers_of_a_transformation_are_seen():
    """In closures, defaults, lists, mappings, partials and compiled functions; a circle of functions is left."""
    transformations = [
        optax.sgd(1e-2),
        optax.sgd(3e-2),
        optax.sgd(1e-2, momentum=0.9),
        optax.adam(1e-2),
        optax.adam(optax.linear_schedule(1e-2, 1e-3, 50)),
        optax.adam(optax.linear_schedule(1e-2, 1e-3, 60)),
        optax.adam(optax.join_schedules([optax.constant_schedule(1e-2), optax.constant_schedule(1e-3)], [5])),
        optax.adam(optax.join_schedules([optax.constant_schedule(1e-2), optax.constant_schedule(1e-3)], [6])),
        optax.inject_hyperparams(optax.sgd)(learning_rate=1e-2),
        optax.inject_hyperparams(optax.sgd)(learning_rate=2e-2),
        optax.sgd(lambda step, rate=0.1: rate),
        optax.sgd(lambda step, rate=0.2: rate),
        optax.sgd(partial(lambda rate, step: rate, 0.3)),
        optax.sgd(jax.jit(lambda step, rate=0.4: rate)),
        optax.sgd(jnp.asarray(1e-3)),
    ]
    words = [Optax(one).words for one in transformations]
    assert len(set(words)) == len(words)
    assert words[0] == Optax(optax.sgd(1e-2)).words and "step_size=-0.01" in words[0]

    def circle(step, rate=0.5):
        return circle(step) * rate

    assert "0.5" in Optax(optax.sgd(circle)).words


def test_optax_is_wrapped_as_it_is():
    """Five steps of gradient descent, against `p <- p - rate g`."""
    optimiser = Optax(optax.sgd(1e-3))
    p, gradient = jnp.ones(N), jax.grad(squares(quadratic).value)
    state, by_hand = optimiser.init(p, 0.0, gradient(p)), p
    for _ in range(5):
        p, state, *_ = optimiser.step(squares(quadratic), p, state)
        by_hand = by_hand - 1e-3 * gradient(by_hand)
    np.testing.assert_allclose(p, by_hand, rtol=1e-13)


def test_adam_with_a_cosine_ends_at_one_percent_of_its_rate():
    optimiser, unit = adam(0.1, decay_steps=50), jnp.ones(1)
    constant = Objective(None, lambda p: (jnp.zeros(()), jnp.ones(1)), None, None, None)
    step, state = jax.jit(partial(optimiser.step, constant)), optimiser.init(unit, 0.0, unit)
    sizes = []
    for _ in range(60):
        p, state, *_ = step(unit, state)
        sizes.append(float((unit - p)[0]))
    np.testing.assert_allclose([sizes[0], sizes[25], sizes[-1]], [0.1, 0.1 * (0.01 + 0.99 / 2), 0.001], rtol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_refresh_takes_the_new_objective_at_the_same_parameters(name):
    """After points have moved, a method goes on down the new loss from where it stands."""
    optimiser, moved = METHODS[name], squares(lambda p: quadratic(p + 0.3))
    p, state = jnp.zeros(N), optimiser.init(jnp.zeros(N), *squares(quadratic).value_and_gradient(jnp.zeros(N)))
    for _ in range(3):
        p, state, *_ = stepper(name, quadratic)(p, state)
    value, gradient = moved.value_and_gradient(p)
    state = optimiser.refresh(state, value, gradient)
    for _ in range(3):
        p, state, loss, _ = stepper(name, moved_quadratic)(p, state)
    assert float(moved.value(p)) < float(value)
    if optimiser.second_order:
        np.testing.assert_allclose(loss, moved.value(p), rtol=1e-10)


def moved_quadratic(p):
    return quadratic(p + 0.3)


def spd(n, seed):
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    return basis @ np.diag(np.geomspace(0.1, 20, n)) @ basis.T


@pytest.mark.parametrize("seed", range(8))
def test_the_broyden_update(seed):
    """Secant equation H y = s, symmetry, positive definiteness, and the direction -H g by an explicit product."""
    n, draw = 7, np.random.default_rng(seed)
    inverse, curvature = spd(n, seed), spd(n, seed + 100)
    old, length = draw.normal(size=n), draw.uniform(0.2, 2.0)
    s = -length * inverse @ old
    y = curvature @ s
    new = old + y
    found = _update(*map(jnp.asarray, (inverse, s, y, old, new, length, np.vdot(s, y))))
    matrix, direction = found.factor * inverse + found.left @ found.right, found.direction
    np.testing.assert_allclose(found.product, inverse @ new, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(matrix @ y, s, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-13)
    assert np.linalg.eigvalsh(matrix).min() > 0
    np.testing.assert_allclose(direction, -(matrix @ new), rtol=1e-10, atol=1e-12)


def test_broyden_keeps_its_inverse_symmetric_and_positive_along_a_run():
    name, p = "ssbroyden", jnp.array([-1.2, 1.0])
    state = METHODS[name].init(p, *squares(rosenbrock).value_and_gradient(p))
    for _ in range(25):
        p, state, *_ = stepper(name, rosenbrock)(p, state)
        np.testing.assert_allclose(state.inverse, state.inverse.T, rtol=1e-9, atol=1e-15)
        assert np.linalg.eigvalsh((state.inverse + state.inverse.T) / 2).min() > 0
        np.testing.assert_allclose(state.direction, -(state.inverse @ state.gradient), rtol=1e-8, atol=1e-13)


LINES = {  # function, the first length tried
    "a good first step": (lambda a: (a - 1.1) ** 2, 1.0),
    "expansion": (lambda a: (a - 300.0) ** 2, 1.0),
    "much expansion": (lambda a: (a / 1e5 - 1) ** 4, 1.0),
    "contraction": (lambda a: (a - 1e-4) ** 2, 1.0),
    "a narrow valley": (lambda a: jnp.log(jnp.cosh(200 * (a - 0.37))) - a, 1.0),
    "a wall": (lambda a: -2 * a - jnp.log(0.9 - a), 1.0),
    "waves": (lambda a: -jnp.sin(a) / 2 + 0.1 * (a - 4) ** 2 + jnp.cos(7 * a) / 20, 1.0),
    "a long first step": (lambda a: jnp.exp(-a) + 1e-3 * a**2, 500.0),
    "More and Thuente's first": (lambda a: -a / (a**2 + 2), 1e-3),
}


def along(f, value=None, slope=None, first=1.0):
    """The search along a function of one length, compiled."""
    both = jax.value_and_grad(lambda p: f(p[0]))
    zero, one = jnp.zeros(1), jnp.ones(1)
    at, gradient = both(zero)
    value = at if value is None else jnp.asarray(value)
    slope = gradient[0] if slope is None else jnp.asarray(slope)
    return jax.jit(lambda: wolfe(both, zero, one, value, slope, gradient, first=first))(), float(at), float(slope)


@pytest.mark.parametrize("name", LINES)
def test_the_line_search_meets_the_wolfe_conditions(name):
    f, first = LINES[name]
    found, value, slope = along(f, first=first)
    a = float(found.length)
    assert bool(found.ok) and a > 0 and slope < 0
    np.testing.assert_allclose([found.value, found.gradient[0]], [f(a), jax.grad(f)(a)], rtol=1e-12)
    assert found.value <= value + 1e-4 * a * slope, "sufficient decrease"
    assert found.gradient[0] >= 0.9 * slope, "curvature"


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_no_step_is_found_on_an_increasing_function(offset):
    """Where the slope was wrong, nothing is lowered: the search says so and stays where it is."""
    found, *_ = along(lambda a: offset + a + a**2, slope=-1.0)
    assert not bool(found.ok) and float(found.length) == 0.0
    np.testing.assert_allclose(found.value, offset)


def test_a_search_among_nan_stays_where_it_is():
    found, *_ = along(lambda a: jnp.where(a == 0, 0.0, jnp.nan), value=0.0, slope=-1.0)
    assert not bool(found.ok) and float(found.length) == 0.0


@pytest.mark.parametrize("name", ["ssbroyden", "lbfgs", "lm", "gncg"])
def test_methods_notice_a_minimum(name):
    """At the minimum itself no method moves away, and each says that it is stuck."""
    p, losses = run(name, tilted, [0.0, 0.0, 0.0], 60)
    np.testing.assert_allclose(p, 0.0, atol=1e-7)
    assert losses[-1] <= losses[0] and len(losses) < 60


@pytest.mark.parametrize("name", ["ssbroyden", "lbfgs"])
def test_one_parameter_is_enough(name):
    p, _ = run(name, single, [3.0], 60, tolerance=1e-16)
    np.testing.assert_allclose(p, [np.log(2.0)], atol=1e-7)


def single(p):
    return jnp.exp(p) - 2


def test_stages_by_name():
    for name in NAMED:
        plan = stages(name, 100, "float64", 60.0)
        assert "+".join(stage.optimiser.name for stage in plan) == name and plan[-1].share is None
        assert all(isinstance(stage.optimiser, AbstractOptimiser) for stage in plan)
    own = [Stage(adam(), steps=10), Stage(LBFGS())]
    assert stages(own, 100, "float64", None) == own
    assert stages(LBFGS(), 100, "float64", None)[0].optimiser == LBFGS()


def test_the_automatic_choice():
    assert stages("auto", 1000, "float64", 60.0) == automatic(1000, "float64", 60.0)
    planned = lambda *given: [(stage.optimiser.name, stage.times) for stage in automatic(*given)]
    assert planned(1000, "float64", 60.0) == [("ssbroyden", 1), ("lm", 4)]
    assert planned(1000, "float64", 60.0, 3) == [("ssbroyden", 1), ("ssbroyden", 4)]
    assert planned(4000, "float64", 60.0) == [("ssbroyden", 1)]
    assert [stage.optimiser.name for stage in automatic(1000, "float64", 20.0)] == ["ssbroyden"]
    assert [stage.optimiser.name for stage in automatic(7000, "float64", 60.0)] == ["adam", "lbfgs"]
    assert automatic(10**6, "float64", 60.0)[-1].optimiser.name == "lbfgs"
    assert automatic(1000, "float32", 60.0)[0].optimiser.name == "adam"


def test_unknown_names_are_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"optimiser 'ssbroiden' is unknown; did you mean 'ssbroyden'.* auto, adam"):
        stages("ssbroiden", 100, "float64", None)
    with pytest.raises(ValueError, match="optimiser 'zzz' is unknown; there are auto"):
        stages("zzz", 100, "float64", None)
