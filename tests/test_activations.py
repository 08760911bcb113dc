"""Activations: what each declares (smoothness, bounds, monotone) is measured here, not believed."""

import doctest
import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinnact import activations, elementwise
from pinnact.activations import Activation, Trainable, adaptive, bspline, get, names, prelu, relu, silu, tanh

PARAMETRISED = ("relu_power(1)", "relu_power(3)", "leaky_relu_of(0.3)", "elu_of(0.5)", "celu_of(0.5)")
TRAINED = ("adaptive(sin, scale=3)", "prelu(-0.5)", "trainable_swish(1.7)")
SPLINES = ("bspline(1)", "bspline(2)", "bspline(4)", "bspline(5, knots=7, range=(-2, 4), base=silu)")
EVERY = (*names(), *PARAMETRISED, *TRAINED, *SPLINES)
NEAR_ZERO = np.array([0, 1e-8, -1e-8, 1e-4, -1e-4, 0.01, -0.01])
GRID = np.concatenate([NEAR_ZERO, [1, -1, 0.999, 5, -5], np.linspace(-7.3, 7.1, 41)])
FAR = np.concatenate([GRID, [-1000, -800, -300, -90, -50, -30, -20, 20, 30, 50, 90, 300, 800, 1000]])


def rough(name):
    """The activation with its arrays moved off their first values, where a spline is as smooth as its base."""
    moved = iter(np.random.default_rng(0).uniform(-0.5, 0.5, 1000))
    return jax.tree.map(lambda a: a + np.reshape([next(moved) for _ in range(a.size)], a.shape), get(name))


ACTIVATIONS = {name: rough(name) for name in EVERY}


def derivatives(f, order):
    """f, f', ... up to `order`, by nested `jax.grad` of one number."""
    chain = [f]
    for _ in range(order):
        chain.append(jax.grad(chain[-1]))
    return chain


def forward_derivatives(f, order):
    """The same of an array of numbers, by nested `jax.jvp`, as networks are differentiated."""
    chain = [f]
    for _ in range(order):
        chain.append(lambda x, before=chain[-1]: jax.jvp(before, (x,), (jnp.ones_like(x),))[1])
    return chain


def kinks(activation):
    """Where an activation of finite smoothness may fail to be smooth."""
    if activation.name.startswith("bspline"):
        settings = dict(activation.f.arguments)
        edges = activation.parameters["coefficients"].shape[0] + settings["degree"] + 1
        return settings["low"] + settings["step"] * (np.arange(edges) - settings["degree"])
    return np.array([-1.0, 1.0]) if activation.name == "hard_tanh" else np.array([0.0])


def one_sided(f, point, side, order):
    """Derivatives of f to `order` at `point` from one side, from values of f alone (a polynomial through 14)."""
    reach = 0.2  # less than the distance of two kinks; Chebyshev points, so that the interpolation is stable
    s = (1 - np.cos(np.pi * (np.arange(14) + 0.5) / 14)) / 2
    fit = np.polynomial.Polynomial.fit(side * reach * s, np.asarray(f(point + side * reach * s)), 13)
    return np.array([fit.deriv(k)(0.0) if k else fit(0.0) for k in range(order + 1)])


@pytest.mark.parametrize("name", [n for n in EVERY if get(n).smoothness < math.inf])
def test_finite_smoothness_is_exact(name):
    activation = ACTIVATIONS[name]
    k = int(activation.smoothness)
    gaps = np.array(
        [one_sided(activation, p, 1, k + 1) - one_sided(activation, p, -1, k + 1) for p in kinks(activation)]
    )
    assert np.all(np.abs(gaps[:, : k + 1]) < 1e-4), "a derivative up to k jumps"
    assert np.all(np.abs(gaps[:, k + 1]) > 1e-2), "derivative k + 1 does not jump: it is smoother than declared"


