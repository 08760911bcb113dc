"""The second stage: what least squares take away, what is kept, and the error estimate that comes of it."""

import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import fisher, heat
from scipy.spatial import KDTree

import pinnact as pn
from pinnact import correction, first_fits, fitting, library, second_stage
from pinnact.features import Enriched, drawn
from pinnact.limits import Limits
from pinnact.model import build_model
from pinnact.networks import Inputs
from pinnact.precision import precision
from pinnact.second_stage import planned
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


def test_smooth_problems_are_solved_before_any_training():
    """Also by the first of three times as many waves, whose error is that of its own residual and no one else's."""
    solution = pn.solve(heat(), pn.MLP(width=6, depth=1), budget=10)
    (row,) = solution.history.rows
    known = solution.summary
    assert known["stopped"] == "solved" and known["settings"]["budget"] == 10 and "waves" in known["network"]
    assert (
        solution.error()["u"] < 1e-10 and row["step"] == known["steps"] == 1 and row["error"] == solution.error()["u"]
    )
    assert known["residual_left"] < 1e-9 and row["heat"] == pytest.approx(known["loss"])


@pytest.mark.parametrize(
    ("problem", "cores", "beside"), [(heat(), 2, False), (fisher(), 1, False), (fisher(), 2, True)]
)
def test_waves_are_fitted_beside_training_where_equations_are_not_linear(problem, cores, beside, monkeypatch):
    """And more than one core is there; that they suffice ends training after the steps at hand."""
    steps = []

    def fit(self):
        steps.append((self.run.at.step, threading.current_thread() is threading.main_thread()))
        self.best, self.left, self.ended = self.untrained.told({"residual_left": 0.0}), 0.0, "solved"

    monkeypatch.setattr(second_stage, "cores", lambda: cores)
    monkeypatch.setattr(first_fits.FirstFits, "fit", fit)
    monkeypatch.setattr(first_fits, "PATIENCE", 60.0)
    solution = pn.solve(problem, pn.MLP(width=4, depth=1), budget=20)
    ((step, alone),) = steps
    assert (step > 0) == beside and alone != beside
    known = solution.summary
    assert known["stopped"] == "solved" and known["optimiser"] == "least squares" and known["seconds"] < 20
    assert known["steps"] == 0 and not len(solution.history) and known["settings"]["budget"] == 20


@pytest.fixture
def beside(monkeypatch):
    """Two cores, and neither second stage nor march."""
    monkeypatch.setattr(second_stage, "cores", lambda: 2)
    monkeypatch.setattr(second_stage, "_marched", lambda solution, left: solution)
    monkeypatch.setattr(second_stage.SecondStagePlan, "_corrected", lambda self, solution, left: solution)
    return lambda fit: monkeypatch.setattr(first_fits.FirstFits, "fit", fit)


def test_what_fails_beside_training_is_told_and_training_goes_on(beside, caplog):
    def fails(self):
        raise ZeroDivisionError("in a thread")

    beside(fails)
    solution = pn.solve(fisher(), pn.MLP(width=4, depth=1), budget=10, points=POINTS)
    assert "no least squares beside training: ZeroDivisionError: in a thread" in caplog.text
    assert solution.summary["stopped"] == "budget" and solution.summary["steps"] > 0


def test_training_waits_for_the_fits_beside_it_and_knows_its_time(beside):
    ended = []

    def fit(self):
        while not self.run.stopped:
            time.sleep(0.1)
        time.sleep(0.5)
        ended.append(self.seconds)

    beside(fit)
    solution = pn.solve(fisher(), pn.MLP(width=4, depth=1), budget=10, points=POINTS)
    assert solution.summary["stopped"] == "budget" and solution.summary["seconds"] >= round(ended[0], 3)


def test_a_signal_ends_training_and_the_fits_beside_it(beside):
    """Whichever of the two sees it first, no second stage follows."""

    def fit(self):
        self.run.stepping.wait(60)
        signal.raise_signal(signal.SIGTERM)
        while not self.run.interrupts.stopped:  # main runs the handler
            time.sleep(0.01)
        self.ended = self.run.interrupts.stopped

    beside(fit)
    solution = pn.solve(fisher(), pn.MLP(width=4, depth=1), budget=30, points=POINTS)
    assert solution.summary["stopped"] == "terminated" and solution.summary["seconds"] < 20
    assert solution.summary["optimiser"] != "least squares"


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


