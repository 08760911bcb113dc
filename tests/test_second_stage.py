"""What comes before, beside and after training within a budget: when, how large, and what ends it."""

import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import fisher, heat

import pinnact as pn
from pinnact import correction, first_fits, fitting, second_stage
from pinnact.limits import Limits
from pinnact.second_stage import planned

POINTS = pn.Points(interior=200, condition=50)


@pytest.fixture(scope="module")
def rough():
    """Heat after sixty steps: an error of some per cent."""
    return pn.solve(heat(), pn.MLP(width=8, depth=1), steps=60, points=POINTS)


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


@pytest.mark.parametrize(("within", "fits", "ended"), [(60.0, 2, ""), (14.0, 4, "solved"), (8.0, 2, "solved")])
def test_useful_fits_go_on_as_long_as_they_gain_where_training_comes_too_late(within, fits, ended, monkeypatch):
    """Each takes 3 s and leaves half of the residual; training would take 12, four times as long as the first."""
    taken, at = [], SimpleNamespace(seconds=0.0, step=0)
    untrained = SimpleNamespace(problem=SimpleNamespace(fields={"u": SimpleNamespace(size=1)}))
    untrained.told = lambda known: untrained
    interrupts = SimpleNamespace(stopped="")
    run = SimpleNamespace(at=at, started=0.0, interrupts=interrupts, solution=lambda: untrained)

    def corrected(solution, features, *_, **__):
        taken.append(features)
        at.seconds += 3.0
        return SimpleNamespace(known={"residual_left": 0.01 * 0.5 ** len(taken)})

    monkeypatch.setattr(first_fits, "corrected", corrected)
    monkeypatch.setattr(first_fits.hosts, "seconds", lambda: 0.0)
    first = first_fits.FirstFits(run, within)
    first.fit()
    assert taken == [300, 600, 1200, 2400][:fits] and first.ended == ended and first.useful is first.best


@pytest.mark.parametrize("useful", [1e-3, pytest.param(0.0, marks=pytest.mark.slow)])
def test_what_was_found_before_training_is_kept_where_training_is_worse(useful, monkeypatch):
    """Where it left little of the residual."""
    monkeypatch.setattr(first_fits, "USEFUL", useful)
    monkeypatch.setattr(first_fits, "SOLVED", 0.0)
    monkeypatch.setattr(first_fits, "LEAST", -np.inf)  # of the budget: trained, however slow the machine
    monkeypatch.setattr(first_fits, "FITS", -np.inf)
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
