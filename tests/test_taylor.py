"""Collapsed Taylor mode against `jax.hessian`: every kind of operation, the directions it saves, and its estimates."""

from itertools import combinations
from math import comb

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact import activations
from pinnact.operators import automatic, estimated, forward, hessian_engine, total
from pinnact.sines import cosine, sine
from pinnact.taylor import _pointwise, fewest, second_order

D = 7
POINT = jnp.asarray(np.random.default_rng(0).normal(size=D))
MIX = jnp.asarray(np.random.default_rng(1).normal(size=(3, D)) / 2)
TURN = jnp.asarray(np.random.default_rng(2).normal(size=(D, D)) / 2)
LAPLACIAN = total(range(D))


def layers(x, activation=jnp.tanh):
    return jnp.sum(activation(MIX @ activation(TURN[:, :3] @ activation(MIX @ x))))


def piecewise(x):
    y = MIX @ x
    return jnp.sum(jnp.where(y > 0, y**3, jnp.sin(y))) + jnp.where(x[0] > 5.0, x[1] ** 2, x[1] ** 4)


def loops(x):
    many = jax.lax.fori_loop(0, 3, lambda _, y: jnp.sin(TURN @ y), x)
    return jnp.sum(jax.lax.scan(lambda c, y: (c * y + y**2, c), 1.0, many)[1]) + jnp.prod(x)


@jax.custom_jvp
def running(x):
    return jnp.cumsum(x**3)


running.defjvps(lambda change, value, x: jnp.cumsum(3 * x**2 * change))


@jax.custom_jvp
def both(x):
    return jnp.sin(x), x**2


both.defjvp(lambda x, change: (both(*x), (jnp.cos(x[0]) * change[0], 2 * x[0] * change[0])))


