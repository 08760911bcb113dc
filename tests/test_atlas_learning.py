"""Entries about learning: the mathematics under them, and that each rule can come out false."""

import copy

import numpy as np
import pytest
from entries import entry

splines = entry("splines")


def spline_record():
    """What theory and the claim foresee."""
    orders = {
        f"degree {k}": {f"order, {name}": [min(k + 1.0, limit)] for name, limit in splines.LIMITS.items()}
        | {"order, equation": [min(k + 1.0, 2 * k - 2)], "solve": said}
        for k, said in zip(splines.DEGREES, ["refused", "warned", *["accepted"] * 3], strict=True)
    }
    fitted = {"degree 1": (0.1, 0.2, 0.3), "degree 3": (0.2, 0.2, 0.1), "degree 5": (0.2, 0.2, 0.1)}
    errors = {row: {f"error, {c}": [e] for c, e in zip(splines.CURVES, found)} for row, found in fitted.items()}
    record = {row: orders[row] | errors.get(row, {}) for row in orders}
    return record | {"51 tanh": {f"error, {c}": [0.5] for c in splines.CURVES}}


@pytest.mark.parametrize(
    ("row", "key", "value", "failing"),
    [
        ("degree 5", "order, kink", [6.0], 0),  # a high degree that did pay at a kink
        ("degree 1", "order, equation", [2.0], 1),  # piecewise linear units that did see u''
        ("degree 1", "solve", "accepted", 2),
        ("51 tanh", "error, C^inf", [0.05], 3),
        ("degree 5", "error, kink", [0.05], 4),
    ],
)
def test_each_part_of_the_rule_of_splines_can_fail(row, key, value, failing):
    record = copy.deepcopy(spline_record())
    assert all(splines._checks(record).values())
    record[row][key] = value
    assert [i for i, held in enumerate(splines._checks(record).values()) if not held] == [failing]


@pytest.mark.parametrize("degree", [1, 3])
def test_the_splines_sum_to_one_and_reproduce_their_own_degree(degree):
    basis, x = splines._basis(degree, 8), splines.X
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-12)
    for power, beyond in ((degree, False), (degree + 1, True)):
        rest = basis @ np.linalg.lstsq(basis, x**power)[0] - x**power
        assert (np.abs(rest).max() > 1e-6) == beyond


def test_an_order_is_the_slope_of_the_error():
    h = 2 / np.array(splines.CELLS)
    np.testing.assert_allclose(splines._orders(np.stack([3 * h**2.5, 0.1 * h**0])), [2.5, 0], atol=1e-12)


def test_least_squares_of_an_equation_needs_a_second_derivative():
    errors = {}
    for degree in (1, 3):
        parts = splines._basis(degree, 8), splines._basis(degree, 8, order=2), splines._basis(degree, 8, splines.ENDS)
        errors[degree] = splines._solved(*parts)
    assert errors[1] > 0.3 and errors[3] < 1e-3


def test_what_solve_says_follows_the_degree():
    assert [splines._said(k) for k in (1, 2, 3)] == ["refused", "warned", "accepted"]
