"""Errors against hand-computed norms, their invariances and their refusals."""

import numpy as np
import pytest

from pinnact.metrics import max_error, relative_h1, relative_l2


def test_known_values() -> None:
    assert relative_l2([4.0, 4.0], [3.0, 4.0]) == pytest.approx(0.2)
    assert max_error([4.0, 4.5], [3.0, 4.0]) == 1.0
    assert relative_h1([4.0], [3.0], [5.0], [4.0]) == pytest.approx(np.sqrt(2.0) / 5.0)


def test_shapes_do_not_matter_but_must_agree() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 6, 5))
    assert relative_l2(a, b) == pytest.approx(np.linalg.norm(a - b, "fro") / np.linalg.norm(b, "fro"))
    assert relative_l2(a, b) == pytest.approx(relative_l2(a.ravel(), b.ravel()))
    for metric in (relative_l2, max_error):
        with pytest.raises(ValueError, match="reshape"):
            metric(np.zeros(3), np.zeros((3, 1)))
        with pytest.raises(ValueError, match="empty"):
            metric([], [])


def test_complex_values_count_by_modulus() -> None:
    reference = np.exp(1j * np.linspace(0.0, 6.0, 40))
    assert relative_l2(reference * np.exp(0.1j), reference) == pytest.approx(2.0 * np.sin(0.05))
    assert max_error(1j * reference, reference) == pytest.approx(np.sqrt(2.0))
    assert relative_h1(1j * reference, reference, -reference, 1j * reference) == pytest.approx(np.sqrt(2.0))


def test_scaling_leaves_relative_errors_alone() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 30))
    assert relative_l2(7.0 * a, 7.0 * b) == pytest.approx(relative_l2(a, b))
    assert relative_h1(7.0 * a, 7.0 * b, 7.0 * b, 7.0 * a) == pytest.approx(relative_h1(a, b, b, a))


def test_a_zero_reference_gives_the_root_mean_square() -> None:
    assert relative_l2([3.0, 4.0], [0.0, 0.0]) == pytest.approx(np.sqrt(12.5))
    assert relative_h1([3.0], [0.0], [4.0], [0.0]) == 5.0
    assert relative_l2(np.full(1000, 0.1), np.zeros(1000)) == pytest.approx(0.1)


def test_single_precision_and_integers_are_compared_in_double() -> None:
    assert relative_l2(np.float32([1.0 + 2.0**-20]), [1]) == pytest.approx(2.0**-20)
    assert max_error(np.array([200], np.uint8), np.array([201], np.uint8)) == 1.0


def test_h1_sees_wiggles_that_l2_misses() -> None:
    x = np.linspace(0.0, 1.0, 2001)
    wiggle = 1e-3 * np.sin(300.0 * x), 0.3 * np.cos(300.0 * x)
    assert relative_l2(x + wiggle[0], x) < 2e-3
    assert relative_h1(x + wiggle[0], x, 1.0 + wiggle[1], np.ones_like(x)) > 0.1