@pytest.mark.parametrize("useful", [1e-3, pytest.param(0.0, marks=pytest.mark.slow)])
def test_what_was_found_before_training_is_kept_where_training_is_worse(useful, monkeypatch):
    """Where it left little of the residual."""
    monkeypatch.setattr(first_fits, "USEFUL", useful)
    monkeypatch.setattr(first_fits, "SOLVED", 0.0)
    monkeypatch.setattr(first_fits, "LEAST", -np.inf)  # of the budget: trained, however slow the machine
    monkeypatch.setattr(first_fits, "COMPILED", 0.0)
    monkeypatch.setattr(second_stage.SecondStagePlan, "_corrected", lambda self, solution, left: solution)
    monkeypatch.setattr(second_stage, "_marched", lambda solution, left: solution)
    solution = pn.solve(heat(), pn.MLP(width=6, depth=1), budget=10, points=POINTS)
    assert solution.summary["stopped"] in ("budget", "stalled") and (len(solution.history) == 1) == (useful > 0)
    assert (solution.error()["u"] < 1e-10) == (useful > 0)


def test_a_run_with_a_budget_ends_with_a_second_stage(monkeypatch):
    """Training has 6 s of the 15, less what it takes to log its last row; the history ends with that of the stage."""
    monkeypatch.setattr(first_fits, "TIMES", ())
    solution = pn.solve(heat(), pn.MLP(width=6, depth=1), budget=15, points=POINTS)
    last, before = solution.history.rows[-1], solution.history.rows[-2]
    assert "waves" in solution.summary["network"] and solution.summary["settings"]["budget"] == 15
    assert before["seconds"] > 2 and last["step"] > before["step"] and last["error"] == solution.error()["u"]
    assert last["error"] < 1e-3 * before["error"] and last["step"] == solution.summary["steps"]


