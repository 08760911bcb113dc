"""Entries of the atlas on signals through depth: the mathematics they rest on, and that their rules can fail."""

from copy import deepcopy

import equinox as eqx
import jax
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
@pytest.mark.slow
def test_stacks_equal_their_product_without_activation_and_with_a_line_but_not_with_a_bend(layers, monkeypatch):
    monkeypatch.setattr(collapse, "DEPTHS", (1, 3))
    line = activations.Activation(lambda x: 2 * x, name="line", smoothness=float("inf"))
    inputs, values, product = layers(activations.identity, 2)
    assert max(collapse._from_product(inputs, values[:, :, 2], product(3))) < 1e-14
    assert np.max(collapse._from_affine(*layers(line, 2)[:2])) < 1e-14
    assert np.min(collapse._from_affine(*layers(activations.relu, 2)[:2])) > 0.1
    slightly = activations.Activation(lambda x: x + 1e-6 * jnp.tanh(x), name="slightly", smoothness=float("inf"))
    assert 1e-12 < np.min(collapse._from_affine(*layers(slightly, 2)[:2])) < 1e-5


# --- gradient_highway -------------------------------------------------------------------------------------------------

highway = entry("gradient_highway")


def carried(glorot, scaled, accuracy, slope=1.0):
    """A row whose gradients fall by a factor a layer."""
    row = {"slope at most": slope, "accuracy, 2 layers": [1.0], "accuracy, 20 layers": [accuracy]}
    for depth in highway.DEPTHS[1:]:
        row |= {f"Glorot, {depth}": [glorot ** (depth - 2)] * 3, f"scaled, {depth}": [scaled ** (depth - 2)] * 3}
    return row


CARRIED = {name: carried(0.7, 1.0, 0.99) for name in highway.NAMES} | {"sigmoid": carried(0.2, 0.4, 0.5, 0.25)}


def test_the_rule_of_gradient_highway_holds_for_what_it_claims():
    assert all(highway._checks(CARRIED).values())


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        ("sigmoid", "slope at most", 0.3, "slope is"),
        ("sigmoid", "Glorot, 5", [1.1 * 4.0**-3] * 3, "factor of 4"),
        ("sigmoid", "scaled, 50", [1e-5] * 3, "does not save"),
        ("elu", "scaled, 50", [0.05] * 3, "relu and elu keep it"),
        ("silu", "scaled, 50", [50.0] * 3, "so do gelu and silu"),
        ("relu", "Glorot, 50", [0.5] * 3, "relu, gelu and silu lose"),
        ("elu", "Glorot, 50", [0.5] * 3, "elu loses"),
        ("gelu", "accuracy, 20 layers", [0.9], "learn the spirals"),
    ],
)
def test_the_rule_of_gradient_highway_can_fail(row, column, value, rule):
    checks = highway._checks(changed(CARRIED, row, column, value))
    assert [name for name, outcome in checks.items() if not outcome] == [name for name in checks if rule in name]


@pytest.mark.slow
def test_the_gradient_of_the_first_layers_is_that_of_a_network_of_so_many(monkeypatch):
    monkeypatch.setattr(highway, "DEPTHS", (2, 4))
    norms = highway._norms(activations.tanh, 2)["Glorot"]
    points, classes = highway._spirals(1, highway.POINTS)

    def loss(first, hidden, last):
        h = jnp.tanh(first @ points.T)
        for weight in hidden:
            h = jnp.tanh(weight @ h)
        return jnp.mean(jnp.log1p(jnp.exp(-classes * (last @ h)[0])))

    tower = highway._builder(activations.tanh, 4, "Glorot")(jax.random.split(jax.random.key(0), 2)[1])
    for number, depth in enumerate((2, 4)):
        by_hand = jax.jit(jax.grad(loss, argnums=1))(tower.first[0], tower.hidden[0][: depth - 1], tower.last[0])
        np.testing.assert_allclose(
            norms[number, 1, : depth - 1], np.linalg.norm(np.asarray(by_hand), axis=(1, 2)), rtol=1e-10
        )
        assert np.all(np.isnan(norms[number, 1, depth - 1 :]))


