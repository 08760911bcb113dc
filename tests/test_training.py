"""The training loop: when it stops, what it keeps, that it repeats itself, and that it gets there."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import decay, heat
from programs import equations

import pinnact as pn
from pinnact import flat, run
from pinnact.history import History
from pinnact.optimisers import LBFGS, AbstractOptimiser, Stage, adam
from pinnact.optimisers.base import Step
from pinnact.training import Limits

ROOT = Path(__file__).resolve().parent.parent
SMALL = pn.MLP(width=6, depth=1)
FEW = pn.Points(interior=64, condition=16)


def solve(problem=None, network=SMALL, **options):
    return pn.solve(problem or decay(), network, points=FEW, **options)


# -- stopping ----------------------------------------------------------------------------------------------------------


def test_stops_after_steps():
    solution = solve(steps=37)
    assert (solution.summary["stopped"], solution.summary["steps"]) == ("steps", 37)
    steps = solution.history.column("step")
    assert steps[0] == 0 and steps[-1] == 37 and steps == sorted(set(steps))
    assert solution.summary["loss"] == solution.history.column("loss")[-1] < solution.history.column("loss")[0]


def test_stops_when_the_budget_is_spent():
    solution = solve(optimiser="adam", budget=4.0)
    assert solution.summary["stopped"] == "budget"
    assert 4.0 <= solution.summary["seconds"] < 20.0


def test_stops_at_a_tolerance():
    solution = solve(tolerance=1e-3, steps=5000)
    assert solution.summary["stopped"] == "tolerance" and solution.summary["loss"] <= 1e-3
    assert 0 < solution.summary["steps"] < 5000


def test_stops_without_progress():
    """No function solves both equations: the least-squares compromise is found, and then nothing improves."""
    solution = solve(_contradiction(), optimiser="adam", patience=50, steps=50_000)
    assert solution.summary["stopped"] == "patience" and solution.summary["steps"] < 50_000
    assert solution.summary["loss"] == pytest.approx(2.0, rel=1e-2)


def _contradiction():
    domain = pn.Time(t=(0, 1))
    return pn.Problem(domain, equations={"up": lambda u: u - 1.0, "down": lambda u: u + 1.0})


class Stuck(AbstractOptimiser):
    """A method that does nothing, and says at its third step that it is stuck; its state names one array twice."""

    name: str = "stuck"
    second_order: bool = False

    def init(self, parameters, value, gradient):
        count = jnp.zeros(())
        return count, count

    def refresh(self, state, value, gradient):
        return state

    def step(self, objective, parameters, state):
        return Step(parameters, (state[0] + 1, state[1]), objective.value(parameters), state[0] >= 2)


def test_a_method_that_is_stuck_hands_over_or_ends():
    assert solve(optimiser=Stuck(), steps=50).summary["stopped"] == "stalled"
    summary = solve(optimiser=[Stage(Stuck()), Stage(adam())], steps=50).summary
    assert (summary["stopped"], summary["steps"], summary["optimiser"]) == ("steps", 50, "stuck+adam")


def test_stages_hand_over():
    parts = [Stage(adam(), steps=20), Stage(LBFGS(), steps=15)]
    solution = solve(optimiser=parts, budget=100)
    assert solution.summary["optimiser"] == "adam+lbfgs"
    assert (solution.summary["steps"], solution.summary["stopped"]) == (35, "steps")
    rows = {row["step"]: row["loss"] for row in solution.history}
    alone = solve(optimiser="adam", steps=20)
    assert rows[20] == alone.summary["loss"]  # the second method starts where the first one ended
    assert rows[35] < rows[20]


def test_a_method_that_goes_on_keeps_what_it_knows():
    """With the same points its steps are those of one stage, to round-off; another method's begin anew."""
    method = pn.SelfScaledBroyden()
    whole = parameters(solve(optimiser=method, steps=24))
    parts = [solve(optimiser=[Stage(method, steps=12), Stage(of)], steps=24) for of in (method, method.eased(1))]
    off = [float(np.max(np.abs(parameters(part) - whole))) for part in parts]
    assert off[0] < 1e-8 * np.max(np.abs(whole)) < 1e-3 * off[1]
    assert parts[0].summary["optimiser"] == "ssbroyden"


