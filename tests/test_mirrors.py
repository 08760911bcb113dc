"""Mirror symmetries: found where a problem has them, and where its solution must have them, and nowhere else."""

from math import pi

import jax.numpy as jnp
import numpy as np
import pytest

import pinnact as pn
from pinnact.library import find, load
from pinnact.lifts import for_problem
from pinnact.mirrors import Mirror, mirrors, symmetric
from pinnact.precision import precision
from pinnact.scoring import reference_values

LINE = pn.Interval(x=(0, 2)) * pn.Time(t=(0, 1))
SQUARE = pn.Rectangle(x=(-1, 1), y=(0, 1))
PLACES = np.random.default_rng(0).uniform(size=(20, 2))


def evolution(equation=lambda u: u.t - u.xx, start=lambda x: x * (2 - x), **rest):
    conditions = {"walls": pn.On(LINE.boundary, lambda u: u), "start": pn.On(LINE.initial, lambda u, x: u - start(x))}
    return pn.Problem(LINE, equations={"e": equation}, conditions=conditions, **rest)


def steady(equation, walls=lambda u: u, **rest):
    conditions = {"walls": pn.On(SQUARE.boundary, walls)}
    return pn.Problem(SQUARE, equations={"e": equation}, conditions=conditions, **rest)


def signs(problem, hard=True):
    return {mirror.axis: mirror.signs for mirror in for_problem(problem, hard).mirrors}


NAMES = (
    "advection",
    "burgers",
    "heat",
    "helmholtz",
    "klein_gordon",
    "kuramoto_sivashinsky",
    "poisson",
    "pulse",
    "wave",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_mirror_is_found_where_the_known_solution_has_one(name):
    problem = load(find(f"pde/{name}"))()
    low, high = np.array(list(problem.domain.bounds.values())).T
    with precision("float64"):
        found = signs(problem)
        points = low + (high - low) * PLACES
        for axis in range(len(problem.domain.space)):
            images = points.copy()
            images[:, axis] = low[axis] + high[axis] - images[:, axis]
            here, there = (reference_values(problem, each)["u"] for each in (points, images))
            sizes = {s: np.max(np.abs(here - s * there)) / np.max(np.abs(here)) for s in (1.0, -1.0)}
            expected = {s for s, size in sizes.items() if size < 1e-6}
            # The networks' sign is the solution's, since each factor here is even.
            assert {s for k, of_outputs in found.items() for s in of_outputs if k == axis} == expected


def test_the_signs_of_several_unknowns():
    domain = pn.Interval(x=(-1, 1), periodic=True) * pn.Time(t=(0, 1))
    equations = {"u": lambda u, v: u.t - u.xx - v.x * u, "v": lambda u, v: v.t - v.xx - u.x}
    conditions = {
        "start_u": pn.On(domain.initial, lambda u, x: u - jnp.cos(pi * x)),
        "start_v": pn.On(domain.initial, lambda v, x: v - jnp.sin(pi * x)),
    }
    problem = pn.Problem(domain, unknowns=("u", "v"), equations=equations, conditions=conditions)
    assert signs(problem) == {0: (1.0, -1.0)}
    assert for_problem(problem).notes[-1] == "symmetry: u even, v odd about x=0"


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (evolution(), {0: (1.0,)}),
        (evolution(start=lambda x: jnp.sin(pi * x)), {0: (-1.0,)}),
        (evolution(start=lambda x: jnp.sin(pi * x / 2) + 1e-6 * jnp.sin(pi * x)), {}),  # data have none
        (evolution(start=lambda x: jnp.exp(-(((x - 0.5) / 0.02) ** 2))), {}),  # few points see it
        (evolution(lambda u, x: u.t - (1 + jnp.exp(-(((x - 0.5) / 0.01) ** 2))) * u.xx), {}),
        (evolution(lambda u: u.t - u.xx - u.x), {}),  # the equation has none
        (evolution(lambda u, x: u.t - x * (2 - x) * u.xx), {0: (1.0,)}),
        (evolution(lambda u, x: u.t - (1 + x) * u.xx), {}),
        (evolution(lambda u: u.t + u * u.x - u.xx), {}),  # odd fields have it, these data are even
        (evolution(lambda u, a: u.t - a * u.xx, coefficients={"a": lambda x: 1 + (x - 1) ** 2}), {0: (1.0,)}),
        (evolution(lambda u, a: u.t - a * u.xx, coefficients={"a": lambda x: 1 + x}), {}),
        (steady(lambda u: u.laplacian + 1), {0: (1.0,), 1: (1.0,)}),
        (steady(lambda u, x: u.laplacian + jnp.sin(x)), {0: (-1.0,), 1: (1.0,)}),
        (steady(lambda u: u.laplacian + 1, lambda u, x, y: u - x * (2 * y - 1)), {}),
        (steady(lambda u: u.laplacian, lambda u, x, y: u - x * (2 * y - 1)), {0: (-1.0,), 1: (-1.0,)}),
        (steady(lambda u: u.laplacian, lambda u, x: u - 1e-12 * (1 + x)), {1: (1.0,)}),  # small is not zero
        (steady(lambda u: u.laplacian + jnp.exp(u)), {}),  # Bratu: two solutions, and more where one bifurcates
    ],
)  # fmt: skip
def test_only_what_data_and_equation_and_coefficients_share(problem, expected):
    assert signs(problem) == expected


