"""Smoothness: which activation an equation refuses, warns of or takes; and why, measured on the gradients."""

import functools
import math
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.model import build_model, smoothness
from pinnact.precision import precision
from pinnact.smoothness import check_smoothness

SQUARE = pn.Rectangle(x=(0, 1), y=(0, 1))
SENTENCE = (
    "'momentum' takes u.xx, but a network with relu is C^0: its second derivative is 0 almost everywhere, so training "
    "cannot see that term. Use tanh, gelu, silu, sin, softplus ..., or pass allow_rough=True to watch it fail."
)


def laplacian_at(u, x, y):
    return jnp.trace(jax.hessian(u)(jnp.stack([x, y])))


def biharmonic_at(u, x, y):
    lap = lambda g: lambda q: jnp.trace(jax.hessian(g)(q))
    return lap(lap(u))(jnp.stack([x, y]))


EQUATIONS = {
    0: lambda u, x: u - x,
    1: lambda u: u.x + u.y,
    2: lambda u: u.x + u.xx,
    3: lambda u: u.xxy,
    4: lambda u: u.xxxx + u.yyyy,
}
THROUGH_JAX = {0: lambda u, x, y: u(jnp.stack([x, y])), 2: laplacian_at, 4: biharmonic_at}
NAMES = {
    0: "value",
    1: "first derivative",
    2: "second derivative",
    3: "derivative of order 3",
    4: "derivative of order 4",
}
ACTIVATIONS = [pn.heaviside, pn.relu, pn.elu, pn.softsign, pn.relu_power(2), pn.relu_power(3), pn.tanh, pn.gelu]


FLAT = (pn.heaviside, pn.relu, pn.relu_power(2), pn.relu_power(3))


@functools.cache
def problem_of(equation):
    return pn.Problem(SQUARE, equations={"momentum": equation})


def check(equation, activation, allow_rough=False):
    check_smoothness(problem_of(equation), smoothness(pn.MLP(activation=activation)), activation.name, allow_rough)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: a.name)
@pytest.mark.parametrize(
    ("order", "equation"), [*EQUATIONS.items(), *THROUGH_JAX.items()], ids=lambda x: x if isinstance(x, int) else ""
)
def test_refused_below_the_order_warned_just_below_passed_from_it_on(activation, order, equation):
    s = activation.smoothness
    if s >= order:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check(equation, activation)
    elif s == order - 1:
        with pytest.warns(pn.SmoothnessWarning, match=f"its {NAMES[order]} jumps"):
            check(equation, activation)
    else:
        # Besides the spikes at its kinks, only a piecewise polynomial of lower degree has nothing left to see.
        left = "is 0 almost everywhere" if activation in FLAT else "lives in spikes at the kinks"
        with pytest.raises(pn.SmoothnessError, match=f"its {NAMES[order]} {left}, so training cannot see"):
            check(equation, activation)


def test_the_sentence():
    domain = pn.Interval(x=(-1, 1)) * pn.Time(t=(0, 1))
    problem = pn.Problem(domain, equations={"momentum": lambda u: u.t + u * u.x - 0.01 * u.xx})
    with pytest.raises(pn.SmoothnessError) as error:
        pn.solve(problem, pn.MLP(activation=pn.relu), steps=1)
    assert str(error.value) == SENTENCE
    with pytest.raises(pn.SmoothnessError, match="but a network with heaviside is discontinuous"):
        check_smoothness(problem, {"": -1.0}, "heaviside")


def test_what_goes_through_the_field_at_another_point_is_named():
    with pytest.raises(pn.SmoothnessError, match=r"'momentum' takes derivatives of order 4 of u\(q\)"):
        check(biharmonic_at, pn.relu_power(2))


def test_allow_rough_warns_instead():
    with pytest.warns(pn.SmoothnessWarning, match="is 0 almost everywhere, so training cannot see that term"):
        check(EQUATIONS[2], pn.relu, allow_rough=True)


def test_conditions_count_as_well_as_equations():
    clamped = pn.On(SQUARE.boundary, lambda u, normal: normal @ u.hessian @ normal)
    problem = pn.Problem(SQUARE, equations={"flow": EQUATIONS[0]}, conditions={"clamped": clamped})
    with pytest.raises(pn.SmoothnessError, match=r"'clamped' takes u\.xx"):
        check_smoothness(problem, {"": 0.0}, "relu")


def test_each_unknown_is_held_against_its_own_network():
    problem = pn.Problem(SQUARE, unknowns=("u", "p"), equations={"momentum": lambda u, p: u.xx + u.yy - p})
    networks = {"u": pn.MLP(), "p": pn.MLP(activation=pn.relu)}
    assert smoothness(networks) == {"u": math.inf, "p": 0.0}
    check_smoothness(problem, smoothness(networks), "tanh/relu")
    with pytest.raises(pn.SmoothnessError, match=r"u\.xx"):
        check_smoothness(problem, {"u": 0.0, "p": math.inf}, "relu/tanh")


def test_a_network_is_as_smooth_as_its_roughest_layer():
    assert pn.MLP(depth=2, activation=[pn.tanh, pn.relu_power(2)]).smoothness == 1
    assert pn.PirateNet(activation=pn.relu).smoothness == 0
    assert smoothness(eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0))) == {"": math.inf}


POINTS = jnp.asarray(SQUARE.sample(32, seed=1))


def gradient_of_a_term(activation, term):
    """The largest entry of the gradient, by all parameters, of the mean square of one term of an equation."""
    problem = pn.Problem(SQUARE, equations={"term": term})
    with precision("float64"):
        model = build_model(problem, pn.MLP(width=8, depth=2, activation=activation), jax.random.key(0))

    arrays, static = eqx.partition(model, eqx.is_inexact_array)
    gradients = jax.jit(jax.grad(lambda a: jnp.mean(jax.vmap(term_of(term, eqx.combine(a, static)))(POINTS) ** 2)))(
        arrays
    )
    return max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(gradients))


def term_of(term, model):
    """A term as a function of a point: the second derivatives by nested `jax.jvp`, as the engine takes them."""
    return lambda q: term(pn.Field("u", lambda p: model.outputs(p)[0], q, FRAME, {}))


FRAME = pn.Problem(SQUARE, equations={"term": EQUATIONS[0]}).frame


@pytest.mark.parametrize("activation", [pn.relu, pn.hard_tanh], ids=lambda a: a.name)
def test_training_cannot_see_the_second_derivative_of_a_piecewise_linear_network(activation):
    """The claim of the refusal: the gradient of that term is exactly 0, not merely small."""
    assert gradient_of_a_term(activation, lambda u: u.laplacian + 1.0) == 0.0
    assert gradient_of_a_term(activation, lambda u: u.x + 1.0) > 1e-3


@pytest.mark.parametrize("activation", [pn.tanh, pn.relu_power(2)], ids=lambda a: a.name)
def test_training_sees_the_second_derivative_of_a_smooth_network(activation):
    gradient = gradient_of_a_term(activation, lambda u: u.laplacian + 1.0)
    assert np.isfinite(gradient) and gradient > 1e-3
