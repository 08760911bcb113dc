"""Scripts that measure single steps, at a few points: that they still run on what they measure."""

import runpy
from pathlib import Path

import jax
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(autouse=True)
def kept():
    """The setting of float64 as it was: scripts are processes of their own otherwise."""
    before = jax.config.jax_enable_x64
    yield
    jax.config.update("jax_enable_x64", before)


def test_a_step_costs_what_one_written_by_hand_does():
    ratio = runpy.run_path(str(SCRIPTS / "step_cost.py"))["compare"](points=300, repeats=3)  # equal losses are checked
    assert 0.05 < ratio < 20


def test_steps_are_timed_where_they_fit():
    growth = runpy.run_path(str(SCRIPTS / "growth.py"))
    jax.config.update("jax_enable_x64", True)
    row = growth["measured"]("lbfgs", 5, 300)
    assert row["seconds"] > 0 and row["left out"] == "" and row["parameters"] == 81
    assert growth["measured"]("lbfgs", 5, 300, largest=1e-9)["left out"] == "memory"
