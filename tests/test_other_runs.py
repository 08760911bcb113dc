"""A checkpoint of another run is refused, with what differs."""

import shutil

import optax
import pytest
from short_runs import decay, solve

import pinnact as pn
from pinnact import checkpoints
from pinnact.optimisers import LBFGS, Stage, adam

OTHERS = {
    "coefficient": ({"problem": decay(rate=2.0)}, r"coefficients was .*1.0.* and is .*2.0"),
    "width": ({"width": 5}, r"network was .*width: 4.* and is .*width: 5"),
    "seed": ({"seed": 1}, "seed was 0 and is 1"),
    "precision": ({"precision": "float32"}, "precision was float64 and is float32"),
    "soft": ({"hard": False}, "hard was true and is false"),
    "points": ({"points": pn.Points(interior=33, condition=4)}, "points was .*interior=32.* and is .*interior=33"),
    "weights": ({"weights": pn.Fixed(conditions=7.0)}, r"weights was .*100.* and is .*7"),
    "resampling": ({"resampling": pn.Keep()}, "resampling was Residual.* and is Keep"),
    "engine": ({"engine": "hessian"}, "engine was auto and is hessian"),
    "optimiser": ({"optimiser": "lbfgs"}, "optimisers were"),
    "optimiser's numbers": ({"optimiser": pn.SelfScaledBroyden(first_step=0.2)}, "optimisers were"),
    "equation": ({"problem": decay(curve=0.5)}, "the loss was .* equations or data differ"),
    "value built in": ({"problem": decay(start=1.5)}, "what is built in differs"),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    solve(steps=6, checkpoint=folder)
    return folder


@pytest.mark.parametrize("name", OTHERS)
def test_another_run_is_refused_with_what_differs(name, kept):
    options, message = OTHERS[name]
    before = {path: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(ValueError, match=message) as error:
        solve(**options, checkpoint=kept)
    assert "\n" not in str(error.value) and ".ckpt" in str(error.value)
    assert {path: path.read_bytes() for path in kept.iterdir()} == before


PLAN = (Stage(adam(1e-2), steps=9), Stage(LBFGS()))
OTHER_PLANS = {
    "steps": (Stage(adam(1e-2), steps=10), "steps=9, .* and are .*steps=10"),
    "share": (Stage(adam(1e-2), share=0.4), "steps=9, .* and are .*share=0.4"),
    "points": (Stage(adam(1e-2), steps=9, times=2), "times=1.* and are .*times=2"),
    "rate": (Stage(adam(2e-2), steps=9), r"step_size=-0.01\).* and are .*step_size=-0.02\)"),
    "schedule": (Stage(adam(1e-2, 50), steps=9), "optimisers were"),
    "transformation": (Stage(pn.Optax(optax.adamax(1e-2), "adam"), steps=9), "were .* and are"),
}


@pytest.mark.parametrize("name", OTHER_PLANS)
def test_another_plan_is_refused_with_what_differs(name, tmp_path):
    """Also of stages that are over, and what functions of Optax enclose."""
    solve(steps=3, optimiser=PLAN, checkpoint=tmp_path)
    stage, message = OTHER_PLANS[name]
    with pytest.raises(ValueError, match=message):
        solve(steps=12, optimiser=(stage, PLAN[1]), checkpoint=tmp_path)
    longer = solve(steps=12, optimiser=PLAN, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=message):
        solve(steps=15, optimiser=(stage, PLAN[1]), checkpoint=tmp_path)
    assert longer.summary["resumed"] == [3]


def test_states_of_another_make_are_refused(tmp_path):
    """Two transformations of Optax with the same numbers and arrays."""
    make = lambda init, name: pn.Optax(optax.GradientTransformation(init, optax.sgd(1e-2).update), name)
    solve(steps=3, optimiser=make(lambda p: (optax.EmptyState(), optax.EmptyState()), "sgd"), checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"the optimiser's state was .* and is"):
        solve(steps=6, optimiser=make(lambda p: [(), ()], "sgd"), checkpoint=tmp_path)


def test_the_automatic_choice_may_follow_another_budget(tmp_path):
    """From 45 s on its first stage has a share, and a second one follows."""
    solve(steps=None, budget=1.0, checkpoint=tmp_path)
    more = solve(steps=None, budget=60.0, tolerance=1e9, checkpoint=tmp_path)
    assert more.summary["stopped"] == "tolerance" and len(more.summary["resumed"]) == 1


def test_another_shape_with_the_same_box_is_refused(tmp_path):
    def poisson(*corners):
        domain = pn.Polygon([(0, 0), (1, 0), *corners, (0, 1)])
        conditions = {"wall": pn.On(domain.boundary, lambda u: u)}
        return pn.Problem(domain, equations={"poisson": lambda u: u.laplacian + 1}, conditions=conditions)

    solve(poisson((1, 1)), steps=2, hard=False, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="of another run, domain was Polygon"):
        solve(poisson((1, 1), (0.5, 0.5)), steps=2, hard=False, checkpoint=tmp_path)


def test_another_version_is_refused(kept, monkeypatch):
    monkeypatch.setattr(pn, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"written by pinnact 0\.\d.*, this is 9\.9"):
        solve(checkpoint=kept)


def test_other_packages_are_named_and_go_on(kept, tmp_path, monkeypatch, caplog):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    found = checkpoints.versions()
    monkeypatch.setattr(checkpoints, "versions", lambda: found | {"jax": "0.0.1"})
    solve(steps=8, checkpoint=tmp_path)
    assert "this is 0.0.1: the last digits may differ" in caplog.text
