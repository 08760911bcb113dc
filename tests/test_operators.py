"""Operators: the forward engine against `jax.hessian`, the operators of vector calculus against formulas by hand."""

import doctest
from itertools import combinations_with_replacement
from math import factorial, prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact import operators
from pinnact.operators import (
    ENGINES,
    automatic,
    curl,
    curl_of,
    derivative,
    divergence,
    forward,
    gradient,
    hessian,
    hessian_engine,
    jacobian,
    laplacian,
    parts,
    symmetric_gradient,
    total,
)


def wave(d):
    """A wave vector with no two components alike."""
    return jnp.asarray(np.array([0.7, -1.3, 0.4, 1.1, -0.9, 0.6])[:d])


def scalar(x):
    return jnp.exp(0.3 * x[0]) * jnp.sin(jnp.vdot(wave(x.size), x)) + x[-1] ** 5


def vector(x):
    return jnp.stack([scalar(x), jnp.cos(x[0] * x[-1]), jnp.tanh(jnp.sum(x))])


def complex_valued(x):
    return jnp.exp(1j * jnp.vdot(wave(x.size), x)) * (1 + x[0] ** 2)


FUNCTIONS = {"scalar": scalar, "vector": vector, "complex": complex_valued}
POINT = jnp.array([0.31, -0.62, 0.85, 0.17, -0.44, 0.58])


def every_index(d, order):
    return [i for k in range(order + 1) for i in combinations_with_replacement(range(d), k)]


def both(f, x, indices):
    """The fast engines and the reference on the same question, compiled."""
    fast = (automatic, forward)
    return jax.jit(lambda x: ([e(f, x, indices) for e in fast], hessian_engine(f, x, indices)))(x)


def assert_same(fast, reference):
    for ours in fast:
        assert ours.keys() == reference.keys()
        assert_close(ours, reference)


def assert_close(ours, reference):
    for index, value in reference.items():
        assert ours[index].dtype == value.dtype and ours[index].shape == value.shape, index
        scale = 1 + np.max(np.abs(value))
        np.testing.assert_allclose(ours[index] / scale, value / scale, rtol=0, atol=2e-14, err_msg=str(index))


CASES = [("scalar", 2, 4), ("scalar", 3, 3), ("scalar", 6, 2), ("vector", 2, 3), ("vector", 4, 2), ("complex", 1, 4)]


@pytest.mark.parametrize(("kind", "d", "order"), [*CASES, ("complex", 3, 2)])
def test_engines_agree_on_every_derivative(kind, d, order):
    assert_same(*both(FUNCTIONS[kind], POINT[:d], every_index(d, order)))


@pytest.mark.parametrize(("kind", "d"), [("scalar", 4), ("scalar", 6), ("vector", 5), ("complex", 5)])
def test_engines_agree_on_pure_second_derivatives(kind, d):
    """From five axes on these are one batched pass; its first derivatives come with it."""
    indices = [(), *[(a,) for a in range(d)], *[(a, a) for a in range(d)]]
    assert_same(*both(FUNCTIONS[kind], POINT[:d], indices))


SUMS = [
    [total((0, 1))],
    [total((0, 1)), (0,), (2,), ()],
    [total((0, 2)), (1, 1), (0, 2), (1,)],
    [total((0, 1, 2)), (2, 2, 2)],
    [total(range(6))],
    [total(range(5)), (5,), ()],
    [total(range(6)), total((0, 1)), (3,)],
    [total(range(6)), (0, 0), (1, 2)],
    [total(range(6)), *[(a,) for a in range(6)]],
    [total(range(5)), (5, 5, 5)],
]


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("indices", SUMS, ids=str)
def test_engines_agree_on_sums(kind, indices):
    """Laplacians of few and many axes, alone and beside derivatives of every other kind."""
    assert_same(*both(FUNCTIONS[kind], POINT, indices))


