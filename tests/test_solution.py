"""Solutions evaluate to what their model says, in float64 from any thread, and score themselves."""

import json
from concurrent.futures import ThreadPoolExecutor
from math import pi

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import disk, heat, swirl
from untrained import SMALL, untrained

import pinnact as pn
from pinnact.solution import SUMMARY, load


@pytest.fixture(scope="module")
def solution() -> pn.Solution:
    return untrained(heat())


@pytest.fixture(scope="module")
def trained() -> pn.Solution:
    return pn.solve(heat(), SMALL, steps=20, points=pn.Points(interior=100))


def direct(solution: pn.Solution, points: np.ndarray) -> dict[str, np.ndarray]:
    functions = solution.system.functions(solution.model)
    return {name: np.asarray(jax.vmap(functions[name])(jnp.asarray(points))) for name in solution.problem.fields}


# -- evaluation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 65, 5000])
def test_values_are_those_of_the_model_for_any_number_of_points(solution, n):
    points = np.random.default_rng(n).uniform([-1, 0], [1, 1], (n, 2))
    values = solution(points)
    assert values.shape == (n,) and values.dtype == np.float64
    if n:
        np.testing.assert_allclose(values, direct(solution, points)["u"], rtol=0, atol=1e-14)


def test_coordinates_by_name_broadcast(solution):
    x, t = np.linspace(-1, 1, 7), np.linspace(0, 1, 5)
    grid = solution(x=x[:, None], t=t)
    assert grid.shape == (7, 5)
    points = np.stack(np.meshgrid(x, t, indexing="ij"), axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(grid.ravel(), solution(points))
    assert solution(x=0.3, t=0.5).shape == ()


def test_several_unknowns_come_by_name():
    found = untrained(swirl())
    points = swirl().domain.sample(50)
    values, expected = found(points), direct(found, points)
    assert values["v"].shape == (50, 2) and values["h"].dtype == np.complex128
    for name in values:
        np.testing.assert_allclose(values[name], expected[name], atol=1e-14)
    assert found(x=np.zeros((3, 1)), y=np.zeros(4))["v"].shape == (3, 4, 2)
    assert found.derivative("x", points, unknown="h").dtype == np.complex128
    assert set(found.derivative("x", points)) == {"v", "h"}
    assert found.residuals(points)["div"].shape == (50,) and found.residuals(points)["wave"].shape == (50, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s(x=0.0), "'t' is missing"),
        (lambda s: s(x=0.0, t=0.0, y=1.0), "'y' is no coordinate"),
        (lambda s: s(np.zeros((3, 3))), "give \\(n, 2\\)"),
        (lambda s: s(np.zeros(2)), "give \\(n, 2\\)"),
        (lambda s: s(np.zeros((3, 2)), x=0.0), "both given"),
        (lambda s: s(x=np.zeros(3), t=np.zeros(4)), "don't broadcast"),
        (lambda s: s(x="left", t=0.0), "real numbers"),
        (lambda s: s(x=1j, t=0.0), "complex"),
        (lambda s: s.derivative("xz", x=0.0, t=0.0), "name coordinates"),
        (lambda s: s.derivative(("x", "z"), x=0.0, t=0.0), "name coordinates"),
        (lambda s: s.derivative("x", x=0.0, t=0.0, unknown="v"), "'v' is no unknown"),
        (lambda s: s.plot("v"), "'v' is no unknown"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(solution, call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(solution)
    assert "\n" not in str(error.value)


def test_derivatives_are_finite_differences(solution):
    x, t, h = np.linspace(-0.9, 0.9, 11), 0.4, 1e-4
    value = lambda x, t: solution(x=x, t=t)
    slope = (value(x + h, t) - value(x - h, t)) / (2 * h)
    curvature = (value(x + h, t) - 2 * value(x, t) + value(x - h, t)) / h**2
    np.testing.assert_allclose(solution.derivative("x", x=x, t=t), slope, atol=1e-6)
    np.testing.assert_allclose(solution.derivative("xx", x=x, t=t), curvature, atol=1e-5)
    np.testing.assert_array_equal(
        solution.derivative("xt", x=x, t=t), solution.derivative(("t", "x"), np.stack([x, 0 * x + t], axis=-1))
    )
    residual = solution.derivative("t", x=x, t=t) - 0.2 * solution.derivative("xx", x=x, t=t)
    np.testing.assert_allclose(solution.residuals(x=x, t=t)["heat"], residual, atol=1e-12)


def test_float64_comes_out_of_float32():
    found = untrained(heat(), dtype="float32")
    x, h = np.linspace(-0.9, 0.9, 11), 1e-5
    with jax.enable_x64(False):
        values = found(x=x, t=0.3)
        slope = (found(x=x + h, t=0.3) - found(x=x - h, t=0.3)) / (2 * h)
        derivative = found.derivative("x", x=x, t=0.3)
    assert found.model.networks[0].layers[0].weight.dtype == np.float32
    assert values.dtype == derivative.dtype == np.float64
    np.testing.assert_allclose(derivative, slope, atol=1e-8)  # differences over 1e-5 are noise of 1e-2 in float32


def test_threads_get_the_same_values(solution):
    arrays = [np.random.default_rng(i).uniform(0, 1, (i + 1, 2)) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(solution, arrays))
    for array, values in zip(arrays, together, strict=True):
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, solution(array))


# -- scores, summary, coefficients --------------------------------------------------------------------------


def test_errors_against_the_reference(trained):
    points = trained.score.points
    exact = np.exp(-0.2 * pi**2 * points[:, 1]) * np.sin(pi * points[:, 0])
    difference = trained(points) - exact
    assert trained.error()["u"] == pytest.approx(np.linalg.norm(difference) / np.linalg.norm(exact))
    assert trained.max_error()["u"] == pytest.approx(np.abs(difference).max())
    assert trained.history.column("error")[-1] == pytest.approx(trained.error()["u"], rel=1e-6)
    assert trained.lift_error["u"] > trained.error()["u"]


def test_summary_holds_the_contract_in_order(trained):
    assert tuple(trained.summary) == SUMMARY
    assert trained.summary["relative_l2"] == trained.error() and trained.summary["built_in"] == ["walls", "start"]
    assert trained.summary["parameters"] == trained.model.parameters and trained.summary["steps"] == 20
    assert {"pinnact", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "matplotlib", "python"} == set(
        trained.summary["versions"]
    )
    json.dumps(trained.summary, allow_nan=False)


def test_without_a_reference_there_are_no_errors():
    found = untrained(disk())
    assert found.error() == {} and found.max_error() == {}
    assert found.summary["relative_l2"] is None and found.summary["max_error"] is None


def test_what_is_not_finite_becomes_null(solution):
    broken = eqx.tree_at(lambda m: m.networks[0].layers[0].bias, solution.model, jnp.full(8, jnp.nan))
    found = pn.Solution(solution.system, broken, solution.history, None, {"loss": float("nan")}, SMALL)
    assert found.summary["relative_l2"] == {"u": None} and found.summary["loss"] is None
    found.plot()


def test_inferred_coefficients_are_numbers_and_functions():
    guesses = {"a": 0.3, "b": pn.Positive(2.0), "c": pn.Bounded(0.5, 0.0, 1.0), "k": pn.PositiveField(SMALL)}
    domain = pn.Interval(x=(0, 1))
    problem = pn.Problem(
        domain,
        coefficients=dict.fromkeys(guesses, 1.0),
        equations={"flux": lambda u, a, b, c, k: a * u.xx + b * k * u.x + c + k.x},
    ).infer(**guesses)
    found = untrained(problem)
    numbers = {name: found.unknowns[name] for name in "abc"}
    assert all(type(value) is float for value in numbers.values())
    assert numbers == pytest.approx({"a": 0.3, "b": 2.0, "c": 0.5})
    field = found.unknowns["k"]
    x = np.linspace(0, 1, 9)
    expected = jax.vmap(found.model.coefficients["k"])(jnp.asarray(x)[:, None])
    np.testing.assert_allclose(field(x=x), expected, rtol=1e-12)
    assert repr(field).startswith("k(x): a network of") and found.summary["unknowns"]["k"] == repr(field)
    assert found.summary["unknowns"]["b"] == pytest.approx(2.0)


def test_solve_hands_its_recipe_to_the_file(trained, tmp_path):
    trained.save(tmp_path / "solution.eqx")
    points = trained.score.points[::100]
    np.testing.assert_array_equal(load(tmp_path, heat())(points), trained(points))
