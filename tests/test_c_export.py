"""Networks as C: the compiled file agrees with JAX to the bound in its comment, and what has no C is refused."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact import activations, c_source
from pinnact.activations import approximate, get, tanh
from pinnact.networks import Inputs

INPUTS = Inputs({"x": (-1, 3), "y": (0, 2)})
NAMES = (*c_source.FORMULAS, "approximate(tanh, segments=16)", "approximate(silu, degree=7)")
needs_compiler = pytest.mark.skipif(c_source.compiler() is None, reason="no C compiler on the path")


def network(activation, **options):
    """A perceptron with biases that are not zero and weights large enough to reach beyond a stand-in's range."""
    built = pn.MLP(8, 2, activation, **options).build(INPUTS, 3, jax.random.key(0))
    return jax.tree.map(lambda a: 1.5 * a + 0.3 if eqx.is_inexact_array(a) else a, built)


def points(count, kind):
    return np.random.default_rng(1).uniform((-1, 0), (3, 2), (count, 2)).astype(kind)


@needs_compiler
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_compiled_c_agrees_with_jax_to_the_stated_error(name, precision):
    net = network(get(name))
    source = c_source.c_source(net, precision=precision)
    stated = float(re.search(r"within (\S+) of the network", source.text)[1])
    x = points(2000, precision)
    expected = np.asarray(jax.jit(jax.vmap(net))(x.astype(float)))
    found = np.abs(source.compiled()(x) - expected).max()
    assert found <= stated == pytest.approx(source.error, rel=1e-2)
    assert stated < 1e4 * np.finfo(precision).eps * np.abs(expected).max(), "a bound that says nothing"


@needs_compiler
def test_a_wrong_weight_breaks_the_bound():
    net = network(tanh)
    source = c_source.c_source(net)
    other = eqx.tree_at(lambda n: n.layers[1].weight, net, replace_fn=lambda w: w.at[2, 3].add(1e-3))
    x = points(2000, "float32")
    assert np.abs(source.compiled()(x) - np.asarray(jax.vmap(other)(x.astype(float)))).max() > source.error


@needs_compiler
def test_factorised_weights_and_an_activation_a_layer(tmp_path):
    net = network([tanh, approximate(tanh, segments=8)], factorised=True)
    source = pn.export.c_source(net, name="surrogate")
    x = points(100, "float32")
    assert np.abs(source.compiled()(x) - np.asarray(jax.vmap(net)(x.astype(float)))).max() <= source.error
    source.write(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    assert "void surrogate(const float x[2], float y[3])" in text and "tanhf" in text


def test_a_network_of_stand_ins_needs_no_math_library():
    assert "#include <math.h>" in c_source.c_source(network(tanh)).text
    text = c_source.c_source(network(approximate(tanh, degree=5))).text
    assert "math.h>" not in text and "tanhf(" not in text


def test_the_bound_grows_with_rounding_and_with_weights():
    net = network(tanh)
    single, double = (c_source.c_source(net, precision=p).error for p in ("float32", "float64"))
    assert single / double == pytest.approx(2.0**28, rel=0.01)  # 2^29 less JAX's own rounding, in both
    larger = jax.tree.map(lambda a: 2 * a if eqx.is_inexact_array(a) else a, net)
    assert c_source.c_source(larger).error > 2 * single


@pytest.mark.parametrize("name", c_source.FORMULAS)
def test_no_slope_is_steeper_than_stated(name):
    slope = jax.vmap(jax.grad(activations.get(name)))(jnp.linspace(-20, 20, 40_001))
    steepest = float(jnp.abs(slope).max())
    assert steepest <= c_source.FORMULAS[name].slope <= 1.01 * steepest + 1e-9


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda: network(pn.mish), r"approximate\(it, segments=64\)"),
        (lambda: network(pn.prelu()), "no C formula"),
        (lambda: network(pn.Activation(jnp.cos, name="tanh", smoothness=9)), "no C formula"),
        (lambda: network(tanh, gated=True), "no plain perceptron"),
        (lambda: network(tanh, fourier=pn.Fourier(4)), "Fourier"),
        (lambda: jax.tree.map(lambda a: a * jnp.nan if eqx.is_inexact_array(a) else a, network(tanh)), "finite"),
    ],
)
def test_what_has_no_c_is_refused(broken, said):
    with pytest.raises(ValueError, match=said):
        c_source.c_source(broken())
    with pytest.raises(ValueError, match="name"):
        c_source.c_source(network(tanh), name="int main")


def test_without_a_compiler_it_says_so(monkeypatch):
    monkeypatch.setattr(c_source.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="no C compiler"):
        c_source.c_source(network(tanh)).compiled()
