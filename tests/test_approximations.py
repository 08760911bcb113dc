"""Stand-ins for activations: the best in the largest error, of the smoothness that they declare, found by name."""

import doctest
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact import activations, approximations
from pinnact.activations import approximate, gelu, get, prelu, relu, sigmoid, silu, sin, softplus, tanh

WIDE = np.linspace(-30, 30, 120_001)
FORMS = ({"segments": 16}, {"segments": 3}, {"degree": 5}, {"degree": 8, "range": (-2, 4)})


@pytest.mark.parametrize("base", [tanh, sigmoid, silu, softplus, gelu], ids=lambda a: a.name)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_error_bounds_and_monotone_are_as_declared(base, form):
    found = approximate(base, **form)
    values, error = np.asarray(found(WIDE)), np.abs(found(WIDE) - base(WIDE)).max()
    assert found.f.error == pytest.approx(error, rel=2e-2)
    low, high = found.bounds
    assert low - 1e-12 <= values.min() and values.max() <= high + 1e-12
    assert math.isinf(low) or low == pytest.approx(values.min(), abs=1e-3)
    assert found.monotone == bool(np.all(np.diff(values) >= -1e-12))


@pytest.mark.parametrize("degree", [3, 5, 9])
def test_a_best_polynomial_equioscillates(degree):
    """Chebyshev: the error of an odd best polynomial touches its largest value at least degree + 2 times in turn.

    The range is left alone here so that the clamp plays no part: beyond 4 tanh moves by less than the error.
    """
    found = approximate(tanh, degree=degree, range=(-4, 4))
    x = np.linspace(-4, 4, 40_001)
    off = np.asarray(found(x) - tanh(x))
    extremes = off[np.abs(off) > 0.995 * np.abs(off).max()]
    assert 1 + np.count_nonzero(np.diff(np.sign(extremes))) >= degree + 2


def test_lines_are_of_second_order():
    """With h = 2 r / n the error of best lines is h^2 / 16 max |f''|, where the ends are far and given."""
    errors = [approximate(tanh, segments=n, range=(-8, 8)).f.error for n in (32, 64)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] == pytest.approx((16 / 64) ** 2 / 16 * 4 / 3**1.5, rel=0.1)


def test_no_other_range_does_better():
    best = approximate(tanh, segments=8).f
    for r in (0.9 * best.high, 1.1 * best.high):
        assert approximate(tanh, segments=8, range=(-r, r)).f.error > best.error


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_smoothness_is_that_of_a_kink(form):
    """Values meet and slopes don't where the clamp begins; that is C^0 and no more."""
    found = approximate(tanh, **form)
    assert found.smoothness == 0
    end, h = found.f.high, 1e-7
    slopes = [float((found(end + h * (k + 1)) - found(end + h * k)) / h) for k in (-2, 1)]
    assert abs(found(end + h) - found(end - h)) < 1e-5 and abs(slopes[0] - slopes[1]) > 1e-3
    with pytest.raises(pn.SmoothnessError):
        problem = pn.Problem(pn.Interval(x=(0, 1)), unknowns=("u",), equations={"bent": lambda u: u.xx})
        pn.solve(problem, pn.MLP(4, 1, found), steps=1)


def test_what_is_lines_already_comes_back_exactly():
    assert approximate(relu, segments=2, range=(-1, 1)).f.error < 1e-12
    assert approximate(activations.hard_tanh, segments=1, range=(-1, 1)).f.error < 1e-9


def test_derivatives_are_the_slopes_of_the_lines():
    found = approximate(silu, segments=4, range=(-4, 4))
    slopes = np.diff(found.f.values) / 2
    x = jnp.array([-9.0, -3.0, -1.0, 1.0, 3.0, 9.0])
    np.testing.assert_allclose(jax.vmap(jax.grad(found))(x), [0, *slopes, 1], atol=1e-12)


def test_it_is_found_by_name_and_equal_to_itself():
    found = approximate(tanh, degree=5, range=(-2, 4))
    assert get(found.name) == found and hash(get(found.name)) == hash(found)
    assert get("approximate(gelu, segments=8)") == approximate(gelu, segments=8)
    assert "approximate" not in activations.names()
    assert jax.jit(found)(jnp.ones(2, "float32")).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: approximate(sin, segments=8), "settles on no slope"),
        (lambda: approximate(activations.sign, segments=8), "jumps"),
        (lambda: approximate(tanh), "one of the two"),
        (lambda: approximate(tanh, segments=4, degree=3), "one of the two"),
        (lambda: approximate(tanh, segments=0), "whole number"),
        (lambda: approximate(tanh, degree=99), "whole number"),
        (lambda: approximate(tanh, degree=3, range=(1, 1)), "empty"),
        (lambda: get("approximate"), "approximate"),
    ],
)
def test_what_has_no_stand_in_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_what_is_trained_is_refused():
    with pytest.raises(TypeError, match="no fixed Activation"):
        approximate(prelu(), segments=4)


def test_the_example_in_its_docstring_holds():
    outcome = doctest.testmod(approximations)
    assert outcome.attempted and not outcome.failed
