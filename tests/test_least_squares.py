"""Least squares where they are computed: what an accelerator does, here on a processor, comes to what LAPACK does."""

import jax
import numpy as np
import pytest
from made_up import heat

import pinnact as pn
from pinnact import correction, fitting, least_squares
from pinnact.precision import precision


@pytest.fixture
def accelerated(monkeypatch):
    """Called, it makes second stages take what they take on an accelerator, in three slices and more."""

    def make() -> None:
        for module in (fitting, least_squares):
            monkeypatch.setattr(module, "on_accelerator", lambda: True)
        monkeypatch.setattr(fitting, "WIDE_SLICE", 70)
        monkeypatch.setattr(least_squares, "WIDE_TRIAL", (200, 40))

    return make


def test_matrices_and_steps_of_an_accelerator_are_those_of_a_processor(accelerated):
    rough = pn.solve(heat(), pn.MLP(width=8, depth=1), steps=20, points=pn.Points(interior=200, condition=50))
    found = rough.corrected(features=60, points=300)
    with precision("float64"):
        fit = correction._fitted(rough, 60, 300)[2]
        host = fit.equations(fit.start, fit.batches)
    accelerated()
    with precision("float64"):
        matrix = fit.equations(fit.start, fit.batches)
        assert isinstance(host, np.ndarray) and isinstance(matrix, jax.Array)
        np.testing.assert_allclose(matrix, host, rtol=1e-9, atol=1e-9 * np.max(np.abs(host)))
    assert rough.corrected(features=60, points=300).error()["u"] == pytest.approx(found.error()["u"], rel=0.3)


def test_the_shortest_of_the_least(accelerated):
    """Of columns that depend on each other and differ in size, on both: against NumPy's singular values."""
    draw = np.random.default_rng(0)
    a = draw.normal(size=(300, 20)) @ draw.normal(size=(20, 30)) * 10.0 ** draw.uniform(-6, 6, 30)
    b = draw.normal(size=300)
    size = np.linalg.norm(a, axis=0)
    best = np.linalg.lstsq(a / size, b, rcond=1e-12)[0] / size
    accelerated()
    with precision("float64"):
        given = np.asfortranarray(np.column_stack([a, b]))
        for matrix in (jax.numpy.asarray(given), given):
            x, left = least_squares.least_squares(matrix)
            np.testing.assert_allclose(x * size, best * size, rtol=1e-6, atol=1e-9)
            assert left <= np.linalg.norm(b) and np.linalg.norm(a @ x - b) == pytest.approx(
                np.linalg.norm(a @ best - b), rel=1e-9
            )


def test_larger_ones_are_said_to_take_longer(accelerated):
    for prepare in (lambda: None, accelerated):
        prepare()
        with precision("float64"):
            seconds = least_squares.timed()
        assert 0 < seconds(2000, 400) < seconds(4000, 400) < seconds(4000, 800)
