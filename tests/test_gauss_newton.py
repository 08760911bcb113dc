"""Gauss-Newton steps: the two sides of the normal equations, and their solution without a matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
import pinnact.system
from pinnact.lifts import plain
from pinnact.model import build_model
from pinnact.optimisers import GaussNewtonCG, squares, stages
from pinnact.optimisers.conjugate_gradients import sketched
from pinnact.optimisers.gauss_newton import _normal
from pinnact.system import System
from pinnact.weights import Fixed

RANDOM = np.random.default_rng(4)


@pytest.mark.parametrize("rows", [12, 20, 33])
def test_both_sides_of_the_normal_equations_give_the_same_change(rows):
    """Fewer, as many and more rows than the 20 parameters, one of which has no influence."""
    slopes = RANDOM.normal(size=(rows, 20)) * np.geomspace(1e-3, 10, 20)
    slopes[:, 7] = 0.0
    r = RANDOM.normal(size=rows)
    gradient, scaling, solve = _normal(squares(lambda p: jnp.asarray(slopes) @ p + jnp.asarray(r)), jnp.zeros(20))
    sizes = np.sum(slopes**2, axis=0)
    np.testing.assert_allclose(gradient, slopes.T @ r, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(scaling, np.maximum(sizes, np.finfo(float).eps * sizes.max()), rtol=1e-12)
    for damping in (1e-4, 1.0, 1e3):
        exact = np.linalg.solve(slopes.T @ slopes + damping * np.diag(scaling), -slopes.T @ r)
        np.testing.assert_allclose(solve(jnp.asarray(damping)), exact, rtol=1e-7, atol=1e-12)


def test_the_sketch_of_a_matrix_of_low_rank_is_exact_and_preconditions_it():
    basis = np.linalg.qr(RANDOM.normal(size=(40, 8)))[0]
    eigenvalues = np.geomspace(1e4, 1e-2, 8)
    matrix = jnp.asarray(basis * eigenvalues @ basis.T)
    found = sketched(lambda v: matrix @ v, jnp.zeros(40), 12, jax.random.key(1))
    np.testing.assert_allclose(found.values[:8], eigenvalues, rtol=1e-6)
    np.testing.assert_allclose(found.values[8:], 0.0, atol=1e-10)
    shift = jnp.asarray(1e-3)
    v = jnp.asarray(RANDOM.normal(size=40))
    np.testing.assert_allclose(found.inverse(shift, matrix @ v + shift * v), shift * v, rtol=0, atol=1e-9)


def test_conjugate_gradients_solve_the_damped_equations():
    """Beside a solution by a matrix, with fewer products than there are parameters, at a condition of 1e6."""
    p = 300
    slopes = jnp.asarray(np.linalg.qr(RANDOM.normal(size=(p, p)))[0] * np.geomspace(1, 1e-10, p))
    target = jnp.asarray(RANDOM.normal(size=p))
    rows = lambda x: slopes @ x - target
    method = GaussNewtonCG(damping=1e-6, rank=60, iterations=80, tolerance=1e-10)
    objective = squares(rows)._replace(jacobian=no_matrix, normal=no_matrix)
    start = jnp.zeros(p)
    step = method.step(objective, start, method.init(start, *objective.value_and_gradient(start)))
    product = lambda v: slopes.T @ (slopes @ v)
    largest = sketched(product, start, 60, jax.random.fold_in(jax.random.key(0), 0)).values[0]
    np.testing.assert_allclose(largest, 1.0, rtol=1e-2)
    exact = jnp.linalg.solve(slopes.T @ slopes + 1e-6 * largest * jnp.eye(p), slopes.T @ target)
    np.testing.assert_allclose(step.parameters, exact, rtol=0, atol=1e-5 * float(jnp.max(jnp.abs(exact))))
    assert step.loss < objective.value(start) and step.state.count == 1


def no_matrix(p):
    raise AssertionError("a matrix was asked for")


def test_memory_grows_with_the_shorter_side():
    lm, gncg = (stages(name, 10, "float64", None)[0].optimiser for name in ("lm", "gncg"))
    assert lm.numbers(1000, 10**5) < 3e8 < lm.numbers(10**5, 10**5)
    assert gncg.numbers(10**6, 10**5) < 5e7


def test_a_jacobian_in_parts_sums_up_to_the_whole(monkeypatch):
    """A system with a vector, penalties at walls, and an integral; 7 parts of 50 points don't divide them."""
    domain = pn.Rectangle(x=(1, 2), y=(1, 2))
    problem = pn.Problem(
        domain,
        unknowns={"w": 2},
        equations={"first": lambda w, x: w.laplacian + w * w / (x - 1.0 + 1e-9), "second": lambda w: w.div - 1.0},
        conditions={
            "walls": pn.On(domain.boundary, lambda w, y: w - y),
            "mean": pn.Integral(domain.interior, lambda w: w[0], equals=0.3),
        },
    )
    system = System(problem, plain(problem))
    batches, weights = pn.Points(interior=50, condition=20).draw(system, 0), Fixed().start(system)
    model = build_model(problem, pn.MLP(width=4, depth=1), jax.random.key(0))
    rows, slopes = jax.jit(lambda: system.jacobian(model, batches, weights))()
    np.testing.assert_array_equal(rows, jax.jit(lambda: system.rows(model, batches, weights))())
    whole = jax.jit(lambda: system.normal(model, batches, weights))()
    monkeypatch.setattr(pinnact.system, "MOST_JACOBIAN", 3 * 8 * slopes.shape[1])
    parts = jax.jit(lambda: system.normal(model, batches, weights))()
    assert "scan" in str(jax.make_jaxpr(lambda: system.normal(model, batches, weights))())
    for exact, one, other in zip((slopes.T @ slopes, rows @ slopes), whole, parts, strict=True):
        np.testing.assert_allclose(one, exact, rtol=1e-9, atol=1e-12 * float(jnp.max(jnp.abs(exact))))
        np.testing.assert_allclose(other, exact, rtol=1e-9, atol=1e-12 * float(jnp.max(jnp.abs(exact))))