def test_sigmoid_loses_its_gradient_by_its_slope_and_not_by_its_shape(monkeypatch):
    """The same curve, four times as steep and centred, carries what sigmoid loses: the claim fails for it."""
    monkeypatch.setattr(highway, "DEPTHS", (2, 10))
    steep = activations.Activation(lambda x: jnp.tanh(2 * x) / 2, name="steep", smoothness=float("inf"))
    left = {}
    for f in (activations.sigmoid, steep):
        norms = highway._norms(f, 2)["Glorot"]
        left[f.name] = np.median(norms[1, :, 0] / norms[0, :, 0])
    assert left["sigmoid"] < 1e-4 and left["steep"] > 0.1


def test_a_wide_network_of_the_right_scale_keeps_the_mean_square(monkeypatch):
    monkeypatch.setattr(highway, "WIDTH", 512)
    tower = highway._builder(activations.elu, 5)(jax.random.key(0))
    points = highway._spirals(1, highway.POINTS)[0]
    units = jax.jit(jax.vmap(tower.units))(points)
    entering = jnp.einsum("lij,plj->pli", tower.hidden[0], units[:, :-1])
    np.testing.assert_allclose(np.mean(np.asarray(points @ tower.first[0].T) ** 2), 1, rtol=0.15)
    np.testing.assert_allclose(np.mean(np.asarray(entering) ** 2, axis=(0, 2)), 1, rtol=0.3)


# --- dying_relu -------------------------------------------------------------------------------------------------------

dying = entry("dying_relu")


def alive(last=0.0):
    """A row in which units fall silent at the largest rate only."""
    shares = {f"silent, rate {rate}": [0.0] for rate in dying.RATES} | {f"silent, rate {dying.RATES[-1]}": [last]}
    means = {"off zero, start": [0.3 if last == 0 else 0.7], "off zero, end": [0.3 if last == 0 else 0.7]}
    return {"silent, start": [0.0], "silent half way": 10, "of which speak at the end": 0.0, **shares, **means}


DEAD = {name: alive() for name in dying.NAMES} | {"relu": alive(0.6)}


def test_the_rule_of_dying_relu_holds_for_what_it_claims():
    assert all(dying._checks(DEAD).values())


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        ("relu", f"silent, rate {dying.RATES[0]}", [0.1], "smallest rate"),
        ("relu", f"silent, rate {dying.RATES[-1]}", [0.2], "largest rate"),
        ("relu", "of which speak at the end", 0.3, "speak at the end"),
        ("relu", "silent half way", 0, "speak at the end"),
        ("gelu", f"silent, rate {dying.RATES[2]}", [0.02], "gelu: at most"),
        ("elu", "off zero, end", [0.9], "nearer to zero"),
    ],
)
def test_the_rule_of_dying_relu_can_fail(row, column, value, rule):
    checks = dying._checks(changed(DEAD, row, column, value))
    assert [name for name, outcome in checks.items() if not outcome] == [name for name in checks if rule in name]


@pytest.mark.parametrize(("name", "silenced"), [("relu", True), ("gelu", True), ("leaky_relu", False)])
def test_units_pushed_far_below_zero_are_silent_where_the_slope_is_none(name, silenced):
    """Biases of -50 in the last two layers put every unit there where relu and gelu are flat."""
    tower = dying.Tower((2, dying.WIDTH, 1), 3, activations.get(name), jax.random.key(0))
    assert not np.any(dying._silent(tower)[0])
    pushed = eqx.tree_at(lambda t: t.hidden[1], tower, jnp.full_like(tower.hidden[1], -50.0))
    assert np.all(dying._silent(pushed)[1:] == silenced)


def test_means_are_off_zero_by_all_of_a_constant_and_none_of_an_odd_function(monkeypatch):
    monkeypatch.setattr(dying, "X", np.array([[0.5, -0.2], [-0.5, 0.2], [0.1, 0.9], [-0.1, -0.9]]))
    one = activations.Activation(lambda x: 3 + 0 * x, name="constant", smoothness=float("inf"))
    off = [dying._off_zero(dying.Tower((2, 8, 1), 2, f, jax.random.key(0))) for f in (one, activations.tanh)]
    np.testing.assert_allclose(off, [1, 0], atol=1e-12)


