"""Networks: periodicity, shapes, factorisation, what is trained, and what is refused."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.model import build_model
from pinnact.networks import RECIPES, Inputs, Recipe
from pinnact.precision import precision

KEY = jax.random.key(3)
INPUTS = Inputs({"x": (-1.0, 3.0), "y": (0.0, 0.5), "t": (0.0, 2.0)}, periodic=("x",))
PLAIN = Inputs({"x": (-1.0, 3.0), "y": (0.0, 0.5)})
POINT = jnp.array([0.3, 0.2, 1.1])
SHIFTS = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
FOURIER = pn.Fourier(count=5, scale=2.0)
SMALL = {
    "plain": pn.MLP(width=7, depth=2),
    "features": pn.MLP(width=7, depth=2, fourier=FOURIER),
    "gated": pn.ModifiedMLP(width=7, depth=2),
    "pirate": pn.PirateNet(width=7, depth=1, fourier=None),
    "pirate with features": pn.PirateNet(width=7, depth=1, fourier=FOURIER),
}


def trained(module):
    return eqx.filter(module, eqx.is_inexact_array)


def count(module):
    return sum(leaf.size for leaf in jax.tree.leaves(trained(module)))


@pytest.mark.parametrize("name", SMALL)
def test_a_periodic_coordinate_is_exactly_periodic(name):
    """The value and its derivatives to order two repeat after one period; half a period makes a difference."""
    module = SMALL[name].build(INPUTS, 2, KEY)
    all_orders = jax.jit(jax.vmap(lambda q: (module(q), jax.jacfwd(module)(q), jax.hessian(module)(q))))
    for values in all_orders(SHIFTS + np.asarray(POINT)[None]):
        assert values.dtype == jnp.float64 and values.shape[1] == 2
        here, after, half = values
        np.testing.assert_allclose(here, after, rtol=1e-10, atol=1e-12)
        assert np.max(np.abs(here - half)) > 1e-4
    assert isinstance(SMALL[name], Recipe)


def test_inputs_are_scaled_to_one():
    """The corners of the domain reach the first layer as +-1, whatever the units."""
    embedding = pn.MLP(width=3, depth=1).build(PLAIN, 1, KEY).embedding
    np.testing.assert_allclose(embedding(jnp.array([-1.0, 0.5])), [-1.0, 1.0])
    np.testing.assert_allclose(embedding(jnp.array([1.0, 0.25])), [0.0, 0.0])


def test_harmonics_are_those_of_the_period():
    x = 0.37
    embedding = pn.MLP(width=3, depth=1, harmonics=3).build(INPUTS, 1, KEY).embedding
    phases = 2 * np.pi * np.arange(1, 4) * (x - 1.0) / 4.0
    expected = [*np.cos(phases), *np.sin(phases), 0.2, -0.5]
    np.testing.assert_allclose(embedding(jnp.array([x, 0.3, 0.5])), expected, rtol=1e-13)
    assert embedding.size == 8


def test_a_multilayer_perceptron_by_hand():
    module = pn.MLP(width=4, depth=2, activation=[pn.sin, pn.gelu]).build(PLAIN, 1, KEY)
    first, second, last = module.layers
    z = jnp.array([(0.7 - 1.0) / 2.0, (0.4 - 0.25) / 0.25])
    h = pn.gelu(second.weight @ pn.sin(first.weight @ z + first.bias) + second.bias)
    np.testing.assert_allclose(module(jnp.array([0.7, 0.4])), last.weight @ h + last.bias, rtol=1e-13)
    assert count(module) == (2 * 4 + 4) + (4 * 4 + 4) + (4 + 1)


def test_weights_start_as_glorot_asks():
    layer = pn.MLP(width=200, depth=2).build(PLAIN, 1, KEY).layers[1]
    np.testing.assert_allclose(np.std(layer.weight), math.sqrt(2 / 400), rtol=0.02)
    assert not np.any(layer.bias)


def test_activations_one_a_layer():
    recipe = pn.MLP(width=6, depth=3, activation=[pn.tanh, pn.sin, pn.relu_power(3)])
    assert [a.name for a in recipe.build(PLAIN, 1, KEY).activations] == ["tanh", "sin", "relu_power(3)"]
    assert recipe.smoothness == 2


def test_trainable_activations_get_the_width_of_their_layer():
    module = pn.MLP(width=6, depth=2, activation=pn.adaptive(pn.tanh, per="neuron")).build(PLAIN, 1, KEY)
    shapes = [leaf.shape for a in module.activations for leaf in jax.tree.leaves(trained(a))]
    assert shapes and all(shape[-1] == 6 for shape in shapes)
    assert count(module) > count(pn.MLP(width=6, depth=2).build(PLAIN, 1, KEY))


@pytest.mark.parametrize("gated", [False, True])
def test_factorised_equals_plain_at_equal_weights(gated):
    """`diag(exp(s)) V = W`: the same function, other parameters."""
    recipe = pn.MLP(width=5, depth=2, gated=gated, factorised=True)
    module, plain = recipe.build(PLAIN, 1, KEY), pn.MLP(width=5, depth=2, gated=gated).build(PLAIN, 1, KEY)
    q = jnp.array([0.1, 0.3])
    assert module.layers[0].log_scale is not None and plain.layers[0].log_scale is None
    assert count(module) - count(plain) == 5 + 5 + 1 + (10 if gated else 0)
    np.testing.assert_allclose(module(q), plain(q), rtol=1e-13)


@pytest.mark.parametrize("recipe", [SMALL["features"], SMALL["pirate with features"]])
def test_fourier_frequencies_are_not_trained(recipe):
    module = recipe.build(INPUTS, 1, KEY)
    assert not jax.tree.leaves(trained(module.embedding))
    assert module.embedding.size == 10 and len(module.embedding.frequencies) == 5
    doubled = jax.tree.map(lambda leaf: 2 * leaf, trained(module))
    assert doubled.embedding.frequencies == module.embedding.frequencies


def test_fourier_frequencies_have_the_deviation_asked_for():
    module = pn.MLP(width=3, depth=1, fourier=pn.Fourier(count=500, scale=3.0)).build(PLAIN, 1, KEY)
    np.testing.assert_allclose(np.std(module.embedding.frequencies), 3.0, rtol=0.06)


def test_a_pirate_net_is_linear_in_its_embedding_at_the_start():
    """The gates are 0, so every block is the identity; opening one ends that."""
    module = pn.PirateNet(width=6, depth=2, fourier=None).build(PLAIN, 2, KEY)
    a, b = jnp.array([0.3, 0.1]), jnp.array([2.2, 0.4])
    np.testing.assert_allclose(module((a + b) / 2), (module(a) + module(b)) / 2, rtol=1e-12)
    opened = eqx.tree_at(lambda m: m.blocks[0].gate, module, jnp.array(0.5))
    assert np.max(np.abs(opened((a + b) / 2) - (opened(a) + opened(b)) / 2)) > 1e-4


def test_a_gated_network_mixes_its_encoders():
    """h <- h U + (1 - h) V, by hand for one layer."""
    module = pn.ModifiedMLP(width=4, depth=1).build(PLAIN, 1, KEY)
    z = module.embedding(jnp.array([0.7, 0.4]))
    u, v = (jnp.tanh(e.weight @ z + e.bias) for e in module.encoders)
    h = jnp.tanh(module.layers[0].weight @ z + module.layers[0].bias)
    expected = module.layers[1].weight @ (h * u + (1 - h) * v) + module.layers[1].bias
    np.testing.assert_allclose(module(jnp.array([0.7, 0.4])), expected, rtol=1e-13)


def test_one_key_makes_one_network():
    leaves = [jax.tree.leaves(SMALL["gated"].build(PLAIN, 1, k)) for k in (KEY, KEY, jax.random.key(4))]
    assert all(np.array_equal(a, b) for a, b in zip(leaves[0], leaves[1], strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(leaves[0], leaves[2], strict=True))
    arrays = [leaf for leaf in jax.tree.leaves(pn.PirateNet(5, 1).build(PLAIN, 1, KEY)) if leaf.ndim == 2]
    firsts = [tuple(np.ravel(a)[:2]) for a in arrays]
    assert len(set(firsts)) == len(firsts), "two layers share their random numbers"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pn.MLP(width=0), "width=0 is no size of a network; give a whole number of 1 or more"),
        (lambda: pn.MLP(depth=2.5), "depth=2.5 is no size"),
        (lambda: pn.MLP(harmonics=0), "harmonics=0 is no size"),
        (lambda: pn.PirateNet(depth=-1), "depth=-1 is no size"),
        (lambda: pn.Fourier(count=0), "count=0 is no size"),
        (lambda: pn.MLP(depth=3, activation=[pn.tanh]), "1 activations for 3 hidden layers; give one, or one a layer"),
        (lambda: pn.MLP(activation=jnp.tanh), "activation=.* is none; give pn.tanh, or pn.Activation"),
        (lambda: pn.MLP(activation="tanh"), "activation='tanh' is none"),
        (lambda: pn.PirateNet(activation="tanh"), "activation='tanh' is none"),
    ],
)
def test_wrong_recipes_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


PROBLEM = pn.Problem(
    pn.Rectangle(x=(0, 1), y=(0, 1)), unknowns={"u": 2, "p": 1}, equations={"flow": lambda u, p: u.div + p}
)


class Quadratic(eqx.Module):
    """A user's own module of one point."""

    matrix: jax.Array

    def __call__(self, q):
        return self.matrix @ q**2


