"""Systems: the loss against residuals written by hand, its gradient, its rows and its Jacobian."""

import copy
from functools import partial
from math import pi

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.flat import Flat, Watch
from pinnact.lifts import build, plain
from pinnact.model import build_model
from pinnact.operators import forward, hessian_engine
from pinnact.parts import summed
from pinnact.placement import placement
from pinnact.system import System

KEY = jax.random.key(2)
NETWORK = pn.MLP(width=5, depth=1)
STRIP = pn.Interval(x=(-1, 1)) * pn.Time(t=(0, 1))
BURGERS = pn.Problem(
    STRIP,
    coefficients={"viscosity": 0.02},
    equations={"momentum": lambda u, viscosity: u.t + u * u.x - viscosity * u.xx},
    conditions={
        "walls": pn.On(STRIP.boundary, lambda u: u),
        "start": pn.On(STRIP.initial, lambda u, x: u + jnp.sin(pi * x)),
    },
)
SQUARE = pn.Rectangle(x=(0, 1), y=(0, 1))
EVERYTHING = (
    pn.Problem(
        SQUARE,
        unknowns={"v": 2, "h": complex},
        coefficients={"k": 2.0, "c": lambda x: 1 + x**2},
        equations={"div": lambda v, k: v.div - k, "wave": lambda h, c, k: c * h.xx + c.x * h.y - k * h},
        conditions={
            "walls": pn.On(SQUARE.boundary, lambda v, normal: v @ normal),
            "half": pn.On(SQUARE.interior.where(lambda x: x < 0.5), lambda v, x: v[0].y - x),
            "mean": pn.Integral(SQUARE.interior, lambda v: v[0], equals=0.3),
        },
    )
    .infer(k=pn.Positive(1.5))
    .observe(np.array([[0.2, 0.3], [0.7, 0.1], [0.4, 0.9]]), h=[1.0, 2.0 - 1j, 3j], v=np.ones((3, 2)))
)


class Setting:
    """A system with a model, batches and weights that are all unlike 1."""

    def __init__(self, problem, ansatz, engine=forward, n=12):
        self.system = System(problem, ansatz, engine)
        self.model = build_model(problem, NETWORK, KEY)
        self.batches = {}
        for name, group in self.system.groups.items():
            if group.observation is not None:
                batch = self.system.batch(group, problem.observations[group.observation].points)
            else:
                batch = self.system.batch(group, *group.region.sample(n, seed=3))
            shares = 1 + 0.5 * jnp.cos(jnp.arange(len(batch.points)))
            self.batches[name] = batch._replace(shares=shares / jnp.mean(shares))
        self.weights = {name: jnp.asarray(0.5 + i) for i, name in enumerate(self.system.names)}

    def of(self, method):
        return eqx.filter_jit(partial(method, self.system))(self.model, self.batches, self.weights)


@pytest.fixture(scope="module")
def burgers():
    return Setting(BURGERS, build(BURGERS))


@pytest.fixture(scope="module")
def everything():
    return Setting(EVERYTHING, plain(EVERYTHING))


def test_the_loss_of_burgers_by_hand(burgers):
    """The same ansatz, the residual by nested `jax.jvp`: lift -sin(pi x), factor (1 - x^2) t, both known by hand."""
    factor = lambda q: (1 - q[0] ** 2) * q[1]
    largest = np.max(np.abs([factor(q) for q in STRIP.sample(4096, seed=3)]))
    u = lambda q: -jnp.sin(pi * q[0]) + factor(q) / largest * burgers.model.networks[0](q)[0]

    def residual(q):
        x, t = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
        slope = lambda p: jax.jvp(u, (p,), (x,))[1]
        u_t = jax.jvp(u, (q,), (t,))[1]
        u_x, u_xx = jax.jvp(slope, (q,), (x,))
        return u_t + u(q) * u_x - 0.02 * u_xx

    batch = burgers.batches["interior"]
    rows = jax.jit(jax.vmap(residual))(batch.points)
    expected = burgers.weights["momentum"] * jnp.mean(batch.shares * rows**2)
    assert burgers.system.names == ("momentum",), "everything else is built in"
    np.testing.assert_allclose(burgers.of(System.loss), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["burgers", "everything"])
def test_the_engines_agree(name, request):
    ours = request.getfixturevalue(name)
    slow = Setting(ours.system.problem, ours.system.ansatz, hessian_engine)
    np.testing.assert_allclose(slow.of(System.rows), ours.of(System.rows), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["burgers", "everything"])