@pytest.mark.slow
def test_at_a_large_rate_relu_dies_and_a_leaky_one_does_not(monkeypatch):
    for name, value in {"STEPS": 60, "RECORDED": 6, "WIDTH": 16, "RATES": (0.001, 0.3)}.items():
        monkeypatch.setattr(dying, name, value)
    left = {}
    for name in ("relu", "leaky_relu"):
        silent, _, errors = map(np.asarray, dying._trained(activations.get(name), 3))
        assert silent.shape == (2, 3, 7, 3, 16) and np.all(np.isfinite(errors))
        left[name] = silent[:, :, -1].mean(axis=(1, 2, 3))
    assert left["relu"][1] > 0.3 > 0.15 > left["relu"][0] and np.all(left["leaky_relu"] == 0)


# --- outliers ---------------------------------------------------------------------------------------------------------

outliers = entry("outliers")
COLUMNS = [f"{kind}, {what}" for kind in outliers.KINDS for what in outliers.FACTORS]
CAPPED = {
    f"{name}, {output} output": {
        column: [100.0 if name in outliers.UNBOUNDED and output == "linear" else 1.0] for column in COLUMNS
    }
    for name in (*outliers.BOUNDED, *outliers.UNBOUNDED)
    for output in outliers.OUTPUTS
}


def test_the_rule_of_outliers_holds_for_what_it_claims():
    checks = outliers._checks(CAPPED)
    assert len(checks) == 12 and all(checks.values())


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        ("tanh, linear output", "inputs, largest loss", [11.0], "outlying inputs, bounded hidden units: largest loss"),
        ("relu, bounded output", "targets, largest loss", [11.0], "targets, bounded output unit: largest loss"),
        ("gelu, bounded output", "inputs, error", [101.0], "inputs, bounded output unit: error"),
        ("sigmoid, linear output", "targets, error", [101.0], "targets, bounded hidden units: error"),
    ],
)
def test_the_rule_of_outliers_can_fail(row, column, value, rule):
    checks = outliers._checks(changed(CAPPED, row, column, value))
    assert [name for name, outcome in checks.items() if not outcome] == [name for name in checks if rule in name]


def test_outliers_lie_where_they_are_said_to():
    inputs, targets = outliers._data(3)
    for case, (_, kind) in enumerate(outliers.CASES):
        far = np.max(np.abs(inputs[:, case]), axis=(1, 2)), np.max(np.abs(targets[:, case]), axis=1)
        assert np.all((far[0] > 15) == (kind == "inputs")) and np.all((far[1] > 1.6) == (kind == "targets"))


@pytest.mark.parametrize(("name", "output", "capped"), [("gelu", 0, False), ("gelu", 1, True), ("tanh", 0, True)])
def test_a_bounded_unit_caps_the_loss_of_an_outlying_input_and_none_caps_that_of_a_target(name, output, capped):
    tower = outliers.Tower((2, 8, 1), 2, activations.get(name), jax.random.key(0))
    loss = lambda scale, y: float(outliers._loss(tower, output == 1, scale * jnp.array([0.6, -0.8]), y))
    assert (loss(1e6, 0.5) < 100) == capped
    assert loss(1.0, 1e6) > 1e11


def test_the_steepness_is_the_slope_of_the_loss_along_its_own_gradient():
    tower = outliers.Tower((2, 8, 1), 2, activations.tanh, jax.random.key(0))
    x, y, step = jnp.array([0.3, -0.7]), 2.0, 1e-6
    direction = jax.grad(outliers._loss)(tower, False, x, y)
    steepness = outliers._steepness(tower, False, x, y)
    at = lambda s: outliers._loss(jax.tree.map(lambda p, d: p + s * d / steepness, tower, direction), False, x, y)
    assert float((at(step) - at(-step)) / (2 * step)) == pytest.approx(float(steepness), rel=1e-6)