def test_a_model_takes_a_users_own_module():
    """Made outside the precision context, it is float32; in the model it computes in float64."""
    with precision("float32"):
        own = Quadratic(jnp.ones((3, 2)))
    assert own.matrix.dtype == jnp.float32
    model = build_model(PROBLEM, own, KEY)
    assert model.parameters == 6 and model.networks[0].matrix.dtype == jnp.float64
    np.testing.assert_allclose(model.outputs(jnp.array([2.0, 3.0])), [13.0] * 3)


def test_one_network_an_unknown():
    networks = {"p": pn.MLP(width=3, depth=1), "u": pn.MLP(width=4, depth=1)}
    model = build_model(PROBLEM, networks, KEY)
    assert [module(jnp.zeros(2)).shape for module in model.networks] == [(2,), (1,)]
    assert model.outputs(jnp.zeros(2)).shape == (3,)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Quadratic(jnp.ones((2, 2))), r"the network of u, p gives shape \(2,\), the problem needs \(3,\)"),
        (Quadratic(jnp.ones((3, 5))), "the network of u, p can't take a point of 2 numbers"),
        ({"u": pn.MLP()}, "networks for u; give one for each unknown: u, p"),
        (7, "network=7 is neither a recipe"),
    ],
)
def test_networks_that_do_not_fit_a_problem(network, said):
    with pytest.raises(ValueError, match=said) as error:
        build_model(PROBLEM, network, KEY)
    assert "\n" not in str(error.value)


def test_recipes_by_name():
    for make in RECIPES.values():
        module = make(width=3, depth=1).build(PLAIN, 1, KEY)
        assert jax.eval_shape(module, jnp.zeros(2)).shape == (1,)
