"""The second stage: what least squares take away, what is kept, and the error estimate that comes of it."""

import signal
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import fisher, heat
from scipy.spatial import KDTree

import pinnact as pn
from pinnact import correction, fitting, library
from pinnact.features import Enriched, drawn
from pinnact.model import build_model
from pinnact.networks import Inputs
from pinnact.precision import precision
from pinnact.system import System

SMALL = {"features": 200, "points": 800}
POINTS = pn.Points(interior=200, condition=50)


def trained(problem, network=None, **options):
    return pn.solve(problem, network or pn.MLP(width=8, depth=1), steps=60, points=POINTS, **options)


@pytest.fixture(scope="module")
def rough():
    """Heat after sixty steps: an error of some per cent."""
    return trained(heat())


@pytest.fixture(scope="module")
def corrected(rough):
    return rough.corrected(**SMALL)


def test_a_linear_problem_is_solved(rough, corrected):
    before, after = rough.error()["u"], corrected.error()["u"]
    assert before > 1e-4 and after < 1e-5 * before
    assert corrected.summary["residual_left"] < 1e-5
    assert corrected.summary["relative_l2"]["u"] == after and rough.error()["u"] == before


def test_what_is_built_in_stays(corrected):
    t = np.linspace(0, 1, 11)
    np.testing.assert_allclose(corrected(x=np.ones(11), t=t), 0.0, atol=1e-12)
    np.testing.assert_allclose(corrected(x=t, t=0.0), np.sin(np.pi * t), atol=1e-12)


def test_the_estimate_is_the_error(rough, corrected):
    assert rough.error_estimate(**SMALL)["u"] == pytest.approx(rough.error()["u"], rel=1e-4)
    assert 0 < corrected.error_estimate(**SMALL)["u"] < 1e-6  # from other random numbers


def test_another_second_stage_is_kept_only_where_it_is_better(corrected):
    worse = corrected.corrected(features=4, points=300)
    assert worse.error() == corrected.error() and len(worse.history) == len(corrected.history)


def test_where_nothing_can_be_fitted_there_is_no_estimate(rough, monkeypatch):
    monkeypatch.setattr(fitting, "least_squares", lambda matrix: (np.zeros(matrix.shape[1] - 1), 1.0))
    found = rough.corrected(**SMALL)
    assert found.error() == rough.error() and found.summary["residual_left"] == 1
    assert np.isnan(rough.error_estimate(**SMALL)["u"])


def test_what_leaves_much_has_no_estimate(caplog):
    """Three waves find next to nothing of what an untrained network misses: their distance would be silent about it."""
    untrained = pn.solve(heat(), pn.MLP(width=6, depth=1), steps=1, points=POINTS)
    few = {"features": 3, "points": 300, "tangents": False}
    assert untrained.corrected(**few).summary["residual_left"] > 0.1
    assert np.isnan(untrained.error_estimate(**few)["u"])
    assert "no error estimate: a second stage leaves 0." in caplog.text


def test_tangents_that_are_too_rough_are_refused():
    """Those of a C^1 network jump, and no point falls on a jump."""
    line = pn.Interval(x=(0, 1))
    problem = pn.Problem(
        line, equations={"f": lambda u: u.xx + 1}, conditions={"ends": pn.On(line.boundary, lambda u: u)}
    )
    with pytest.warns(pn.SmoothnessWarning):
        rough = pn.solve(problem, pn.MLP(width=4, depth=1, activation=pn.elu), steps=3, points=POINTS)
    with pytest.raises(pn.SmoothnessError, match="the tangents of elu"):
        rough.corrected(**SMALL)


@pytest.mark.slow
def test_a_corrected_network_of_ones_own_is_loaded(tmp_path):
    own = pn.MLP(width=5, depth=1, activation=pn.Activation(lambda x: jnp.sin(2 * x), smoothness=np.inf, name="own"))
    found = trained(heat(), own).corrected(**SMALL)
    found.save(tmp_path / "solution.eqx")
    again = pn.load(tmp_path / "solution.eqx", heat(), own)
    assert again(x=0.3, t=0.4) == found(x=0.3, t=0.4) and again.network == found.network


def test_an_equation_that_is_not_linear_takes_several_steps():
    """u' = -u^2, u(0) = 1: u = 1 / (1 + t)."""
    domain = pn.Time(t=(0, 2))
    start = {"start": pn.On(domain.initial, lambda u: u - 1)}
    problem = pn.Problem(
        domain, equations={"decay": lambda u: u.t + u**2}, conditions=start, reference=lambda t: 1 / (1 + t)
    )
    rough = pn.solve(problem, pn.MLP(width=4, depth=1), steps=4, points=POINTS)
    once, often = (rough.corrected(features=40, points=300, steps=k).error()["u"] for k in (1, 6))
    assert rough.error()["u"] > 1e-3 and often < 1e-10 < once


