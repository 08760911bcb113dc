"""Sine and cosine: to round-off those of the C library, with each other as derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact.precision import precision
from pinnact.sines import cosine, sine

PAIRS = [(sine, np.sin), (cosine, np.cos)]


@pytest.mark.parametrize(("ours", "library"), PAIRS)
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 1e3, 1e6])
def test_values_are_right_to_the_last_digits(ours, library, size):
    x = np.random.default_rng(0).normal(size=50_000) * size
    near = np.round(x[:1000] / np.pi * 2) * np.pi / 2  # where one of the two is as good as 0
    x = np.concatenate([x, near, np.nextafter(near, np.inf), [0.0, -0.0]])
    with precision("float64"):
        found = np.asarray(jax.jit(ours)(x))
    np.testing.assert_allclose(found, library(x), rtol=5e-16, atol=1e-300)


@pytest.mark.parametrize("ours", [sine, cosine])
def test_what_is_no_angle_stays_bounded_and_what_is_not_finite_becomes_nan(ours):
    with precision("float64"):
        found = np.asarray(ours(jnp.array([1e16, -1e30, 1e308, np.inf, -np.inf, np.nan])))
    assert np.all(np.abs(found[:3]) <= 1) and np.all(np.isnan(found[3:]))


def test_each_is_the_derivative_of_the_other_to_any_order():
    with precision("float64"):
        x, found = jnp.linspace(-9, 9, 41), sine
        for expected in (np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin):
            found = jax.grad(found)
            np.testing.assert_allclose(jax.vmap(found)(x), expected(x), atol=4e-16)


def test_other_types_are_those_of_jax():
    for x in (jnp.linspace(0, 9, 7, dtype=jnp.float32), jnp.array([1 + 2j, 3j], jnp.complex64)):
        for ours, theirs in ((sine, jnp.sin), (cosine, jnp.cos)):
            assert ours(x).dtype == x.dtype and np.array_equal(ours(x), theirs(x))