def test_a_share_of_the_steps():
    solution = solve(optimiser=[Stage(adam(), share=0.25), Stage(LBFGS())], steps=40)
    assert 10 in solution.history.column("step") and solution.summary["steps"] == 40


@pytest.mark.parametrize(
    "limits, match",
    [
        ({"budget": 0}, "budget=0"),
        ({"budget": float("inf")}, "budget=inf"),
        ({"steps": -1}, "steps=-1"),
        ({"tolerance": 0.0}, "tolerance=0.0"),
        ({"patience": 0}, "patience=0"),
        ({"budget": None}, "would never end"),
    ],
)
def test_limits_are_checked(limits, match):
    with pytest.raises(ValueError, match=match):
        Limits(**limits)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"optimiser": "adm"}, "did you mean 'adam'"),
        ({"optimiser": []}, "no stage"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**31}, "seed=2147483648"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"engine": "jet"}, "engine 'jet'"),
        ({"precision": "float16"}, "precision 'float16'"),
        ({"network": {"v": SMALL}}, "networks for v; give one for each unknown: u"),
        ({"network": lambda point: jnp.ones(3)}, r"gives shape \(3,\), the problem needs \(1,\)"),
    ],
)
def test_wrong_arguments_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        solve(**options)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"budget": "60"}, "budget='60': it must be above 0 and finite, a number"),
        ({"network": pn.MLP}, r"network=MLP is no network; give a recipe such as pn.MLP\(\)"),
        ({"network": "mlp"}, "network='mlp' is no network"),
    ],
)
def test_arguments_of_the_wrong_kind(arguments, said):
    with pytest.raises(ValueError, match=said):
        pn.solve(decay(), **arguments)


def test_a_reference_that_is_not_finite_is_told_before_training():
    hole = replace(decay(), reference=lambda t: jnp.sin(t) / t)
    with pytest.raises(ValueError, match=r"reference of 'u' is not finite at t=0; give it its value there"):
        pn.solve(hole, steps=1)


def test_a_problem_that_is_none():
    with pytest.raises(ValueError, match=r"no pn\.Problem; call the problem's function"):
        pn.solve(decay)


# -- interrupts -------------------------------------------------------------------------------------------------------


def test_an_interrupt_keeps_what_was_reached(monkeypatch):
    append = History.append

    def interrupt(self, step, *rest):
        append(self, step, *rest)
        if step >= 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(History, "append", interrupt)
    solution = solve(budget=100, correct=False)
    assert solution.summary["stopped"] == "interrupted" and 5 <= solution.summary["steps"] < 50
    monkeypatch.undo()
    same = solve(steps=solution.summary["steps"])
    assert np.array_equal(same(t=np.linspace(0, 1, 9)), solution(t=np.linspace(0, 1, 9)))


def test_an_interrupt_between_stages_does_not_go_on(monkeypatch):
    """Also the second stage is left out."""
    started = []
    stage = run.Run._stage

    def once(self, *arguments, **named):
        started.append(1)
        yield from stage(self, *arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.Run, "_stage", once)
    solution = solve(optimiser=[Stage(adam(), steps=3), Stage(LBFGS(), steps=3)], budget=100)
    assert started == [1] and solution.summary["stopped"] == "interrupted" and solution.summary["steps"] == 3


# -- repeatability and precision ---------------------------------------------------------------------------------------


def parameters(solution):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(solution.model) if isinstance(leaf, jax.Array)])


def test_a_seed_fixes_every_bit():
    options = {"steps": 25, "resampling": pn.ResidualAdaptive(every=10)}
    first, second = (solve(seed=3, **options) for _ in range(2))
    assert np.array_equal(parameters(first), parameters(second))
    assert first.history.column("loss")[-1] == second.history.column("loss")[-1]
    other = solve(seed=4, **options)
    assert not np.allclose(parameters(first), parameters(other))