def test_a_sum_is_the_sum_of_its_parts():
    assert total((3,)) == (3, 3) and parts(total((0, 2))) == ((0, 0), (2, 2)) and parts((0, 1)) == ((0, 1),)


@pytest.mark.parametrize(
    "indices",
    [
        [],
        [()],
        [(1,)],
        [(2, 2)],
        [(0, 0), (1,)],
        [(0, 1)],
        [(1, 0)],
        [(0, 1), (0, 2), (1, 2)],
        [(2, 1, 2), (0,)],
        [(0, 0, 1, 1), (2, 2, 2), (0, 1, 2)],
        [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), ()],
        [(0, 1, 0, 2), (2, 0), (2,)],
    ],
)
def test_engines_agree_on_what_equations_ask_for(indices):
    assert_same(*both(scalar, POINT[:3], indices))


def test_five_mixed_groups_and_four_pure_ones():
    """Just beside the conditions of the batched pass."""
    pure = [(a, a) for a in range(6)]
    assert_same(*both(scalar, POINT, [*pure, (0, 1)]))
    assert_same(*both(scalar, POINT, pure[:4]))
    assert_same(*both(scalar, POINT, [*pure[:5], (5, 5, 5)]))


def test_an_index_keeps_the_order_it_was_asked_in():
    assert set(forward(scalar, POINT[:3], [(1, 0), (2, 0, 1)])) == {(1, 0), (2, 0, 1)}


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_forward_on_a_polynomial_by_hand(order):
    """x^3 y^2 z^4: d^k/dx^k x^p = p! / (p - k)! x^(p - k)."""
    powers, x = (3, 2, 4), POINT[:3]
    indices = [index for index in every_index(3, order) if len(index) == order]
    found = jax.jit(lambda x: forward(lambda q: q[0] ** 3 * q[1] ** 2 * q[2] ** 4, x, indices))(x)
    for index in indices:
        counts = [index.count(axis) for axis in range(3)]
        terms = [
            factorial(p) / factorial(p - k) * float(v) ** (p - k) if k <= p else 0.0
            for p, k, v in zip(powers, counts, x, strict=True)
        ]
        np.testing.assert_allclose(found[index], prod(terms), rtol=1e-13, atol=1e-15, err_msg=str(index))


def test_derivatives_converge_as_finite_differences_do():
    """Central differences of the value approach each second derivative with order two."""
    x, mixed = POINT[:2], derivative(scalar, 0, 1)(POINT[:2])
    errors = []
    for h in (1e-2, 5e-3):
        e, f = h * jnp.eye(2), scalar
        central = (f(x + e[0] + e[1]) - f(x + e[0] - e[1]) - f(x - e[0] + e[1]) + f(x - e[0] - e[1])) / (4 * h**2)
        errors.append(abs(float(central - mixed)))
    assert 3.8 < errors[0] / errors[1] < 4.2


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_laplacian_of_a_plane_wave(d):
    """Lap sin(k.x) = -|k|^2 sin(k.x), also component by component and of complex waves."""
    k, x = wave(d), POINT[:d]
    square = jnp.vdot(k, k)
    np.testing.assert_allclose(laplacian(lambda q: jnp.sin(jnp.vdot(k, q)))(x), -square * jnp.sin(jnp.vdot(k, x)))
    np.testing.assert_allclose(
        laplacian(lambda q: jnp.exp(1j * jnp.vdot(k, q)))(x), -square * jnp.exp(1j * jnp.vdot(k, x))
    )
    pair = lambda q: jnp.stack([jnp.vdot(q, q), jnp.sin(jnp.vdot(k, q))])
    np.testing.assert_allclose(laplacian(pair)(x), [2.0 * d, -square * jnp.sin(jnp.vdot(k, x))])