def test_what_fails_in_the_second_stage_leaves_the_trained_solution(monkeypatch, caplog):
    def fails(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(fitting, "least_squares", fails)
    monkeypatch.setattr(correction, "FEATURES", 20)
    monkeypatch.setattr(correction, "POINTS", 200)
    solution = pn.solve(heat(), pn.MLP(width=6, depth=1), steps=5, points=POINTS, optimiser="adam", correct=True)
    assert "no second stage: no room" in caplog.text and solution.summary["steps"] == 5
    assert "waves" not in solution.summary["network"]
    with pytest.raises(ValueError, match=r"correct='yes': give True, False, or None"):
        pn.solve(heat(), pn.MLP(width=6, depth=1), steps=5, correct="yes")


def test_the_plan_of_a_second_stage():
    problem, limits, network = heat(), Limits(60.0), pn.MLP(width=6, depth=1)
    plan = lambda **given: planned(**{"correct": None, "problem": problem, "network": network, "optimiser": "auto",
                                      "limits": limits, "plain": True} | given)  # fmt: skip
    usual = plan()
    assert usual.limits.budget == 24 and usual.budget == usual.within == 60
    assert usual.on and usual.parameters == 25 and plan(limits=Limits(20.0)).limits.budget == 8
    without = [{"correct": False}, {"optimiser": "lm"}, {"limits": Limits(5.0)}, {"limits": Limits(None, 9)},
               {"limits": Limits(60.0, tolerance=1e-9)}, {"plain": False}, {"network": pn.MLP(width=60, depth=2)},
               {"network": pn.MLP(width=6, depth=1, activation=pn.elu)},
               {"problem": problem.observe([[0.1, 0.2]], u=[0.3])}]  # fmt: skip
    for given in without:
        assert not plan(**given).on and plan(**given).limits == given.get("limits", limits)
    whole = plan(correct=True, optimiser="lm")
    assert whole.on and whole.within is None and whole.limits == limits


def test_the_second_stage_is_the_largest_that_is_over_in_time_and_fits(rough, monkeypatch):
    taken = []
    monkeypatch.setattr(type(rough), "corrected", lambda self, features, **_: taken.append(features))
    plan = planned(None, heat(), pn.MLP(width=8, depth=1), "auto", Limits(60.0), True)
    for rate, most in ((1e30, 10**9), (1e30, 1500), (1e30, 1), (1e-9, 10**9)):
        monkeypatch.setattr(second_stage, "timed", lambda rate=rate: lambda m, n: 2 * m * n**2 / rate)
        monkeypatch.setattr(second_stage, "fits", lambda rows, columns, most=most: columns <= most)
        plan._corrected(rough, left=30.0)
    rows, columns = 10_606 + plan.parameters, 1000 + plan.parameters  # fewer points: heat is even about x=0.5
    monkeypatch.setattr(second_stage, "fits", lambda *_: True)
    for seconds in (29.0, 31.0):  # of the usual size
        monkeypatch.setattr(
            second_stage, "timed", lambda s=seconds: lambda m, n: s / second_stage.STAGE * m / rows * (n / columns) ** 2
        )
        plan._corrected(rough, left=30.0)
    assert taken == [2000, 1400, 150, 150, 1000, 700]


def test_full_steps_raise_a_small_residual_first_where_errors_grow():
    """Fisher's front: a shift leaves a small residual, its square a large one; shorter steps would bring nothing."""
    problem = library.make(library.find("pde/fisher"), {"growth": 40.0})
    trained = pn.solve(problem, pn.MLP(16, 2), steps=400, correct=False, points=pn.Points(interior=600))
    found = trained.corrected(features=300, points=3200, steps=6)
    assert trained.error()["u"] > 1e-3 and found.error()["u"] < 1e-5


def test_training_goes_on_where_a_second_stage_would_bring_nothing():
    """By a tenth of the budget while the residual of what is not linear is large; at last to the end."""
    problem, network = fisher(), pn.MLP(width=4, depth=1)
    solution, run = pn.solve(problem, network, steps=2, points=POINTS), SimpleNamespace()

    def until(seconds, left, problem=problem, budget=60.0, stopped="budget"):
        run.limits = Limits(seconds)
        solution.known |= {"seconds": seconds, "stopped": stopped}
        solution.history.rows[0]["loss"], solution.history.rows[-1]["loss"] = 4.0, 4.0 * left**2
        plan = planned(None, problem, network, "auto", Limits(budget), True)
        return run.limits.budget if plan.longer(run, solution) else None

    assert until(24.0, 0.04) == pytest.approx(30.0) and until(24.0, 0.02) is None
    assert until(24.0, 0.5) == pytest.approx(30.0) and until(24.0, 0.5, budget=90.0) is None  # then it marches
    assert until(40.0, 0.04) == pytest.approx(46.0) and until(43.0, 0.04) == pytest.approx(60.0)
    assert until(43.0, 0.02) is None and until(50.0, 0.02) == pytest.approx(60.0)
    assert until(60.1, 0.04) is None and until(24.0, 0.04, stopped="stalled") is None
    solution = pn.solve(heat(), network, steps=2, points=POINTS)
    assert until(24.0, 0.5, heat()) is None


def test_training_of_linear_equations_gets_what_a_second_stage_leaves(monkeypatch):
    """Half as much again as it should take is kept for it; and 0.4 of the budget at least is for training."""
    network, signals = pn.MLP(width=4, depth=1), SimpleNamespace(stopped="")
    monkeypatch.setattr(second_stage, "fits", lambda *_: True)
    for problem, seconds, expected in ((heat(), 10.0, 45.0), (heat(), 25.0, 24.0), (fisher(), 2.5, 24.0)):
        plan = planned(None, problem, network, "auto", Limits(60.0), True)
        rows, columns = int(30_000 / np.sqrt(2)) + plan.parameters, 2000 + plan.parameters
        rate = second_stage.STAGE * 2 * rows * columns**2 / seconds
        monkeypatch.setattr(second_stage, "timed", lambda rate=rate: lambda m, n: 2 * m * n**2 / rate)
        system = pn.solve(problem, network, steps=1, points=POINTS).system
        run = SimpleNamespace(system=system, limits=plan.limits, interrupts=signals)
        plan._share_out(run, SimpleNamespace(within=60.0, seconds=0.0, ended=""))
        assert run.limits.budget == pytest.approx(expected, abs=0.01)


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
