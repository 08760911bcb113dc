"""Seeds in one batched call: each ends where it ends alone, also where some are ready sooner than others."""

import os
import signal

import jax
import numpy as np
import pytest
from made_up import decay

import pinnact as pn
from pinnact import run, together
from pinnact.history import History
from pinnact.optimisers import LBFGS, SelfScaledBroyden, Stage, adam

SMALL = {"points": pn.Points(interior=32, condition=4)}


def parameters(solution):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(solution.model) if isinstance(leaf, jax.Array)])


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"optimiser": "ssbroyden", "steps": 12}, marks=pytest.mark.slow),
        pytest.param(
            {"optimiser": "lm", "steps": 8, "resampling": pn.ResidualAdaptive(every=3)}, marks=pytest.mark.slow
        ),
        pytest.param({"optimiser": [Stage(adam(), steps=10), Stage(LBFGS())], "steps": 25}, marks=pytest.mark.slow),
        {"optimiser": "ssbroyden", "steps": 300, "tolerance": 1e-4},
    ],
    ids=["ssbroyden", "lm", "stages", "tolerance"],
)
def test_seeds_together_end_where_each_ends_alone(options):
    both = pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=[3, 5], **SMALL, **options)
    for seed, solution in zip((3, 5), both, strict=True):
        alone = pn.solve(decay(), pn.MLP(4, 1), seed=seed, **SMALL, **options)
        assert solution.summary["seed"] == seed and solution.summary["stopped"] == alone.summary["stopped"]
        assert solution.summary["steps"] == alone.summary["steps"]
        np.testing.assert_allclose(parameters(solution), parameters(alone), rtol=1e-6, atol=1e-8)
    assert both[0].summary["steps"] != both[1].summary["steps"] or "tolerance" not in options


def test_a_seed_that_has_more_points_sooner_goes_on_by_itself(monkeypatch):
    counts, compute = [], together.Crew.compute

    def watched(self, method, given):
        counts.append([len(wish.batches["interior"].points) for wish in given])
        return compute(self, method, given)

    monkeypatch.setattr(together.Crew, "compute", watched)
    monkeypatch.setattr(run, "LONGEST_CHUNK", 0.0)  # step by step
    plan = [Stage(SelfScaledBroyden()), Stage(SelfScaledBroyden(), times=2)]
    both = pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=[3, 5], optimiser=plan, steps=300, patience=2, **SMALL)
    assert {tuple(each) for each in counts} >= {(32, 32), (32,), (64,)}, counts
    assert all(solution.summary["loss"] < 1e-6 for solution in both)


def test_each_seed_has_its_own_checkpoints(tmp_path):
    first = pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=2, steps=6, checkpoint=tmp_path, **SMALL)
    assert all(list((tmp_path / f"seed{n}").glob("*.ckpt")) for n in (0, 1))
    more = pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=2, steps=9, checkpoint=tmp_path, **SMALL)
    assert [s.summary["resumed"] for s in more] == [[6], [6]] and first[0].summary["steps"] == 6


def test_a_seed_that_began_with_others_goes_on_alone(tmp_path):
    pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=2, steps=6, checkpoint=tmp_path, **SMALL)
    alone = pn.solve(decay(), pn.MLP(4, 1), seed=1, steps=9, checkpoint=tmp_path / "seed1", **SMALL)
    assert alone.summary["resumed"] == [6] and alone.summary["steps"] == 9


@pytest.mark.parametrize("optimiser", ["adam", "ssbroyden"])
def test_seeds_share_their_calls(optimiser, monkeypatch):
    """Functions of Optax equal only themselves: every seed must ask for the same object."""
    sizes, compute = [], together.Crew.compute
    monkeypatch.setattr(
        together.Crew, "compute", lambda self, *given: sizes.append(len(given[1])) or compute(self, *given)
    )
    monkeypatch.setattr(together, "gain", lambda runs: 1.0)
    pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=3, steps=5, optimiser=optimiser, **SMALL)
    assert set(sizes) == {3}


def test_the_gain_is_measured():
    solutions = pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=3, steps=3, optimiser="adam", **SMALL)
    assert len({solution.summary["gain"] for solution in solutions}) == 1
    assert 0.05 < solutions[0].summary["gain"] < 50


def test_a_signal_ends_all_seeds_at_once(monkeypatch):
    """Nothing is measured then, which would take more steps."""
    monkeypatch.setattr(together, "gain", lambda _: pytest.fail("measured after a signal"))
    append = History.append

    def watched(self, step, *rest):
        append(self, step, *rest)
        if step == 1:
            monkeypatch.setattr(History, "append", append)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(History, "append", watched)
    solutions = pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=2, steps=50, optimiser="adam", **SMALL)
    assert [s.summary["stopped"] for s in solutions] == ["terminated"] * 2
    assert all(s.summary["steps"] < 50 and s.summary["gain"] is None for s in solutions)


def test_a_signal_while_the_gain_is_measured_loses_nothing(monkeypatch):
    measure = together.gain
    monkeypatch.setattr(together, "gain", lambda runs: os.kill(os.getpid(), signal.SIGINT) or measure(runs))
    solutions = pn.solve_seeds(decay(), pn.MLP(4, 1), seeds=2, steps=3, optimiser="adam", **SMALL)
    assert [s.summary["steps"] for s in solutions] == [3, 3]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": [1, 1]}, "each once"),
        ({"seeds": 0}, "at least one"),
        ({"seeds": 2, "devices": 2}, "devices=2"),
        pytest.param(
            {"seeds": 2, "network": pn.PirateNet(width=4, depth=1)}, "other constants", marks=pytest.mark.slow
        ),
    ],
)
def test_what_does_not_fit_is_refused(options, said):
    network = options.pop("network", pn.MLP(4, 1))
    with pytest.raises(ValueError, match=said):
        pn.solve_seeds(decay(), network, steps=2, **SMALL, **options)


def test_an_option_that_is_none_is_said():
    with pytest.raises(TypeError, match="stepz"):
        pn.solve_seeds(decay(), stepz=3)
