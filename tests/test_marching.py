"""The march through time: what windows of random waves find where training found nothing, and where there is none."""

import logging
import signal
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import fisher, heat

import pinnact as pn
from pinnact import marching, second_stage
from pinnact.lifts import for_problem
from pinnact.linearisation import linearised
from pinnact.networks import Inputs
from pinnact.precision import precision
from pinnact.system import System
from pinnact.windows import Windows

POINTS = pn.Points(interior=100, condition=20)
SMALL = {"windows": 3, "features": 60}
MORE = {"windows": 3, "features": 150}


def untrained(problem, network=None, **options):
    return pn.solve(problem, network or pn.MLP(width=4, depth=1), steps=1, points=POINTS, correct=False, **options)


@pytest.fixture(scope="module")
def nothing():
    return untrained(fisher())


@pytest.fixture(scope="module")
def marched(nothing):
    return nothing.marched(**SMALL)


def test_a_march_finds_what_training_has_not(nothing, marched):
    assert nothing.error()["u"] > 1e-2 and marched.error()["u"] < 1e-7
    assert marched.summary["residual_left"] < 1e-5 and "windows of 60 waves" in marched.summary["network"]
    last = marched.history.rows[-1]
    assert last["error"] == marched.error()["u"] and last["step"] == marched.summary["steps"] > 1


def test_what_is_built_in_stays(marched):
    line = np.linspace(0, 1, 11)
    np.testing.assert_allclose(marched(x=1.0, t=2 * line), 0.0, atol=1e-12)
    np.testing.assert_allclose(marched(x=line, t=0.0), np.sin(np.pi * line), atol=1e-12)


def test_windows_meet(marched):
    """Exactly in value, and to the accuracy of the solution in the rate that the equation gives."""
    x = np.linspace(0.05, 0.95, 19)
    for edge in marched.network.edges[1:-1]:
        for along in (None, "t"):
            value = lambda t: marched(x=x, t=t) if along is None else marched.derivative(along, x=x, t=t)  # noqa: B023
            np.testing.assert_allclose(value(edge - 1e-9), value(edge + 1e-9), atol=1e-5 if along else 1e-8)


@pytest.mark.slow
def test_more_waves_are_better(nothing, marched):
    few, some = (nothing.marched(windows=3, features=count).error()["u"] for count in (8, 20))
    assert marched.error()["u"] < 1e-1 * some < 1e-2 * few


@pytest.mark.slow
def test_a_second_march_replaces_the_first_only_where_it_is_better(marched):
    assert marched.marched(windows=3, features=10).error() == marched.error()
    assert type(marched.network.first).__name__ == "MLP"


@pytest.mark.slow
def test_rates_are_handed_over_where_the_equation_is_of_second_order():
    """u_tt = u_xx: u = sin(pi x) cos(pi t)."""
    domain = pn.Interval(x=(0, 1)) * pn.Time(t=(0, 1))
    problem = pn.Problem(
        domain,
        equations={"wave": lambda u: u.tt - u.xx},
        conditions={
            "walls": pn.On(domain.boundary, lambda u: u),
            "start": pn.On(domain.initial, lambda u, x: u - jnp.sin(jnp.pi * x)),
            "rate": pn.On(domain.initial, lambda u: u.t),
        },
        reference=lambda x, t: np.sin(np.pi * x) * np.cos(np.pi * t),
    )
    found = untrained(problem).marched(**SMALL)
    assert found.error()["u"] < 1e-6


@pytest.fixture(scope="module")
def turning():
    """(u, v) turns at a rate of 1 + x/2, a network each; marched through and untrained."""
    domain = pn.Interval(x=(-1, 1), periodic=True) * pn.Time(t=(0, 2))
    rate = lambda x: 1 + jnp.cos(jnp.pi * x) / 2
    problem = pn.Problem(
        domain,
        unknowns=("u", "v"),
        equations={"u": lambda u, v, x: u.t - rate(x) * v, "v": lambda u, v, x: v.t + rate(x) * u},
        conditions={"start": pn.On(domain.initial, lambda u, v: (u, v - 1))},
        reference={"u": lambda x, t: np.sin(rate(x) * t), "v": lambda x, t: np.cos(rate(x) * t)},
    )
    own = pn.Activation(lambda x: jnp.sin(2 * x), smoothness=np.inf, name="own")
    networks = {"u": pn.MLP(width=4, depth=1), "v": pn.MLP(width=5, depth=1, activation=own)}
    return untrained(problem, networks).marched(**MORE), networks