def test_jacobian_is_that_of_the_rows(name, request):
    """And so the gradient of the loss is 2 J^T r."""
    s = request.getfixturevalue(name)
    arrays, static = eqx.partition(s.model, eqx.is_inexact_array)
    flat, unravel = jax.flatten_util.ravel_pytree(arrays)
    model = lambda p: eqx.combine(unravel(p), static)
    rows = lambda p: s.system.rows(model(p), s.batches, s.weights)
    loss = lambda p: s.system.loss(model(p), s.batches, s.weights)
    together = lambda p: (rows(p), jax.jacrev(rows)(p), jax.grad(loss)(p), loss(p))
    values, slopes, gradient, value = jax.jit(together)(flat)
    found_values, found_slopes = s.of(System.jacobian)
    scale = np.max(np.abs(slopes))
    np.testing.assert_allclose(found_values, values, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found_slopes / scale, slopes / scale, atol=1e-13)
    np.testing.assert_allclose(2 * found_slopes.T @ found_values / scale, gradient / scale, atol=1e-11)
    np.testing.assert_allclose(jnp.vdot(values, values), value, rtol=1e-13)
    assert s.model.parameters == flat.size


@pytest.mark.parametrize("name, most", [("burgers", 5), ("everything", 7), ("everything", 12), ("everything", 1)])
def test_parts_of_the_points_sum_up_to_the_loss(name, most, request):
    """Loss, gradient and mean squares: parts that don't divide the 12 points, one of each, all."""
    s = request.getfixturevalue(name)
    watch = Watch(*[jnp.zeros(())] * 8)

    def found(most):
        flat = Flat(s.system, s.model, placement(None))
        assert flat.most == 24_000 // 5
        flat.most = most
        objective = flat._objective(s.batches, s.weights, watch, jnp.zeros(()))
        both = jax.jit(lambda p: (objective.value(p), objective.value_and_gradient(p)))(flat.start)
        return jax.tree.leaves((both, flat.evaluate(flat.start, s.batches, s.weights)))

    traced = jax.make_jaxpr(lambda p: summed(lambda part: p, p, s.batches, (), most))(jnp.zeros(()))
    assert ("scan" in str(traced)) == (most < 12)
    for one, other in zip(found(2**31), found(most), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-12 * float(np.max(np.abs(one))))


def test_all_points_go_together_where_parts_would_cost_more(burgers):
    """Several devices would send a message a part, and random directions are drawn for all points at once."""
    devices = copy.copy(placement(None))
    devices.count = 2
    assert Flat(burgers.system, burgers.model, devices).most == 2**31
    random = System(BURGERS, burgers.system.ansatz, forward, directions=2)
    assert Flat(random, burgers.model, placement(None)).most == 2**31


def test_the_loss_is_a_weighted_sum_of_mean_squares(everything):
    rows = eqx.filter_jit(everything.system.residuals)(everything.model, everything.batches)
    parts = everything.of(System.weighted)
    for group in everything.system.groups.values():
        shares = everything.batches[group.name].shares[:, None] if group.integral is None else 1.0
        for name in group.residuals:
            expected = everything.weights[name] * np.sum(np.mean(shares * rows[name] ** 2, axis=0))
            np.testing.assert_allclose(np.sum(parts[name] ** 2), expected, rtol=1e-12)
    total = sum(float(np.sum(part**2)) for part in parts.values())
    np.testing.assert_allclose(everything.of(System.loss), total, rtol=1e-12)


def test_groups_hold_residuals_that_share_their_points(everything):
    groups = everything.system.groups
    assert list(groups) == ["interior", "half", "mean", "walls", "data"], "the inside comes first"
    assert groups["interior"].residuals == ("div", "wave")
    assert np.all(everything.batches["half"].points[:, 0] < 0.5), "a part of the inside is a region of its own"
    assert np.any(everything.batches["interior"].points[:, 0] > 0.5)
    assert everything.batches["walls"].normals.shape == (12, 2)


def test_groups_know_their_rows(everything):
    rows = everything.system.residuals(everything.model, everything.batches)
    for group in everything.system.groups.values():
        assert group.widths == tuple(rows[name].shape[1] for name in group.residuals)
    assert max(group.widths for group in everything.system.groups.values()) == (4,)  # of data: h and two of v


def test_residuals_of_conditions_data_and_integrals_by_hand(everything):
    model, batches = everything.model, everything.batches
    rows = eqx.filter_jit(everything.system.residuals)(model, batches)
    net = jax.vmap(model.outputs)
    np.testing.assert_allclose(
        rows["walls"][:, 0], np.sum(net(batches["walls"].points)[:, :2] * batches["walls"].normals, axis=1), rtol=1e-12
    )
    data = net(batches["data"].points)
    expected = {"h": data[:, 2:] - np.array([[1, 0], [2, -1], [0, 3]]), "v": data[:, :2] - 1}
    np.testing.assert_allclose(rows["data"], np.concatenate([expected["h"], expected["v"]], axis=1), rtol=1e-12)
    batch = batches["mean"]
    mean = np.mean(batch.shares * net(batch.points)[:, 0]) * SQUARE.measure - 0.3
    assert rows["mean"].shape == (1, 1)
    np.testing.assert_allclose(rows["mean"], [[mean]], rtol=1e-12)


