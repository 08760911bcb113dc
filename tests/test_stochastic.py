"""Training on random directions: the loss is right on average, runs repeat, and what can't work is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.lifts import plain
from pinnact.model import build_model
from pinnact.system import System
from pinnact.weights import Fixed

D, K = 8, 3
BOX = pn.Box(**{f"x{i}": (0, 1) for i in range(D)})
NETWORK = pn.MLP(width=6, depth=1)


def poisson(domain, scale):
    """u = |x|^2 / scale."""
    d = domain.dimension
    return pn.Problem(
        domain,
        equations={"poisson": lambda u, point: u.laplacian - 2 * d / scale + 0 * point[0]},
        conditions={"walls": pn.On(domain.boundary, lambda u, point: u - point @ point / scale)},
        reference=lambda point: point @ point / scale,
    )


PROBLEM = poisson(BOX, 2.0)


@pytest.fixture(scope="module")
def setting():
    """A system with random directions; its model, batches and weights."""
    system = System(PROBLEM, plain(PROBLEM), directions=K)
    model = build_model(PROBLEM, NETWORK, jax.random.key(1))
    model = jax.tree.map(lambda a: 2.5 * a if eqx.is_inexact_array(a) else a, model)  # bent enough for a spread
    return system, model, pn.Points(interior=13, condition=20).draw(system, 0), Fixed().start(system)


def test_loss_and_gradient_are_unbiased(setting):
    """Means over many keys lie within four standard errors of the exact ones."""
    system, model, batches, weights = setting
    arrays, static = eqx.partition(model, eqx.is_inexact_array)
    both = jax.value_and_grad(lambda a, key=None: system.loss(eqx.combine(a, static), batches, weights, key))
    exact = jax.jit(both)(arrays)
    found = jax.jit(jax.vmap(both, in_axes=(None, 0)))(arrays, jax.random.split(jax.random.key(0), 4000))
    for one, mean in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
        spread = jnp.std(one, axis=0) / jnp.sqrt(len(one))
        assert jnp.all(jnp.abs(jnp.mean(one, axis=0) - mean) <= 4 * spread + 1e-12), (jnp.mean(one, axis=0), mean)
    value, spread = found[0], jnp.std(found[0])
    assert spread > 1e-3 * exact[0], "the estimates differ"
    assert abs(jnp.mean(value) - exact[0]) < 0.2 * spread


@pytest.mark.slow
def test_the_square_of_one_estimate_is_not(setting):
    """Why there are two: E[r^2] = (E r)^2 + var r."""
    system, model, batches, weights = setting
    once = lambda key: jnp.sum(system.weighted(model, system._drawn(batches, key), weights)["poisson"] ** 2)
    squares = jax.jit(jax.vmap(once))(jax.random.split(jax.random.key(0), 2000))
    exact = jnp.sum(system.weighted(model, batches, weights)["poisson"] ** 2)
    assert jnp.mean(squares) - exact > 10 * jnp.std(squares) / jnp.sqrt(len(squares))


def test_points_see_all_axes_equally_often(setting):
    """Each point K different axes, all 13 points (39 places) each of 8 axes four or five times."""
    system, _, batches, _ = setting
    drawn = jax.jit(lambda key: system._drawn(batches, key))(jax.random.key(5))
    picked = np.asarray(drawn["interior"].picked)
    assert picked.shape == (13, K) and all(len(set(row)) == K for row in picked)
    assert set(np.bincount(picked.ravel(), minlength=D)) <= {4, 5}
    assert drawn["walls"].picked is None


def test_all_directions_are_the_exact_loss(setting):
    system, model, batches, weights = setting
    every = System(PROBLEM, plain(PROBLEM), directions=D)
    np.testing.assert_allclose(
        every.loss(model, batches, weights, jax.random.key(3)), system.loss(model, batches, weights), rtol=1e-12
    )


@pytest.mark.slow
def test_a_run_repeats_and_goes_on_with_the_same_bits(tmp_path):
    options = {"engine": pn.Stochastic(K), "points": pn.Points(interior=32, condition=32), "seed": 3}
    once = pn.solve(PROBLEM, NETWORK, steps=30, **options)
    pn.solve(PROBLEM, NETWORK, steps=17, checkpoint=tmp_path, **options)
    again = pn.solve(PROBLEM, NETWORK, steps=30, checkpoint=tmp_path, **options)
    assert once.summary["loss"] == again.summary["loss"] and again.summary["resumed"] == [17]
    assert once.summary["optimiser"] == "adam"
    exact = pn.solve(PROBLEM, NETWORK, steps=30, **options | {"engine": "auto", "optimiser": "adam"})
    assert exact.summary["loss"] != once.summary["loss"]
    with pytest.raises(ValueError, match="engine was stochastic:3 and is auto"):
        pn.solve(PROBLEM, NETWORK, steps=40, checkpoint=tmp_path, **options | {"engine": "auto"})


@pytest.mark.slow
def test_seeds_together_draw_their_own():
    options = {"engine": f"stochastic:{K}", "points": pn.Points(interior=16, condition=16), "steps": 8}
    together = pn.solve_seeds(PROBLEM, NETWORK, seeds=2, **options)
    alone = pn.solve(PROBLEM, NETWORK, seed=1, **options)
    np.testing.assert_allclose(together[1].summary["loss"], alone.summary["loss"], rtol=1e-9)


@pytest.mark.slow
def test_a_hundred_dimensions_are_learned():
    """|x|^2 / 33.47 on the unit cube, from 16 of 100 directions and from all: both losses fall a hundredfold."""
    domain = pn.Box(**{f"x{i}": (0, 1) for i in range(100)})
    for engine in (pn.Stochastic(16), "auto"):
        solution = pn.solve(
            poisson(domain, 33.47),
            pn.MLP(width=32, depth=1),
            optimiser=pn.adam(1e-2, decay_steps=400),
            points=pn.Points(interior=200, condition=1000),
            steps=400,
            engine=engine,
        )
        losses = solution.history.column("loss")
        assert losses[-1] < losses[0] / 100
        assert solution.error()["u"] < 0.4


LINE = pn.Box(x=(0, 1), y=(0, 1))


@pytest.mark.parametrize(
    ("problem", "options", "message"),
    [
        (PROBLEM, {"engine": pn.Stochastic(9)}, r"stochastic:9: the laplacian has 8 directions; give 8 at most"),
        (poisson(LINE, 2.0), {"engine": pn.Stochastic(1)}, r"no equation takes a laplacian along more than 4 axes"),
        (PROBLEM, {"optimiser": "ssbroyden"}, r"stochastic:3 draws another loss.*ssbroyden needs.*optimiser='adam'"),
        (PROBLEM, {"optimiser": "adam+lbfgs"}, r"lbfgs needs the same one"),
        (PROBLEM, {"tolerance": 1e-3}, r"random estimate; leave out tolerance and patience"),
        (PROBLEM, {"patience": 10}, r"random estimate"),
        (PROBLEM, {"engine": "stochastic"}, r"give the number of directions, as in stochastic:16"),
        (PROBLEM, {"engine": "stochastic:0"}, r"Stochastic\(0\): give a whole number of directions, 1 or more"),
    ],
)
def test_what_can_not_work_is_refused(problem, options, message):
    with pytest.raises(ValueError, match=message):
        pn.solve(problem, NETWORK, **{"steps": 1, "engine": pn.Stochastic(K)} | options)