@pytest.mark.slow
def test_penalties_and_several_networks_are_corrected_too():
    """(u, v) = (sin t, cos t), soft conditions, a network each."""
    domain = pn.Time(t=(0, 3))
    problem = pn.Problem(
        domain,
        unknowns=("u", "v"),
        equations={"u": lambda u, v: u.t - v, "v": lambda u, v: v.t + u},
        conditions={"start": pn.On(domain.initial, lambda u, v: (u, v - 1))},
        reference={"u": lambda t: np.sin(t), "v": lambda t: np.cos(t)},
    )
    networks = {"u": pn.MLP(width=5, depth=1), "v": pn.MLP(width=6, depth=1)}
    rough = trained(problem, networks, hard=False)
    found = rough.corrected(features=60, points=400)
    assert max(rough.error().values()) > 1e-4 and max(found.error().values()) < 1e-8


def test_a_corrected_solution_is_saved_and_loaded(corrected, tmp_path):
    corrected.save(tmp_path / "solution.eqx")
    again = pn.load(tmp_path / "solution.eqx", heat())
    np.testing.assert_array_equal(again(x=0.3, t=0.4), corrected(x=0.3, t=0.4))
    assert again.summary["residual_left"] == corrected.summary["residual_left"]


@pytest.mark.slow
def test_what_was_trained_in_float32_is_corrected_in_float64(tmp_path):
    rough = trained(heat(), precision="float32")
    found = rough.corrected(**SMALL)
    assert rough.error()["u"] > 1e-4 and found.error()["u"] < 1e-6 and found.summary["precision"] == "float64"
    found.save(tmp_path / "solution.eqx")
    assert pn.load(tmp_path / "solution.eqx", heat())(x=0.3, t=0.4) == found(x=0.3, t=0.4)


def test_more_coefficients_than_points_are_refused(rough):
    with pytest.raises(ValueError, match=r"points=100: 100 rows for 233 coefficients; give more points"):
        rough.corrected(features=200, points=100)