def test_none_where_no_start_picks_one_of_several_solutions():
    walls = {"walls": pn.On(LINE.boundary, lambda u: u)}
    assert signs(pn.Problem(LINE, equations={"e": lambda u: u.t - u.xx - jnp.exp(u)}, conditions=walls)) == {}


def test_none_where_conditions_are_penalties_or_data_say_more():
    assert signs(evolution(), hard=False) == {}
    assert signs(evolution(ansatz={"u": lambda u, x, t: t * x * (2 - x) * u})) == {}
    assert signs(evolution(lambda u, a: u.t - a * u.xx, coefficients={"a": 1.0}).infer(a=0.5)) == {}
    flux = {"flux": pn.On(SQUARE.boundary, lambda u, normal: u.grad @ normal - 1)}
    assert signs(pn.Problem(SQUARE, equations={"e": lambda u: u.laplacian}, conditions=flux)) == {}
    disk = pn.Disk(radius=1.0)
    walls = {"walls": pn.On(disk.boundary, lambda u: u)}
    assert mirrors(*both(pn.Problem(disk, equations={"e": lambda u: u.laplacian + 1}, conditions=walls))) == ((), ())


def both(problem):
    return problem, for_problem(problem)


def test_the_mean_has_the_symmetry_and_keeps_what_has_it():
    wild = lambda p: jnp.sin(jnp.array([[1.3, 0.4], [0.7, -2.0]]) @ p + 1)
    pair = Mirror(0, 0.6, (1.0, -1.0)), Mirror(1, 2.0, (-1.0, -1.0))
    f = symmetric(wild, pair)
    for p in PLACES:
        here = f(jnp.asarray(p))
        for mirror in pair:
            image = p.copy()
            image[mirror.axis] = mirror.about - p[mirror.axis]
            np.testing.assert_allclose(f(jnp.asarray(image)), np.array(mirror.signs) * here, atol=1e-14)
        np.testing.assert_allclose(symmetric(f, pair)(jnp.asarray(p)), here, atol=1e-14)


def test_a_trained_field_has_it_with_half_of_the_points(tmp_path):
    problem = evolution(start=lambda x: jnp.sin(pi * x))
    solution = pn.solve(problem, pn.MLP(width=8, depth=1), steps=3)
    (group,) = solution.system.groups.values()
    with precision("float64"):
        assert len(pn.Points().draw(solution.system, 0)[group.name].points) == 1000
        assert len(pn.Points(interior=300).draw(solution.system, 0)[group.name].points) == 300
    points = np.array([2.0, 1.0]) * PLACES
    images = np.array([2.0, 0.0]) + np.array([-1.0, 1.0]) * points
    here, there = (solution.evaluator.values(each)["u"] for each in (points, images))
    np.testing.assert_allclose(here, -there, atol=1e-14)
    solution.save(tmp_path / "a.eqx")
    np.testing.assert_array_equal(pn.load(tmp_path / "a.eqx", problem).evaluator.values(points)["u"], here)
