"""Entries of the atlas on signals through depth: the mathematics they rest on, and that their rules can fail."""

from copy import deepcopy

import jax.numpy as jnp
import numpy as np
import pytest
from entries import entry

from pinnact import activations

collapse = entry("linear_collapse")


def changed(measured, row, column, value):
    """A copy of what was measured with one value replaced."""
    other = deepcopy(measured)
    other[row][column] = value
    return other


# --- linear_collapse --------------------------------------------------------------------------------------------------

COLLAPSED = {
    **{
        f"identity, {depth} layers": {net: [1e-15] for net in collapse.NETS}
        | {f"{net}, from one product": [2e-15] for net in collapse.NETS}
        | {"fit": [0.7]}
        for depth in collapse.DEPTHS
    },
    **{
        f"{name}, {depth} layers": {net: [0.3] for net in collapse.NETS} | {"fit": [0.05]}
        for name in collapse.NAMES[1:]
        for depth in collapse.DEPTHS
    },
    "best straight line": {"fit": [0.7]},
}


def test_the_rule_of_linear_collapse_holds_for_what_it_claims():
    assert all(collapse._checks(COLLAPSED).values())


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        ("identity, 100 layers", "perceptron", [1e-11], "one matrix"),
        ("identity, 10 layers", "message passing, from one product", [1e-11], "one matrix"),
        ("gelu, 1 layers", "message passing", [0.001], "no stack is an affine map"),
        ("identity, 100 layers", "fit", [0.5], "no depth fits better"),
        ("tanh, 10 layers", "fit", [0.08], "ten times"),
        ("tanh, 100 layers", "fit", [0.9], "1 and 100 layers"),
    ],
)
def test_the_rule_of_linear_collapse_can_fail(row, column, value, rule):
    checks = collapse._checks(changed(COLLAPSED, row, column, value))
    assert [name for name, outcome in checks.items() if not outcome] == [name for name in checks if rule in name]


def test_the_distance_from_an_affine_map_is_0_for_one_and_known_for_a_parabola():
    x = np.linspace(-1, 1, 4001)[None, :, None]
    values = np.stack([3 * x - 1, x**2 + x, x**2], axis=2)  # layers 0, 1, 2
    # Over [-1, 1] x^2 has variance 4/45 and no part along x, whose variance is 1/3.
    expected = [0, np.sqrt((4 / 45) / (4 / 45 + 1 / 3)), 1]
    np.testing.assert_allclose(collapse._from_affine(x, values)[0], expected, atol=1e-3)


@pytest.mark.parametrize("layers", [collapse._perceptron, collapse._messages])
def test_stacks_equal_their_product_without_activation_and_with_a_line_but_not_with_a_bend(layers, monkeypatch):
    monkeypatch.setattr(collapse, "DEPTHS", (1, 3))
    line = activations.Activation(lambda x: 2 * x, name="line", smoothness=float("inf"))
    inputs, values, product = layers(activations.identity, 2)
    assert max(collapse._from_product(inputs, values[:, :, 2], product(3))) < 1e-14
    assert np.max(collapse._from_affine(*layers(line, 2)[:2])) < 1e-14
    assert np.min(collapse._from_affine(*layers(activations.relu, 2)[:2])) > 0.1
    slightly = activations.Activation(lambda x: x + 1e-6 * jnp.tanh(x), name="slightly", smoothness=float("inf"))
    assert 1e-12 < np.min(collapse._from_affine(*layers(slightly, 2)[:2])) < 1e-5