@pytest.mark.parametrize("name", EVERY)
def test_derivatives_to_order_four(name):
    """Each is the slope of the one before (eighth-order central differences), finite, alike in both modes."""
    activation, h = ACTIVATIONS[name], 1e-2
    points = GRID
    if activation.smoothness < math.inf:
        points = points[np.min(np.abs(points[:, None] - kinks(activation)), axis=1) > 4.5 * h]
    assert len(points) > 20
    weights = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280]) / h
    stencil = points[:, None] + h * np.arange(-4, 5)

    @jax.jit
    def both(x):
        nested = [jax.vmap(f)(x) for f in derivatives(activation, 4)]
        return jnp.stack(nested), jnp.stack([f(x) for f in forward_derivatives(activation, 4)])

    reverse, forward = map(np.asarray, both(np.concatenate([stencil.ravel(), FAR])))
    assert np.all(np.isfinite(reverse)) and np.all(np.isfinite(forward))
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-9)
    values = reverse[:, : stencil.size].reshape(5, *stencil.shape)
    np.testing.assert_allclose(values[1:, :, 4], values[:-1] @ weights, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", EVERY)
def test_single_precision_is_kept_and_finite(name):
    points = jnp.asarray(FAR, "float32")
    values = jax.jit(lambda x: tuple(f(x) for f in forward_derivatives(ACTIVATIONS[name], 4)))(points)
    assert all(v.dtype == jnp.float32 and v.shape == points.shape and np.all(np.isfinite(v)) for v in values)


@pytest.mark.parametrize("name", EVERY)
def test_bounds_and_monotone_hold(name):
    activation = ACTIVATIONS[name]
    values = np.asarray(activation(np.linspace(-40, 40, 80001)))
    low, high = activation.bounds
    assert low <= values.min() and values.max() <= high
    if isinstance(activation, Activation):  # tight: no bound is left out, and none is far away
        for bound, extreme in ((low, values.min()), (high, values.max())):
            assert abs(extreme) > 0.3 if math.isinf(bound) else abs(bound - extreme) < 0.03
        assert activation.monotone == bool(np.all(np.diff(values) >= -1e-15))


def test_sinc_is_right_on_both_sides_of_its_switch():
    x = np.array([0.0, 1e-9, 0.3, 0.999999, 1.0, 1.000001, 2.5])
    # integral of cos(s x) over s in [0, 1] and its derivatives, by Gauss-Legendre: no division by x
    nodes, weights = np.polynomial.legendre.leggauss(30)
    s, w = (nodes + 1) / 2, weights / 2
    for k, f in enumerate(derivatives(activations.sinc, 4)):
        expected = (s**k * np.cos(np.outer(x, s) + k * np.pi / 2)) @ w
        np.testing.assert_allclose(jax.jit(jax.vmap(f))(x), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["silu", "mish", "softplus", "gelu", "elu", "celu"])
def test_large_arguments_reach_their_limits(name):
    f, slope, *_ = derivatives(get(name), 1)
    assert slope(800.0) == 1 and slope(-800.0) == 0
    assert f(800.0) == 800


def test_conventions_at_zero():
    assert jax.grad(relu)(0.0) == 0
    assert activations.heaviside(0.0) == 0.5 and activations.sign(0.0) == 0


# --- Fixed ones -------------------------------------------------------------------------------------------------------


def test_own_activation_in_one_line():
    own = Activation(lambda x: np.float64(2) * jnp.cos(x), smoothness=math.inf, bounds=(-2, 2))
    assert own.name == "lambda" and own.for_layer(7) is own
    assert own(jnp.ones(3, "float32")).dtype == jnp.float32, "the type of x is kept whatever f does"
    assert own(1).dtype == jnp.float64
    assert Activation(jnp.cos, smoothness=2).name == "cos"


def test_tanh_is_nothing_but_tanh():
    assert len(jax.make_jaxpr(tanh)(jnp.ones(3)).eqns) == 1


@pytest.mark.parametrize("value", [math.nan, 1.5, -2])
def test_smoothness_must_be_told(value):
    with pytest.raises(ValueError, match=r"cos: smoothness=.* cannot be checked .*; pass the k of C\^k"):
        Activation(jnp.cos, smoothness=value)
    with pytest.raises(ValueError, match="smoothness=nan"):
        Activation(jnp.cos)
    with pytest.raises(ValueError, match="out of order"):
        Activation(jnp.cos, smoothness=2, bounds=(1, -1))


def test_fixed_activations_are_static_arguments():
    traces = []

    @partial(jax.jit, static_argnums=0)
    def apply(activation, x):
        traces.append(activation.name)
        return activation(x)

    for activation in (get("elu_of(2)"), get("elu_of(2.0)"), tanh, get("tanh"), get("elu_of(3)")):
        apply(activation, 1.0)
    assert traces == ["elu_of(2.0)", "tanh", "elu_of(3.0)"]
    assert tanh != relu and hash(tanh) == hash(get("tanh"))
    with pytest.raises(TypeError):
        hash(prelu())


# --- Trained ones -----------------------------------------------------------------------------------------------------

TEMPLATES = ("adaptive", "prelu", "trainable_swish", "trainable_rational", "bspline")


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("per", ["layer", "neuron"])
def test_gradients_reach_every_number(name, per):
    activation = getattr(activations, name)(per=per).for_layer(6)
    x = jnp.asarray(np.random.default_rng(1).uniform(-5, 5, (400, 6)))
    gradient = eqx.filter_grad(lambda a: jnp.sum(jnp.cos(a(x))))(activation)
    assert all(jnp.all(g != 0) for g in gradient.parameters.values())
    extra = (6,) if per == "neuron" else ()
    for key, value in get(name).parameters.items():
        assert gradient.parameters[key].shape == value.shape + extra


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_neuron_is_a_layer_of_its_own(name):
    template = getattr(activations, name)(per="neuron")
    spread = template.for_layer(3)
    moved = jax.tree.map(lambda a: a + 0.1 * jnp.sin(jnp.arange(a.size, dtype=float)).reshape(a.shape), spread)
    x = jnp.asarray(np.random.default_rng(2).uniform(-4, 4, (5, 2, 3)))
    np.testing.assert_array_equal(spread(x), template(x))
    for i in range(3):
        single = eqx.tree_at(lambda a: a.parameters, template, {k: v[..., i] for k, v in moved.parameters.items()})
        np.testing.assert_allclose(moved(x)[..., i], single(x[..., i]), rtol=1e-14, atol=1e-14)
    assert moved.for_layer(3).parameters.keys() == moved.parameters.keys()
    with pytest.raises(ValueError, match="holds 3 neurons, not 4"):
        moved.for_layer(4)
    with pytest.raises(ValueError, match="does not end in its 3 neurons"):
        moved(x[..., :2])


def test_first_values_give_the_promised_start():
    x = np.linspace(-6, 6, 101)
    np.testing.assert_allclose(adaptive(tanh, scale=10)(x), np.tanh(x), rtol=1e-14)
    np.testing.assert_allclose(bspline(4)(x), np.tanh(x), rtol=1e-14)
    np.testing.assert_allclose(get("trainable_swish")(x), silu(x), rtol=1e-14)
    np.testing.assert_allclose(get("trainable_rational")(x), activations.rational(x), rtol=1e-14)
    near = np.abs(x) < 2
    assert np.max(np.abs(get("trainable_rational")(x) - np.tanh(x))[near]) < 0.011


def test_templates_follow_the_precision_of_the_place_they_are_used_in():
    with jax.enable_x64(False):
        template = prelu()
        assert template.parameters["slope"].dtype == jnp.float32
    assert template.for_layer(4).parameters["slope"].dtype == jnp.float64


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 6])
def test_splines_reproduce_polynomials_and_fade_out(degree):
    """Uniform B-splines sum to 1 and, with the middles of their supports as coefficients, to x (Schoenberg)."""
    template = bspline(degree, knots=9, range=(-1, 3))
    middles = -1 + 0.5 * (np.arange(8 + degree) - (degree - 1) / 2)
    inside, outside = np.linspace(-1, 3, 57), np.array([-1 - degree / 2, 3 + degree / 2, -1e3, 1e3])
    for coefficients, expected in ((np.ones_like(middles), np.ones_like(inside)), (middles, inside)):
        spline = eqx.tree_at(
            lambda a: a.parameters, template, {"weight": 0.0 * jnp.ones(()), "coefficients": coefficients}
        )
        np.testing.assert_allclose(spline(inside), expected, atol=1e-13)
        np.testing.assert_allclose(spline(outside), 0, atol=1e-13)