FUNCTIONS = {
    "layers": layers,
    "products": lambda x: (x[:3] @ x[3:6]) * x[6] / (2 + jnp.vdot(x, x)) + (x @ TURN @ x) ** 2,
    "powers": lambda x: jnp.sum(jnp.abs(x) ** 2.5) + jnp.sum(x[0] ** 2 / jnp.exp(x)) + jnp.max(x) ** 3,
    "shapes": lambda x: jnp.sum(jnp.pad(jnp.outer(x, x[::-1]).reshape(7, 7).T[1:, ::2], 1).cumsum(0)[:, 2] ** 2),
    "indices": lambda x: jnp.sum(x[jnp.array([0, 3, 3])] ** 3) * jax.lax.dynamic_slice(x, (2,), (1,))[0],
    "piecewise": piecewise,
    "loops": loops,
    "calls": lambda x: jax.jit(lambda y, z: jnp.sin(y) @ z)(MIX @ x, jnp.cos(MIX @ x)) + jax.checkpoint(layers)(x),
    "custom": lambda x: jnp.sum(jax.nn.softplus(MIX @ x) * jax.nn.silu(MIX @ x)),
    "own derivatives": lambda x: (
        jnp.sum(sine(MIX @ x) * cosine(2 * x[:3])) + jnp.sum(running(x) ** 2 * jax.nn.relu(x)) + both(x)[0] @ both(x)[1]
    ),
    "rounded": lambda x: jnp.sum(jnp.round(x) * x**2) + jnp.sum(x.astype(int) * x),
    "complex": lambda x: (
        jnp.abs(jnp.exp(1j * (MIX[0] @ x)) * (1 + 2j * x[0])) ** 2 + (jnp.exp(1j * x).conj()).sum().real
    ),
    "affine": lambda x: jnp.sum(MIX @ x) + 3.0,
    "constant": lambda x: jnp.asarray(2.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_laplacian_of_every_kind_of_operation(name):
    f = FUNCTIONS[name]
    found = jax.jit(lambda x: automatic(f, x, [LAPLACIAN, ()]))(POINT)
    np.testing.assert_allclose(found[()], f(POINT), rtol=1e-13)
    np.testing.assert_allclose(found[LAPLACIAN], jnp.trace(jax.hessian(f)(POINT)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_second_derivatives_in_one_pass(name):
    """Sums over pairs of directions that are no axes: `sum v_a^T H v_b`."""
    f, v = FUNCTIONS[name], TURN[:4]
    sums = [[(0, 1)], [(2, 2), (3, 3)], [(0, 0), (1, 2)]]
    found, matrix = second_order(f, POINT, v, sums), jax.hessian(f)(POINT)
    np.testing.assert_allclose(found.first, v @ jax.grad(f)(POINT), rtol=1e-12, atol=1e-12)
    expected = [sum(v[a] @ matrix @ v[b] for a, b in pairs) for pairs in sums]
    np.testing.assert_allclose(found.second, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", [n for n in activations.names() if activations.get(n).smoothness >= 2])
def test_every_smooth_activation(name):
    f = lambda x: layers(x, activations.get(name).for_layer(3))
    found = jax.jit(lambda x: automatic(f, x, [LAPLACIAN])[LAPLACIAN])(POINT)
    np.testing.assert_allclose(found, jnp.trace(jax.hessian(f)(POINT)), rtol=1e-11)


def test_functions_with_derivatives_of_their_own_are_taken_element_by_element_where_they_are():
    for function, expected in ((sine, True), (cosine, True), (jax.nn.relu, True), (running, False), (both, False)):
        (call,) = jax.make_jaxpr(function)(POINT).eqns
        assert call.primitive.name == "custom_jvp_call" and _pointwise(call.params["call_jaxpr"].jaxpr) == expected


def test_fewest_directions_have_the_same_squares():
    j = jnp.asarray(np.random.default_rng(3).normal(size=(9, 4)))
    for matrix in (j, j.at[:, 2].set(j[:, 1]), j[:3]):
        reduced = fewest(matrix)
        assert len(reduced) <= 4
        np.testing.assert_allclose(reduced.T @ reduced, matrix.T @ matrix, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rank", [pytest.param(3, marks=pytest.mark.slow), 2])
def test_derivatives_by_parameters_survive_the_reduction(rank):
    """Gradient and Hessian by the weights, against the engine without it; the gradient also for dependent rows."""
    weights = MIX if rank == 3 else MIX.at[2].set(2 * MIX[0])

    def squared(engine):
        f = lambda w: lambda x: jnp.sum(jnp.tanh(TURN[:3, :3] @ jnp.sin(w @ x)))
        return lambda w: engine(f(w), POINT, [LAPLACIAN])[LAPLACIAN] ** 2

    ours, reference = squared(automatic), squared(forward)
    np.testing.assert_allclose(jax.grad(ours)(weights), jax.grad(reference)(weights), rtol=1e-11, atol=1e-12)
    if rank == 3:
        found, expected = jax.jit(jax.hessian(ours))(weights), jax.jit(jax.hessian(reference))(weights)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_reduction_is_made_once_for_all_points():
    """No array of points x directions x coordinates is left: a wide input costs no more than the first layer does."""
    d, n = 300, 50
    w = 1 + jnp.outer(jnp.arange(4.0), jnp.sin(jnp.arange(d)))
    laplacian = lambda x: automatic(lambda q: jnp.sum(jnp.tanh(jnp.cos(w @ q))), x, [total(range(d))])
    compiled = jax.jit(jax.vmap(laplacian)).lower(jnp.ones((n, d))).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * (2 * d * d + 20 * n * 16)


@pytest.mark.parametrize("k", [1, 3, D])
def test_the_estimate_is_unbiased_over_all_subsets(k):
    """The mean over all subsets is the Laplacian; with all axes each estimate is."""
    index = [LAPLACIAN, (), (2,)]
    subsets = jnp.array(list(combinations(range(D), k)))
    found = jax.jit(jax.vmap(lambda picked: estimated(layers, POINT, index, picked)))(subsets)
    exact = hessian_engine(layers, POINT, index)
    assert len(subsets) == comb(D, k)
    for i in index:
        np.testing.assert_allclose(np.mean(found[i]), exact[i], rtol=1e-12)
    assert (np.std(found[LAPLACIAN]) < 1e-12) == (k == D)
