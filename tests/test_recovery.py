"""Losses that are not finite: back to the last finite state, on with more care, and what is kept in the end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import decay

import pinnact as pn
from pinnact import run
from pinnact.optimisers import AbstractOptimiser, SelfScaledBroyden, Stage, adam, squares, stages
from pinnact.optimisers.base import Step


def solve(problem=None, **options):
    return pn.solve(
        problem or decay(), pn.MLP(width=6, depth=1), points=pn.Points(interior=64, condition=16), **options
    )


def test_not_finite_keeps_the_last_good_state(caplog):
    """Nothing is finite above u = 2, and Adam goes there."""
    problem = decay(lambda u: u - 3 + 0 * jnp.sqrt(2 - u.value))
    solution = solve(problem, optimiser="adam", steps=20_000, hard=False)
    assert solution.summary["stopped"] == "not finite" and 0 < solution.summary["steps"] < 20_000
    assert np.isfinite(solution.history.column("loss")).all() and solution.summary["loss"] is not None
    values = solution(t=np.linspace(0, 1, 200))
    assert np.isfinite(values).all() and values.max() < 2.01  # between the points a little more
    steps = solution.summary["steps"]
    assert f"no longer finite: the state after step {steps} is kept" in caplog.text
    assert solution.history.column("step")[-1] == steps
    recovered = solution.summary["recovered"]  # three times, each a row
    assert len(recovered) == 3 == caplog.text.count("with more care") and recovered == sorted(recovered)
    assert set(recovered) <= set(solution.history.column("step"))


class Leaping(AbstractOptimiser):
    """Gradient descent that leaves the finite numbers after some steps, unless it is eased."""

    care: int = 0
    name: str = "leaping"
    second_order: bool = False

    def init(self, parameters, value, gradient):
        return jnp.zeros((), int)

    def refresh(self, state, value, gradient):
        return state

    def step(self, objective, parameters, state):
        value, gradient = objective.value_and_gradient(parameters)
        leap = jnp.where((state == 10) & (self.care < 2), jnp.nan, 1e-3)
        return Step(parameters - leap * gradient, state + 1, value, jnp.array(False))

    def eased(self, times):
        return Leaping(care=times)


def test_a_run_recovers_with_more_care():
    solution = solve(optimiser=Leaping(), steps=60)
    assert solution.summary["stopped"] == "steps" and solution.summary["steps"] == 60
    assert solution.summary["recovered"] == [10, 20]  # the state counts from 0 again
    losses = solution.history.column("loss")
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["ssbroyden", "lm", "lbfgs", "adam"])
def test_care_makes_the_first_step_smaller(name):
    """Each method's own: a smaller first step, more damping, a lower rate."""
    method = stages(name, 10, "float64", None)[0].optimiser
    target = jnp.linspace(1.0, 2.0, 10)
    objective = squares(lambda p: jnp.exp(p) - target)
    start = jnp.zeros(10)

    def length(optimiser):
        step = optimiser.step(objective, start, optimiser.init(start, *objective.value_and_gradient(start)))
        return float(jnp.linalg.norm(step.parameters))

    if name in ("ssbroyden", "lbfgs"):  # the line search may lengthen it again
        assert method.eased(2).first_step == pytest.approx(0.01 * method.first_step)
    else:
        assert 0 < length(method.eased(2)) < 0.2 * length(method)
    assert method.eased(0).name == method.name


def test_never_finite(caplog):
    solution = solve(decay(lambda u: jnp.sqrt(u.value - 1e6)), steps=5)
    assert "'decay' is not finite at t=" in caplog.text and "correct the equation or the domain" in caplog.text
    assert solution.summary["stopped"] == "not finite" and solution.summary["steps"] == 0
    assert np.isfinite(solution(t=np.linspace(0, 1, 9))).all()


@pytest.mark.parametrize(
    "options",
    [
        {"optimiser": Leaping(), "steps": 60},
        {"optimiser": "adam", "steps": 400, "tolerance": 0.2},
        {"optimiser": "ssbroyden", "steps": 400, "tolerance": 1e-5},
        pytest.param({"optimiser": "adam", "steps": 4000, "patience": 2}, marks=pytest.mark.slow),
        {"optimiser": [Stage(SelfScaledBroyden(), share=0.5), Stage(adam())], "steps": 300, "patience": 10},
    ],
    ids=["recovery", "tolerance", "tolerance of broyden", "patience", "patience of a stage"],
)
def test_where_a_run_ends_does_not_depend_on_how_the_clock_cuts_it(options, monkeypatch):
    ends = []
    for seconds in (1e-9, 10.0):  # a chunk of one step each; few long ones
        monkeypatch.setattr(run, "CHUNK_SECONDS", seconds)
        monkeypatch.setattr(run, "LONGEST_CHUNK", seconds)
        ends.append(solve(**options))
    first, second = ends
    for name in ("steps", "stopped", "recovered", "loss"):
        assert first.summary[name] == second.summary[name], name
    assert first.summary["steps"] < options["steps"] or first.summary["recovered"]
    assert len(first.history) > 2 * len(second.history)
    for a, b in zip(*(jax.tree.leaves(s.model) for s in ends), strict=True):
        if isinstance(a, jax.Array):
            np.testing.assert_array_equal(a, b)