def test_gradient_jacobian_hessian_against_formulas():
    x, y = POINT[:2]
    np.testing.assert_allclose(gradient(lambda q: q[0] ** 2 * q[1])(POINT[:2]), [2 * x * y, x**2])
    np.testing.assert_allclose(
        gradient(lambda q: jnp.exp(1j * q[0]) * q[1])(POINT[:2]), [1j * jnp.exp(1j * x) * y, jnp.exp(1j * x)]
    )
    matrix = jacobian(lambda q: jnp.stack([q[0] * q[1], jnp.sin(q[0]), q[1] ** 2]))(POINT[:2])
    np.testing.assert_allclose(matrix, [[y, x], [jnp.cos(x), 0], [0, 2 * y]])
    np.testing.assert_allclose(hessian(lambda q: q[0] ** 3 * q[1])(POINT[:2]), [[6 * x * y, 3 * x**2], [3 * x**2, 0]])


def test_divergence_and_curl_in_three_dimensions():
    field = lambda q: jnp.stack([q[1] * q[2] ** 2, jnp.sin(q[0]) * q[2], q[0] * q[1] + q[2]])
    x, y, z = POINT[:3]
    np.testing.assert_allclose(divergence(field)(POINT[:3]), 1.0, rtol=1e-14)
    expected = [x - jnp.sin(x), 2 * y * z - y, jnp.cos(x) * z - z**2]
    np.testing.assert_allclose(curl(field)(POINT[:3]), expected, rtol=1e-13)


def test_curl_in_two_dimensions_is_twice_the_rotation_rate():
    np.testing.assert_allclose(curl(lambda q: 1.7 * jnp.stack([-q[1], q[0]]))(POINT[:2]), 3.4)


def test_identities_of_vector_calculus():
    """curl grad f = 0, div curl A = 0, div grad f = Lap f, up to round-off."""
    x = POINT[:3]
    np.testing.assert_allclose(curl(gradient(scalar))(x), np.zeros(3), atol=1e-14)
    np.testing.assert_allclose(divergence(curl(vector))(x), 0.0, atol=1e-14)
    np.testing.assert_allclose(divergence(gradient(scalar))(x), laplacian(scalar)(x), rtol=1e-13)
    np.testing.assert_allclose(jnp.trace(hessian(scalar)(x)), laplacian(scalar)(x), rtol=1e-13)


def test_symmetric_gradient_does_not_see_a_rotation():
    rotation = np.array([[0.0, -2.0], [2.0, 0.0]])
    stretch = np.array([[0.3, 0.1], [0.1, -0.5]])
    np.testing.assert_allclose(symmetric_gradient(lambda q: (rotation + stretch) @ q)(POINT[:2]), stretch, atol=1e-15)


def test_operators_compose_with_jit_vmap_and_grad():
    points = jnp.asarray(np.random.default_rng(0).normal(size=(5, 6)))
    together = jax.jit(jax.vmap(laplacian(scalar)))(points)
    np.testing.assert_allclose(together, [jnp.trace(jax.hessian(scalar)(p)) for p in points], rtol=1e-12)
    slope = jax.grad(lambda a: laplacian(lambda q: jnp.sin(a * q[0]))(POINT[:1]))(0.8)
    a, x = 0.8, float(POINT[0])
    np.testing.assert_allclose(slope, -2 * a * np.sin(a * x) - a**2 * x * np.cos(a * x), rtol=1e-13)


def test_operators_refuse_fields_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"divergence needs 3 components for 3 coordinates, got \(2,\)"):
        divergence(lambda q: q[:2])(POINT[:3])
    with pytest.raises(ValueError, match=r"curl needs a vector field in 2 or 3 dimensions.*\(4, 4\)"):
        curl(lambda q: q)(POINT[:4])
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        curl_of(jnp.zeros((2, 3)))


def test_engines_are_known_by_name():
    assert {"auto": automatic, "forward": forward, "hessian": hessian_engine} == ENGINES


def test_examples_in_the_docstrings():
    assert doctest.testmod(operators).failed == 0