@pytest.mark.slow
def test_several_unknowns_with_networks_of_their_own(turning, tmp_path):
    found, networks = turning
    assert max(found.error().values()) < 1e-4
    found.save(tmp_path / "solution.eqx")
    again = pn.load(tmp_path / "solution.eqx", found.problem, networks)
    assert again.network == found.network and again(x=0.3, t=1.4) == found(x=0.3, t=1.4)


def test_a_marched_solution_is_saved_and_loaded(marched, tmp_path):
    marched.save(tmp_path / "solution.eqx")
    again = pn.load(tmp_path / "solution.eqx", fisher())
    np.testing.assert_array_equal(again(x=0.3, t=0.4), marched(x=0.3, t=0.4))
    assert again.network == marched.network


def test_where_there_is_no_march(nothing):
    line = pn.Interval(x=(0, 1))
    steady = pn.Problem(
        line, equations={"f": lambda u: u.xx + 1}, conditions={"ends": pn.On(line.boundary, lambda u: u)}
    )
    with precision("float64"):
        for problem, hard, reason in (
            (steady, True, "the domain has no space and time"),
            (heat(), False, "conditions must be built in exactly"),
            (heat().observe([[0.1, 0.2]], u=[0.3]), True, "it takes no data"),
            (fisher(), True, ""),
        ):
            assert reason in (found := marching.obstacle(System(problem, for_problem(problem, hard))))
            assert bool(found) == bool(reason)
    with pytest.raises(ValueError, match="no march through time: the domain has no space and time"):
        marching.marched(SimpleNamespace(system=System(steady, for_problem(steady))))
    for wrong in ({"windows": 0}, {"features": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            nothing.marched(**wrong)


def test_windows_get_no_second_stage(marched):
    with pytest.raises(ValueError, match="windows of waves get no second stage; march with more features="):
        marched.error_estimate()


def test_a_march_that_would_end_too_late_is_given_up(nothing, caplog):
    found = nothing.marched(windows=50, features=10, seconds=0.0)
    assert "it would not be over in time; give a larger budget" in caplog.text
    assert found.error() == nothing.error() and found.model is nothing.model


def test_a_signal_ends_a_march_with_what_training_had(nothing, monkeypatch):
    solver = marching.least_squares

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(marching, "least_squares", solver)
        return solver(*arguments)

    monkeypatch.setattr(marching, "least_squares", interrupted)
    found = nothing.marched(**SMALL)
    assert found.summary["stopped"] == "terminated" and found.error() == nothing.error()


def test_windows_go_on_from_those_before():
    """Whatever the coefficients: outputs of order 1 in their values, those of order 2 in their rates, too."""
    inputs, edges = Inputs({"x": (-1.0, 3.0), "t": (0.0, 1.0)}, ("x",)), (0.0, 0.3, 0.7, 1.0)
    for orders, joined in (((1, 0), ([0], [])), ((2, 1, 0), ([0, 1], [0]))):
        recipe = Windows(pn.MLP(width=3, depth=1), edges, orders, features=7)
        plain = recipe.build(inputs, len(orders), jax.random.key(1))
        own = jnp.asarray(np.random.default_rng(0).standard_normal(plain.coefficients.shape))
        field = eqx.tree_at(lambda w: w.coefficients, plain, own)
        for edge in edges[1:-1]:
            before, after = (jnp.array([0.3, edge + side * 1e-12]) for side in (-1, 1))
            jumps = (
                np.abs(field(after) - field(before)),
                np.abs((jax.jacfwd(field)(after) - jax.jacfwd(field)(before))[:, 1]),
            )
            for jump, whole in zip(jumps, joined, strict=True):
                assert np.all(jump[whole] < 1e-9) and np.all(np.delete(jump, whole) > 1e-2)
    for wrong in ({"edges": (0.0, 0.0)}, {"edges": (1.0,)}, {"features": 0}, {"lowest": 9.0}, {"orders": (3,)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Windows(**{"first": pn.MLP(), "edges": (0.0, 1.0)} | wrong)
    with pytest.raises(ValueError, match=r"orders=\(1,\): give one for each of 2 outputs"):
        Windows(pn.MLP(), edges).build(inputs, 2, jax.random.key(1))


# -- as the end of a run -----------------------------------------------------------------------------------------------


def test_affine_equations_are_known():
    assert linearised(heat()).affine() and not linearised(fisher()).affine()


def test_a_run_that_went_astray_ends_with_a_march(monkeypatch, caplog):
    monkeypatch.setattr(second_stage, "FEATURES", 60)
    monkeypatch.setattr(second_stage, "WINDOWS", 3)
    caplog.set_level(logging.INFO)
    found = pn.solve(fisher(), pn.MLP(width=4, depth=1), steps=2, points=POINTS, correct=True)
    assert "march through time" in caplog.text and found.error()["u"] < 1e-7
