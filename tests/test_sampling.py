"""Point sets: inside the cube, repeatable, nested, and better than random where they claim to be."""

import numpy as np
import pytest

from pinnact.sampling import METHODS, unit_cube


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 7, 64, 100])
def test_points_lie_strictly_inside_and_repeat(method: str, dimension: int, n: int) -> None:
    points = unit_cube(method, n, dimension, 3)
    assert points.dtype == np.float64 and points.shape[1] == dimension
    assert len(points) >= n if method == "grid" else len(points) == n
    assert np.all((points > 0.0) & (points < 1.0))
    assert np.array_equal(points, unit_cube(method, n, dimension, 3))
    if method != "grid":
        assert not np.array_equal(points, unit_cube(method, n, dimension, 4))


@pytest.mark.parametrize("method", METHODS)
def test_means_are_those_of_the_uniform_law(method: str) -> None:
    points = unit_cube(method, 4096, 3, 0)
    bound = 4.0 / np.sqrt(12.0 * len(points)) if method == "uniform" else 3e-3
    assert np.abs(points.mean(axis=0) - 0.5).max() < bound
    assert np.abs((points**2).mean(axis=0) - 1.0 / 3.0).max() < 2.0 * bound


def test_low_discrepancy_integrates_better_than_chance() -> None:
    def error(method: str) -> float:
        values = [np.mean(np.prod(1.5 * np.sqrt(unit_cube(method, 1024, 2, seed)), axis=1)) - 1.0 for seed in range(8)]
        return float(np.sqrt(np.mean(np.square(values))))

    assert error("sobol") < 0.1 * error("uniform")
    assert error("halton") < 0.3 * error("uniform")


def test_a_longer_sobol_draw_begins_with_the_shorter_one() -> None:
    assert np.array_equal(unit_cube("sobol", 100, 4, 1), unit_cube("sobol", 3000, 4, 1)[:100])


def test_a_latin_hypercube_has_one_point_in_each_layer() -> None:
    layers = np.sort(np.floor(50 * unit_cube("lhs", 50, 3, 0)), axis=0)
    assert np.array_equal(layers, np.repeat(np.arange(50.0)[:, None], 3, axis=1))


def test_a_grid_holds_the_cell_centres() -> None:
    assert np.allclose(unit_cube("grid", 4, 2, 0), [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]])
    assert unit_cube("grid", 1000, 3, 0).shape == (1000, 3)  # 1000^(1/3) is 9.999... in floating point
    assert unit_cube("grid", 1001, 3, 0).shape == (1331, 3)


def test_no_dimension_is_a_single_place() -> None:
    assert all(unit_cube(method, 5, 0, 0).shape == (5, 0) for method in METHODS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sobel", 4, 2, 0), "unknown sampling method 'sobel'"),
        (("sobol", 0, 2, 0), "at least 1"),
        (("sobol", 2.5, 2, 0), "whole number"),
        (("sobol", 4, 2, -1), "negative"),
        (("grid", 10**6, 100, 0), "too large"),
    ],
)
def test_errors(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unit_cube(*arguments)
