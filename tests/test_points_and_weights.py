"""Where points are drawn and how residuals are weighed while training goes on."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import heat

import pinnact as pn
from pinnact import collocation
from pinnact.collocation import Points, ResidualAdaptive, available, squares
from pinnact.lifts import for_problem
from pinnact.model import Model, build_model
from pinnact.scoring import Score, scoring_points
from pinnact.system import Batches, System
from pinnact.weights import Causal, Fixed, GradientNorm, gradient_norms

SMALL = pn.MLP(width=6, depth=2)


class Held(NamedTuple):
    """A system, a model and points."""

    system: System
    model: Model
    batches: Batches


def held(problem, points=None, hard=False):
    system = System(problem, for_problem(problem, hard))
    return Held(system, build_model(problem, SMALL, jax.random.key(0)), (points or Points(400, 100)).draw(system, 0))


def peak(power=200.0):
    """A residual that is large near x = 0.8 only, whatever the network."""
    domain = pn.Interval(x=(0, 1))
    return pn.Problem(domain, equations={"peak": lambda u, x: 1e-6 * u + jnp.exp(-power * (x - 0.8) ** 2)})


def cloud(n=300):
    rng = np.random.default_rng(0)
    edge = np.stack([np.zeros(20), np.linspace(0, 1, 20)], axis=1)
    return pn.PointCloud(rng.uniform(size=(n, 2)), ("x", "y"), {"left": (edge, np.tile([-1.0, 0.0], (20, 1)))})


# -- points ------------------------------------------------------------------------------------------------------------


def test_counts_and_places_of_the_first_points():
    system, _, batches = held(heat(), Points(200, 30))
    assert set(batches) == {"interior", "walls", "start"}
    assert [len(batches[name].points) for name in ("interior", "walls", "start")] == [200, 30, 30]
    assert np.all(batches["start"].points[:, 1] == 0) and np.all(np.abs(batches["walls"].points[:, 0]) == 1)
    assert system.problem.domain.contains(np.asarray(batches["interior"].points)).all()


@pytest.mark.parametrize("options", [{"interior": 0}, {"condition": -1}, {"method": "dice"}])
def test_wrong_points(options):
    with pytest.raises(ValueError, match=next(iter(map(str, options.values())))):
        Points(**options)


def test_a_wall_that_is_one_point_has_one_row():
    domain = pn.Interval(x=(0, 1))
    walls = {"left": pn.On(domain.boundary["left"], lambda u: u), "both": pn.On(domain.boundary, lambda u: u.x)}
    _, _, batches = held(pn.Problem(domain, equations={"e": lambda u: u.xx}, conditions=walls))
    assert [len(batches[name].points) for name in ("left", "both")] == [1, 2]
    assert sorted(np.ravel(batches["both"].normals)) == [-1, 1]


def test_rad_follows_the_residual():
    """The density of new points is |r| / mean |r| + 1: its mean over the peak is the expectation."""
    problem = peak()
    system, model, batches = held(problem, Points(2000))
    new = ResidualAdaptive().redraw(system, model, batches, seed=1)["interior"]
    grid = np.linspace(0, 1, 20_001)
    residual = np.exp(-200 * (grid - 0.8) ** 2)
    density = residual / residual.mean() + 1
    near = np.abs(grid - 0.8) < 0.1
    expected = density[near].sum() / density.sum()
    # Drawing without replacement out of five times as many candidates thins the peak out a little.
    found = np.mean(np.abs(np.asarray(new.points)[:, 0] - 0.8) < 0.1)
    before = np.mean(np.abs(np.asarray(batches["interior"].points)[:, 0] - 0.8) < 0.1)
    assert before == pytest.approx(0.2, abs=0.01) and found == pytest.approx(expected, abs=0.12) and found > 2 * before
    assert len(np.unique(new.points, axis=0)) == 2000


def test_rad_keeps_points_that_represent_the_residual():
    system, model, batches = held(peak(), Points(2000))
    assert ResidualAdaptive(gap=2.0).redraw(system, model, batches, 1)["interior"] is batches["interior"]
    far = np.asarray(batches["interior"].points)
    blind = batches | {"interior": system.batch(system.groups["interior"], far[far[:, 0] < 0.5])}
    new = ResidualAdaptive(gap=2.0).redraw(system, model, blind, 1)["interior"]
    assert new is not blind["interior"] and np.any(new.points[:, 0] > 0.5)


def test_rad_leaves_conditions_alone():
    system, model, batches = held(heat())
    new = ResidualAdaptive().redraw(system, model, batches, 1)
    assert new["walls"] is batches["walls"] and new["start"] is batches["start"]
    assert not np.array_equal(new["interior"].points, batches["interior"].points)


def test_points_are_redrawn_when_due(monkeypatch):
    due = []
    redraw = ResidualAdaptive.redraw

    def watched(self, system, model, batches, seed):
        due.append(seed)
        return redraw(self, system, model, batches, seed)

    monkeypatch.setattr(ResidualAdaptive, "redraw", watched)
    pn.solve(heat(), SMALL, steps=35, seed=2, points=Points(64, 8), resampling=ResidualAdaptive(every=10))
    assert due == [2010, 2020, 2030]
    due.clear()
    pn.solve(heat(), SMALL, steps=45, points=Points(64, 8), resampling=ResidualAdaptive(every=20, early=5))
    assert due == [5, 10, 15, 20, 40]


def test_candidates_are_seen_in_parts_as_large_as_the_batch(monkeypatch):
    """One function is compiled for all, and one part is enough to see that there is no gap."""
    sizes = []

    def watched(system, name, model, batch):
        sizes.append(len(batch.points))
        return squares(system, name, model, batch)

    monkeypatch.setattr(collocation, "squares", watched)
    system, model, batches = held(peak(), Points(200))
    for gap, parts in ((2.0, 1 + 1), (0.0, 5)):
        sizes.clear()
        ResidualAdaptive(gap=gap).redraw(system, model, batches, 1)
        assert sizes == [200] * parts


def test_squares_are_the_squared_residuals():
    system, model, batches = held(heat())
    rows = system.residuals(model, {"interior": batches["interior"]})["heat"]
    assert np.allclose(squares(system, "interior", model, batches["interior"]), np.sum(rows**2, axis=1), rtol=1e-12)


# -- point clouds ------------------------------------------------------------------------------------------------------


def test_a_cloud_has_no_more_points_than_are_given():
    domain = cloud()
    assert available(domain.interior, 4000) == 300 and available(domain.interior, 7) == 7
    assert available(domain.boundary["left"], 400) == 20 and available(pn.Disk().interior, 4000) == 4000
    assert available((domain * pn.Time(t=(0, 1))).interior, 4000) == 4000


def test_a_cloud_is_solved_and_scored_at_its_points():
    domain = cloud()
    problem = pn.Problem(
        domain,
        equations={"flat": lambda u: u.laplacian},
        conditions={"left": pn.On(domain.boundary["left"], lambda u, x, y: u - x * y)},
        reference=lambda x, y: x * y,
    )
    points = scoring_points(problem)
    assert sorted(map(tuple, points)) == sorted(map(tuple, domain.points))
    solution = pn.solve(problem, SMALL, steps=20, resampling=ResidualAdaptive(every=10))
    assert np.isfinite(solution.error()["u"]) and solution.summary["steps"] == 20


def test_a_cloud_in_time_is_scored_at_its_points():
    domain = cloud() * pn.Time(t=(0, 2))
    problem = pn.Problem(domain, equations={"e": lambda u: u.t - u.laplacian}, reference=lambda x, y, t: x * t)
    score = Score.of(problem)
    assert len(score.points) > 1000 and score.points[:, 2].max() > 1.9
    assert len(np.unique(score.points[:, :2], axis=0)) == 300


# -- weights -----------------------------------------------------------------------------------------------------------


def test_fixed_weights_by_name():
    system = held(heat()).system
    found = Fixed({"walls": 7.0}, conditions=50.0).start(system)
    assert {name: float(value) for name, value in found.items()} == {"heat": 1.0, "walls": 7.0, "start": 50.0}
    with pytest.raises(ValueError, match="a weight for 'wals', which is no residual; there are heat"):
        Fixed({"wals": 1.0}).start(system)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="above 0 and finite"):
            Fixed({"walls": wrong})


def test_weights_scale_the_loss_and_not_the_history():
    row = pn.solve(
        heat(), SMALL, weights=Fixed({"walls": 7.0}), steps=1, hard=False, points=Points(50, 10)
    ).history.rows[0]
    assert row["loss"] == pytest.approx(row["heat"] + 7 * row["walls"] + 100 * row["start"], rel=1e-12)


def test_gradient_norms_become_equal():
    system, model, batches = held(heat())
    rule = GradientNorm(memory=0.0)
    weights, same = rule.update(system, model, batches, rule.start(system))
    assert same is batches
    norms = gradient_norms(system, model, batches)
    pulls = np.array([float(weights[name] * norms[name]) for name in system.names])
    assert pulls == pytest.approx(pulls[0], rel=1e-9)
    ones = {name: jnp.ones(()) for name in system.names}
    only = ones | {name: jnp.asarray(1e-30) for name in system.names if name != "walls"}
    whole = jax.tree.leaves(eqx.filter_grad(lambda m: system.loss(m, batches, only))(model))
    assert np.sqrt(sum(np.sum(leaf**2) for leaf in whole)) == pytest.approx(float(norms["walls"]), rel=1e-6)


def test_gradient_norm_weights_remember():
    system, model, batches = held(heat())
    start = GradientNorm().start(system)
    fresh = GradientNorm(memory=0.0).update(system, model, batches, start)[0]
    slow = GradientNorm(memory=0.75).update(system, model, batches, start)[0]
    for name in system.names:
        assert float(slow[name]) == pytest.approx(0.75 + 0.25 * float(fresh[name]), rel=1e-12)


def test_causal_shares_decrease_in_time():
    system, model, batches = held(heat())
    weights, new = Causal(tolerance=5.0, slices=8).update(system, model, batches, Causal().start(system))
    order = np.argsort(new["interior"].points[:, 1])
    shares = np.asarray(new["interior"].shares)[order]
    assert shares[0] == 1.0 and shares[-1] < 0.9 and np.all(np.diff(shares) <= 0)
    assert len(np.unique(shares)) == 8
    assert new["walls"] is batches["walls"] and float(weights["start"]) == 100.0
    # The last slice: exp(-tolerance * the sum of the mean squares of the seven slices before).
    times, rows = np.asarray(batches["interior"].points)[:, 1], system.residuals(model, batches)["heat"][:, 0]
    means = [np.mean(np.asarray(rows)[(times >= k / 8) & (times < (k + 1) / 8)] ** 2) for k in range(7)]
    assert shares[-1] == pytest.approx(np.exp(-5.0 * np.sum(means)), rel=1e-9)


def test_causal_weights_need_time():
    with pytest.raises(ValueError, match="causal weights need a time coordinate"):
        pn.solve(peak(), SMALL, weights=Causal(), steps=1)


@pytest.mark.parametrize(
    "weights",
    [pytest.param(GradientNorm(every=30), marks=pytest.mark.slow), Causal(0.1, every=30)],
    ids=["gradient norm", "causal"],
)
def test_weights_that_change_still_train(weights):
    solution = pn.solve(heat(), SMALL, steps=150, hard=False, points=Points(200, 40), weights=weights)
    assert solution.error()["u"] < 0.7 and np.isfinite(solution.history.column("loss")).all()