def test_float32_trains_and_answers_in_float64():
    solution = solve(precision="float32", steps=60)
    assert {leaf.dtype for leaf in jax.tree.leaves(solution.model) if isinstance(leaf, jax.Array)} == {np.dtype("f4")}
    values = solution(t=np.linspace(0, 1, 9))
    assert values.dtype == np.float64 and solution.error()["u"] < 0.1
    assert solution.summary["precision"] == "float32"


def test_jax_is_left_as_it_was():
    """In a process of its own, where nobody else has set the precision."""
    code = (
        "import jax, numpy as np, pinnact as pn\n"
        "domain = pn.Time(t=(0, 1))\n"
        "problem = pn.Problem(domain, equations={'e': lambda u: u.t + u},"
        " conditions={'s': pn.On(domain.initial, lambda u: u - 1)}, reference=lambda t: np.exp(-t))\n"
        "before = dict(jax.config.values)\n"
        "solution = pn.solve(problem, pn.MLP(width=4, depth=1), steps=20, points=pn.Points(32, 4), optimiser='adam')\n"
        "assert not jax.config.jax_enable_x64 and dict(jax.config.values) == before\n"
        "assert jax.numpy.ones(3).dtype == 'float32'\n"
        "leaves = [leaf for leaf in jax.tree.leaves(solution.model) if isinstance(leaf, jax.Array)]\n"
        "assert {str(leaf.dtype) for leaf in leaves} == {'float64'}\n"
        "assert solution(t=np.zeros(2)).dtype == 'float64'\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("JAX_ENABLE_X64", None)
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr


# -- the compiled loop -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["auto", "lm", "adam"])
def test_a_chunk_never_calls_back(optimiser, monkeypatch):
    """A chunk is one compiled loop without a callback into Python."""
    seen = []
    chunk = flat.Flat.chunk

    def watched(self, method):
        compiled = chunk(self, method)

        def call(*arguments):
            program = jax.make_jaxpr(compiled)(*arguments).jaxpr
            seen.append({equation.primitive.name for equation in equations(program)})
            raise KeyboardInterrupt  # seen enough

        return call

    monkeypatch.setattr(flat.Flat, "chunk", watched)
    solve(optimiser=optimiser, steps=2)
    assert seen
    for names in seen:
        assert "while" in names and "tanh" in names
        assert not [name for name in names if "callback" in name or "infeed" in name or "outfeed" in name]


def test_many_steps_are_one_call(monkeypatch):
    calls = []
    chunk = flat.Flat.chunk

    def counted(self, method):
        compiled = chunk(self, method)
        return lambda *arguments: (calls.append(1), compiled(*arguments))[1]

    monkeypatch.setattr(flat.Flat, "chunk", counted)
    solution = solve(optimiser="adam", steps=1000)
    assert solution.summary["steps"] == 1000 and len(calls) < 40


# -- accuracy: bounds that only real bugs break ------------------------------------------------------------------------


@pytest.mark.slow
def test_heat_is_solved():
    assert solve(heat(), pn.MLP(width=10, depth=2), steps=400).error()["u"] < 1e-4


def test_decay_is_solved_by_every_method():
    for optimiser in ("auto", "lm", "lbfgs"):
        assert solve(optimiser=optimiser, steps=60).error()["u"] < 1e-3


def test_soft_conditions_reach_the_same_solution():
    assert solve(steps=150, hard=False).error()["u"] < 1e-3


def test_a_network_of_ones_own_and_one_an_unknown():
    domain = pn.Time(t=(0, 1))
    turn = pn.Problem(
        domain,
        unknowns=("x", "v"),
        equations={"x": lambda x, v: x.t - v, "v": lambda x, v: v.t + x},
        conditions={"x0": pn.On(domain.initial, lambda x: x), "v0": pn.On(domain.initial, lambda v: v - 1)},
        reference={"x": lambda t: np.sin(t), "v": lambda t: np.cos(t)},
    )
    solution = solve(turn, {"x": SMALL, "v": pn.MLP(width=5, depth=1, activation=pn.gelu)}, steps=120)
    assert max(solution.error().values()) < 1e-3
    assert solution.summary["activation"] == "tanh/gelu"
    assert solution.summary["network"] == "x: MLP 1x6, v: MLP 1x5"
