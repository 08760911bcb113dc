"""Entries about learning: the mathematics under them, and that each rule can come out false."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from entries import entry

from pinnact import activations

opposition, splines = entry("opposition"), entry("splines")


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


def opposition_record():
    """The claim without exception: relu stays behind elu in either form as soon as there are negative edges."""
    row = lambda apart, negative: (
        {"apart before training": [apart]}
        | {f"{form}, {share:.0%}": [negative if share else 1.0] for form, share in opposition.CASES}
    )
    return {"relu": row(0.0, 0.6), "elu": row(0.7, 1.0)}


@pytest.mark.parametrize(
    ("name", "key", "value", "failing"),
    [
        ("relu", "apart before training", [0.5], 0),
        ("elu", "apart before training", [0.05], 0),
        ("relu", "positive, 25%", [0.95], 1),
        ("relu", "positive, 0%", [0.7], 2),  # behind where nothing inhibits: not for the reason that is claimed
        ("relu", "both signs, 75%", [0.98], 3),
    ],
)
def test_each_part_of_the_rule_of_opposition_can_fail(name, key, value, failing):
    record = copy.deepcopy(opposition_record())
    assert all(opposition._checks(record).values())
    record[name][key] = value
    assert [i for i, held in enumerate(opposition._checks(record).values()) if not held] == [failing]


def test_opposition_finds_a_case_where_relu_sees_and_one_where_it_does_not(monkeypatch):
    """A real run: half inhibited, half unconnected; 1/2 is chance."""
    monkeypatch.setattr(opposition, "CASES", [("positive", 1.0), ("both signs", 1.0)])
    monkeypatch.setattr(opposition, "STEPS", 60)
    blind, seeing = opposition._accuracies(activations.relu, 2).T
    assert blind.max() < 0.75 and seeing.min() > 0.9


def test_the_signed_graph_is_as_described():
    drivers, share = opposition.DRIVERS, 0.25
    graph = opposition._graph(share, jax.random.key(3))
    edges, classes = np.asarray(graph["edges"]), np.asarray(graph["classes"])
    assert np.bincount(classes).tolist() == [drivers, 36, 48, 12]
    heard = edges[:, :drivers].mean(axis=1)
    excited, unconnected, inhibited = (heard[classes == k].mean() for k in (1, 2, 3))
    assert excited == pytest.approx(0.32, abs=0.05) and inhibited == pytest.approx(-0.32, abs=0.05)
    assert abs(unconnected) < 0.02


@pytest.mark.parametrize("form", ["positive", "bias", "self-loops", "both signs"])
def test_two_rounds_are_those_of_the_formula(form):
    net = opposition._network(jnp.array(opposition.FORMS[form]), 0.5, jax.random.key(0)) | {"b1": jnp.arange(8.0)}
    first, second, b1, edges = (np.asarray(net[k], float) for k in ("first", "second", "b1", "edges"))
    a = edges + np.eye(len(edges)) if form == "self-loops" else edges
    if form != "both signs":
        first, second = np.abs(first), np.abs(second)
    unit = 0.4 * opposition.DRIVERS
    h = np.maximum(a @ np.ones((len(a), 1)) / unit @ first + (b1 if form == "bias" else 0), 0)
    np.testing.assert_allclose(
        opposition._hidden(activations.relu, net), np.maximum(a @ h / unit @ second, 0), atol=1e-9
    )