def test_at_zero_the_second_stage_changes_nothing():
    """Value and derivatives; and features are the same for the same seed only."""
    inputs, first = Inputs({"x": (-1.0, 3.0), "t": (0.0, 1.0)}, ("x",)), pn.MLP(width=5, depth=2)
    stage, alone = (r.build(inputs, 2, jax.random.key(4)) for r in (Enriched(first, features=7), first))
    point = jnp.array([0.3, 0.6])
    np.testing.assert_allclose(jax.jacfwd(stage)(point), jax.jacfwd(alone)(point), rtol=1e-13)
    assert np.array_equal(drawn(7, 3, 3.0, 20.0, 0)[0], drawn(7, 3, 3.0, 20.0, 0)[0])
    assert not np.array_equal(drawn(7, 3, 3.0, 20.0, 0)[0], drawn(7, 3, 3.0, 20.0, 1)[0])
    for wrong in ({"features": 0}, {"lowest": 0.0}, {"lowest": 3.0, "highest": 2.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Enriched(first, **wrong)


# -- as the end of a run -----------------------------------------------------------------------------------------------


def test_waves_alone_are_fitted_where_nothing_is_trained(rough, monkeypatch):
    """On penalties and integrals, slice by slice, rows and slopes are those of the whole, and told apart as these."""
    alone = rough.corrected(features=60, points=300, tangents=False)
    stage, still = alone.model.networks[0], jax.tree.leaves(alone.model.networks[0].direction)
    assert len(still) == 4 and not any(np.any(leaf) for leaf in still) and np.any(stage.coefficients)
    assert alone.error()["u"] < rough.error()["u"]
    line = pn.Interval(x=(0, 1))
    left, right = line.boundary["x_min"], line.boundary["x_max"]
    conditions = {"left": pn.On(left, lambda u: u), "right": pn.On(right, lambda u: u.x)}
    conditions["mean"] = pn.Integral(line.interior, lambda u: u, equals=0.3)
    problem = pn.Problem(line, equations={"e": lambda u, x: u.xx + jnp.sin(5 * x)}, conditions=conditions)
    soft = pn.solve(problem, pn.MLP(width=6, depth=1), steps=1, hard=False, correct=False)
    monkeypatch.setattr(fitting, "SLICE", 70)  # of 200 points: the last of three slices is filled up
    with precision("float64"):
        for tangents in (False, True):
            fit = correction._fitted(soft, 40, 200, tangents=tangents)[2]
            p, batches = fit.start + 0.1, fit.unseen[0]
            weighted = fit.system.weighted(fit._at(p), batches, fit.weights)
            sums = {name: float(np.sum(np.asarray(rows) ** 2)) for name, rows in weighted.items()}
            assert fit.squares(p, batches) == pytest.approx(sums, rel=1e-9)
            rows, slopes = fit.system.jacobian(fit._at(p), batches, fit.weights, fit.trained)
            whole = np.column_stack([slopes, -rows])
            np.testing.assert_allclose(fit.equations(p, batches), whole, rtol=1e-9, atol=1e-9 * np.max(np.abs(whole)))


def test_with_another_lift_the_first_step_starts_from_the_trained_field():
    """Of an equation with u^2, residuals extrapolated from the trained field miss those with the other lift by the
    square of how far the lifts are apart."""
    known = pn.solve(fisher(), pn.MLP(width=6, depth=1), steps=20, points=POINTS)
    apart = lambda point: 0.1 * point[1:] * jnp.sin(jnp.pi * point[:1])
    lift = known.system.ansatz.lift
    moved = replace(known.system.ansatz, lift=lambda point: lift(point) + apart(point))
    with precision("float64"):
        other = System(known.problem, moved, known.system.engine)
        blank = build_model(known.problem, Enriched(known.network, 20), jax.random.key(0))
        models = known.model, correction._staged(blank, known.model)
        fit = fitting.Fit(other, *models, 300, 0, True, known.system)
        found = fit.equations(fit.start, fit.batches, fit.before)
        rows, slopes = known.system.jacobian(fit._at(fit.start), fit.before, fit.weights, fit.trained)
        there = other.rows(fit._at(fit.start), fit.batches, fit.weights)
        square = jax.vmap(apart)(fit.batches["interior"].points)[:, 0] ** 2 / np.sqrt(300)
    assert np.max(square) > 1e-4 and np.max(np.abs(there - rows)) > 1e-3
    np.testing.assert_allclose(found[:, :-1], slopes, rtol=1e-9, atol=1e-9 * np.max(np.abs(slopes)))
    np.testing.assert_allclose(-found[:, -1], there - square, rtol=1e-9, atol=1e-12)


def test_full_steps_raise_a_small_residual_first_where_errors_grow():
    """Fisher's front: a shift leaves a small residual, its square a large one; shorter steps would bring nothing."""
    problem = library.make(library.find("pde/fisher"), {"growth": 40.0})
    trained = pn.solve(problem, pn.MLP(16, 2), steps=400, correct=False, points=pn.Points(interior=600))
    found = trained.corrected(features=300, points=3200, steps=6)
    assert trained.error()["u"] > 1e-3 and found.error()["u"] < 1e-5


def test_a_signal_ends_a_second_stage_with_what_it_has(rough, monkeypatch):
    monkeypatch.setattr(fitting, "REACHED", 0.0)
    monkeypatch.setattr(fitting, "ROUND_OFF", 0.0)
    monkeypatch.setattr(fitting, "PROGRESS", 2.0)
    solver, calls = fitting.least_squares, []

    def interrupted(*arguments):
        calls.append(1)
        signal.raise_signal(signal.SIGTERM)
        return solver(*arguments)

    monkeypatch.setattr(fitting, "least_squares", interrupted)
    found = rough.corrected(**SMALL)
    assert len(calls) == 1 and found.summary["stopped"] == "terminated" and found.error()["u"] < rough.error()["u"]


def test_a_narrow_load_that_few_points_miss_is_not_taken_for_solved(monkeypatch):
    """It lies where neither the points that are fitted nor the first others are, but some of all the others."""
    square = pn.Rectangle(x=(0, 1), y=(0, 1))
    seen, others, *more = (square.interior.sample(600, "sobol", k * fitting.UNSEEN).points for k in range(1, 10))
    from_both = KDTree(np.concatenate([seen, others])).query(np.concatenate(more))[0]
    middle, radius = np.concatenate(more)[np.argmax(from_both)], 0.9 * np.max(from_both)
    load = lambda x, y: 1e3 * jnp.maximum(0, 1 - ((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / radius**2) ** 4
    problem = pn.Problem(
        square,
        equations={"e": lambda u, x, y: u.laplacian + jnp.sin(3 * x) + load(x, y)},
        conditions={"walls": pn.On(square.boundary, lambda u: u)},
    )
    rough, left = pn.solve(problem, pn.MLP(width=6, depth=1), steps=1, correct=False), {}
    for unseen in (600, 4800):
        monkeypatch.setattr(fitting, "POINTS", unseen)
        left[unseen] = rough.corrected(features=100, points=600, tangents=False).summary["residual_left"]
    assert left[600] < 1e-3 and left[4800] > 0.1