@pytest.mark.slow
def test_a_case_is_trained_as_if_it_were_alone(monkeypatch):
    monkeypatch.setattr(outliers, "STEPS", 20)
    monkeypatch.setattr(outliers, "_steepness", outliers._loss)  # of no interest here, and seconds to compile
    found = outliers._measured(activations.tanh, 1)["error"][0]
    inputs, targets = outliers._data(1)
    gain, case = outliers.unit_gain(activations.tanh), outliers.CASES.index(("bounded", "inputs"))
    loss = lambda tower: jnp.mean((2 * jnp.tanh(jax.vmap(tower)(inputs[0, case])[:, 0] / 2) - targets[0, case]) ** 2)
    build = lambda key: outliers.Tower((2, outliers.WIDTH, 1), 2, activations.tanh, key, gain)
    alone, _ = outliers.train(build, loss, seeds=1, steps=20)
    clean = np.random.default_rng(1).standard_normal((1000, 2))
    rest = 2 * np.tanh(np.asarray(eqx.filter_vmap(lambda t: jax.vmap(t)(clean)[:, 0])(alone))[0] / 2)
    expected = np.sqrt(np.mean((rest - outliers._target(clean)) ** 2)) / np.std(outliers._target(clean))
    assert found[case] == pytest.approx(expected, rel=1e-8)


# --- cheat_sheet ------------------------------------------------------------------------------------------------------

sheet = entry("cheat_sheet")


def declared(f, **facts):
    """The facts of a function that declares what is given."""
    shown = activations.Activation(f, **{"name": "shown", "smoothness": float("inf"), **facts})
    return {"shown": sheet._facts(shown, sheet._derivatives(shown))}


@pytest.mark.parametrize(
    ("f", "facts"),
    [
        (jnp.tanh, {"bounds": (-1, 1), "monotone": True}),
        (lambda x: jnp.maximum(x, 0.0) ** 2, {"bounds": (0, float("inf")), "smoothness": 1, "monotone": True}),
        (lambda x: jnp.maximum(x, 0.0) ** 3, {"bounds": (0, float("inf")), "smoothness": 2, "monotone": True}),
        (lambda x: jnp.maximum(x, 0.0) ** 4, {"bounds": (0, float("inf")), "smoothness": 3}),
        (jnp.sign, {"bounds": (-1, 1), "smoothness": -1}),
    ],
)
def test_the_sheet_finds_what_is_declared_rightly(f, facts):
    assert all(sheet._checks(declared(f, **facts)).values())


@pytest.mark.parametrize(
    ("f", "facts", "rule"),
    [
        (jnp.tanh, {"bounds": (-1, 0.99)}, "every value lies"),
        (jnp.tanh, {"bounds": (-1, 1.5)}, "every finite end"),
        (lambda x: jnp.maximum(x, 0.0), {"bounds": (0, float("inf"))}, "first derivative that jumps"),
        (jnp.tanh, {"bounds": (-1, 1), "smoothness": 2}, "first derivative that jumps"),
        (jnp.sin, {"bounds": (-1, 1), "monotone": True}, "never decreases"),
    ],
)
def test_the_sheet_finds_what_is_declared_wrongly(f, facts, rule):
    checks = sheet._checks(declared(f, **facts))
    assert [name for name, outcome in checks.items() if not outcome] == [name for name in checks if rule in name]


def test_the_sheet_shows_each_activation_once_and_in_order():
    shown = sheet._sorted(sheet._distinct())
    words = [f.name for f in shown]
    assert {"relu", "elu", "celu", "relu_power(2)", "bspline(3)"} < set(words) and len(words) == len(set(words))
    assert not {"elu_of(1.0)", "celu_of(1.0)", "leaky_relu_of(0.01)"} & set(words)
    assert words.index("sign") < words.index("relu") < words.index("elu") < words.index("tanh") < words.index("silu")
    assert words.index("silu") < words.index("prelu")


def test_a_costly_function_costs_more_than_relu():
    slow = activations.Activation(lambda x: jnp.sin(jnp.sin(jnp.sin(x))), name="slow", smoothness=float("inf"))
    assert np.median(sheet._costs(slow, rounds=3)) > 2