def test_an_integral_converges_to_its_value():
    """int_0^1 int_0^1 exp(x) y = (e - 1) / 2, by quasi-Monte Carlo."""
    p = pn.Problem(
        SQUARE, {"e": lambda u: u}, conditions={"i": pn.Integral(SQUARE.interior, lambda x, y: jnp.exp(x) * y)}
    )
    system = System(p, plain(p))
    model = build_model(p, NETWORK, KEY)
    errors = []
    for n in (64, 4096):
        batch = system.batch(system.groups["i"], SQUARE.sample(n))
        errors.append(abs(float(system.residuals(model, {"i": batch})["i"][0, 0]) - (np.e - 1) / 2))
    assert errors[1] < errors[0] / 10 and errors[1] < 1e-3


def test_lifts_computed_beforehand_equal_lifts_inside(burgers):
    """`functions` adds the lift inside; the batch carries its derivatives. Both give the same residual."""
    functions = burgers.system.functions(burgers.model)
    batch = burgers.batches["interior"]

    def residual(q):
        table = forward(functions["u"], q, [(), (0,), (1,), (0, 0)])
        return table[(1,)] + table[()] * table[(0,)] - 0.02 * table[(0, 0)]

    rows = eqx.filter_jit(burgers.system.residuals)(burgers.model, {"interior": batch})["momentum"][:, 0]
    np.testing.assert_allclose(rows, jax.jit(jax.vmap(residual))(batch.points), rtol=1e-12, atol=1e-13)
    assert set(batch.lift) == {(), (0,), (1,), (0, 0)}


def test_a_field_at_another_point_has_its_lift():
    p = pn.Problem(
        STRIP,
        {"e": lambda u, x, t: u(jnp.stack([-x, t])) - u},
        conditions={"start": pn.On(STRIP.initial, lambda u, x: u - x**3)},
    )
    s = Setting(p, build(p))
    u = s.system.functions(s.model)["u"]
    points = s.batches["interior"].points
    expected = jax.vmap(lambda q: u(q * jnp.array([-1.0, 1.0])) - u(q))(points)
    np.testing.assert_allclose(s.system.residuals(s.model, s.batches)["e"][:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("positive", [False, True])
def test_a_network_as_a_coefficient_has_derivatives(positive):
    """div(k grad u) = k u.xx + k.x u.x, with k a network, against `jax.grad` of the flux."""
    guess = pn.PositiveField(NETWORK) if positive else NETWORK
    line = pn.Interval(x=(0, 1))
    p = pn.Problem(line, {"flux": lambda u, k: k * u.xx + k.x * u.x}, coefficients={"k": 1.0}).infer(k=guess)
    s = Setting(p, plain(p))
    u, k = s.model.networks[0], s.model.coefficients["k"]
    assert s.model.parameters == 2 * (10 + 6)
    flux = lambda x: k(x[None]) * jax.grad(lambda y: u(y[None])[0])(x)
    expected = jax.jit(jax.vmap(jax.grad(flux)))(s.batches["interior"].points[:, 0])
    np.testing.assert_allclose(s.system.residuals(s.model, s.batches)["flux"][:, 0], expected, rtol=1e-11)
    if positive:
        assert float(k(jnp.array([0.3]))) > 0


@pytest.mark.parametrize(("guess", "value"), [(2.5, 2.5), (pn.Positive(1e-6), 1e-6), (pn.Bounded(3.0, 1.0, 4.0), 3.0)])
def test_inferred_constants_start_at_their_guess(guess, value):
    p = pn.Problem(pn.Interval(x=(0, 1)), {"e": lambda u, k: u - k + k.x}, coefficients={"k": 9.0}).infer(k=guess)
    model = build_model(p, NETWORK, KEY)
    np.testing.assert_allclose(model.coefficients["k"](jnp.zeros(1)), value, rtol=1e-12)
    assert model.parameters == 10 + 6 + 1
    s = Setting(p, plain(p))
    expected = jax.vmap(s.model.outputs)(s.batches["interior"].points)[:, 0] - value
    np.testing.assert_allclose(s.system.residuals(s.model, s.batches)["e"][:, 0], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "equation", [lambda u, k: u.x, lambda u, k, x: u * k(jnp.stack([x])), lambda u, k: u + k.xx, lambda k: k]
)
def test_coefficients_that_are_unused_or_used_in_odd_ways(equation):
    p = pn.Problem(pn.Interval(x=(0, 1)), {"e": equation}, coefficients={"k": 2.0})
    s = Setting(p, plain(p))
    assert np.all(np.isfinite(s.of(System.rows)))