# --- Lookup -----------------------------------------------------------------------------------------------------------


def test_names_are_sorted_and_all_found():
    assert list(names()) == sorted(names()) and {"tanh", "relu_power", "bspline"} <= set(names())
    assert get("swish") is silu and "swish" not in names() and "get" not in names()
    for name in EVERY:
        activation = get(name)
        assert get(activation.name).name == activation.name, "a name written to a file can be read back"
        assert activation.formula


def test_names_with_arguments():
    assert get("relu_power(4)").smoothness == 3
    assert get(" bspline(5, knots = 4) ").parameters["coefficients"].shape == (8,)
    assert get("adaptive(elu_of(2), per='neuron')").for_layer(3).parameters["a"].shape == (3,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tahn", "'tahn' is no activation, did you mean tanh"),
        ("ReLU", "did you mean relu"),
        ("zzz", r"names\(\) lists all"),
        ("adaptive(tnh)", "did you mean"),
        ("tanh(2)", "is a value and no activation"),
        ("3", "is a value and no activation"),
        ("", "names no activation"),
        ("tanh) + (sin", "names no activation"),
        ("().__class__", "names no activation"),
        ("get('tanh')", "'get' is no activation"),
        ("relu_power(0)", "k=0"),
        ("elu_of(-1)", "alpha=-1"),
        ("leaky_relu_of(2)", "slope=2"),
        ("bspline(0)", "degree=0"),
        ("bspline(range=(1, 1))", "empty"),
        ("bspline(degre=3)", "degre"),
        ("trainable_rational(())", "coefficients are missing"),
        ("adaptive(prelu)", "Trainable is not the fixed Activation"),
        ("adaptive(tanh, per='row')", "per='row'"),
    ],
)
def test_errors_say_what_and_how_to_repair(name, message):
    with pytest.raises(ValueError, match=message) as caught:
        get(name)
    assert "\n" not in str(caught.value)


def test_own_trainable():
    own = Trainable(lambda x, a: x / (1 + (a * x) ** 2), {"a": 2}, name="own", smoothness=math.inf, per="neuron")
    assert own.for_layer(5)(jnp.ones((2, 5))).shape == (2, 5)
    assert jax.tree.structure(adaptive(tanh)) == jax.tree.structure(adaptive(tanh)), "or seeds could not be stacked"


def test_examples_in_docstrings():
    outcomes = [doctest.testmod(module) for module in (activations, elementwise)]
    assert sum(outcome.attempted for outcome in outcomes) > 4 and not any(outcome.failed for outcome in outcomes)
